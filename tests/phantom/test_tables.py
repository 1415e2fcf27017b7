"""Tables of a written cohort."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd


def test_the_tables_hold_truth_readers_and_outlines(simulated_cohort: Path) -> None:
    table = pd.read_csv(simulated_cohort / "cohort.csv")
    assert {"implant", "fracture_grade", "cobb_deg", "exposure", "menopause_age_years", "lumbar_count"} <= set(table)
    readings = pd.read_csv(simulated_cohort / "readers.csv")
    assert readings["reader"].nunique() == 6
    coco = json.loads((simulated_cohort / "annotations.json").read_text())
    assert len(coco["images"]) == 8 and {c["name"] for c in coco["categories"]} >= {"L1", "S1"}
    rois = pd.read_csv(simulated_cohort / "rois.csv")
    assert len(coco["annotations"]) == len(rois)
    for annotation in coco["annotations"]:
        x, _, width, height = annotation["bbox"]
        for polygon in annotation["segmentation"]:
            points = np.array(polygon).reshape(-1, 2)
            assert x - 1 <= points[:, 0].min() and points[:, 0].max() <= x + width + 1
            assert 0.4 * width * height < annotation["area"] <= width * height
