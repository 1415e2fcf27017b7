"""Whether L1-L4 are rightly named on radiographs simulated from a real CT with its own bones, over several fields.

Usage: python scripts/judge_ct.py CT.nii.gz LABELS.nii.gz [--seeds 4] [--weights FOLDER]
Prints JSON: by field and view, labelling margin and IoU of L1-L4 with the CT's own bodies; then how many are right.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from cohort.io.annotations import read_rois
from cohort.io.folder import index_cohort
from cohort.spine import TARGET_LEVELS, iou
from phantom.ct import simulate_ct
from phantom.xray.system import SimulatedSite
from pipeline.bundle.load import load_bundle
from pipeline.evaluation.detection.boxes import RIGHT_IOU
from pipeline.screening.film_reader import read_study
from pipeline.screening.screener import Screener


def main() -> None:
    """Simulate, detect, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ct", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--weights", type=Path)
    options = parser.parse_args()
    screener = Screener(load_bundle(options.weights))
    fields: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        for site in (SimulatedSite.TEST1, SimulatedSite.TRAINING):
            with tempfile.TemporaryDirectory() as folder:
                simulate_ct(options.ct, options.labels, Path(folder), site, seed)
                (study,) = index_cohort(Path(folder)).studies
                rois = read_rois(Path(folder) / "rois.csv")
                read = read_study(study)
                for radiograph, found in zip(read.radiographs, screener.detect(read.radiographs), strict=True):
                    view = radiograph.view
                    assert view is not None
                    truth = {b.level: b.corners for b in rois[study.study_uid, view] if b.level in TARGET_LEVELS}
                    boxes = {} if found is None or found.view is not view else {b.level: b for b in found.boxes}
                    overlaps = {
                        level.value: round(iou(boxes[level].corners, corners), 2) if level in boxes else 0.0
                        for level, corners in truth.items()
                    }
                    margin = None if found is None else round(found.labelling_margin, 2)
                    fields.append({"seed": seed, "site": site, "view": view, "margin": margin, "iou": overlaps})
    levels = [value for field in fields for value in field["iou"].values()]
    right = [min(field["iou"].values(), default=0.0) >= RIGHT_IOU for field in fields]
    summary = {
        "films": len(fields),
        "films_with_all_levels_right": sum(right),
        "levels": len(levels),
        "levels_right": sum(value >= RIGHT_IOU for value in levels),
    }
    print(json.dumps({"fields": fields, "summary": summary}, indent=1))


if __name__ == "__main__":
    main()
