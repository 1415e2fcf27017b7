"""T-scores from images alone, with age and sex of their patients, from saved results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from classify.inputs import SIX
from cohort.covariates import Covariates, Sex
from cohort.spine import View
from cohort.study import Study
from pipeline.evaluation.studies.joined import read_references
from pipeline.evaluation.studies.results import read_results
from pipeline.prediction import Prediction, stored_covariates
from pipeline.prediction.parts import ImageOutcome

ADULT_YEARS = 20.0
"""Bone density rises up to about this age; younger patients are left out."""

IMAGES = {inputs.views: inputs for inputs in SIX if not inputs.covariates}
"""The input set of each set of views without covariates."""

TOLD_ALREADY = "age, sex or BMI joined the class; no T-score from images alone (process --set input_ablation=true)"
NO_AGE = "age unknown"
YOUNG = f"younger than {ADULT_YEARS:g} years"
LATER = "a later study of a patient"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The first usable study of a patient.

    Attributes:
        patient_id: of the patient.
        age_years: at the study.
        sex: None where unknown.
        t_scores: estimates from images alone, by views.
    """

    patient_id: str
    age_years: float
    sex: Sex | None
    t_scores: Mapping[tuple[View, ...], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """What a results folder holds for known groups.

    Attributes:
        usable: one study of each patient.
        results: in the folder.
        left_out: results by the reason why they are not used.
        weights: versions that the results were made with.
    """

    usable: tuple[Observation, ...]
    results: int
    left_out: Mapping[str, int]
    weights: tuple[str, ...]


def read_observations(results: Path, cohort: Path | None = None) -> Observations:
    """Read a results folder, and the tables of a cohort folder where one is given.

    Args:
        results: output folder of `osteolens process --set input_ablation=true`, or of a run without age, sex and BMI.
        cohort: folder with cohort.csv, joined as `evaluate` does; else age and sex are those of the results.

    Raises:
        ReadError: no result or table can be read.
    """
    read = read_results(results)
    references = None if cohort is None else read_references(cohort)
    left_out: Counter[str] = Counter()
    if failed := len(read.failed) + len(read.failed_names):
        left_out["could not be screened"] = failed
    if read.damaged:
        left_out["its result cannot be read"] = len(read.damaged)
    count = len(read.predictions) + left_out.total()
    pairs = [(p, _plain(p) if references is None else references.study_of(p)) for p in read.predictions]
    usable = _usable(sorted(pairs, key=lambda pair: (str(pair[1].study_date or "9"), pair[0].study_uid)), left_out)
    return Observations(
        usable=usable,
        results=count,
        left_out=dict(left_out),
        weights=tuple(sorted({prediction.model.version for prediction in read.predictions})),
    )


def _plain(prediction: Prediction) -> Study:
    """A study as its result alone describes it."""
    return Study(
        study_uid=prediction.study_uid,
        patient_id=prediction.patient_id or prediction.study_uid,
        covariates=prediction.covariates,
        study_date=prediction.study_date,
    )


def image_t_scores(prediction: Prediction) -> dict[tuple[View, ...], float]:
    """T-score estimates of a result from images alone, by the views that they come from.

    Those of an input ablation; else the result's own, where no covariate joined it.
    """
    found = {
        views: prediction.input_t_scores[inputs.name]
        for views, inputs in IMAGES.items()
        if inputs.name in prediction.input_t_scores
    }
    if found or prediction.t_score is None or stored_covariates(prediction.covariates) != Covariates():
        return found
    seen = {image.view for image in prediction.images if image.outcome is ImageOutcome.CLASSIFIED}
    views = tuple(view for view in View if view in seen)
    return {views: prediction.t_score} if views in IMAGES else {}


def why_not(prediction: Prediction, study: Study) -> str | None:
    """Why a result tells nothing of known groups, or None."""
    if prediction.rejection is not None:
        return f"rejected ({prediction.rejection.code})"
    if study.covariates.age_years is None:
        return NO_AGE
    if study.covariates.age_years < ADULT_YEARS:
        return YOUNG
    return None if image_t_scores(prediction) else TOLD_ALREADY


def _usable(pairs: Sequence[tuple[Prediction, Study]], left_out: Counter[str]) -> tuple[Observation, ...]:
    found: dict[str, Observation] = {}
    for prediction, study in pairs:
        age, reason = study.covariates.age_years, why_not(prediction, study)
        if age is None or reason is not None:
            left_out[reason or NO_AGE] += 1
            continue
        if study.patient_id in found:
            left_out[LATER] += 1
            continue
        found[study.patient_id] = Observation(
            patient_id=study.patient_id,
            age_years=age,
            sex=study.covariates.sex,
            t_scores=image_t_scores(prediction),
        )
    return tuple(found.values())
