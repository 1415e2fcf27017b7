"""Results of a screening as pictures with boxes, for correction in a labelling tool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

import cv2
import numpy as np

from cohort.exporters.manifest import DECIMALS, Corners, ExportedImage, write_manifest
from cohort.exporters.write import LabelFormat, LabelledPicture, Polygon, write_labels
from cohort.io.new_folder import check_new, new_folder
from cohort.spine import SpineDetection, VertebralLevel, View
from cohort.study import Radiograph
from osteolens.atomic import write_whole
from osteolens.documents.text import visible
from osteolens.errors import ConfigError, OsteoLensError, ReadError
from osteolens.progress import Progress, silent
from pipeline.prediction import Prediction, read_prediction
from pipeline.review.images import ImageStore
from pipeline.review.review import screened_folder
from pipeline.review.summaries import ImagePlace, images_by_view
from pipeline.screening.screener import Screener


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What was written.

    Attributes:
        studies: with at least one picture.
        images: pictures.
        boxes: on them.
        outlines: on them.
        left_out: images and results that are not in it, and why.
    """

    studies: int
    images: int
    boxes: int
    outlines: int
    left_out: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Plain values."""
        counts = {"studies": self.studies, "images": self.images, "boxes": self.boxes, "outlines": self.outlines}
        return {**counts, "left_out": [visible(line) for line in self.left_out]}


def export_results(
    results: Path,
    destination: Path,
    label_format: LabelFormat,
    images: Path | None = None,
    screener: Screener | None = None,
    progress: Progress = silent,
) -> ExportReport:
    """Write every image of the results that has a box, as an 8-bit PNG of the same size as it is read, with its labels.

    The picture is shown by its display window, upright. `osteolens-export.json` says which film each one is of.

    Args:
        results: output folder of `osteolens process`.
        destination: new folder.
        label_format: of the labels.
        images: the folder that was screened; the one that run.json names when left out.
        screener: draws outlines into the boxes; none are written when left out.
        progress: told of every study.

    Raises:
        ConfigError: the destination is in use or cannot be written, or outlines in a format that has none.
        ReadError: no results, no such folder, or no image with a box.
    """
    check_new(destination)
    if screener is not None and not label_format.holds_both:
        raise ConfigError(f"{label_format} has one kind of label a body; export boxes, or another format with outlines")
    paths = sorted((results / "studies").glob("*.json"))
    if not paths:
        raise ReadError(f"{results}: no studies/*.json; expected an output folder of `osteolens process`")
    if images is not None and not images.is_dir():
        raise ReadError(f"{images}: no such folder; expected the folder that was screened")
    folder = images or screened_folder(results)
    if folder is None:
        raise ReadError(f"{results}: run.json names no folder that was screened; give it by --images")
    with new_folder(destination) as staging:
        export = _Export(folder=folder, staging=staging, label_format=label_format, screener=screener)
        for number, path in enumerate(paths, start=1):
            export.take(path)
            progress(number, len(paths))
        if not export.pictures:
            raise ReadError(f"{results}: no image with a box ({'; '.join(export.left_out[:3]) or 'no results'})")
        write_labels(staging, label_format, export.pictures)
        write_manifest(staging, export.listed)
    return ExportReport(
        studies=len({image.study_uid for image in export.listed}),
        images=len(export.pictures),
        boxes=sum(len(picture.boxes) for picture in export.pictures),
        outlines=sum(len(picture.outlines) for picture in export.pictures),
        left_out=tuple(export.left_out),
    )


class _Export:
    """Pictures as they are written, one after the other, so that memory holds one."""

    def __init__(self, folder: Path, staging: Path, label_format: LabelFormat, screener: Screener | None) -> None:
        self._folder, self._staging, self._screener = folder, staging, screener
        self._pictures = staging / label_format.pictures
        self._pictures.mkdir(parents=True, exist_ok=True)
        self._store = ImageStore([folder], staging, most_bytes=0)
        self.pictures: list[LabelledPicture] = []
        self.listed: list[ExportedImage] = []
        self.left_out: list[str] = []

    def take(self, path: Path) -> None:
        """One result; what is wrong with it is listed."""
        try:
            prediction = read_prediction(path)
        except OsteoLensError as error:
            self.left_out.append(str(error))
            return
        places = images_by_view(prediction.images)
        for view, result in prediction.views.items():
            if not result.detection.boxes:
                self.left_out.append(f"{prediction.study_uid} {view}: no box")
            elif view not in places:
                self.left_out.append(f"{prediction.study_uid} {view}: the result names no image with its digest")
            else:
                try:
                    self._picture(prediction, view, places[view])
                except ReadError as error:
                    self.left_out.append(f"{prediction.study_uid} {view}: {error}")

    def _picture(self, prediction: Prediction, view: View, place: ImagePlace) -> None:
        detection = prediction.views[view].detection
        radiograph = self._store.radiograph(place)
        rows, columns = radiograph.pixels.shape
        boxes = {
            box.level: _rounded(inside.corners)
            for box in detection.boxes
            if (inside := box.clipped((rows, columns))) is not None
        }
        name = f"{prediction.study_uid}_{view}.png"
        write_whole(self._pictures / name, _png(radiograph))
        picture = LabelledPicture(
            name=name, size=(columns, rows), boxes=boxes, outlines=self._outlines(radiograph, detection)
        )
        self.pictures.append(picture)
        self.listed.append(
            ExportedImage(
                picture=name,
                study_uid=prediction.study_uid,
                view=view,
                original=_relative(place.path, self._folder),
                sha256=place.sha256,
                size=(columns, rows),
                boxes=boxes,
            )
        )

    def _outlines(self, radiograph: Radiograph, detection: SpineDetection) -> Mapping[VertebralLevel, Polygon]:
        if self._screener is None:
            return {}
        spine = self._screener.spine_on_boxes(radiograph, detection)
        return {level: np.asarray(points, np.float64) for level, points in spine.outlines.items()}


def _rounded(corners: Corners) -> Corners:
    x0, y0, x1, y1 = (round(value, DECIMALS) for value in corners)
    return x0, y0, x1, y1


def _png(radiograph: Radiograph) -> bytes:
    """The image by its display window, in 8 bits."""
    done, encoded = cv2.imencode(".png", np.round(radiograph.pixels * 255).astype(np.uint8))
    if not done:
        raise ReadError("the image cannot be written as PNG")
    return encoded.tobytes()


def _relative(recorded: str, folder: Path) -> str:
    """A recorded path from the folder that was screened; empty where it lies elsewhere."""
    path = PurePath(recorded)
    if path.is_absolute():
        path = path.relative_to(folder.absolute()) if path.is_relative_to(folder.absolute()) else PurePath()
    return "" if path == PurePath() or ".." in path.parts else path.as_posix()
