"""What is known of a patient beside the images."""

from __future__ import annotations

import pytest

from cohort.covariates import Covariates, Sex


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
