"""Bootstrap intervals against theory and against sorting every resample."""

from __future__ import annotations

import time

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pipeline.evaluation.statistics.resampling import bootstrap, macro_auc
from pipeline.evaluation.statistics.roc import auc_value


def test_bootstrap_intervals_cover_a_mean() -> None:
    values = np.random.default_rng(0).normal(5, 2, 400)
    found = bootstrap(lambda k: float(values[k].mean()), 400, 500, 1)
    assert found.value == pytest.approx(values.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * 2 / 20, rel=0.15)
    assert np.isnan(bootstrap(lambda _: float("nan"), 10, 5, 1).low)


def three_classes(n: int, decimals: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=n)
    probabilities = rng.dirichlet([1, 1, 1], n)
    probabilities[np.arange(n), labels] += 0.5
    return labels, (probabilities / probabilities.sum(1, keepdims=True)).round(decimals)


@pytest.mark.parametrize("decimals", [2, 12], ids=["ties", "no ties"])
@pytest.mark.parametrize("patients", [None, 60], ids=["studies", "patients"])
def test_macro_auc_is_that_of_sorting_every_resample(decimals: int, patients: int | None) -> None:
    labels, probabilities = three_classes(200, decimals)
    clusters = None if patients is None else np.random.default_rng(1).integers(patients, size=200)

    def sorting(index: np.ndarray) -> float:
        return float(np.mean([auc_value(labels[index] == k, probabilities[index, k]) for k in range(3)]))

    slow = bootstrap(sorting, 200, 200, 3, clusters=clusters)
    fast = macro_auc(labels, probabilities, 200, 3, clusters)
    assert (fast.value, fast.low, fast.high) == pytest.approx((slow.value, slow.low, slow.high), abs=1e-12)
    assert fast.value == pytest.approx(np.mean([roc_auc_score(labels == k, probabilities[:, k]) for k in range(3)]))


def test_ten_thousand_studies_take_seconds() -> None:
    labels, probabilities = three_classes(10_000, 6)
    start = time.process_time()
    found = macro_auc(labels, probabilities, 2000, 0)
    assert time.process_time() - start < 10
    assert found.low < found.value < found.high


def test_whole_patients_are_drawn() -> None:
    patients = np.repeat(np.arange(50), 4)[::-1].copy()
    values = np.repeat(np.random.default_rng(0).normal(0, 1, 50), 4)
    by_patient = bootstrap(lambda k: float(values[k].mean()), 200, 500, 0, clusters=patients)
    by_study = bootstrap(lambda k: float(values[k].mean()), 200, 500, 0)
    assert by_patient.high - by_patient.low == pytest.approx(2 * (by_study.high - by_study.low), rel=0.2)
    alone = bootstrap(lambda k: float(values[k].mean()), 200, 500, 0, clusters=np.arange(200))
    assert alone == by_study
    whole = bootstrap(
        lambda k: float((np.bincount(patients[k], minlength=50) % 4).max()), 200, 20, 0, clusters=patients
    )
    assert (whole.low, whole.high) == (0, 0)


def test_a_class_without_cases_has_no_macro_auc() -> None:
    labels, probabilities = three_classes(60, 3)
    found = macro_auc(np.minimum(labels, 1), probabilities, 50, 0)
    assert np.isnan(found.value) and np.isnan(found.low)
