"""Net benefit of sending to DXA by the predicted probability of osteoporosis, against DXA for everyone and no one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.classification.cases import EvaluatedCases
from pipeline.evaluation.config import DECISION_THRESHOLDS
from pipeline.evaluation.estimable import is_lone
from pipeline.evaluation.statistics.intervals import Estimate
from pipeline.evaluation.statistics.thresholds import net_benefit_difference

PATIENTS = 100
"""Patients for whom avoided scans are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetBenefit:
    """Net benefit at one threshold, in true positives per patient.

    Attributes:
        threshold: probability of osteoporosis from which a patient is sent to DXA.
        model: net benefit of sending by the prediction.
        everyone: of DXA for everyone; that of DXA for no one is 0.
        against_everyone: model minus everyone, with its bootstrap interval by patient.
        against_better: model minus the better of everyone and no one on these studies, likewise.
        dxa_avoided: scans avoided per 100 patients against DXA for everyone, without one osteoporotic patient more
            being missed, likewise.
    """

    threshold: float
    model: float
    everyone: float
    against_everyone: Estimate
    against_better: Estimate
    dxa_avoided: Estimate


def net_benefits(
    cases: EvaluatedCases, thresholds: Sequence[float] = DECISION_THRESHOLDS, draws: int = 2000, seed: int = 0
) -> tuple[NetBenefit, ...]:
    """Net benefit at each threshold.

    Args:
        cases: at least one study.
        thresholds: above 0 and below 1.
        draws: resamples of the patients.
        seed: of the bootstrap.

    Source: Vickers and Elkin 2006, Med Decis Making 26:565; intervals after Vickers et al. 2008, BMC Med Inform Decis
        Mak 8:53.
    """
    lone = is_lone(np.ones(len(cases.labels), bool), cases.patients)
    levels = np.asarray(thresholds, dtype=np.float64)
    positive, probabilities = cases.positive, cases.p_osteoporosis
    odds = levels / (1 - levels)
    everyone = positive.mean() - (1 - positive.mean()) * odds
    against_everyone, against_no_one = (
        [
            Estimate(found.value, np.nan, np.nan) if lone else found
            for found in net_benefit_difference(positive, probabilities, levels, draws, seed, cases.patients, against)
        ]
        for against in ("all", "none")
    )
    return tuple(
        NetBenefit(
            threshold=float(levels[k]),
            model=none.value,
            everyone=float(everyone[k]),
            against_everyone=every,
            against_better=every if everyone[k] > 0 else none,
            dxa_avoided=_scaled(every, PATIENTS / float(odds[k])),
        )
        for k, (every, none) in enumerate(zip(against_everyone, against_no_one, strict=True))
    )


def _scaled(estimate: Estimate, factor: float) -> Estimate:
    return Estimate(factor * estimate.value, factor * estimate.low, factor * estimate.high)
