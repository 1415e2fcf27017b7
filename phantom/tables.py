"""The cohort's tables from its patients' records: cohort.csv, rois.csv, readers.csv and annotations.json (COCO)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from cohort.spine import DETECTED_LEVELS

BOX_COLUMNS = ["study_uid", "view", "level", "x0", "y0", "x1", "y1"]


def write_tables(out: Path) -> None:
    """Collect every `patient.json` below `out`.

    cohort.csv: one line a study. rois.csv: true boxes. readers.csv: the six readers' boxes. annotations.json: COCO
    with each body's outline as a polygon, which is its mask, and its box by the paper's rule.
    """
    rows, rois, readings = [], [], []
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for path in sorted(out.glob("*/patient.json")):
        record = json.loads(path.read_text())
        rows.append(record["row"])
        uid = record["row"]["study_uid"]
        for view, image in record["images"].items():
            rois += [[uid, view, level, *corners] for level, corners in image["boxes"].items()]
            for reader, boxes in image["readers"].items():
                readings += [[reader, uid, view, level, *corners] for level, corners in boxes.items()]
            rows_px, columns_px = image["shape"]
            file_name = f"{path.parent.name}/{view}.dcm"
            images.append({"id": len(images) + 1, "file_name": file_name, "width": columns_px, "height": rows_px})
            annotations += _coco(image, len(images), len(annotations))
    pd.DataFrame(rows).to_csv(out / "cohort.csv", index=False)
    pd.DataFrame(rois, columns=BOX_COLUMNS).to_csv(out / "rois.csv", index=False)
    pd.DataFrame(readings, columns=["reader", *BOX_COLUMNS]).to_csv(out / "readers.csv", index=False)
    categories = [{"id": k, "name": str(level)} for k, level in enumerate(DETECTED_LEVELS, start=1)]
    document = {"images": images, "annotations": annotations, "categories": categories}
    (out / "annotations.json").write_text(json.dumps(document))


def _coco(image: dict[str, Any], image_id: int, before: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    names = [str(level) for level in DETECTED_LEVELS]
    for level, (x0, y0, x1, y1) in image["boxes"].items():
        outline = image["outlines"].get(level, [])
        xs, ys = [p[0] for p in outline], [p[1] for p in outline]
        area = abs(sum(x * ys[k - 1] - xs[k - 1] * y for k, (x, y) in enumerate(outline))) / 2
        found.append(
            {
                "id": before + len(found) + 1,
                "image_id": image_id,
                "category_id": names.index(level) + 1,
                "bbox": [round(v, 1) for v in (x0, y0, x1 - x0, y1 - y0)],
                "segmentation": [[value for point in outline for value in point]] if outline else [],
                "area": round(area, 1),
                "iscrowd": 0,
            }
        )
    return found
