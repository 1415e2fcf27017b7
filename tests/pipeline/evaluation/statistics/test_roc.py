"""Areas under the ROC curve against all pairs, R and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from pipeline.evaluation.statistics.roc import auc, auc_value, delong, delong_test
from tests.pipeline.evaluation.statistics.asah import NDKA, PATIENTS, POOR, S100B, WFNS


def naive_delong(positive: np.ndarray, scores: np.ndarray) -> tuple[float, float]:
    """Area and variance from all pairs, as DeLong 1988 writes them."""
    events, others = scores[positive], scores[~positive]
    wins = (events[:, None] > others[None]) + 0.5 * (events[:, None] == others[None])
    v10, v01 = wins.mean(1), wins.mean(0)
    return wins.mean(), v10.var(ddof=1) / len(events) + v01.var(ddof=1) / len(others)


def cases(seed: int, count: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    positive = rng.random(count) < 0.35
    first = positive + rng.normal(0, 1.0, count)
    second = np.round(positive + 0.5 * first + rng.normal(0, 1.0, count), 1)
    return positive, first, second


@pytest.mark.parametrize("seed", range(4))
def test_delong_agrees_with_all_pairs_also_with_ties(seed: int) -> None:
    positive, _, second = cases(seed)
    areas, covariance = delong(positive, second[None])
    area, variance = naive_delong(positive, second)
    assert areas[0] == pytest.approx(area) == pytest.approx(roc_auc_score(positive, second))
    assert covariance[0, 0] == pytest.approx(variance)


def test_delong_covariance_has_the_spread_of_bootstrapped_differences() -> None:
    positive, first, second = cases(7, 600)
    paired = delong_test(positive, first, second)
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(600):
        k = rng.integers(600, size=600)
        drawn.append(roc_auc_score(positive[k], second[k]) - roc_auc_score(positive[k], first[k]))
    half = (paired.difference.high - paired.difference.low) / 2
    assert half == pytest.approx(1.96 * np.std(drawn), rel=0.12)


def test_the_paired_test_holds_its_level() -> None:
    rng = np.random.default_rng(3)
    p_values = []
    for _ in range(400):
        positive = rng.random(200) < 0.4
        shared = positive + rng.normal(0, 1, 200)
        p_values.append(delong_test(positive, shared + rng.normal(0, 1, 200), shared + rng.normal(0, 1, 200)).p)
    assert 0.025 < np.mean(np.array(p_values) < 0.05) < 0.085


def test_noninferiority_depends_on_the_margin() -> None:
    positive, first, _ = cases(1, 2000)
    worse = first + np.random.default_rng(1).normal(0, 0.25, 2000)
    strict, loose = (delong_test(positive, first, worse, margin=m) for m in (0.0, 0.10))
    assert strict.p_noninferior > 0.5 > 0.01 > loose.p_noninferior
    same = delong_test(positive, first, first)
    assert (same.difference.value, same.p, same.p_noninferior) == (0.0, 1.0, 0.0)


def test_perfect_and_single_class_scores_behave() -> None:
    positive = np.array([True] * 5 + [False] * 7)
    perfect = auc(positive, positive.astype(float))
    exact = stats.binomtest(5, 5).proportion_ci(0.95, "exact")
    assert (perfect.value, perfect.low, perfect.high) == pytest.approx((1.0, exact.low, 1.0))
    reversed_scores = auc(positive, 1 - positive.astype(float))
    assert (reversed_scores.value, reversed_scores.low) == (0.0, 0.0)
    assert reversed_scores.high == pytest.approx(1 - exact.low)
    same = auc(positive, np.ones(12))
    assert (same.value, same.low, same.high) == (0.5, 0.5, 0.5)
    with pytest.raises(ValueError, match="0 negative cases"):
        auc(np.ones(5, bool), np.arange(5.0))


def test_one_positive_case_has_an_area_and_no_interval() -> None:
    positive = np.array([True] + [False] * 6)
    alone = auc(positive, np.arange(7.0)[::-1].copy())
    assert alone.value == 1.0 and np.isnan(alone.low)


def test_ranks_give_the_area() -> None:
    assert auc_value(np.array([True, True, False, False]), np.array([0.9, 0.4, 0.4, 0.1])) == 3.5 / 4
    assert np.isnan(auc_value(np.array([True, True]), np.array([0.1, 0.2])))
    rng = np.random.default_rng(0)
    positive, scores = rng.random(200) < 0.4, rng.random(200).round(2)
    assert auc_value(positive, scores) == pytest.approx(auc(positive, scores).value)


def test_delong_has_the_values_of_proc() -> None:
    """pROC 1.18.0: auc, var, cov of roc(aSAH$outcome, aSAH$s100b), $ndka and $wfns, direction "<"."""
    areas, covariance = delong(POOR, np.stack((S100B, NDKA, WFNS)))
    assert areas == pytest.approx([0.7313685637, 0.6119579946, 0.8236788618], abs=1e-9)
    assert np.diag(covariance) == pytest.approx([0.0026686824572, 0.0031908105494, 0.0014699147088], abs=1e-12)
    assert covariance[0, 1] == pytest.approx(-0.0007561649381, abs=1e-12)


@pytest.mark.parametrize(
    ("scores", "low", "high"),
    [
        (S100B, 0.6192169390, 0.8200857499),
        (NDKA, 0.4973305656, 0.7154042339),
        (WFNS, 0.7357640966, 0.8868418443),
    ],
    ids=["s100b", "ndka", "wfns"],
)
def test_the_logit_interval_has_the_values_of_r(scores: np.ndarray, low: float, high: float) -> None:
    """R 4.2.2, pROC 1.18.0: plogis(qlogis(a) + c(-1, 1) * qnorm(.975) * sqrt(var(r)) / (a * (1 - a)))."""
    found = auc(POOR, scores)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)
    alone = auc(POOR, scores, clusters=np.arange(len(POOR))[::-1].copy())
    assert (alone.value, alone.low, alone.high) == (found.value, found.low, found.high)


def test_the_paired_test_has_the_values_of_proc() -> None:
    """pROC 1.18.0: roc.test(roc s100b, roc ndka), Z = 1.390770026."""
    found = delong_test(POOR, NDKA, S100B)
    assert found.p == pytest.approx(0.1642951752, abs=1e-9)
    assert (found.difference.low, found.difference.high) == pytest.approx((-0.04887060642, 0.28769174463), abs=1e-9)


def test_clustered_variances_are_those_of_obuchowskis_formulas() -> None:
    """R 4.2.2, the formulas of Obuchowski 1997 over all pairs (S10, S01, S11), clusters seq(113) * 7 %% 40."""
    areas, covariance = delong(POOR, np.stack((S100B, NDKA)), PATIENTS)
    assert areas == pytest.approx([0.731368563686, 0.611957994580], abs=1e-9)
    assert np.diag(covariance) == pytest.approx([0.002130549181, 0.002989936699], abs=1e-11)
    one, two = delong(POOR, np.stack((S100B, S100B)), PATIENTS)[1][0]
    assert one == pytest.approx(two)


def test_doubled_studies_of_a_patient_add_nothing() -> None:
    positive, first, second = cases(2, 200)
    twice, patients = np.repeat(np.arange(200), 2), np.repeat(np.arange(200), 2)
    once = auc(positive, first)
    doubled = auc(positive[twice], first[twice], clusters=patients)
    naive = auc(positive[twice], first[twice])
    assert doubled.high - doubled.low == pytest.approx(once.high - once.low, rel=1e-3)
    assert naive.high - naive.low < 0.75 * (once.high - once.low)
    paired = delong_test(positive[twice], first[twice], second[twice], clusters=patients)
    assert paired.p == pytest.approx(delong_test(positive, first, second).p, rel=1e-2)


def test_an_area_of_one_is_bounded_by_the_patients_not_the_studies() -> None:
    positive = np.repeat([True, False], (10, 30))
    patients = np.concatenate((np.repeat(np.arange(2), 5), np.arange(2, 32)))
    assert auc(positive, positive.astype(float), clusters=patients).low == pytest.approx(0.025**0.5)
    assert auc(positive, positive.astype(float)).low == pytest.approx(0.025**0.1)


def test_the_positive_studies_of_one_patient_have_an_area_and_no_interval() -> None:
    positive = np.repeat([True, False], (3, 9))
    found = auc(positive, np.arange(12.0)[::-1].copy(), clusters=np.repeat(np.arange(4), 3))
    assert found.value == 1.0 and np.isnan(found.low)
    with pytest.raises(ValueError, match="2 patients' numbers for 12 studies"):
        auc(positive, np.arange(12.0), clusters=np.arange(2))


def coverage(seed: int, runs: int, patients: int, studies: int, shift: float = 1.5) -> tuple[float, float, float]:
    """How often the interval by patients, the one that takes studies as independent, and Wald's hold the true area."""
    rng, truth, held = np.random.default_rng(seed), stats.norm.cdf(shift / np.sqrt(2 * (1 + (studies > 1)))), []
    index = np.repeat(np.arange(patients), studies)
    for _ in range(runs):
        positive = np.arange(patients) < patients // 3
        own = rng.normal(0, 1, patients) if studies > 1 else np.zeros(patients)
        scores = (shift * positive + own)[index] + rng.normal(0, 1, len(index))
        flags = positive[index]
        half = 1.96 * float(np.sqrt(delong(flags, scores[None])[1][0, 0]))
        right, naive = auc(flags, scores, clusters=index), auc(flags, scores)
        held.append((right.low < truth < right.high, naive.low < truth < naive.high, abs(naive.value - truth) < half))
    by_patient, by_study, wald = np.mean(held, axis=0)
    return float(by_patient), float(by_study), float(wald)


@pytest.mark.parametrize(("shift", "wald_at_most"), [(1.5, 0.90), (2.3, 0.82)], ids=["AUC 0.86", "AUC 0.95"])
def test_small_groups_keep_the_coverage_of_their_area(shift: float, wald_at_most: float) -> None:
    """10 cases and 20 others."""
    by_patient, by_study, wald = coverage(0, 1000, 30, 1, shift)
    assert by_patient == by_study
    assert 0.93 < by_patient < 0.985
    assert wald < wald_at_most


def test_intervals_by_patient_keep_their_coverage_with_five_studies_each() -> None:
    by_patient, by_study, _ = coverage(1, 1000, 60, 5)
    assert 0.925 < by_patient < 0.97
    assert by_study < 0.80
