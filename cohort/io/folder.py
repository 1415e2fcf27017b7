"""Studies of a folder, of a flat folder of images or of a manifest, and every file left out with its reason."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cohort.bmd import DxaResult
from cohort.covariates import Covariates
from cohort.io.dicom.read import DICOM_SUFFIXES, NO_HEADER, Header, read_header
from cohort.io.radiograph import PLAIN_SUFFIXES, format_of, unknown_format
from cohort.io.tables.cohort_tables import (
    CohortRow,
    cohort_row,
    nearest_scan,
    read_cohort_csv,
    read_dxa_csv,
    read_table,
)
from cohort.io.tables.reader import lines_of
from cohort.io.tables.words import known
from cohort.io.view_names import study_key, view_from_path
from cohort.io.walk import Skipped, files_below
from cohort.spine import View
from cohort.study import Study
from osteolens.errors import ConfigError, ReadError

_ASIDE = (".csv", ".json", ".txt", ".md", ".yaml", ".yml", ".xml", ".html", ".pdf", ".partial", ".onnx", ".safetensors")

MAX_IMAGES = 12
"""Images of one study that are read; a lumbar examination has fewer."""


@dataclass(frozen=True, slots=True)
class CohortIndex:
    """Studies in a stable order, what was left out, and the folder that all of it lies in."""

    studies: tuple[Study, ...]
    skipped: tuple[Skipped, ...]
    root: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Image:
    """One image file before it belongs to a study."""

    path: Path
    key: str
    patient_id: str
    view: View | None
    header: Header


def site_names(sites: str) -> set[str]:
    """Names of sites that a command was given, separated by commas."""
    return {name.strip() for name in sites.split(",")}


def only_sites(index: CohortIndex, sites: str) -> CohortIndex:
    """The studies of some sites, separated by commas.

    Raises:
        ConfigError: no study is of these sites.
    """
    names = site_names(sites)
    studies = tuple(study for study in index.studies if study.site in names)
    if not studies:
        present = sorted({str(study.site) for study in index.studies})
        raise ConfigError(f"--site {sites}: no study is of this site; found {', '.join(present)}")
    return replace(index, studies=studies)


def index_cohort(source: Path | str, exclude: Path | None = None) -> CohortIndex:
    """Studies of a folder, of one image file, or of a manifest CSV; only headers are read.

    DICOM files group by StudyInstanceUID and PatientID; plain images by folder and name without the words for a view
    (`p7_AP.png`, `p7_SIDE.png`). `cohort.csv` in the folder overrides header covariates and identifiers and brings DXA;
    `dxa.csv` holds scans by patient, of which the nearest to the study counts. A file that claims to be an image but
    cannot be read becomes a study of one file, so that its failure gets a row. Folders of results are left out.

    Args:
        source: folder, image or manifest.
        exclude: a folder inside it to ignore, such as the run's own output.

    Raises:
        ReadError: the source does not exist, or its table cannot be read.
    """
    source = Path(source)
    if source.is_file() and source.suffix.lower() == ".csv":
        return _index_manifest(source)
    skipped: list[Skipped] = []
    if source.is_file():
        files, root, table, scans = [source], source.parent, {}, {}
    elif source.is_dir():
        root = source
        files, skipped = files_below(source, exclude)
        table = read_cohort_csv(source / "cohort.csv") if (source / "cohort.csv").is_file() else {}
        scans = read_dxa_csv(source / "dxa.csv") if (source / "dxa.csv").is_file() else {}
    else:
        raise ReadError(f"{source}: no such file or folder; expected a folder of radiographs, an image or a CSV")
    images = []
    for path in files:
        described = _described(path, path.relative_to(root), root.resolve().name or "study")
        if isinstance(described, Skipped):
            skipped.append(described)
        else:
            images.append(described)
    studies = [_study(key, group, split) for key, group, split in _grouped(images)]
    with_tables = (_with_table(study, key, table) for key, study in sorted(studies, key=lambda pair: pair[0]))
    return CohortIndex(tuple(_with_scan(study, scans) for study in with_tables), tuple(skipped), root)


def safe_name(text: str) -> str:
    """An identifier that is safe as a file name: DICOM UIDs pass; anything else is cleaned and given a hash."""
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("._")[:80]
    if cleaned == text and cleaned:
        return cleaned
    return f"{cleaned or 'study'}-{_digest(text)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]


def _described(path: Path, relative: Path, root_name: str) -> _Image | Skipped:
    """Study key, patient, view and header of one file, or why it is no image."""
    suffix = path.suffix.lower()
    if suffix in _ASIDE or path.name.upper() == "DICOMDIR":
        return Skipped(path, "no image file")
    path_key = study_key(relative, root_name)
    try:
        kind = format_of(path)
    except OSError as error:
        return Skipped(path, f"cannot be opened ({error.strerror})")
    alone = _Image(path=path, key=str(relative), patient_id=str(relative), view=None, header=NO_HEADER)
    if kind is None:
        return alone if suffix in (*PLAIN_SUFFIXES, *DICOM_SUFFIXES) else Skipped(path, unknown_format(path))
    if kind == "DICOM":
        return _dicom(alone, path_key, view_from_path(relative))
    return replace(alone, key=path_key, patient_id=path_key, view=view_from_path(relative))


def _dicom(alone: _Image, path_key: str, view: View | None) -> _Image | Skipped:
    """A DICOM object by its header; one that cannot be read stays alone."""
    try:
        header = read_header(alone.path)
    except ReadError:
        return alone
    if header.no_radiograph is not None:
        return Skipped(alone.path, f"holds {header.no_radiograph}, no radiograph")
    key = header.study_uid or path_key
    return replace(alone, key=key, patient_id=header.patient_id or "", view=header.view or view, header=header)


def _grouped(images: Sequence[_Image]) -> list[tuple[str, list[_Image], bool]]:
    """Images by study: (key, images, whether its StudyInstanceUID stands for other patients too).

    A study is of one patient, so a StudyInstanceUID of several patients is split by PatientID; an image without one
    joins the only patient there is.
    """
    by_key: dict[str, list[_Image]] = {}
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
                groups.append((f"{key}.{_digest(patient)}", part, True))
    return groups


def _study(key: str, images: Sequence[_Image], split: bool) -> tuple[str, Study]:
    """One study of its images: the first of each view, raw ones last, and what more there is."""
    first = images[0].header
    patient_id = next((image.patient_id for image in images if image.patient_id), key)
    notes = []
    if split:
        notes.append("its StudyInstanceUID stands for several values of PatientID; it was split by them")
    for name in ("age_years", "sex"):
        values = {value for image in images if (value := getattr(image.header.covariates, name)) is not None}
        if len(values) > 1:
            notes.append(f"the headers of its images differ in {name} ({', '.join(sorted(map(str, values)))})")
    study = Study(study_uid=safe_name(key), patient_id=patient_id, study_date=first.study_date)
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


def _with_table(study: Study, key: str, table: dict[str, CohortRow]) -> Study:
    row = table.get(key) or table.get(study.study_uid) or table.get(study.patient_id)
    if row is None:
        return study
    return replace(
        study,
        patient_id=row.patient_id or study.patient_id,
        covariates=study.covariates.overridden_by(row.covariates),
        dxa=row.dxa,
        site=row.site or study.site,
        study_date=row.study_date or study.study_date,
        findings=row.findings,
    )


def _with_scan(study: Study, scans: dict[str, list[DxaResult]]) -> Study:
    """DXA from the patient's nearest scan, where cohort.csv gives none."""
    if study.dxa is not None or study.patient_id not in scans:
        return study
    return replace(study, dxa=nearest_scan(scans[study.patient_id], study.study_date))


def _index_manifest(path: Path) -> CohortIndex:
    """A CSV with the columns `ap` and/or `lateral` (paths relative to it) beside those of cohort.csv."""
    table = read_table(path)
    if "ap" not in table and "lateral" not in table:
        raise ReadError(
            f"{path.name}: found columns {', '.join(map(str, table))}; a manifest needs `ap`, `lateral` or both"
        )
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
        covariates = Covariates()
        for image in (ap, lateral):
            if image is not None and image.suffix.lower() not in PLAIN_SUFFIXES and image.is_file():
                try:
                    covariates = read_header(image).covariates.overridden_by(covariates)
                except ReadError:
                    continue
        studies[key] = Study(
            study_uid=safe_name(key),
            patient_id=known(cells.get("patient_id", "")) or key,
            ap=ap,
            lateral=lateral,
            covariates=covariates.overridden_by(row.covariates),
            dxa=row.dxa,
            site=row.site,
            study_date=row.study_date,
            findings=row.findings,
        )
    return CohortIndex(tuple(studies[key] for key in sorted(studies)), tuple(skipped), path.parent)
