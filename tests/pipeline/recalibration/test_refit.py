"""One fit of a new calibration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from classify.calibration import Calibration, Decision
from cohort.spine import View
from osteolens.errors import ConfigError
from pipeline.evaluation.classification.cases import EvaluatedCases
from pipeline.recalibration.refit import Refit, mean_by_patient, refit, t_score_correction, unrounded

FORMER = Calibration(temperature=2.0, rule_in=0.6, rule_out=0.1, t_score_slope=1.5, t_score_offset=0.5)


def cases(n: int = 120, right: float = 0.8, decision: Decision = Decision.RULED_IN) -> EvaluatedCases:
    """Three sure classes in turn, of which a fraction is right; osteoporosis is ruled in or out where it is likely."""
    rng = np.random.default_rng(1)
    shown = np.arange(n) % 3
    labels = np.where(rng.random(n) < right, shown, (shown + 1) % 3)
    probabilities = np.full((n, 3), 0.1)
    probabilities[np.arange(n), shown] = 0.8
    estimates = rng.normal(-1.5, 1.0, n)
    return EvaluatedCases(
        labels=labels,
        probabilities=probabilities,
        t_scores=estimates + rng.normal(0, 0.2, n),
        t_estimates=estimates,
        prediction_sets=[frozenset()] * n,
        decisions=[decision if k == 2 else Decision.INDETERMINATE for k in shown],
        patients=np.arange(n),
    )


def test_what_the_studies_do_not_contradict_stays() -> None:
    found = refit(cases(right=0.8), FORMER.model_copy(update={"predictive_value": 0.8}))
    assert found.relative.temperature == 1.0 and found.reasons["temperature"].startswith("left as it is")
    assert found.relative.rule_in == 0.6 and found.relative.confidence is None
    assert (found.relative.t_score_slope, found.relative.t_score_offset) == (1.0, 0.0)


def test_a_threshold_that_the_studies_contradict_goes() -> None:
    found = refit(cases(right=0.8), FORMER.model_copy(update={"predictive_value": 0.95}))
    assert found.relative.rule_in == 1.01 and "contradicts a PPV of 95 %" in found.reasons["rule in"]


def test_a_threshold_that_the_studies_show_is_new() -> None:
    found = refit(cases(n=300, right=1.0), FORMER)
    assert found.relative.rule_in < 1 and found.relative.confidence == 0.95
    assert found.reasons["rule in"] == "new: these studies show a PPV of 95 %"


def test_an_offset_alone_is_fitted_where_no_slope_is_shown() -> None:
    shown = cases()
    slope, offset, why = t_score_correction(replace(shown, t_estimates=shown.t_estimates - 0.4))
    assert slope == 1.0 and offset == pytest.approx(0.4, abs=0.1) and why.startswith("new offset")


def test_few_t_scores_correct_nothing() -> None:
    shown = cases()
    estimates = np.where(np.arange(120) < 10, shown.t_estimates - 2, np.nan)
    assert t_score_correction(replace(shown, t_estimates=estimates))[:2] == (1.0, 0.0)


def test_a_relative_calibration_is_put_on_top_of_the_former_one() -> None:
    relative = Calibration(temperature=1.5, t_score_slope=2.0, t_score_offset=-1.0)
    whole = Refit(relative=relative, reasons={}).absolute(FORMER)
    assert whole.temperature == pytest.approx(3.0)
    network = 0.7
    before = FORMER.t_score_slope * network + FORMER.t_score_offset
    assert whole.t_score_slope * network + whole.t_score_offset == pytest.approx(2.0 * before - 1.0)


def test_a_calibration_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="check that the T-scores of the tables"):
        Refit(relative=Calibration(t_score_slope=4.0), reasons={}).absolute(FORMER)


def test_studies_of_one_patient_widen_the_interval_of_a_mean() -> None:
    values = np.repeat(np.random.default_rng(0).normal(0, 1, 30), 4)
    alone = mean_by_patient(values, np.arange(120))
    together = mean_by_patient(values, np.repeat(np.arange(30), 4))
    assert together.high - together.low > 1.8 * (alone.high - alone.low)


def test_rounded_probabilities_sum_to_one_and_are_never_zero() -> None:
    found = unrounded(np.array([[1.0, 0.0, 0.0]]))
    assert found.sum() == pytest.approx(1) and found.min() > 0


def test_the_limits_of_unlike_films_follow_the_site_whose_films_all_lie_beyond_the_former_ones() -> None:
    shown = cases(n=120)
    distances = np.stack((np.linspace(2, 3, 120), np.where(np.arange(120) < 20, 1.5, np.nan)), 1)
    former = FORMER.model_copy(update={"distance_limits": {View.AP: 1.2, View.LATERAL: 1.1}})
    found = refit(replace(shown, feature_distances=distances), former)
    limits = found.absolute(former).distance_limits
    assert limits[View.AP] == pytest.approx(1.2 * 2.98, abs=0.03), "97.5 % of 121 patients, one of them beyond all"
    assert limits[View.LATERAL] == 1.1 and "too few patients" in found.reasons["limit of unlike LATERAL films"]
    assert refit(shown, former).absolute(former).distance_limits == former.distance_limits, "results that do not tell"
