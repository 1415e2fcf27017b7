"""A folder of studies, a flat folder of images, or a manifest into studies, and every file left out with its reason."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path

from cohort.dicom import Header, looks_like_dicom, read_header, view_from_text
from cohort.dxa import CohortRow, cohort_row, nearest_scan, read_cohort_csv, read_dxa_csv, read_table
from cohort.errors import ConfigError, ReadError
from cohort.dicom import NO_HEADER
from cohort.images import PLAIN_SUFFIXES
from cohort.spine import View
from cohort.study import Covariates, DxaResult, Study

_VIEW_TOKEN = re.compile(r"(?<![A-Za-z])(AP|PA|FRONTAL|LAT|LATERAL|LL|RL)(?![A-Za-z])", re.IGNORECASE)
_ASIDE = (".csv", ".json", ".txt", ".md", ".yaml", ".yml", ".xml", ".html", ".pdf", ".partial", ".onnx", ".safetensors")


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that became part of no study."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class CohortIndex:
    """Studies in a stable order, what was left out, and the folder that all of it lies in."""

    studies: tuple[Study, ...]
    skipped: tuple[Skipped, ...]
    root: Path | None = None


def site_names(sites: str) -> set[str]:
    """Names of sites that a command was given, separated by commas."""
    return {name.strip() for name in sites.split(",")}


def only_sites(index: CohortIndex, sites: str) -> CohortIndex:
    """The studies of some sites, separated by commas.

    Raises:
        ConfigError: no study is of these sites.
    """
    wanted = site_names(sites)
    kept = tuple(study for study in index.studies if study.site in wanted)
    if not kept:
        known = sorted({str(study.site) for study in index.studies})
        raise ConfigError(f"--site {sites}: no study is of this site; found {', '.join(known)}")
    return replace(index, studies=kept)


def index_cohort(source: Path, exclude: Path | None = None) -> CohortIndex:
    """Studies of a folder, of one image file, or of a manifest CSV; only headers are read.

    DICOM files group by StudyInstanceUID; plain images by folder and name without the view's letters
    (`p7_AP.png`, `p7_LAT.png`). `cohort.csv` in the folder overrides header covariates and brings DXA; `dxa.csv` holds
    scans by patient, of which the nearest to the study counts. A file that claims to be an image but cannot be read
    stays in as a study of its own, so that its failure gets a row.

    Args:
        source: folder, image or manifest.
        exclude: a folder inside it to ignore, such as the run's own output.

    Raises:
        ReadError: the source does not exist, or its table cannot be read.
    """
    if source.is_file() and source.suffix.lower() == ".csv":
        return _index_manifest(source)
    if source.is_file():
        files, root, table, scans = [source], source.parent, {}, {}
    elif source.is_dir():
        files = sorted(p for p in source.rglob("*") if p.is_file())
        root = source
        table = read_cohort_csv(source / "cohort.csv") if (source / "cohort.csv").is_file() else {}
        scans = read_dxa_csv(source / "dxa.csv") if (source / "dxa.csv").is_file() else {}
    else:
        raise ReadError(f"{source}: no such file or folder; expected a folder of radiographs, an image or a CSV")
    own_output = None
    if exclude is not None and exclude.resolve().is_relative_to(root.resolve()):
        own_output = exclude.resolve().relative_to(root.resolve())
    studies: dict[str, Study] = {}
    skipped: list[Skipped] = []
    for path in files:
        relative = path.relative_to(root)
        if own_output is not None and relative.is_relative_to(own_output):
            continue
        if any(part.startswith(".") for part in relative.parts):
            continue
        reason = _not_an_image(path)
        if reason:
            skipped.append(Skipped(path, reason))
            continue
        key, patient_id, header = _describe(path, relative)
        study = studies.get(key)
        if study is None:
            study = Study(safe_name(key), patient_id, study_date=header.study_date)
        view = header.view or view_from_text(path.stem)
        taken = study.ap if view is View.AP else study.lateral if view is View.LATERAL else None
        if taken is not None:
            reason = f"second {view} image of study {study.study_uid}; {taken.name} is used"
            skipped.append(Skipped(path, reason))
            studies[key] = replace(study, set_aside=(*study.set_aside, (view, path, reason)))
            continue
        study = replace(study, covariates=header.covariates.overridden_by(study.covariates))
        studies[key] = _with_image(study, view, path)
    known = (_with_table(study, key, table) for key, study in sorted(studies.items()))
    return CohortIndex(tuple(_with_scan(study, scans) for study in known), tuple(skipped), root)


def safe_name(text: str) -> str:
    """An identifier that is safe as a file name: DICOM UIDs pass; anything else is cleaned and given a hash."""
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("._")[:80]
    if cleaned == text and cleaned:
        return cleaned
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{cleaned or 'study'}-{digest}"


def _not_an_image(path: Path) -> str | None:
    suffix = path.suffix.lower()
    if suffix in PLAIN_SUFFIXES or suffix in (".dcm", ".dicom", ".ima"):
        return None
    if suffix in _ASIDE or path.name.upper() == "DICOMDIR":
        return "no image file"
    try:
        return None if looks_like_dicom(path) else "neither DICOM nor PNG, JPEG or TIFF"
    except OSError as error:
        return f"cannot be opened ({error.strerror})"


def _describe(path: Path, relative: Path) -> tuple[str, str, Header]:
    """Study key, patient identifier and header of one file."""
    name_key = _key_from_name(relative)
    if path.suffix.lower() in PLAIN_SUFFIXES:
        return name_key, name_key, NO_HEADER
    try:
        header = read_header(path)
    except ReadError:
        return str(relative), str(relative), NO_HEADER
    key = header.study_uid or name_key
    return key, header.patient_id or key, header


def _key_from_name(relative: Path) -> str:
    stem = re.sub(r"[_\-. ]+", " ", relative.stem)
    rest = "_".join(_VIEW_TOKEN.sub(" ", stem).split())
    folder = "/".join(relative.parts[:-1])
    if rest and folder:
        return f"{folder}/{rest}"
    return rest or folder or relative.stem


def _with_image(study: Study, view: View | None, path: Path) -> Study:
    if view is View.AP:
        return replace(study, ap=path)
    if view is View.LATERAL:
        return replace(study, lateral=path)
    return replace(study, unsorted=(*study.unsorted, path))


def _with_table(study: Study, key: str, table: dict[str, CohortRow]) -> Study:
    row = table.get(key) or table.get(study.study_uid) or table.get(study.patient_id)
    if row is None:
        return study
    return replace(
        study,
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
    for number, cells in enumerate(table.to_dict("records"), start=2):
        row = cohort_row({str(k): str(v) for k, v in cells.items()}, f"{path.name} line {number}")
        images = {view: cells.get(view.value.lower(), "").strip() for view in View}
        key = cells.get("study_uid", "").strip() or cells.get("patient_id", "").strip() or f"line-{number}"
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
            safe_name(key),
            cells.get("patient_id", "").strip() or key,
            ap,
            lateral,
            covariates.overridden_by(row.covariates),
            row.dxa,
            row.site,
            row.study_date,
            findings=row.findings,
        )
    return CohortIndex(tuple(studies[key] for key in sorted(studies)), tuple(skipped), path.parent)
