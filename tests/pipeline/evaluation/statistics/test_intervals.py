"""Statistics against the paper's own tables, independent implementations and hand-computed values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from pipeline.evaluation.statistics.agreement import bland_altman, mcnemar
from pipeline.evaluation.statistics.intervals import BinaryCounts, counts, paper_auc, proportion
from pipeline.evaluation.statistics.resampling import bootstrap
from pipeline.evaluation.statistics.roc import auc, auc_value, delong, delong_test
from pipeline.evaluation.statistics.thresholds import net_benefit, threshold_for_sensitivity

TABLES = [
    (
        "2",
        "Training",
        "AP",
        (1656, 1, 2, 3365),
        "99.94 99.61 100.0; 99.94 99.76 99.99; 99.88 99.52 99.98; 99.97 99.81 100.0",
        "0.996 0.994 0.998",
    ),
    (
        "2",
        "Training",
        "LAT",
        (1656, 1, 1, 3366),
        "99.94 99.61 100.0; 99.97 99.81 100.0; 99.94 99.61 100.0; 99.97 99.81 100.0",
        "0.996 0.994 0.998",
    ),
    (
        "2",
        "Training",
        "AP and LAT",
        (1493, 166, 336, 3029),
        "89.99 88.42 91.37; 90.01 88.94 91.0; 81.63 79.76 83.36; 94.8 93.96 95.54",
        "0.965 0.96 0.97",
    ),
    (
        "2",
        "Validation",
        "AP",
        (184, 40, 58, 346),
        "82.14 76.36 86.8; 85.64 81.75 88.84; 76.03 70.06 81.17; 89.64 86.05 92.41",
        "0.904 0.877 0.925",
    ),
    (
        "2",
        "Validation",
        "LAT",
        (169, 55, 58, 346),
        "75.45 69.18 80.83; 85.64 81.75 88.84; 74.45 68.17 79.88; 86.28 82.44 89.42",
        "0.889 0.861 0.912",
    ),
    (
        "2",
        "Validation",
        "AP and LAT",
        (190, 34, 54, 350),
        "84.82 79.29 89.12; 86.63 82.83 89.72; 77.87 72.03 82.81; 91.15 87.73 93.71",
        "0.937 0.914 0.954",
    ),
    (
        "2",
        "Test cohort 1",
        "AP",
        (172, 39, 76, 341),
        "81.52 75.47 86.38; 81.77 77.66 85.29; 69.35 63.15 74.95; 89.74 86.13 92.51",
        "0.889 0.861 0.912",
    ),
    (
        "2",
        "Test cohort 1",
        "LAT",
        (169, 42, 58, 359),
        "80.09 73.93 85.13; 86.09 82.31 89.19; 74.45 68.17 79.88; 89.53 86.01 92.27",
        "0.911 0.885 0.932",
    ),
    (
        "2",
        "Test cohort 1",
        "AP and LAT",
        (175, 36, 59, 358),
        "82.94 77.03 87.62; 85.85 82.05 88.98; 74.79 68.63 80.11; 90.86 87.47 93.44",
        "0.933 0.909 0.95",
    ),
    (
        "2",
        "Test cohort 2",
        "AP",
        (169, 41, 79, 339),
        "80.48 74.33 85.48; 81.1 76.94 84.67; 68.15 61.9 73.82; 89.21 85.54 92.06",
        "0.892 0.864 0.915",
    ),
    (
        "2",
        "Test cohort 2",
        "LAT",
        (155, 55, 78, 340),
        "73.81 67.22 79.51; 81.34 77.2 84.89; 66.52 60.02 72.47; 86.08 82.18 89.26",
        "0.874 0.845 0.898",
    ),
    (
        "2",
        "Test cohort 2",
        "AP and LAT",
        (172, 38, 73, 345),
        "81.9 75.88 86.73; 82.54 78.48 85.98; 70.2 63.99 75.77; 90.08 86.53 92.8",
        "0.909 0.883 0.93",
    ),
    (
        "4",
        "Training",
        "AP",
        (1430, 229, 143, 3222),
        "86.2 84.42 87.8; 95.75 95.0 96.4; 90.91 89.35 92.26; 93.36 92.47 94.16",
        "0.981 0.976 0.984",
    ),
    (
        "4",
        "Training",
        "LAT",
        (1471, 188, 324, 3041),
        "88.67 87.02 90.13; 90.37 89.31 91.34; 81.95 80.07 83.69; 94.18 93.3 94.95",
        "0.963 0.957 0.968",
    ),
    (
        "4",
        "Training",
        "AP and LAT",
        (1656, 1, 1, 3366),
        "99.94 99.61 100.0; 99.97 99.81 100.0; 99.94 99.61 100.0; 99.97 99.81 100.0",
        "0.996 0.993 0.998",
    ),
    (
        "4",
        "Validation",
        "AP",
        (164, 60, 30, 374),
        "73.21 66.83 78.79; 92.57 89.46 94.85; 84.54 78.5 89.17; 86.18 82.48 89.21",
        "0.922 0.897 0.941",
    ),
    (
        "4",
        "Validation",
        "LAT",
        (183, 41, 53, 351),
        "81.7 75.87 86.41; 86.88 83.1 89.94; 77.54 71.58 82.59; 89.54 85.98 92.31",
        "0.926 0.901 0.944",
    ),
    (
        "4",
        "Validation",
        "AP and LAT",
        (168, 56, 32, 372),
        "75.0 68.7 80.42; 92.08 88.89 94.44; 84.0 78.01 88.65; 86.92 83.26 89.89",
        "0.928 0.904 0.947",
    ),
    (
        "4",
        "Test cohort 1",
        "AP",
        (156, 55, 41, 376),
        "73.93 67.37 79.61; 90.17 86.8 92.77; 79.19 72.71 84.5; 87.24 83.63 90.17",
        "0.928 0.904 0.946",
    ),
    (
        "4",
        "Test cohort 1",
        "LAT",
        (172, 39, 47, 370),
        "81.52 75.47 86.38; 88.73 85.2 91.52; 78.54 72.39 83.66; 90.46 87.09 93.05",
        "0.93 0.907 0.949",
    ),
    (
        "4",
        "Test cohort 1",
        "AP and LAT",
        (159, 52, 35, 382),
        "75.36 68.87 80.9; 91.61 88.42 94.01; 81.96 75.66 86.96; 88.02 84.5 90.85",
        "0.943 0.921 0.96",
    ),
    (
        "4",
        "Test cohort 2",
        "AP",
        (144, 66, 32, 386),
        "68.57 61.76 74.69; 92.34 89.26 94.63; 81.82 75.15 87.06; 85.4 81.72 88.45",
        "0.912 0.887 0.933",
    ),
    (
        "4",
        "Test cohort 2",
        "LAT",
        (147, 63, 47, 371),
        "70.0 63.24 76.01; 88.76 85.24 91.54; 75.77 69.01 81.5; 85.48 81.73 88.59",
        "0.905 0.878 0.926",
    ),
    (
        "4",
        "Test cohort 2",
        "AP and LAT",
        (145, 65, 31, 387),
        "69.05 62.25 75.13; 92.58 89.53 94.83; 82.39 75.77 87.55; 85.62 81.96 88.65",
        "0.915 0.889 0.935",
    ),
]
"""Table, cohort, view, (TP, FN, FP, TN), then sensitivity, specificity, PPV and NPV with their printed intervals in
percent, and the printed AUC. Source: Mao et al. 2022, Tables 2 and 4; AP and LAT counts from Table 3, others inferred
from the printed percentages."""

TABLE_3 = {
    "Validation": [[190, 34, 0], [50, 160, 14], [4, 71, 105]],
    "Test cohort 1": [[175, 36, 0], [57, 144, 25], [2, 79, 110]],
    "Test cohort 2": [[172, 36, 2], [61, 129, 19], [12, 76, 121]],
}
"""Truth by prediction, both as osteoporosis, osteopenia, normal. Source: Mao et al. 2022, Table 3."""


@pytest.mark.parametrize("row", TABLES, ids=lambda row: f"Table {row[0]} {row[1]} {row[2]}")
def test_the_papers_tables_follow_from_their_counts(
    row: tuple[int, str, str, tuple[int, int, int, int], str, str],
) -> None:
    _, _, _, cells, printed, _ = row
    found = BinaryCounts(*cells).metrics()
    for name, text in zip(("sensitivity", "specificity", "ppv", "npv"), printed.split("; "), strict=True):
        value, low, high = map(float, text.split())
        assert 100 * found[name].value == pytest.approx(value, abs=0.0051)
        assert (100 * found[name].low, 100 * found[name].high) == pytest.approx((low, high), abs=0.016)


@pytest.mark.parametrize("row", TABLES, ids=lambda row: f"Table {row[0]} {row[1]} {row[2]}")
def test_the_papers_auc_intervals_are_wilson_on_auc_times_n(
    row: tuple[int, str, str, tuple[int, int, int, int], str, str],
) -> None:
    value, low, high = map(float, row[5].split())
    found = paper_auc(value, sum(row[3]))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.0016)


@pytest.mark.parametrize("cohort", list(TABLE_3))
def test_table_3_gives_the_counts_of_table_2(cohort: str) -> None:
    matrix = np.array(TABLE_3[cohort])
    truth, predicted = (np.repeat(axis.ravel(), matrix.ravel()) for axis in np.indices((3, 3)))
    cells = next(row[3] for row in TABLES if row[:3] == ("2", cohort, "AP and LAT"))
    assert counts(truth == 0, predicted == 0) == BinaryCounts(*cells)


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
    assert (perfect.value, perfect.low, perfect.high) == (1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="0 negative cases"):
        auc(np.ones(5, bool), np.arange(5.0))


def test_one_positive_case_has_an_area_and_no_interval() -> None:
    positive = np.array([True] + [False] * 6)
    alone = auc(positive, np.arange(7.0)[::-1].copy())
    assert alone.value == 1.0 and np.isnan(alone.low)


def test_proportions_of_nothing_and_everything() -> None:
    assert np.isnan(proportion(0, 0).value)
    everything = proportion(10, 10)
    assert everything.value == everything.high == 1.0 and everything.low == pytest.approx(0.6554, abs=1e-3)
    exact, split = proportion(30, 100), proportion(30.0000001, 100)
    assert (split.low, split.high) == pytest.approx((exact.low, exact.high), abs=1e-5)


def test_mcnemar_counts_the_discordant_pairs() -> None:
    first = np.array([True] * 10 + [False] * 3 + [True] * 20)
    second = np.array([False] * 10 + [True] * 3 + [True] * 20)
    assert mcnemar(first, second) == pytest.approx(stats.binomtest(10, 13).pvalue)
    assert mcnemar(first, first) == 1.0


def test_bland_altman_of_a_shifted_measurement() -> None:
    reference = np.linspace(-4, 1, 50)
    found = bland_altman(reference, reference + 0.3)
    assert (found.bias, found.low, found.high, found.r) == pytest.approx((0.3, 0.3, 0.3, 1.0))


def test_net_benefit_of_treating_all_and_of_a_perfect_test() -> None:
    positive = np.array([True] * 3 + [False] * 7)
    thresholds = np.array([0.1, 0.5])
    everyone = net_benefit(positive, np.ones(10), thresholds)
    assert everyone == pytest.approx(0.3 - 0.7 * thresholds / (1 - thresholds))
    assert net_benefit(positive, positive.astype(float), thresholds) == pytest.approx(0.3)


def test_a_threshold_reaches_its_sensitivity() -> None:
    positive, scores, _ = cases(5)
    for wanted in (0.5, 0.8, 0.95, 1.0):
        predicted = scores >= threshold_for_sensitivity(positive, scores, wanted)
        assert (predicted & positive).sum() / positive.sum() >= wanted


def test_bootstrap_intervals_cover_a_mean() -> None:
    values = np.random.default_rng(0).normal(5, 2, 400)
    found = bootstrap(lambda k: float(values[k].mean()), 400, 500, 1)
    assert found.value == pytest.approx(values.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * 2 / 20, rel=0.15)
    assert np.isnan(bootstrap(lambda _: float("nan"), 10, 5, 1).low)


def test_ranks_give_the_area() -> None:
    assert auc_value(np.array([True, True, False, False]), np.array([0.9, 0.4, 0.4, 0.1])) == 3.5 / 4
    assert np.isnan(auc_value(np.array([True, True]), np.array([0.1, 0.2])))
    rng = np.random.default_rng(0)
    positive, scores = rng.random(200) < 0.4, rng.random(200).round(2)
    assert auc_value(positive, scores) == pytest.approx(auc(positive, scores).value)
