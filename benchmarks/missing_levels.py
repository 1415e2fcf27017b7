"""What each missing level costs: studies with all of L1-L4 used, classified again with fewer.

Usage: python benchmarks/missing_levels.py COHORT [--site test1,test2] [--every N] [--weights FOLDER]
Prints JSON: by the levels used, studies, osteoporosis AUC, macro AUC, and the T-score's mean absolute error and bias.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from classify.classifier import BmdClassifier
from classify.training.metrics import macro_auc, osteoporosis_auc
from cohort.bmd import BMD_CLASSES
from cohort.eligibility import exclusions
from cohort.io.folder import index_cohort
from cohort.spine import TARGET_LEVELS, View
from cohort.study import Study
from pipeline.bundle.load import load_bundle
from pipeline.screening.assessment import views_of
from pipeline.screening.radiograph_reader import read_study
from pipeline.screening.screener import Screener

CHOICES = ("L1 L2 L3 L4", "L2 L3 L4", "L1 L3 L4", "L1 L2 L4", "L1 L2 L3", "L1 L2", "L2 L3", "L3 L4", "L1 L4")
"""Levels that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One study: the truth, and by the levels that are kept, its probabilities and T-score."""

    label: int
    t_score: float
    probabilities: dict[str, list[float]]
    estimates: dict[str, float]


def main() -> None:
    """Classify with each choice and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--site", default="test1,test2")
    parser.add_argument("--every", type=int, default=1, help="evaluate every n-th study")
    parser.add_argument("--weights", type=Path)
    options = parser.parse_args()
    bundle = load_bundle(options.weights)
    screener = Screener(bundle)
    classifier = BmdClassifier(bundle.classifier, bundle.preprocess, bundle.calibration)
    sites = options.site.split(",")
    studies = [s for s in index_cohort(options.cohort).studies if s.site in sites and not exclusions(s)]
    cases = [case for s in studies[:: options.every] if (case := case_of(s, screener, classifier)) is not None]
    print(json.dumps({choice: metrics_of(cases, choice) for choice in CHOICES}, indent=1))


def case_of(study: Study, screener: Screener, classifier: BmdClassifier) -> Case | None:
    """One study with each choice of levels; None where not all of L1-L4 are used in both views."""
    views = views_of(screener.assess(read_study(study).radiographs))
    whole = len(views) == len(View) and all(v.rejection is None and not v.left_out for v in views.values())
    if not whole or study.dxa is None or study.dxa.bmd_class is None or study.dxa.t_score is None:
        return None
    probabilities, estimates = {}, {}
    for choice in CHOICES:
        kept = [level for level in TARGET_LEVELS if level.value in choice]
        inputs = {
            view: classifier.network_input(v.radiograph.pixels, v.detection, kept, v.spine.mirrored)
            for view, v in views.items()
        }
        classified = classifier.classify(inputs, study.covariates)
        probabilities[choice] = [classified.probabilities[c] for c in BMD_CLASSES]
        estimates[choice] = classified.t_score
    return Case(
        label=BMD_CLASSES.index(study.dxa.bmd_class),
        t_score=study.dxa.t_score,
        probabilities=probabilities,
        estimates=estimates,
    )


def metrics_of(cases: Sequence[Case], choice: str) -> dict[str, float]:
    """What the classifier is worth with these levels."""
    labels = np.array([case.label for case in cases], np.int64)
    probabilities = np.array([case.probabilities[choice] for case in cases])
    errors = np.array([case.estimates[choice] - case.t_score for case in cases])
    return {
        "studies": len(cases),
        "auc_osteoporosis": osteoporosis_auc(labels, probabilities),
        "macro_auc": macro_auc(labels, probabilities),
        "t_score_mae": float(np.mean(np.abs(errors))),
        "t_score_bias": float(np.mean(errors)),
    }


if __name__ == "__main__":
    main()
