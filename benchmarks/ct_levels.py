"""Whether L1-L4 are labelled rightly on radiographs simulated from a real CT with its own bones, over several fields.

Usage: python benchmarks/ct_levels.py CT.nii.gz LABELS.nii.gz [--seeds 4] [--weights FOLDER]
Prints JSON: by field and view, labelling margin and IoU of L1-L4 with the bodies of the CT; then how many are right.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from cohort.io.annotations import read_rois
from cohort.io.folder import index_cohort
from cohort.spine import TARGET_LEVELS, SpineDetection, VertebraBox, VertebralLevel, View, iou
from phantom.ct import simulate_ct
from phantom.xray.system import SimulatedSite
from pipeline.bundle.load import load_bundle
from pipeline.evaluation.detection.boxes import RIGHT_IOU
from pipeline.screening.radiograph_reader import read_study
from pipeline.screening.screener import Screener


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One simulated radiograph.

    Attributes:
        seed: of the field.
        site: whose radiography system is simulated.
        view: projection.
        margin: labelling margin, None where nothing was found.
        iou: overlap of the box of each level with the body, 0 without a box.
    """

    seed: int
    site: SimulatedSite
    view: View
    margin: float | None
    iou: dict[VertebralLevel, float]


def main() -> None:
    """Simulate, detect, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ct", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--weights", type=Path)
    options = parser.parse_args()
    screener = Screener(load_bundle(options.weights))
    fields = [
        field
        for seed in range(options.seeds)
        for site in (SimulatedSite.TEST1, SimulatedSite.TRAINING)
        for field in fields_of(options.ct, options.labels, site, seed, screener)
    ]
    overlaps = [value for field in fields for value in field.iou.values()]
    summary = {
        "radiographs": len(fields),
        "radiographs_with_all_levels_right": sum(min(f.iou.values(), default=0.0) >= RIGHT_IOU for f in fields),
        "levels": len(overlaps),
        "levels_right": sum(value >= RIGHT_IOU for value in overlaps),
    }
    print(json.dumps({"fields": [asdict(field) for field in fields], "summary": summary}, indent=1))


def fields_of(ct: Path, labels: Path, site: SimulatedSite, seed: int, screener: Screener) -> Iterator[Field]:
    """Both views of one field."""
    with tempfile.TemporaryDirectory() as folder:
        simulate_ct(ct, labels, Path(folder), site, seed)
        (study,) = index_cohort(Path(folder)).studies
        rois = read_rois(Path(folder) / "rois.csv")
        radiographs = read_study(study).radiographs
    for radiograph, detection in zip(radiographs, screener.detect(radiographs), strict=True):
        view = radiograph.view
        assert view is not None
        yield Field(
            seed=seed,
            site=site,
            view=view,
            margin=None if detection is None else round(detection.labelling_margin, 2),
            iou=overlaps_with(rois[study.study_uid, view], detection, view),
        )


def overlaps_with(
    bodies: tuple[VertebraBox, ...], detection: SpineDetection | None, view: View
) -> dict[VertebralLevel, float]:
    """Overlap of the box of each of L1-L4 with its body."""
    right_view = detection if detection is not None and detection.view is view else None
    overlaps = {}
    for body in (body for body in bodies if body.level in TARGET_LEVELS):
        box = None if right_view is None else right_view.box(body.level)
        overlaps[body.level] = 0.0 if box is None else round(iou(box.corners, body.corners), 2)
    return overlaps


if __name__ == "__main__":
    main()
