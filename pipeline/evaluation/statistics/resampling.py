"""Bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.statistics.intervals import Estimate


def bootstrap(
    measure: Callable[[npt.NDArray[np.int64]], float], cases: int, draws: int, seed: int, confidence: float = 0.95
) -> Estimate:
    """A measure with its percentile interval over resampled cases; resamples that give NaN are left out.

    Args:
        measure: value of the cases with some indices.
        cases: how many there are.
        draws: resamples.
        seed: of the resampling.
        confidence: of the interval.
    """
    rng = np.random.default_rng(seed)
    values = np.array([measure(rng.integers(cases, size=cases)) for _ in range(draws)])
    values = values[np.isfinite(values)]
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, (tail, 1 - tail)) if len(values) else (float("nan"), float("nan"))
    return Estimate(measure(np.arange(cases)), float(low), float(high))
