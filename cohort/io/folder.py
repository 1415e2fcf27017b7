"""Studies of a folder, of a flat folder of images or of a manifest, and every file left out with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from cohort.covariates import Covariates
from cohort.io.dicom.read import Header, read_header
from cohort.io.image_files import HeaderRecord, ImageFile, described_files
from cohort.io.radiograph import PLAIN_SUFFIXES
from cohort.io.safe_names import part_of_study, safe_name
from cohort.io.tables.join import CohortTables, read_cohort_tables
from cohort.io.tables.reader import lines_of, read_table
from cohort.io.tables.rows import cohort_row
from cohort.io.tables.words import known, named_patient
from cohort.io.walk import Skipped, files_below
from cohort.spine import View
from cohort.study import Study
from osteolens.errors import ConfigError, ReadError
from osteolens.progress import Progress, silent

T = TypeVar("T")

MAX_IMAGES = 12
"""Images of one study that are read; a lumbar examination has fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortIndex:
    """Studies in a stable order, and what was left out.

    Attributes:
        studies: in the order of their keys.
        skipped: files that are part of no study, and why.
        root: folder that all of it lies in.
        address: of a store that the folder was fetched from, without credentials; None for a local folder.
        headers: record of what was read, for the next run.
    """

    studies: tuple[Study, ...]
    skipped: tuple[Skipped, ...]
    root: Path | None = None
    address: str | None = None
    headers: HeaderRecord | None = field(default=None, compare=False, repr=False)


def site_names(sites: str) -> set[str]:
    """Names of sites that a command was given, separated by commas."""
    return {name.strip() for name in sites.split(",")}


def only_sites(index: CohortIndex, sites: str) -> CohortIndex:
    """The studies of some sites, separated by commas.

    Raises:
        ConfigError: no study is of one of these sites.
    """
    names = site_names(sites)
    present = {study.site for study in index.studies}
    if absent := sorted(names - present):
        found = ", ".join(sorted(map(str, present)))
        raise ConfigError(f"--site {sites}: no study is of this site; found {found}; not {', '.join(absent)}")
    studies = tuple(study for study in index.studies if study.site in names)
    return replace(index, studies=studies)


def index_cohort(
    source: Path | str,
    exclude: Path | None = None,
    with_tables: bool = True,
    progress: Progress = silent,
    headers: HeaderRecord | None = None,
) -> CohortIndex:
    """Studies of a folder, of one image file, or of a manifest CSV; only headers are read.

    DICOM files group by StudyInstanceUID and PatientID; plain images by folder and name without the words for a view
    (`p7_AP.png`, `p7_SIDE.png`). `cohort.csv` and `dxa.csv` in the folder (or the tables that
    columns.yaml names) are joined by the rules of `CohortTables`;
    `patient_id` of cohort.csv rules over headers and names. A file that claims to be an image but
    cannot be read becomes a study of one file, so that its failure gets a row. Folders of results are left out.

    Args:
        source: folder, image or manifest.
        exclude: a folder inside it to ignore, such as the run's own output.
        with_tables: whether the tables of a folder are joined.
        progress: told after files of a folder.
        headers: of an earlier run; the files that it knows are not read.

    Raises:
        ReadError: the source does not exist, or its table cannot be read.
    """
    source = Path(source)
    if source.is_file() and source.suffix.lower() == ".csv":
        return _index_manifest(source, headers)
    skipped: list[Skipped] = []
    if source.is_file():
        files, root, tables = [source], source.parent, CohortTables()
    elif source.is_dir():
        root = source
        files, skipped = files_below(source, exclude)
        tables = read_cohort_tables(source) if with_tables else CohortTables()
    else:
        raise ReadError(f"{source}: no such file or folder; expected a folder of radiographs, an image or a CSV")
    images = []
    for described in described_files(files, root, progress, headers):
        if isinstance(described, Skipped):
            skipped.append(described)
        else:
            images.append(described)
    studies = [_study(key, group, split) for key, group, split in _grouped(images)]
    joined = (tables.joined(study, key) for key, study in sorted(studies, key=lambda pair: pair[0]))
    return CohortIndex(studies=tuple(joined), skipped=tuple(skipped), root=root, headers=headers)


def _grouped(images: Sequence[ImageFile]) -> list[tuple[str, list[ImageFile], bool]]:
    """Images by study: (key, images, whether its StudyInstanceUID stands for other patients too).

    A study is of one patient, so a StudyInstanceUID of several patients is split by PatientID; an image without one
    joins the only patient there is.
    """
    by_key: dict[str, list[ImageFile]] = {}
    for image in images:
        by_key.setdefault(image.key, []).append(image)
    groups = []
    for key, group in by_key.items():
        patients = sorted({image.patient_id for image in group if image.patient_id})
        if len(patients) < 2:
            groups.append((key, group, False))
            continue
        for patient in ("", *patients):
            part = [image for image in group if image.patient_id == patient]
            if part:
                groups.append((part_of_study(key, patient), part, True))
    return groups


