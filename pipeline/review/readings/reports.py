"""What a reader said as DICOM SR: a report of each study, which has every box of the reader or is not made."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pydantic import ValidationError

from cohort.spine import VertebraBox, VertebralLevel, View
from osteolens.atomic import make_folder
from osteolens.documents.json_document import read_json
from osteolens.errors import OsteoLensError, OutputError, ReadError, StudyError
from osteolens.progress import Progress, silent
from pipeline.dicom_objects.config import DicomConfig
from pipeline.dicom_objects.reader.findings import ReaderFindings, ReadImages
from pipeline.dicom_objects.reader.write import write_reader_report
from pipeline.dicom_objects.write import FOLDER, require_dicom
from pipeline.prediction import Prediction, read_prediction
from pipeline.review.readings.corrections import Saved
from pipeline.review.readings.export import ResultOf, rois_of
from pipeline.review.summaries import ImagePlace
from pipeline.review.worklist import Entry, Worklist

SAME_PX = 0.051
"""Corners of a result are stored to 0.1 pixels."""

_DAY_OF_ENTRIES = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """What was written.

    Attributes:
        paths: of the reports.
        not_made: why there is none, by study.
    """

    paths: tuple[Path, ...]
    not_made: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where a report's parts come from.

    Attributes:
        out: folder of results.
        worklist: its studies.
        path_of: file of an image, whose content is that of the time when it was screened.
        result_of: the class on the boxes that were saved, or why there is none.
    """

    out: Path
    worklist: Worklist
    path_of: Callable[[ImagePlace], Path]
    result_of: ResultOf


def write_reports(own: Mapping[str, Saved], sources: Sources, progress: Progress = silent) -> Reports:
    """A report of each study that the reader saved, in OUT/review/reports/READER; one of a study that cannot be made
    any more is removed.

    Args:
        own: what the reader said, by study.
        sources: where its parts come from.
        progress: told of every study.

    Raises:
        MissingExtra: highdicom is not installed.
        OutputError: the folder cannot be written.
    """
    require_dicom()
    folder = sources.out / "review" / "reports" / sources.worklist.options.name
    make_folder(folder)
    config = _config(sources.out)
    known = [uid for uid in own if uid in sources.worklist.entries]
    paths: list[Path] = []
    not_made: dict[str, str] = {}
    for number, uid in enumerate(known, start=1):
        path = folder / f"{uid}_sr.dcm"
        try:
            _write(path, sources.worklist.entries[uid], own[uid], sources, config)
            paths.append(path)
        except OutputError:
            raise
        except OsteoLensError as error:
            not_made[uid] = str(error)
            path.unlink(missing_ok=True)
        progress(number, len(known))
    return Reports(paths=tuple(paths), not_made=not_made)


def zipped(reports: Reports) -> bytes:
    """The reports and `not_made.txt` in one archive, the same bytes for the same reports.

    Raises:
        ReadError: there is no report.
    """
    if not reports.paths:
        why = next(iter(reports.not_made.values()), "the reader has saved no study")
        raise ReadError(f"no DICOM report can be made: {why}")
    with BytesIO() as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in reports.paths:
                archive.writestr(zipfile.ZipInfo(path.name, _DAY_OF_ENTRIES), path.read_bytes())
            if reports.not_made:
                lines = "".join(f"{uid}: {why}\n" for uid, why in reports.not_made.items())
                archive.writestr(zipfile.ZipInfo("not_made.txt", _DAY_OF_ENTRIES), lines)
        return stream.getvalue()


def _config(out: Path) -> DicomConfig:
    """The settings of the run's own DICOM objects; the defaults where it had none."""
    try:
        document = read_json(out / "run.json")
        settings = document.get("config", {}).get("dicom", {}) if isinstance(document, dict) else {}
        return DicomConfig.model_validate(settings)
    except (ReadError, ValidationError, AttributeError):
        return DicomConfig()


def _write(path: Path, entry: Entry, saved: Saved, sources: Sources, config: DicomConfig) -> None:
    """One report.

    Raises:
        StudyError: no image can be referenced, or not every image that boxes lie on.
        ReadError: a damaged result.
        OutputError: it cannot be written.
    """
    prediction = read_prediction(entry.path)
    uid = prediction.study_uid
    boxes = {view: found for (_, view), found in rois_of({uid: saved}, sources.worklist).items()}
    result, why_not = sources.result_of(uid, saved)
    state = saved.state
    findings = ReaderFindings(
        reader=saved.reader,
        round=saved.round,
        read_at=saved.moment,
        hidden_predictions=saved.hidden_predictions,
        boxes=boxes,
        as_predicted={} if saved.hidden_predictions else _as_predicted(boxes, prediction),
        left_out={view: drawn.left_out for view, drawn in state.views.items() if drawn.left_out},
        fracture_grades=state.fracture_grades,
        not_evaluable=state.not_evaluable,
        corrected=None if result is None else result.classified,
        no_class=why_not,
    )
    images = _images(prediction, entry, boxes, sources)
    write_reader_report(findings, prediction, images, config, sources.out / FOLDER / f"{uid}_sr.dcm", path)


def _images(
    prediction: Prediction, entry: Entry, boxes: Mapping[View, tuple[VertebraBox, ...]], sources: Sources
) -> ReadImages:
    """The files of a study; one without boxes that is not found is left out.

    Raises:
        StudyError: an image that boxes lie on is not found or has changed.
    """
    views = {place.path: view for view, place in entry.images.items()}
    found = []
    for record in prediction.images:
        if not record.sha256:
            continue
        try:
            found.append((sources.path_of(ImagePlace(record.path, record.sha256)), record))
        except ReadError as error:
            if views.get(record.path) in boxes:
                raise StudyError(f"the {views[record.path]} image: {error}") from error
    shapes = {view: result.detection.image_shape for view, result in prediction.views.items()}
    return ReadImages(
        paths=tuple(path for path, _ in found),
        records=tuple(record for _, record in found),
        shown={path: (view, shapes.get(view)) for path, view in views.items()},
    )


def _as_predicted(
    boxes: Mapping[View, tuple[VertebraBox, ...]], prediction: Prediction
) -> dict[View, frozenset[VertebralLevel]]:
    """Levels whose boxes are those of the result."""
    return {
        view: frozenset(
            box.level
            for box in found
            if view in prediction.views
            and (predicted := prediction.views[view].boxes.get(box.level)) is not None
            and max(abs(a - b) for a, b in zip(box.corners, predicted.corners, strict=True)) < SAME_PX
        )
        for view, found in boxes.items()
    }
