"""ROIs in a COCO document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from cohort.errors import ReadError
from cohort.importers.drawn import DrawnImage, Polygon, drawn_images, only_file
from cohort.index import Skipped


def read_coco(source: Path) -> tuple[list[DrawnImage], list[dict[str, Any]], list[Skipped]]:
    """A COCO JSON, or a folder with one, beside its images; polygons follow the ROI rule, plain boxes stay."""
    path = only_file(source, "*.json")
    try:
        document = json.loads(path.read_text("utf-8"))
        names = {row["id"]: str(row["name"]) for row in document["categories"]}
        files = {row["id"]: path.parent / str(row["file_name"]) for row in document["images"]}
        rows = [
            (a["image_id"], names[a["category_id"]], a["bbox"], a.get("segmentation")) for a in document["annotations"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReadError(f"{path}: no COCO document ({error!r}); expected images, annotations, categories") from error
    shapes: dict[Path, list[tuple[str, Polygon, bool]]] = {image: [] for image in files.values()}
    for image_id, name, (x, y, width, height), segmentation in rows:
        polygon = segmentation[0] if isinstance(segmentation, list) and segmentation else None
        if polygon is not None and len(polygon) > 8:
            shapes[files[image_id]].append((name, np.asarray(polygon, float).reshape(-1, 2), True))
        else:
            shapes[files[image_id]].append((name, np.array([[x, y], [x + width, y + height]], float), False))
    images, skipped = drawn_images(shapes, path.parent)
    return images, [], skipped
