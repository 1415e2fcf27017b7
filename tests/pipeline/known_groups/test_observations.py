"""T-scores from images alone, and who is counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cohort.covariates import Covariates, Sex
from cohort.rejection_codes import Rejection, RejectionCode
from cohort.spine import View
from pipeline.known_groups.observations import LATER, NO_AGE, TOLD_ALREADY, YOUNG, image_t_scores, read_observations
from pipeline.prediction import Prediction
from pipeline.prediction.parts import ImageOutcome, ImageRecord
from tests.predictions import save, screened

BARE = Covariates()
AP, LATERAL = (View.AP,), (View.LATERAL,)


def by_view(uid: str, patient_id: str | None = None, age: float | None = 60.0) -> Prediction:
    """A study with T-scores of each view, with and without covariates."""
    return replace(
        screened(uid, -2.0, patient_id=patient_id),
        covariates=Covariates(age_years=age, sex=Sex.FEMALE),
        input_t_scores={"ap-images": -1.5, "lat-images": -2.5, "ap-covariates": 9.0},
    )


def test_what_covariates_joined_is_no_t_score_of_images() -> None:
    assert image_t_scores(by_view("a")) == {AP: -1.5, LATERAL: -2.5}
    assert image_t_scores(screened("a", -2.0)) == {}


def test_a_result_without_covariates_counts_for_the_views_it_was_made_from() -> None:
    image = ImageRecord(path="a", role=View.AP, view=View.AP, outcome=ImageOutcome.CLASSIFIED)
    left_out = replace(image, view=View.LATERAL, outcome=ImageOutcome.LEFT_OUT)
    found = replace(screened("a", -2.0), covariates=BARE, images=(image, left_out))
    assert image_t_scores(found) == {AP: found.t_score}


def test_everyone_is_counted_once_with_a_reason(tmp_path: Path) -> None:
    rejected = Prediction(
        study_uid="r", patient_id="r", model=by_view("r").model, covariates=BARE,
        rejection=Rejection(RejectionCode.NO_SPINE, "none"),
    )  # fmt: skip
    results = [by_view("a"), by_view("b", "p-a"), by_view("c", age=12.0), by_view("d", age=None), screened("e", -1.0)]
    seen = read_observations(save(tmp_path, [*results, rejected]))
    assert [one.patient_id for one in seen.usable] == ["p-a"]
    assert seen.left_out == {LATER: 1, YOUNG: 1, NO_AGE: 1, TOLD_ALREADY: 1, "rejected (no_spine)": 1}
    assert seen.results == 6 == len(seen.usable) + sum(seen.left_out.values())


def test_age_and_sex_come_from_the_cohort_where_one_is_given(tmp_path: Path) -> None:
    results = save(tmp_path / "out", [replace(by_view("a"), covariates=BARE)])
    assert read_observations(results).left_out == {NO_AGE: 1}
    (tmp_path / "cohort.csv").write_text("patient_id,study_uid,age_years,sex\np-a,a,71,M\n")
    (seen,) = read_observations(results, tmp_path).usable
    assert (seen.age_years, seen.sex) == (71.0, Sex.MALE)
