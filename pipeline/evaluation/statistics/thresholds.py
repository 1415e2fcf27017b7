"""Thresholds of a probability: net benefit, and the threshold of a sensitivity."""

from __future__ import annotations

import numpy as np

from pipeline.evaluation.statistics.intervals import Flags, Floats


def net_benefit(positive: Flags, probabilities: Floats, thresholds: Floats) -> Floats:
    """Net benefit (t,) of acting above each threshold (Vickers and Elkin 2006)."""
    predicted = probabilities[None] >= thresholds[:, None]
    tp, fp = (predicted & positive).mean(1), (predicted & ~positive).mean(1)
    return np.asarray(tp - fp * thresholds / (1 - thresholds))


def threshold_for_sensitivity(positive: Flags, scores: Floats, sensitivity: float) -> float:
    """Highest threshold at which at least this fraction of the positives is predicted positive.

    Raises:
        ValueError: no positive case.
    """
    events = np.sort(scores[positive])
    if not len(events):
        raise ValueError("no positive case; a sensitivity needs one")
    return float(events[int(np.floor((1 - sensitivity) * len(events) + 1e-9))])
