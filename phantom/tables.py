"""Tables of a simulated cohort from its patients' records: cohort.csv, rois.csv, readers.csv, COCO annotations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

import pandas as pd

from cohort.io.annotations import Rois, write_readings, write_rois
from cohort.spine import DETECTED_LEVELS, VertebraBox, VertebralLevel
from osteolens.atomic import write_csv, write_whole
from phantom.records import FILE_NAME, Corners, ImageRecord, PatientRow, StudyRow, read_record


class CocoImage(TypedDict):
    """An image of a COCO file."""

    id: int
    file_name: str
    width: int
    height: int


class CocoAnnotation(TypedDict):
    """A body of a COCO file: its box (x, y, width, height) and the polygon of its outline, in pixels."""

    id: int
    image_id: int
    category_id: int
    bbox: list[float]
    segmentation: list[list[float]]
    area: float
    iscrowd: int


def write_tables(out: Path) -> None:
    """Collect every `patient.json` below `out`.

    cohort.csv: one line a study. rois.csv: true boxes. readers.csv: manual ROIs of the six readers. annotations.json:
    COCO with each body's outline as a polygon, which is its mask, and its box by the paper's rule.

    Raises:
        ReadError: a patient.json cannot be read.
        OutputError: a table cannot be written.
    """
    rows: list[StudyRow] = []
    rois: Rois = {}
    readings: dict[str, Rois] = {}
    images: list[CocoImage] = []
    annotations: list[CocoAnnotation] = []
    for path in sorted(out.glob(f"*/{FILE_NAME}")):
        record = read_record(path)
        rows.append(record.row)
        uid = record.row.study_uid
        for view, image in record.images.items():
            rois[uid, view] = _boxes(image.boxes)
            for reader, boxes in image.readers.items():
                readings.setdefault(reader, {})[uid, view] = _boxes(boxes)
            rows_px, columns_px = image.shape
            file_name = f"{path.parent.name}/{view}.dcm"
            images.append({"id": len(images) + 1, "file_name": file_name, "width": columns_px, "height": rows_px})
            annotations += _annotations(image, len(images), len(annotations))
    kind = PatientRow if any(isinstance(row, PatientRow) for row in rows) else StudyRow
    cohort = pd.DataFrame([row.model_dump(mode="json") for row in rows], columns=list(kind.model_fields))
    write_csv(out / "cohort.csv", cohort)
    write_rois(out / "rois.csv", rois)
    write_readings(out / "readers.csv", readings)
    categories = [{"id": k, "name": str(level)} for k, level in enumerate(DETECTED_LEVELS, start=1)]
    document = {"images": images, "annotations": annotations, "categories": categories}
    write_whole(out / "annotations.json", json.dumps(document))


def _boxes(corners: Mapping[VertebralLevel, Corners]) -> tuple[VertebraBox, ...]:
    return tuple(VertebraBox(level, *box_corners) for level, box_corners in corners.items())


def _annotations(image: ImageRecord, image_id: int, before: int) -> list[CocoAnnotation]:
    """Bodies of one image; `before` are those of the images before it."""
    annotations: list[CocoAnnotation] = []
    for level, (x0, y0, x1, y1) in image.boxes.items():
        outline = image.outlines.get(level, ())
        xs, ys = [p[0] for p in outline], [p[1] for p in outline]
        area = abs(sum(x * ys[k - 1] - xs[k - 1] * y for k, (x, y) in enumerate(outline))) / 2
        annotations.append(
            {
                "id": before + len(annotations) + 1,
                "image_id": image_id,
                "category_id": DETECTED_LEVELS.index(level) + 1,
                "bbox": [round(v, 1) for v in (x0, y0, x1 - x0, y1 - y0)],
                "segmentation": [[value for point in outline for value in point]] if outline else [],
                "area": round(area, 1),
                "iscrowd": 0,
            }
        )
    return annotations
