"""How often intervals of an AUC in small groups hold the true one: on the logit scale, and Wald's.

Binormal scores, so that the true AUC is known; `python benchmarks/interval_coverage.py` prints JSON.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from scipy import stats

from pipeline.evaluation.statistics.roc import auc, delong

AUCS = (0.76, 0.86, 0.95, 0.98)


def coverage(true_auc: float, cases: int, others: int, runs: int, seed: int = 0) -> dict[str, float]:
    """Fraction of simulated studies whose 95 % interval holds the true AUC, by kind of interval.

    Args:
        true_auc: of two normal distributions of equal spread.
        cases: of each study.
        others: of each study.
        runs: studies.
        seed: of the scores.
    """
    rng = np.random.default_rng(seed)
    positive = np.arange(cases + others) < cases
    shift = float(np.sqrt(2) * stats.norm.ppf(true_auc)) * positive
    held = {"logit": 0, "wald": 0}
    for _ in range(runs):
        scores = rng.normal(size=len(positive)) + shift
        estimate = auc(positive, scores)
        values, covariance = delong(positive, scores[None])
        half = 1.96 * float(np.sqrt(covariance[0, 0]))
        held["logit"] += estimate.low <= true_auc <= estimate.high
        held["wald"] += abs(float(values[0]) - true_auc) <= half
    return {kind: count / runs for kind, count in held.items()}


def main() -> None:
    """Print the coverage at several AUCs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10)
    parser.add_argument("--others", type=int, default=20)
    parser.add_argument("--runs", type=int, default=4000)
    options = parser.parse_args()
    found = {f"AUC {a}": coverage(a, options.cases, options.others, options.runs) for a in AUCS}
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
