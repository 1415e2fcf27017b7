"""How often a body that the field cuts is not used: every eligible radiograph, cut at the middle of L1 or L4.

Usage: python benchmarks/cut_fields.py COHORT [--site test1,test2] [--every N] [--weights FOLDER]
Prints JSON: by view and cut, radiographs, the fraction in which the cut body is left out or the view rejected, and that
in which it is left out.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from cohort.eligibility import exclusions
from cohort.io.annotations import read_rois
from cohort.io.folder import index_cohort
from cohort.io.radiograph import read_radiograph
from cohort.spine import VertebralLevel
from pipeline.bundle.load import load_bundle
from pipeline.screening.screener import Screener

LEFT_OUT = "left out"


def main() -> None:
    """Cut, assess, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--site", default="test1,test2")
    parser.add_argument("--every", type=int, default=1, help="evaluate every n-th study")
    parser.add_argument("--weights", type=Path)
    options = parser.parse_args()
    screener = Screener(load_bundle(options.weights))
    rois = read_rois(options.cohort / "rois.csv")
    sites = options.site.split(",")
    studies = [s for s in index_cohort(options.cohort).studies if s.site in sites and not exclusions(s)]
    codes: dict[str, list[str | None]] = {}
    for study in studies[:: options.every]:
        for view, path in study.images:
            if view is None or (study.study_uid, view) not in rois:
                continue
            radiograph = read_radiograph(path)
            middles = {box.level: round(box.centre[1]) for box in rois[study.study_uid, view]}
            if not {VertebralLevel.L1, VertebralLevel.L4} <= set(middles):
                continue
            parts = {
                "L1": radiograph.pixels[middles[VertebralLevel.L1] :],
                "L4": radiograph.pixels[: middles[VertebralLevel.L4]],
            }
            for level, pixels in parts.items():
                cut = replace(radiograph, pixels=pixels)
                (image,) = screener.assess([cut])
                code: str | None = image.rejection.code if image.rejection else None
                if code is None and VertebralLevel(level) in image.left_out:
                    code = LEFT_OUT
                codes.setdefault(f"{view} cut at {level}", []).append(code)
    metrics = {
        name: {
            "radiographs": len(outcomes),
            "cut_body_not_used": sum(code is not None for code in outcomes) / len(outcomes),
            "left_out_alone": outcomes.count(LEFT_OUT) / len(outcomes),
        }
        for name, outcomes in codes.items()
    }
    print(json.dumps(metrics, indent=1))


if __name__ == "__main__":
    main()
