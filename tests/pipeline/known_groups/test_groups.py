"""Known groups against what scipy says of the same numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from cohort.covariates import Covariates, Sex
from cohort.spine import View
from pipeline.known_groups.groups import age_trend, correlation, known_groups, sex_difference, view_agreement
from pipeline.known_groups.observations import Observation
from tests.predictions import save, screened

AP: tuple[View, ...] = (View.AP,)
LATERAL: tuple[View, ...] = (View.LATERAL,)


def patients(count: int = 80, fall: float = 0.05, women: float = 0.6) -> list[Observation]:
    """T-scores that fall with age and are lower in women, from both views."""
    rng = np.random.default_rng(3)
    found = []
    for k in range(count):
        age, female = float(rng.uniform(45, 85)), k % 2 == 0
        bone = -fall * (age - 60) - women * female - 1 + rng.normal(0, 0.5)
        seen = {views: float(bone + rng.normal(0, 0.3)) for views in (AP, LATERAL)}
        sex = Sex.FEMALE if female else Sex.MALE
        found.append(Observation(patient_id=f"p{k}", age_years=age, sex=sex, t_scores=seen))
    return found


def test_the_trend_with_age_is_that_of_scipy() -> None:
    shown = [one for one in patients() if one.sex is Sex.FEMALE]
    ages, t_scores = [one.age_years for one in shown], [one.t_scores[AP] for one in shown]
    found = age_trend(patients(), AP, Sex.FEMALE)
    expected, line = stats.pearsonr(ages, t_scores), stats.linregress(ages, t_scores)
    interval = expected.confidence_interval()
    assert found.patients == 40 and found.ages == (min(ages), max(ages))
    assert (found.r.value, found.r.low, found.r.high) == pytest.approx((expected.statistic, *interval))
    half = stats.t.ppf(0.975, 38) * line.stderr
    assert (found.per_decade.value, found.per_decade.high) == pytest.approx((10 * line.slope, 10 * (line.slope + half)))


def test_women_are_compared_with_men_of_equal_age_after_50() -> None:
    found = sex_difference(patients(400), AP)
    assert found.women + found.men == sum(one.age_years >= 50 for one in patients(400))
    assert found.difference.low < -0.6 < found.difference.high < 0
    older_men = [replace(one, age_years=one.age_years + 15 * (one.sex is Sex.MALE)) for one in patients(400)]
    assert sex_difference(older_men, AP).difference.value != pytest.approx(found.difference.value, abs=0.3)


def test_views_agree_beyond_what_age_and_sex_explain() -> None:
    found = view_agreement(patients(200))
    assert found.patients == 200 and abs(found.bias) < 0.1
    assert found.r.value > found.r_at_equal_age.value > 0.5
    rng = np.random.default_rng(0)
    apart = [
        replace(one, t_scores={v: float(-0.05 * one.age_years + rng.normal(0, 0.3)) for v in (AP, LATERAL)})
        for one in patients(200)
    ]
    by_age_alone = view_agreement(apart)
    assert by_age_alone.r.low > 0.5 and by_age_alone.r_at_equal_age.low < 0.1


def test_few_patients_give_a_word_and_no_number() -> None:
    few = patients(8)
    for found in (age_trend(few, AP), sex_difference(few, AP), view_agreement(few)):
        assert found.not_estimable
    assert np.isnan(age_trend([], AP).r.value) and age_trend([], AP).ages is None
    assert np.isnan(correlation(np.zeros(20), np.arange(20.0)).value)


@pytest.mark.parametrize("men_years", [60.0, 72.0])
def test_ages_that_do_not_vary_are_said(men_years: float) -> None:
    alike = [replace(one, age_years=60.0 if one.sex is Sex.FEMALE else men_years) for one in patients(40)]
    found = sex_difference(alike, AP)
    assert np.isnan(found.difference.value) and "all women are of one age" in found.not_estimable["difference"]
    of_women = age_trend(alike, AP, Sex.FEMALE)
    assert np.isnan(of_women.r.value) and "all patients are of one age" in of_women.not_estimable["r"]


def test_a_folder_gives_a_document_without_nan(tmp_path: Path) -> None:
    predictions = [
        replace(
            screened(one.patient_id, -2.0),
            covariates=Covariates(age_years=one.age_years, sex=one.sex),
            input_t_scores={"lat-images": one.t_scores[LATERAL]},
        )
        for one in patients(30)
    ]
    document = known_groups(save(tmp_path, predictions)).as_json()
    assert document["patients"] == 30 and document["weights"] == ["test"]
    trends = document["age"]
    assert isinstance(trends, list) and [trend["patients"] for trend in trends] == [30, 15, 15]
    assert json.dumps(trends[0]) and document["left_out"] == {}
