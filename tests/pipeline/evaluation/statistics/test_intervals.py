"""Proportions and counts against the paper's own tables, R and hand-computed values."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.evaluation.statistics.intervals import (
    BinaryCounts,
    binary_metrics,
    clustered_proportion,
    counts,
    design_effect,
    paper_auc,
    proportion,
)

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


def test_proportions_of_nothing_and_everything() -> None:
    assert np.isnan(proportion(0, 0).value)
    everything = proportion(10, 10)
    assert everything.value == everything.high == 1.0 and everything.low == pytest.approx(0.6554, abs=1e-3)
    exact, split = proportion(30, 100), proportion(30.0000001, 100)
    assert (split.low, split.high) == pytest.approx((exact.low, exact.high), abs=1e-5)


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        (7, 10, 0.353670723511, 0.919052175790),
        (81, 263, 0.253508682295, 0.368176201043),
        (1, 29, 0.00180264021328, 0.19628175100976),
        (0, 20, 0.0, 0.200453345013),
    ],
)
def test_proportions_have_the_intervals_of_r(k: int, n: int, low: float, high: float) -> None:
    """R 4.2.2: prop.test(k, n, correct = TRUE)$conf.int."""
    found = proportion(k, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)


def test_one_study_a_patient_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    positive, predicted = rng.random(80) < 0.4, rng.random(80) < 0.5
    plain = counts(positive, predicted).metrics()
    assert binary_metrics(positive, predicted) == plain
    assert binary_metrics(positive, predicted, rng.permutation(80)) == plain
    assert np.isnan(binary_metrics(positive[:0], predicted[:0])["ppv"].value)


def test_copies_of_studies_count_once() -> None:
    right = np.random.default_rng(1).random(100) < 0.7
    four = np.repeat(np.arange(100), 4)
    assert design_effect(right[four], four) == pytest.approx(4, rel=0.02)
    copied, once = clustered_proportion(right[four], four), clustered_proportion(right)
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high), abs=2e-3)
    everything = clustered_proportion(np.ones(40, bool), np.repeat(np.arange(10), 4))
    assert everything.value == 1.0
    assert everything.low == pytest.approx(proportion(10, 10).low)
    alone = clustered_proportion(right[:4], np.zeros(4, int))
    assert alone.value == right[:4].mean() and np.isnan(alone.low)


def test_intervals_by_patient_keep_their_coverage() -> None:
    rng, held = np.random.default_rng(2), []
    patients = np.repeat(np.arange(40), 5)
    for _ in range(800):
        own = rng.beta(8 / 2, 2 / 2, 40)
        right = rng.random(200) < own[patients]
        by_patient, by_study = clustered_proportion(right, patients), clustered_proportion(right)
        held.append((by_patient.low < 0.8 < by_patient.high, by_study.low < 0.8 < by_study.high))
    by_patient_held, by_study_held = np.mean(held, axis=0)
    assert 0.92 < by_patient_held < 0.98
    assert by_study_held < by_patient_held - 0.04
