"""The misclassified studies, each with what is known of it and what makes the result or the reference doubtful."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from classify.calibration import Decision
from cohort.bmd import BMD_CLASSES, NORMAL_FROM, OSTEOPOROSIS_TO, BmdClass, DxaResult
from cohort.rejection_codes import LevelCode
from cohort.spine import TARGET_LEVELS, VertebralLevel, View
from cohort.study import Findings
from pipeline.evaluation.studies.joined import EvaluatedStudy
from pipeline.prediction import ImageOutcome, Prediction

RANGES: Mapping[BmdClass, tuple[float, float]] = {
    BmdClass.NORMAL: (NORMAL_FROM, math.inf),
    BmdClass.OSTEOPENIA: (OSTEOPOROSIS_TO, NORMAL_FROM),
    BmdClass.OSTEOPOROSIS: (-math.inf, OSTEOPOROSIS_TO),
}
"""T-scores between which a class lies."""

NEAR_BORDER = 0.3
"""T-score from a border up to which a repeated scan could give another class. Source: ISCD 2019, lumbar precision error
of at most 1.9 %, which is some 0.17 of a T-score, and least significant change of 5.3 %, some 0.5."""

CLOSE_PROBABILITIES = 0.1
"""Difference of the two largest probabilities below which the class is a near tie."""

OBESE_KG_M2 = 30.0
"""BMI from which a patient is obese. Source: WHO 2000."""

LEVELS_APART = 1.0
"""T-score by which adjacent levels of a DXA may differ. Source: ISCD 2019."""

SCOLIOSIS_DEG = 20.0
"""Cobb angle above which a result warns of scoliosis: the default of `detection.warn_cobb_deg`."""

SMALL_MARGIN = 2.2
"""Labelling margin below which a result warns: the default of `detection.warn_margin`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassificationError:
    """A study whose most probable class is not that of DXA.

    Attributes:
        study_uid: of the study.
        patient_id: by cohort.csv where it says.
        site: hospital, where known.
        true_class: by DXA.
        t_score: by DXA.
        predicted_class: most probable class.
        t_score_estimate: None where none is given.
        probabilities: by class.
        border_distance: of the T-score by DXA from the nearest border of a class.
        missed_by: of the T-score by DXA from the predicted class; what a repeated scan would have to change.
        steps: classes between the true and the predicted one; 2 is normal against osteoporosis.
        in_prediction_set: whether the prediction set holds the true class; None without such a set.
        decision: whether osteoporosis is ruled in, ruled out or neither; None where nothing is said.
        suspected_fractures: levels with one, by the lateral view.
        cobb_deg: largest Cobb angle of the AP view, None where it was not measured.
        left_out: levels that were not classified on, by view, and why.
        labelling_margin: the least of the views; None without one.
        warnings: of the result.
        reasons_to_doubt: in plain words; empty where nothing is known.
    """

    study_uid: str
    patient_id: str
    site: str | None
    true_class: BmdClass
    t_score: float
    predicted_class: BmdClass
    t_score_estimate: float | None
    probabilities: Mapping[BmdClass, float]
    border_distance: float
    missed_by: float
    steps: int
    in_prediction_set: bool | None
    decision: Decision | None
    suspected_fractures: tuple[VertebralLevel, ...]
    cobb_deg: float | None
    left_out: Mapping[View, Mapping[VertebralLevel, LevelCode]]
    labelling_margin: float | None
    warnings: tuple[str, ...]
    reasons_to_doubt: tuple[str, ...]

    @property
    def probability_of_truth(self) -> float:
        """Predicted for the class by DXA."""
        return self.probabilities[self.true_class]


def errors(studies: Sequence[EvaluatedStudy]) -> tuple[ClassificationError, ...]:
    """The studies with a class and a T-score by DXA whose most probable class is another one.

    The worst come first: by classes between, then by how far the T-score lies from the predicted class, then by how
    little probability the true class has. Rejected and failed studies are no errors.
    """
    found = [error for study in studies if (error := _error(study)) is not None]
    return tuple(sorted(found, key=lambda e: (-e.steps, -e.missed_by, e.probability_of_truth, e.study_uid)))


def _error(study: EvaluatedStudy) -> ClassificationError | None:
    prediction, dxa = study.prediction, study.dxa
    if dxa is None or dxa.t_score is None or dxa.bmd_class is None or not prediction.probabilities:
        return None
    predicted, probabilities = prediction.bmd_class, prediction.probabilities
    if predicted is None or predicted is dxa.bmd_class:
        return None
    margins = [result.detection.labelling_margin for result in prediction.views.values()]
    frontal = prediction.views.get(View.AP)
    return ClassificationError(
        study_uid=prediction.study_uid,
        patient_id=study.patient_id,
        site=study.site,
        true_class=dxa.bmd_class,
        t_score=dxa.t_score,
        predicted_class=predicted,
        t_score_estimate=prediction.t_score,
        probabilities=probabilities,
        border_distance=min(abs(dxa.t_score - border) for border in (NORMAL_FROM, OSTEOPOROSIS_TO)),
        missed_by=_missed_by(dxa.t_score, predicted),
        steps=abs(BMD_CLASSES.index(predicted) - BMD_CLASSES.index(dxa.bmd_class)),
        in_prediction_set=dxa.bmd_class in prediction.prediction_set if prediction.prediction_set else None,
        decision=prediction.decision,
        suspected_fractures=tuple(prediction.suspected_fractures),
        cobb_deg=None if frontal is None or frontal.cobb is None else frontal.cobb.degrees,
        left_out={
            view: {level: why.code for level, why in result.left_out.items()}
            for view, result in prediction.views.items()
            if result.left_out
        },
        labelling_margin=min(margins, default=None),
        warnings=prediction.warnings,
        reasons_to_doubt=(
            *_doubts_of_reference(dxa, dxa.t_score, predicted),
            *_doubts_of_spine(prediction, study.study.findings),
            *_doubts_of_inputs(study),
            *_doubts_of_probabilities(prediction, predicted),
        ),
    )


