"""What each missing level costs: studies with all of L1-L4 used, classified again with fewer.

Usage: python scripts/judge_missing_levels.py COHORT [--site test1,test2] [--every N] [--weights FOLDER]
Prints JSON: by the levels used, studies, osteoporosis AUC, macro AUC, and the T-score's mean absolute error and bias.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

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
from pipeline.screening.film_reader import read_study
from pipeline.screening.screener import Screener

CHOICES = ("L1 L2 L3 L4", "L2 L3 L4", "L1 L3 L4", "L1 L2 L4", "L1 L2 L3", "L1 L2", "L2 L3", "L3 L4", "L1 L4")
"""Levels that are kept."""


def main() -> None:
    """Classify with each choice and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--site", default="test1,test2")
    parser.add_argument("--every", type=int, default=1, help="judge every n-th study")
    parser.add_argument("--weights", type=Path)
    options = parser.parse_args()
    weights = load_bundle(options.weights)
    screener = Screener(weights)
    classifier = BmdClassifier(weights.classifier, weights.preprocess, 0, weights.calibration)
    sites = options.site.split(",")
    studies = [s for s in index_cohort(options.cohort).studies if s.site in sites and not exclusions(s)]
    found: dict[str, list[tuple[list[float], float]]] = {choice: [] for choice in CHOICES}
    truth: list[tuple[int, float]] = []
    for study in studies[:: options.every]:
        _judge(study, screener, classifier, found, truth)
    labels, scores = np.array([t[0] for t in truth]), np.array([t[1] for t in truth])
    print(json.dumps({choice: _figures(rows, labels, scores) for choice, rows in found.items()}, indent=1))


def _judge(
    study: Study,
    screener: Screener,
    classifier: BmdClassifier,
    found: dict[str, list[tuple[list[float], float]]],
    truth: list[tuple[int, float]],
) -> None:
    views = views_of(screener.assess(read_study(study).radiographs))
    whole = len(views) == len(View) and all(v.rejection is None and not v.left_out for v in views.values())
    if not whole or study.dxa is None or study.dxa.bmd_class is None or study.dxa.t_score is None:
        return
    truth.append((BMD_CLASSES.index(study.dxa.bmd_class), study.dxa.t_score))
    for choice, rows in found.items():
        kept = [level for level in TARGET_LEVELS if level.value in choice]
        inputs = {
            view: classifier.network_input(v.radiograph.pixels, v.detection, kept, v.spine.mirrored)
            for view, v in views.items()
        }
        classified = classifier.classify(inputs, study.covariates)
        rows.append(([classified.probabilities[c] for c in BMD_CLASSES], classified.t_score))


def _figures(rows: list[tuple[list[float], float]], labels: Any, scores: Any) -> dict[str, float]:
    shares, estimates = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    return {
        "studies": len(rows),
        "auc_osteoporosis": osteoporosis_auc(labels, shares),
        "macro_auc": macro_auc(labels, shares),
        "t_score_mae": float(np.mean(np.abs(estimates - scores))),
        "t_score_bias": float(np.mean(estimates - scores)),
    }


if __name__ == "__main__":
    main()
