"""Several groups or several tests: adjusted p-values, heterogeneity between groups, and AUCs of different studies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from pipeline.evaluation.statistics.intervals import Clusters, Flags, Floats, design_effect
from pipeline.evaluation.statistics.roc import delong


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number by Holm's step-down method, in the order given; NaN stays and does not count.

    Source: Holm 1979, Scand J Statist 6:65.
    """
    values = np.asarray(p_values, dtype=float)
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    adjusted = np.full(len(values), np.nan)
    steps = values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(p) for p in adjusted]


def heterogeneity_p(values: Sequence[float], variances: Sequence[float]) -> float:
    """P that the values of independent groups are equal (Cochran's Q, chi-squared with one degree less than groups).

    Groups without a finite value and a variance above zero are left out; NaN below two groups. Give fractions and AUCs
    on the logit scale (`logit_proportion`, `logit_auc`), where the normal approximation holds in small groups.

    Args:
        values: of each group.
        variances: of each value.

    Source: Cochran 1954, Biometrics 10:101.
    """
    found, spread = np.asarray(values, dtype=float), np.asarray(variances, dtype=float)
    known = np.isfinite(found) & np.isfinite(spread) & (spread > 0)
    if known.sum() < 2:
        return float("nan")
    found, weights = found[known], 1 / spread[known]
    q = float((weights * (found - (weights @ found) / weights.sum()) ** 2).sum())
    return float(stats.chi2.sf(q, len(found) - 1))


def logit_proportion(right: Flags, clusters: Clusters | None = None) -> tuple[float, float]:
    """Logit of the fraction of true flags (n,), and its variance times the design effect; both finite also at 0 and 1.

    NaN without flags, or with several studies of a single patient.

    Source: Haldane 1956, Ann Hum Genet 20:309 (half a case added on both sides); Rao and Scott 1992.
    """
    if not len(right):
        return float("nan"), float("nan")
    effect = design_effect(right, clusters)
    true, false = right.sum() / effect + 0.5, (~right).sum() / effect + 0.5
    return float(np.log(true / false)), float(1 / true + 1 / false)


def logit_auc(positive: Flags, scores: Floats, clusters: Clusters | None = None) -> tuple[float, float]:
    """Logit of the AUC of scores (n,) and its variance by DeLong or Obuchowski; NaN at an AUC of 0 or 1.

    Raises:
        ValueError: a class is absent.
    """
    aucs, covariance = delong(positive, scores[None], clusters)
    value = float(aucs[0])
    if not 0 < value < 1:
        return float("nan"), float("nan")
    return float(np.log(value / (1 - value))), float(covariance[0, 0] / (value * (1 - value)) ** 2)
