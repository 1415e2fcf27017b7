"""Studies that a planned evaluation needs; of one study a patient, and all judged by DXA."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable

from scipy import stats


def studies_for_sensitivity(sensitivity: float, half_width: float, prevalence: float, confidence: float = 0.95) -> int:
    """Studies in which the interval of a sensitivity has a half-width, at a prevalence.

    Args:
        sensitivity: expected.
        half_width: of the interval.
        prevalence: fraction of the studies that is positive.
        confidence: of the interval.

    Raises:
        ValueError: a number that does not lie above 0 and below 1.

    Source: Buderer 1996, Acad Emerg Med 3:895.
    """
    _check(sensitivity=sensitivity, half_width=half_width, prevalence=prevalence, confidence=confidence)
    return math.ceil(_z(confidence) ** 2 * sensitivity * (1 - sensitivity) / half_width**2 / prevalence - 1e-9)


def studies_for_specificity(specificity: float, half_width: float, prevalence: float, confidence: float = 0.95) -> int:
    """Studies in which the interval of a specificity has a half-width, at a prevalence; see `studies_for_sensitivity`.

    Raises:
        ValueError: a number that does not lie above 0 and below 1.

    Source: Buderer 1996.
    """
    _check(specificity=specificity, half_width=half_width, prevalence=prevalence, confidence=confidence)
    return studies_for_sensitivity(specificity, half_width, 1 - prevalence, confidence)


def studies_for_auc(auc: float, half_width: float, prevalence: float, confidence: float = 0.95) -> int:
    """Studies in which the interval of an AUC has a half-width, at a prevalence.

    Args:
        auc: expected.
        half_width: of the interval.
        prevalence: fraction of the studies that is positive.
        confidence: of the interval.

    Raises:
        ValueError: a number that does not lie above 0 and below 1.

    Source: `auc_variance`.
    """
    _check(auc=auc, half_width=half_width, prevalence=prevalence, confidence=confidence)
    highest = (half_width / _z(confidence)) ** 2
    return _fewest(lambda n: auc_variance(auc, n * prevalence, n * (1 - prevalence)), highest)


def studies_for_noninferiority(
    auc: float,
    margin: float,
    correlation: float,
    prevalence: float,
    difference: float = 0.0,
    power: float = 0.8,
    confidence: float = 0.95,
) -> int:
    """Studies in which the AUC of a second score on the same studies is shown not to be inferior by a margin.

    It is shown where the interval of the difference lies above minus the margin, that is at a one-sided level of
    (1 - confidence) / 2.

    Args:
        auc: expected of the first score.
        margin: AUC by which the second may be worse.
        correlation: of the two AUCs; 0.5 or more is usual for the same readers or the same classifier.
        prevalence: fraction of the studies that is positive.
        difference: AUC of the second minus that of the first, as expected.
        power: probability that it is shown.
        confidence: of the interval.

    Raises:
        ValueError: a number that does not lie above 0 and below 1, or a second AUC that is expected to be inferior.

    Source: Obuchowski 1998, Stat Methods Med Res 7:371, with the variance of `auc_variance`.
    """
    second = auc + difference
    _check(auc=auc, margin=margin, prevalence=prevalence, power=power, confidence=confidence, second_auc=second)
    if not -1 < correlation < 1:
        raise ValueError(f"correlation {correlation}; it lies above -1 and below 1")
    if margin + difference <= 0:
        raise ValueError(f"an expected difference of {difference} is no better than minus the margin of {margin}")

    def variance(n: int) -> float:
        one, two = (auc_variance(area, n * prevalence, n * (1 - prevalence)) for area in (auc, second))
        return one + two - 2 * correlation * math.sqrt(one * two)

    return _fewest(variance, ((margin + difference) / (_z(confidence) + float(stats.norm.ppf(power)))) ** 2)


def auc_variance(auc: float, cases: float, others: float) -> float:
    """Variance of an AUC of some positive cases and some others, before any is seen.

    Source: Hanley and McNeil 1982, Radiology 143:29 (exponential scores; slightly large for normal ones).
    """
    two_cases, two_others = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (cases - 1) * (two_cases - auc**2) + (others - 1) * (two_others - auc**2)
    return spread / (cases * others)


def _fewest(variance: Callable[[int], float], highest: float) -> int:
    """Fewest studies whose variance is no higher."""
    n = 2
    while variance(n) > highest:
        n *= 2
    return bisect_left(range(n), -highest, lo=2, key=lambda k: -variance(k))


def _z(confidence: float) -> float:
    return float(stats.norm.ppf(0.5 + confidence / 2))


def _check(**fractions: float) -> None:
    for name, value in fractions.items():
        if not 0 < value < 1:
            raise ValueError(f"{name.replace('_', ' ')} {value}; it lies above 0 and below 1")
