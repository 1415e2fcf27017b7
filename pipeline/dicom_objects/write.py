"""DICOM objects of a result beside its JSON: each file whole or not at all, stale ones removed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom import Dataset
from pydicom.errors import InvalidDicomError

from cohort.io.dicom.attributes import VALUE_ERRORS
from cohort.spine import View
from osteolens.atomic import cannot_write, make_folder, write_whole
from osteolens.extras import require
from pipeline.dicom_objects.config import DicomConfig, DicomObject
from pipeline.dicom_objects.equipment import software_version
from pipeline.dicom_objects.uids import derived_uid
from pipeline.prediction import Prediction

FOLDER = "dicom"
"""Folder of the objects among the results."""

_KINDS = {"SR": (DicomObject.SR, 0), "OT": (DicomObject.SC, 1), "PR": (DicomObject.GSPS, 2)}
"""Kind of an object and the place of its series, by its modality."""

_IDENTIFYING = ("Modality", "SoftwareVersions", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber")

MOST_REPORT_BYTES = 16 * 2**20
"""Bytes of a report that is read back."""


def object_names(study_uid: str) -> tuple[str, ...]:
    """Names of every file that a result may have here."""
    views = [f"{kind}_{view}" for kind in (DicomObject.SC, DicomObject.GSPS) for view in View]
    return tuple(f"{study_uid}_{end}.dcm" for end in (DicomObject.SR, DicomObject.SC, *views))


def report_path(study_uid: str, out: Path) -> Path:
    """File of a result's structured report, whose series a later one goes on from."""
    return out / FOLDER / f"{study_uid}_sr.dcm"


def require_dicom() -> None:
    """Check that what makes the objects is installed.

    Raises:
        MissingExtra: it is not.
    """
    require("process --dicom", "highdicom", extra="dicom")


def write_objects(
    prediction: Prediction, paths: Sequence[Path], overlays: Mapping[View, Path], config: DicomConfig, out: Path
) -> tuple[str, ...]:
    """Write the objects that the settings ask for; files of earlier results that are not among them are removed.

    Args:
        prediction: the result.
        paths: of the study's images, in the order of the result's records.
        overlays: PNG of each view that has one.
        config: which objects, and under which identifiers.
        out: folder of results.

    Returns:
        why an image is not referenced.

    Raises:
        MissingExtra: highdicom is not installed.
        StudyError: no image can be referenced.
        OutputError: the folder cannot be written.
    """
    require_dicom()
    from pipeline.dicom_objects.presentation_state import presentation_state
    from pipeline.dicom_objects.secondary_capture import secondary_capture
    from pipeline.dicom_objects.source import source_study
    from pipeline.dicom_objects.structured_report import structured_report

    folder, uid = out / FOLDER, prediction.study_uid
    make_folder(folder)
    with warnings.catch_warnings(action="ignore"):
        source = source_study(paths, prediction)
        made: dict[str, Dataset] = {}
        if DicomObject.SR in config.objects:
            earlier = stored_report(report_path(uid, out))
            made[f"{uid}_sr.dcm"] = structured_report(prediction, source, config, earlier)
        if DicomObject.SC in config.objects:
            pictures = {view: path.read_bytes() for view, path in overlays.items() if path.is_file()}
            for view, picture in pictures.items():
                made[f"{uid}_sc_{view}.dcm"] = secondary_capture(prediction, source, config, view, picture)
            if not pictures:
                made[f"{uid}_sc.dcm"] = secondary_capture(prediction, source, config, None, None)
        if DicomObject.GSPS in config.objects:
            for view, image in source.by_view.items():
                if image.header.SamplesPerPixel == 1:
                    made[f"{uid}_gsps_{view}.dcm"] = presentation_state(prediction, source, config, view, image)
        encoded = {name: encoded_object(dataset) for name, dataset in made.items()}
    remove_objects(uid, out, keep=set(encoded))
    for name, content in encoded.items():
        write_whole(folder / name, content)
    return source.left_out


def are_current(study_uid: str, config: DicomConfig, out: Path) -> bool:
    """Whether the objects that the settings ask for lie there, were written after the result's JSON, and by this
    version under these identifiers; they need not be made again.

    Args:
        study_uid: of the result.
        config: which objects, and under which identifiers.
        out: folder of results.
    """
    try:
        since = (out / "studies" / f"{study_uid}.json").stat().st_mtime_ns
        files = [path for name in object_names(study_uid) if (path := out / FOLDER / name).is_file()]
        kinds = {path.stem.removeprefix(f"{study_uid}_").split("_")[0] for path in files}
        if kinds != {kind.value for kind in config.objects} or any(path.stat().st_mtime_ns < since for path in files):
            return False
        return all(_is_of(pydicom.dcmread(path, specific_tags=list(_IDENTIFYING)), config) for path in files)
    except (*VALUE_ERRORS, InvalidDicomError):
        return False


def _is_of(header: Dataset, config: DicomConfig) -> bool:
    """Whether an object was made by this version under these settings."""
    kind, step = _KINDS[str(header.Modality)]
    series = derived_uid(config.uid_root, str(header.StudyInstanceUID), kind)
    number = config.series_number + step
    made = (header.SoftwareVersions, header.SeriesInstanceUID, header.SeriesNumber)
    return made == (software_version(), series, number)


def remove_objects(study_uid: str, out: Path, keep: set[str] | None = None) -> None:
    """Remove the objects of an earlier result of a study.

    Raises:
        OutputError: a file cannot be removed.
    """
    for name in set(object_names(study_uid)) - (keep or set()):
        try:
            (out / FOLDER / name).unlink(missing_ok=True)
        except OSError as error:
            raise cannot_write(out / FOLDER / name, error) from error


def stored_report(path: Path) -> Dataset | None:
    """The report that lies there, or None where there is none that can be read."""
    try:
        if not path.is_file() or path.stat().st_size > MOST_REPORT_BYTES:
            return None
        report = pydicom.dcmread(path)
        known = all(report.get(name) for name in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID"))
        return report if known else None
    except (*VALUE_ERRORS, InvalidDicomError):
        return None


def encoded_object(dataset: Dataset) -> bytes:
    """A file that holds no moment of its writing, so that the same result gives the same bytes."""
    for keyword in ("InstanceCreationDate", "InstanceCreationTime"):
        if keyword in dataset:
            delattr(dataset, keyword)
    if "DateOfSecondaryCapture" in dataset:
        dataset.DateOfSecondaryCapture, dataset.TimeOfSecondaryCapture = dataset.ContentDate, dataset.ContentTime
    for item in dataset.get("ContributingEquipmentSequence") or ():
        if "ContributionDateTime" in item:
            del item.ContributionDateTime
    with BytesIO() as stream:
        dataset.save_as(stream, enforce_file_format=True)
        return stream.getvalue()
