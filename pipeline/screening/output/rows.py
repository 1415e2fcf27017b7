"""One line of predictions.csv for each study."""

from __future__ import annotations

from dataclasses import dataclass, fields

from cohort.bmd import BMD_CLASSES
from cohort.spine import View
from pipeline.prediction import ImageOutcome, ImageRecord, Prediction, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionRow:
    """A study as predictions.csv tells it; its fields are the columns, None is an empty cell.

    Attributes:
        study_uid: identifier, also the name of the study's files.
        patient_id: as given.
        status: screened, rejected or failed.
        bmd_class: most probable class.
        p_normal: probability of normal.
        p_osteopenia: probability of osteopenia.
        p_osteoporosis: probability of osteoporosis.
        t_score_estimate: estimated T-score of L1-L4.
        prediction_set: classes, joined by bars.
        decision: on osteoporosis, at the weights' predictive values.
        views: that the class comes from, or without a class those that were found, joined by a plus sign.
        levels: used levels by view.
        suspected_fractures: levels with their Genant grade.
        cobb_deg: Cobb angle in degrees.
        age_years: of the patient.
        sex: F or M.
        bmi_kg_m2: of the patient.
        reason: why the study was rejected or failed.
        warnings: joined by bars.
        images: every file and what became of it, joined by bars.
        seconds: that screening and writing took.
    """

    study_uid: str
    patient_id: str
    status: Status
    bmd_class: str
    p_normal: float | None
    p_osteopenia: float | None
    p_osteoporosis: float | None
    t_score_estimate: float | None
    prediction_set: str
    decision: str
    views: str
    levels: str
    suspected_fractures: str
    cobb_deg: float | None
    age_years: float | None
    sex: str
    bmi_kg_m2: float | None
    reason: str
    warnings: str
    images: str
    seconds: float

    def as_cells(self) -> dict[str, object]:
        """By column."""
        return {name: "" if (value := getattr(self, name)) is None else value for name in COLUMNS}


COLUMNS = tuple(field.name for field in fields(PredictionRow))
"""Of predictions.csv."""


def row_of(prediction: Prediction, seconds: float) -> PredictionRow:
    """The line of a study.

    Args:
        prediction: its result, rounded as its JSON is.
        seconds: that it took.
    """
    probabilities = [prediction.probabilities.get(c) for c in BMD_CLASSES]
    cobb = next((view.cobb for view in prediction.views.values() if view.cobb is not None), None)
    reason = prediction.failure or ""
    if prediction.rejection is not None:
        reason = f"{prediction.rejection.code}: {prediction.rejection.reason}"
    return PredictionRow(
        study_uid=prediction.study_uid,
        patient_id=prediction.patient_id,
        status=prediction.status,
        bmd_class=str(prediction.bmd_class or ""),
        p_normal=probabilities[0],
        p_osteopenia=probabilities[1],
        p_osteoporosis=probabilities[2],
        t_score_estimate=prediction.t_score,
        prediction_set="|".join(prediction.prediction_set),
        decision=str(prediction.decision or ""),
        views="+".join(_views_in_use(prediction)),
        levels=" ".join(f"{view}:{'+'.join(prediction.views[view].used)}" for view in _views_in_use(prediction)),
        suspected_fractures=" ".join(
            f"{level}:grade-{vertebra.genant_grade}" for level, vertebra in prediction.suspected_fractures.items()
        ),
        cobb_deg=None if cobb is None else cobb.degrees,
        age_years=prediction.covariates.age_years,
        sex=str(prediction.covariates.sex or ""),
        bmi_kg_m2=prediction.covariates.bmi_kg_m2,
        reason=reason,
        warnings=" | ".join(prediction.warnings),
        images=" | ".join(map(_image_text, prediction.images)),
        seconds=round(seconds, 3),
    )


def _views_in_use(prediction: Prediction) -> list[View]:
    """Views that a class comes from; without a class, all that were found."""
    if prediction.status is not Status.SCREENED:
        return list(prediction.views)
    classified = {image.view for image in prediction.images if image.outcome is ImageOutcome.CLASSIFIED}
    return [view for view in prediction.views if view in classified]


def _image_text(image: ImageRecord) -> str:
    view = image.view or image.role
    what = f"{image.outcome} as {view}" if view else image.outcome
    return f"{image.path}: {what}" + (f" ({image.reason})" if image.reason else "")
