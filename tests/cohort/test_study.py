"""Boxes, overlap, WHO classes, covariates."""

from __future__ import annotations

import pytest

from cohort.bmd import BmdClass, classify_t_score
from cohort.covariates import Covariates, Sex
from cohort.spine import SpineDetection, VertebraBox, VertebralLevel, View, iou


def test_iou_is_the_papers_overlap_rate() -> None:
    assert iou((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(50 / 150)
    assert iou((0, 0, 10, 10), (10, 0, 20, 10)) == 0
    assert iou((1, 2, 3, 4), (1, 2, 3, 4)) == 1


def test_an_empty_box_is_refused_with_its_level() -> None:
    with pytest.raises(ValueError, match="box of L2"):
        VertebraBox(VertebralLevel.L2, 5, 0, 5, 10)


def test_missing_names_what_lacks_of_l1_to_l4() -> None:
    boxes = tuple(VertebraBox(level, 0, 0, 1, 1) for level in (VertebralLevel.L1, VertebralLevel.L4))
    assert SpineDetection(View.AP, boxes, (9, 9)).missing == (VertebralLevel.L2, VertebralLevel.L3)


@pytest.mark.parametrize(
    ("t_score", "expected"),
    [
        (-1.0, BmdClass.NORMAL),
        (-1.01, BmdClass.OSTEOPENIA),
        (-2.49, BmdClass.OSTEOPENIA),
        (-2.5, BmdClass.OSTEOPOROSIS),
    ],
)
def test_who_classes_at_their_borders(t_score: float, expected: BmdClass) -> None:
    assert classify_t_score(t_score) is expected


def test_bmi_is_derived_unless_given() -> None:
    assert Covariates(height_cm=160, weight_kg=64).bmi_kg_m2 == pytest.approx(25.0)
    assert Covariates(height_cm=160, weight_kg=64, bmi_given=30).bmi_kg_m2 == 30
    assert Covariates(height_cm=160).bmi_kg_m2 is None


def test_known_values_override_and_unknown_ones_do_not() -> None:
    header = Covariates(age_years=60, sex=Sex.FEMALE, height_cm=160, weight_kg=64)
    merged = header.overridden_by(Covariates(age_years=70))
    assert (merged.age_years, merged.sex, merged.height_cm) == (70, Sex.FEMALE, 160)


def test_a_new_weight_replaces_an_older_bmi() -> None:
    merged = Covariates(height_cm=160, bmi_given=20).overridden_by(Covariates(weight_kg=64))
    assert merged.bmi_kg_m2 == pytest.approx(25.0)
