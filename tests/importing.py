"""Small films and label files that the tests of importers make for themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from cohort.importers.report import ImportReport
from cohort.io.annotations import read_rois
from cohort.io.tables.columns import ROI_COLUMNS
from cohort.spine import View

SIZE = (80, 170)
"""(columns, rows) of every film."""

BOXES = {f"L{k + 1}": (20.0, 10.0 + 30 * k, 60.0, 34.0 + 30 * k) for k in range(5)}

Corners = tuple[float, float, float, float]


def picture(path: Path, size: tuple[int, int] = SIZE, orientation: int = 1) -> Path:
    """A grey film; with an EXIF orientation its cells are stored so that viewers show the same upright film."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = np.random.default_rng(0).integers(0, 255, size[::-1], np.uint8)
    back = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]
    image = Image.fromarray(cells)
    stored = image if back is None else image.transpose(Image.Transpose(back))
    exif = Image.Exif()
    if orientation != 1:
        exif[0x0112] = orientation
    packed = {"compression": "tiff_lzw"} if path.suffix == ".tif" else {}
    stored.save(path, exif=exif, **packed)
    return path


def corners(out: Path, level: str, view: View = View.AP, study: str = "p7") -> tuple[float, ...]:
    rois = read_rois(out / "rois.csv")
    return next(b.corners for b in rois[study, view] if str(b.level) == level)


def levels(out: Path, view: View = View.AP, study: str = "p7") -> list[str]:
    return [str(box.level) for box in read_rois(out / "rois.csv")[study, view]]


def outline(box: Sequence[float], tilt: float = 4) -> list[float]:
    """Four corners of a body whose top slopes by `tilt` pixels, as x, y, x, y, ..."""
    x0, y0, x1, y1 = box
    return [x0, y0 + tilt, x1, y0, x1, y1, x0, y1]


def bbox(box: Sequence[float]) -> list[float]:
    x0, y0, x1, y1 = box
    return [x0, y0, x1 - x0, y1 - y0]


def coco_folder(
    folder: Path,
    shapes: Sequence[Mapping[str, Any]],
    names: Sequence[str] = ("p7_AP.png",),
    films: bool = True,
    **of_image: Any,
) -> Path:
    """A COCO document about films; each shape is an annotation with `level` in place of its category and image."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names if films else ():
        picture(folder / name)
    annotations = [
        {"image_id": 0, "category_id": int(shape["level"][1:]), **{k: v for k, v in shape.items() if k != "level"}}
        for shape in shapes
    ]
    document = {
        "images": [{"id": k, "file_name": name, **of_image} for k, name in enumerate(names)],
        "categories": [{"id": k, "name": f"L{k}"} for k in range(1, 6)],
        "annotations": annotations,
    }
    (folder / "instances.json").write_text(json.dumps(document))
    return folder


def yolo_folder(folder: Path, films: Mapping[str, str], config: str = "names: [L1, L2, L3, L4, L5]\n") -> Path:
    """Under labels/ the text of each label, by its stem; the films are the test's own."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in films.items():
        label = folder / "labels" / f"{name}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text(text)
    (folder / "data.yaml").write_text(config)
    return folder


def yolo_line(level: str, box: Sequence[float], size: tuple[int, int] = SIZE, extra: str = "") -> str:
    x0, y0, x1, y1 = box
    w, h = size
    number = int(level[1:]) - 1
    return f"{number} {(x0 + x1) / 2 / w:.6f} {(y0 + y1) / 2 / h:.6f} {(x1 - x0) / w:.6f} {(y1 - y0) / h:.6f}{extra}\n"


def labelme_file(path: Path, shapes: Sequence[Mapping[str, Any]], image: str, **fields: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"version": "5.4", "imagePath": image, "imageData": None, "shapes": shapes, **fields}))
    return path


def rectangle(level: str, box: Sequence[float]) -> dict[str, Any]:
    return {"label": level, "points": [[box[0], box[1]], [box[2], box[3]]], "shape_type": "rectangle"}


def reasons(report: ImportReport) -> str:
    """Every line of what is not used, as file, label, reason."""
    return "\n".join(f"{item.path.name} | {item.label} | {item.reason}" for item in report.skipped)


def write_outlines(folder: Path, more_px: float = 0) -> None:
    """The boxes of rois.csv as polygons in annotations.json."""
    patients = pd.read_csv(folder / "cohort.csv").set_index("study_uid").patient_id
    rois = pd.read_csv(folder / "rois.csv")
    names = sorted(set(rois.level))
    places = list(dict.fromkeys(zip(rois.study_uid, rois["view"], strict=True)))
    images = [
        {"id": k, "file_name": f"{patients[uid]}/{view}.dcm", "width": 4000, "height": 4000}
        for k, (uid, view) in enumerate(places)
    ]
    annotations = []
    for number, (uid, view, level, *corners) in enumerate(rois[list(ROI_COLUMNS)].to_numpy(object)):
        x0, y0, x1, y1 = map(float, corners)
        annotations.append(
            {
                "id": number,
                "image_id": places.index((uid, view)),
                "category_id": names.index(level),
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "segmentation": [[x0 - more_px, y0, x1, y0, x1, y1, x0 - more_px, y1]],
            }
        )
    categories = [{"id": k, "name": name} for k, name in enumerate(names)]
    document = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(document))
