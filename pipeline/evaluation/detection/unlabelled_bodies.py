"""Detected boxes against bodies that were annotated without levels, as in public sets of whole-spine radiographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cohort.spine import iou
from osteolens.documents.json_document import quoted
from osteolens.documents.text import visible
from osteolens.errors import ReadError
from pipeline.evaluation.estimable import NOT_ESTIMABLE, result_json
from pipeline.evaluation.studies.results import read_results
from pipeline.prediction import ViewResult

Corners = tuple[float, float, float, float]

MOST_BYTES = 2**20
"""Largest label file that is read."""

EDGE = 0.05
"""Fraction of the image by which a label may lie beyond its edge."""

HELD_BACK_EVERY = 3
"""Every third radiograph by name is held back: its metrics are given apart, and nothing may be tuned on them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyRecall:
    """Recall of annotated bodies.

    Attributes:
        radiographs: with a label file.
        with_boxes: of them, those with detected boxes.
        bodies: annotated ones that count.
        recall: fraction of them that a detected box overlaps.
        not_estimable: a word where there is no body.
    """

    radiographs: int
    with_boxes: int
    bodies: int
    recall: float
    not_estimable: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyEvaluation:
    """Recall over all radiographs and over those held back; damaged files are named and left out."""

    all: BodyRecall
    held_back: BodyRecall
    damaged_results: tuple[str, ...]
    damaged_labels: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Every metric, and what was left out."""
        damaged = {"damaged_results": self.damaged_results, "damaged_labels": self.damaged_labels}
        return {
            "all": result_json(self.all),
            "held_back": result_json(self.held_back),
            **{key: {"count": len(names), "names": list(names)} for key, names in damaged.items() if names},
        }


@dataclass(frozen=True, slots=True)
class _Image:
    """One annotated radiograph: bodies that count, whether it has boxes, and bodies that a box overlaps."""

    bodies: int
    has_boxes: bool
    detected: int


def evaluate_bodies(results: Path, labels: Path, lowest: int = 5, overlap: float = 0.5) -> BodyEvaluation:
    """Fraction of the lowest annotated bodies of each radiograph that a detected box overlaps, whatever its level.

    Args:
        results: output folder of `process`; boxes of rejected studies count too.
        labels: YOLO label files (class, centre and size as fractions of the image), named as the images.
        lowest: annotated bodies of a radiograph that count, from the bottom upwards.
        overlap: intersection over union from which a body counts as detected.

    Raises:
        ReadError: no result or label file can be read, or none belongs to the other.
    """
    read = read_results(results)
    views = {Path(view.image).stem: view for prediction in read.predictions for view in prediction.views.values()}
    if not labels.is_dir():
        raise ReadError(f"{labels}: expected a folder of YOLO label files")
    images: list[_Image] = []
    held_back: list[_Image] = []
    damaged = []
    for number, path in enumerate(sorted(labels.glob("*.txt"))):
        try:
            image = _evaluated(path, views.get(path.stem), lowest, overlap)
        except ReadError as error:
            damaged.append(str(error))
            continue
        images.append(image)
        if number % HELD_BACK_EVERY == 0:
            held_back.append(image)
    if not images and damaged:
        raise ReadError(f"{labels}: none of {len(damaged)} label files can be read: {damaged[0]}")
    if not any(image.has_boxes for image in images):
        raise ReadError(f"{labels}: no label file fits an image of {results}; expected equal names")
    return BodyEvaluation(
        all=_recall(images),
        held_back=_recall(held_back),
        damaged_results=read.damaged,
        damaged_labels=tuple(damaged),
    )


def _evaluated(path: Path, view: ViewResult | None, lowest: int, overlap: float) -> _Image:
    fractions = read_bodies(path)[-lowest:]
    if view is None:
        return _Image(len(fractions), False, 0)
    rows, columns = view.detection.image_shape
    boxes = [box.corners for box in view.detection.boxes]
    bodies = [tuple((np.array(body) * (columns, rows, columns, rows)).tolist()) for body in fractions]
    return _Image(len(bodies), True, sum(any(iou(body, box) >= overlap for box in boxes) for body in bodies))


def read_bodies(path: Path) -> list[Corners]:
    """Corners x0, y0, x1, y1 of the boxes or polygons of a YOLO label file as fractions of the image, head first.

    Raises:
        ReadError: a file that is no text of at most a megabyte, or a line that is neither.
    """
    bodies = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            values = [float(cell) for cell in line.split()[1:]]
            if any(not -EDGE <= value <= 1 + EDGE for value in values):
                raise ValueError("a fraction of the image is none from 0 to 1")
            if len(values) == 4:
                x, y, width, height = values
                bodies.append((x - width / 2, y - height / 2, x + width / 2, y + height / 2))
                continue
            xs, ys = values[::2], values[1::2]
            if len(xs) < 3 or len(xs) != len(ys):
                raise ValueError(f"{len(values)} numbers")
        except ValueError as error:
            raise ReadError(
                f"{visible(path.name)} line {number}: found {quoted(line)} ({error}), expected class, x, y, width, "
                "height or a polygon of x, y"
            ) from error
        bodies.append((min(xs), min(ys), max(xs), max(ys)))
    return sorted(bodies, key=lambda corners: corners[1] + corners[3])


def _text(path: Path) -> str:
    try:
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            raise ReadError(f"{visible(path.name)}: is no text file of at most {MOST_BYTES:,} bytes")
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ReadError(f"{visible(path.name)}: cannot be read as UTF-8 text; expected YOLO labels") from error


def _recall(images: Sequence[_Image]) -> BodyRecall:
    bodies = sum(image.bodies for image in images)
    return BodyRecall(
        radiographs=len(images),
        with_boxes=sum(image.has_boxes for image in images),
        bodies=bodies,
        recall=sum(image.detected for image in images) / bodies if bodies else float("nan"),
        not_estimable={} if bodies else {"recall": f"{NOT_ESTIMABLE}no annotated body"},
    )