def _missed_by(t_score: float, predicted: BmdClass) -> float:
    low, high = RANGES[predicted]
    return max(low - t_score, t_score - high, 0.0)


def _doubts_of_reference(dxa: DxaResult, t_score: float, predicted: BmdClass) -> Iterator[str]:
    missed_by, (low, high) = _missed_by(t_score, predicted), RANGES[predicted]
    if missed_by <= NEAR_BORDER:
        border = low if t_score <= low else high
        yield f"DXA T-score {t_score:.2f} lies {missed_by:.2f} from the border at {border:.1f}"
    by_level = dxa.t_score_by_level
    apart = {
        f"{upper} and {lower}": abs(by_level[upper] - by_level[lower])
        for upper, lower in pairwise(TARGET_LEVELS)
        if upper in by_level and lower in by_level
    }
    if apart and (most := max(apart.values())) > LEVELS_APART:
        levels = max(apart, key=lambda pair: apart[pair])
        yield f"DXA T-scores of {levels} differ by {most:.1f}: one may be degenerate or fractured"


def _doubts_of_spine(prediction: Prediction, findings: Findings) -> Iterator[str]:
    denser = "a compressed body looks denser, on DXA too"
    if prediction.suspected_fractures:
        yield f"suspected fracture of {_listed(prediction.suspected_fractures)}: {denser}"
    if findings.fracture_grade:
        yield f"fracture of grade {findings.fracture_grade} by cohort.csv: {denser}"
    frontal = prediction.views.get(View.AP)
    if frontal is not None and frontal.cobb is not None and frontal.cobb.degrees > SCOLIOSIS_DEG:
        yield f"scoliosis of {frontal.cobb.degrees:.0f} degrees"
    if findings.cobb_deg is not None and findings.cobb_deg > SCOLIOSIS_DEG:
        yield f"scoliosis of {findings.cobb_deg:.0f} degrees by cohort.csv"
    if findings.implant:
        yield "implant at L1-L4 by cohort.csv"
    views_of: dict[tuple[LevelCode, VertebralLevel], list[View]] = {}
    for view, result in prediction.views.items():
        for level, why in result.left_out.items():
            views_of.setdefault((why.code, level), []).append(view)
    for (code, level), views in views_of.items():
        if code is not LevelCode.FRACTURE or not prediction.suspected_fractures:
            yield f"{_listed(views)}: {level} left out ({code.replace('_', ' ')})"
    for view, result in prediction.views.items():
        margin = result.detection.labelling_margin
        if margin < SMALL_MARGIN:
            yield f"labelling margin of {view} is small ({margin:.1f}): levels may be one off"


def _doubts_of_inputs(study: EvaluatedStudy) -> Iterator[str]:
    prediction = study.prediction
    shown = {image.view for image in prediction.images if image.outcome is ImageOutcome.CLASSIFIED}
    views = [view for view in prediction.views if not shown or view in shown]
    if len(views) == 1:
        yield f"one view only ({views[0]})"
    used = prediction.covariates
    bmi = study.study.covariates.bmi_kg_m2
    if bmi is not None and bmi >= OBESE_KG_M2:
        yield f"BMI {bmi:.1f}: soft tissue veils the bones"
    values = {"age": used.age_years, "sex": used.sex, "BMI": used.bmi_kg_m2}
    if lacking := [name for name, value in values.items() if value is None]:
        yield f"classed without {_listed(lacking)}"


def _doubts_of_probabilities(prediction: Prediction, predicted: BmdClass) -> Iterator[str]:
    estimate, probabilities = prediction.t_score, prediction.probabilities
    if estimate is not None and _missed_by(estimate, predicted) > 0:
        said = next(c for c in BMD_CLASSES if _missed_by(estimate, c) == 0)
        yield f"T-score estimate {estimate:.2f} says {said.value}, the probabilities {predicted.value}"
    first, second = sorted(BMD_CLASSES, key=lambda c: -probabilities[c])[:2]
    if probabilities[first] - probabilities[second] < CLOSE_PROBABILITIES:
        yield f"{first.value} ({probabilities[first]:.2f}) and {second.value} ({probabilities[second]:.2f}) are close"


def _listed(names: Sequence[str] | Mapping[VertebralLevel, object]) -> str:
    every = [str(name) for name in names]
    return every[0] if len(every) == 1 else f"{', '.join(every[:-1])} and {every[-1]}"