def _study(key: str, images: Sequence[ImageFile], split: bool) -> tuple[str, Study]:
    """One study of its images: the first of each view, raw ones last, and what more there is."""
    patient_id = next((image.patient_id for image in images if image.patient_id), key)
    notes = []
    if split:
        notes.append("its StudyInstanceUID stands for several values of PatientID; it was split by them")
    for name in ("age_years", "sex"):
        values = {value for image in images if (value := getattr(image.header.covariates, name)) is not None}
        if len(values) > 1:
            notes.append(f"the headers of its images differ in {name} ({', '.join(sorted(map(str, values)))})")
    study = Study(
        study_uid=safe_name(key),
        patient_id=patient_id,
        study_date=_first(image.header.study_date for image in images),
        system=_first(image.header.system for image in images),
    )
    for image in sorted(images, key=lambda item: item.header.raw):
        taken = study.ap if image.view is View.AP else study.lateral if image.view is View.LATERAL else None
        study = replace(study, covariates=image.header.covariates.overridden_by(study.covariates))
        if len(study.images) >= MAX_IMAGES:
            reason = f"the study has more than {MAX_IMAGES} images; the first are read"
            study = replace(study, set_aside=(*study.set_aside, (image.view, image.path, reason)))
        elif taken is not None and image.view is not None:
            study = replace(study, further=(*study.further, (image.view, image.path)))
        else:
            study = _with_image(study, image.view, image.path)
    return key, replace(study, notes=tuple(notes))


def _with_image(study: Study, view: View | None, path: Path) -> Study:
    if view is View.AP:
        return replace(study, ap=path)
    if view is View.LATERAL:
        return replace(study, lateral=path)
    return replace(study, images_of_unknown_view=(*study.images_of_unknown_view, path))


def _index_manifest(path: Path, known_headers: HeaderRecord | None) -> CohortIndex:
    """A CSV with the columns `ap` and/or `lateral` (paths relative to it) beside those of cohort.csv.

    cohort.csv and dxa.csv in the same folder are joined as they are to a folder of images.
    """
    table = read_table(path)
    if "ap" not in table and "lateral" not in table:
        raise ReadError(
            f"{path.name}: found columns {', '.join(map(str, table))}; a manifest needs `ap`, `lateral` or both"
        )
    tables = _tables_beside(path)
    studies: dict[str, Study] = {}
    skipped: list[Skipped] = []
    for number, cells in lines_of(table):
        row = cohort_row(cells, f"{path.name} line {number}")
        images = {view: known(cells.get(view.value.lower(), "")) for view in View}
        key = known(cells.get("study_uid", "")) or known(cells.get("patient_id", "")) or f"line-{number}"
        if key in studies or not any(images.values()):
            reason = "second line of this study" if key in studies else "no image named"
            skipped.append(Skipped(path, f"line {number}: {reason}"))
            continue
        ap, lateral = (path.parent / images[v] if images[v] else None for v in (View.AP, View.LATERAL))
        named = [image for image in (ap, lateral) if image is not None]
        headers = [header for image in named if (header := _header_of(image, known_headers)) is not None]
        covariates = Covariates()
        for header in headers:
            covariates = header.covariates.overridden_by(covariates)
        study = Study(
            study_uid=safe_name(key),
            patient_id=row.patient_id or _first(named_patient(header.patient_id) for header in headers) or key,
            ap=ap,
            lateral=lateral,
            covariates=covariates.overridden_by(row.covariates),
            dxa=row.dxa,
            site=row.site,
            study_date=row.study_date or _first(header.study_date for header in headers),
            findings=row.findings,
            split=row.split,
            plain_spacing_mm=row.pixel_spacing_mm,
            system=row.machine or _first(header.system for header in headers),
        )
        studies[key] = tables.joined(study, key)
    in_order = tuple(studies[key] for key in sorted(studies))
    return CohortIndex(studies=in_order, skipped=tuple(skipped), root=path.parent, headers=known_headers)


def _tables_beside(manifest: Path) -> CohortTables:
    """cohort.csv and dxa.csv in the folder of a manifest, which may itself be that cohort.csv."""
    return read_cohort_tables(manifest.parent, with_cohort=manifest.name != "cohort.csv")


def _header_of(image: Path, headers: HeaderRecord | None) -> Header | None:
    """The header of a DICOM file, None of any other and of one that cannot be read."""
    if image.suffix.lower() in PLAIN_SUFFIXES:
        return None
    known_header = None if headers is None else headers.get(image)
    if known_header is not None or not image.is_file():
        return known_header
    try:
        header = read_header(image)
    except ReadError:
        return None
    if headers is not None:
        headers.add(image, header)
    return header


def _first(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value is not None), None)
