"""People of the in-silico hospital."""

from __future__ import annotations

import numpy as np
import pytest

from cohort.covariates import Sex
from osteolens.config import load_config
from osteolens.errors import ConfigError
from phantom.subject.population import Person, PopulationConfig, sample_person


@pytest.fixture(scope="module")
def people() -> list[Person]:
    return [sample_person(k, 0) for k in range(4000)]


def test_people_are_sampled_by_index_and_seed() -> None:
    assert sample_person(3, 1) == sample_person(3, 1)
    assert sample_person(3, 1) != sample_person(3, 2)


def test_the_cohort_has_the_papers_covariates(people: list[Person]) -> None:
    ages = np.array([p.age_years for p in people])
    assert ages.min() >= 50 and ages.max() <= 95
    assert ages.mean() == pytest.approx(65.4, abs=0.5) and ages.std() == pytest.approx(9.3, abs=0.5)
    assert np.mean([p.sex is Sex.MALE for p in people]) == pytest.approx(0.311, abs=0.025)
    bmi = np.array([p.bmi_kg_m2 for p in people])
    assert bmi.mean() == pytest.approx(23.97, abs=0.2) and bmi.std() == pytest.approx(3.51, abs=0.2)


def test_density_falls_with_age_faster_in_women(people: list[Person]) -> None:
    def mean(sex: Sex, low: float, high: float) -> float:
        return float(np.mean([p.vbmd_mg_cm3 for p in people if p.sex is sex and low <= p.age_years < high]))

    women = mean(Sex.FEMALE, 50, 55) - mean(Sex.FEMALE, 75, 95)
    men = mean(Sex.MALE, 50, 55) - mean(Sex.MALE, 75, 95)
    assert women > men > 10


def test_vbmd_shell_and_posterior_are_only_partly_correlated(people: list[Person]) -> None:
    values = np.array([[p.vbmd_mg_cm3, p.shell_mm, p.posterior_factor] for p in people])
    r = np.corrcoef(values.T)
    assert 0.2 < r[0, 1] < 0.8
    assert 0.05 < r[0, 2] < 0.8


def test_dxa_interval_and_menopause_are_there_to_exclude(people: list[Person]) -> None:
    late = np.mean([p.dxa_interval_days > 90 for p in people])
    assert late == pytest.approx(0.03, abs=0.01)
    women = [p for p in people if p.sex is Sex.FEMALE]
    assert all(p.menopause_age_years is None for p in people if p.sex is Sex.MALE)
    early = np.mean([p.menopause_age_years is not None and p.age_years < p.menopause_age_years for p in women])
    assert 0.0 < early < 0.06


def test_settings_move_the_population() -> None:
    config = PopulationConfig(age_mean_years=75, age_sd_years=6, male_fraction=0.9, bmi_mean=28, late_dxa_fraction=1)
    found = [sample_person(k, 1, config) for k in range(600)]
    assert np.mean([p.age_years for p in found]) == pytest.approx(75, abs=1)
    assert np.mean([p.sex is Sex.MALE for p in found]) > 0.85
    assert np.mean([p.bmi_kg_m2 for p in found]) == pytest.approx(28, abs=0.6)
    assert min(p.dxa_interval_days for p in found) > 90


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("age_sd_years=19.9", "a smaller SD"),
        ("male_fraction=1.4", "male_fraction"),
        ("bmi_mean=80", "bmi_mean"),
        ("mail_fraction=0.2", "did you mean 'male_fraction'"),
    ],
)
def test_an_impossible_population_is_refused(setting: str, message: str) -> None:
    overrides = ["age_mean_years=52", setting] if "age" in setting else [setting]
    with pytest.raises(ConfigError, match=message):
        load_config(PopulationConfig, None, overrides)


def test_a_given_age_and_sex_are_kept() -> None:
    young = sample_person(5, 1, age_years=27.0, sex=Sex.MALE)
    assert young.age_years == 27.0 and young.sex is Sex.MALE
