"""Net benefit by hand, and its intervals."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.evaluation.classification.decision_curves import net_benefits
from pipeline.evaluation.classification.metrics import classification_metrics
from pipeline.evaluation.config import DECISION_THRESHOLDS
from pipeline.evaluation.tables.osteoporosis import net_benefit_table
from tests.pipeline.evaluation.classification.made_up import binary_cases, random_cases

TEN = binary_cases([1, 1, 1, 0, 0, 0, 0, 0, 0, 0], [0.9, 0.6, 0.1, 0.7, 0.3, 0.1, 0.1, 0.1, 0.0, 0.0])


def test_net_benefit_is_that_by_hand() -> None:
    (at_half,) = net_benefits(TEN, (0.5,), draws=200)
    # two true and one false positive of ten, odds 1; for everyone three and seven
    assert at_half.model == pytest.approx(0.2 - 0.1)
    assert at_half.everyone == pytest.approx(0.3 - 0.7)
    assert at_half.against_everyone.value == pytest.approx(0.5)
    assert at_half.against_better.value == pytest.approx(0.1)  # no one is better than everyone
    assert at_half.dxa_avoided.value == pytest.approx(50)
    (at_fifth,) = net_benefits(TEN, (0.2,), draws=200)
    # two true and two false positives, odds 1/4
    assert at_fifth.model == pytest.approx(0.2 - 0.2 / 4)
    assert at_fifth.everyone == pytest.approx(0.3 - 0.7 / 4)
    assert at_fifth.against_better == at_fifth.against_everyone
    assert at_fifth.dxa_avoided.value == pytest.approx(100 * (0.15 - 0.125) / 0.25)
    assert at_fifth.dxa_avoided.high == pytest.approx(400 * at_fifth.against_everyone.high)


def test_a_model_that_sends_everyone_gains_nothing() -> None:
    (same,) = net_benefits(binary_cases([1, 0, 0, 1], [0.5] * 4), (0.3,), draws=50)
    assert same.against_everyone.value == same.against_everyone.low == same.against_everyone.high == 0


def test_intervals_are_by_patient() -> None:
    several = random_cases(80, 4)
    alone = random_cases(80, 4)
    by_patient = net_benefits(several, (0.2,), draws=400)[0].against_everyone
    object.__setattr__(alone, "patients", np.arange(320))
    independent = net_benefits(alone, (0.2,), draws=400)[0].against_everyone
    assert by_patient.value == independent.value
    assert by_patient.high - by_patient.low > 1.4 * (independent.high - independent.low)


def test_thresholds_are_those_of_the_settings() -> None:
    found = classification_metrics(random_cases(50), draws=5)
    assert tuple(benefit.threshold for benefit in found.net_benefit) == DECISION_THRESHOLDS
    other = classification_metrics(random_cases(50), draws=5, thresholds=(0.25,))
    assert [benefit.threshold for benefit in other.net_benefit] == [0.25]


def test_one_class_alone_has_a_net_benefit() -> None:
    (none,) = net_benefits(binary_cases([0] * 5, [0.1] * 5), (0.5,), draws=20)
    assert (none.model, none.everyone) == (0, -1) and none.against_better.value == 0


def test_the_table_counts_per_hundred_patients() -> None:
    table = net_benefit_table({"all": net_benefits(TEN, (0.5,), draws=50)})
    assert table.loc[0, "by the prediction"] == "10.00" and table.loc[0, "DXA for everyone"] == "-40.00"
    assert str(table.loc[0, "DXA avoided per 100 patients (95 %, bootstrap)"]).startswith("+50.0 (")
    assert net_benefit_table({}).empty
