"""ROIs in LabelMe's JSON files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from cohort.errors import ReadError
from cohort.importers.drawn import DrawnImage, Polygon, drawn_images
from cohort.index import Skipped


def read_labelme(source: Path) -> tuple[list[DrawnImage], list[dict[str, Any]], list[Skipped]]:
    """LabelMe JSON files beside their images; rectangles stay, polygons follow the ROI rule."""
    shapes: dict[Path, list[tuple[str, Polygon, bool]]] = {}
    for path in sorted(source.rglob("*.json")):
        try:
            document = json.loads(path.read_text("utf-8"))
            image = path.parent / Path(str(document["imagePath"])).name
            for shape in document["shapes"]:
                points = np.asarray(shape["points"], float).reshape(-1, 2)
                shapes.setdefault(image, []).append((str(shape["label"]), points, len(points) > 2))
        except (ValueError, KeyError, TypeError) as error:
            raise ReadError(f"{path}: no LabelMe document ({error!r}); expected imagePath and shapes") from error
    images, skipped = drawn_images(shapes, source)
    return images, [], skipped
