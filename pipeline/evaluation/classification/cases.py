"""Studies with a class and DXA, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classify.calibration import Decision
from cohort.bmd import BMD_CLASSES, OSTEOPOROSIS_INDEX, BmdClass
from cohort.spine import View
from pipeline.evaluation.studies.joined import EvaluatedStudy
from pipeline.prediction import Prediction

Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedCases:
    """Studies with a class and DXA.

    Attributes:
        labels: int64 (n,), index into BMD_CLASSES by DXA.
        probabilities: (n, 3), predicted.
        t_scores: (n,) by DXA.
        t_estimates: (n,) predicted; NaN where none.
        prediction_sets: of each, empty where none.
        decisions: of each, None where none.
        patients: int64 (n,), equal for studies of the same patient.
        classes: int64 (n,) predicted class where the results state one: stored probabilities are rounded, and a tie of
            rounded ones decides no class. None where the most probable class is meant.
        feature_distances: (n, 2), AP and lateral, from the films of the training as multiples of the weights' limits;
            NaN where none. None where no result tells.
    """

    labels: Labels
    probabilities: Floats
    t_scores: Floats
    t_estimates: Floats
    prediction_sets: Sequence[frozenset[BmdClass]]
    decisions: Sequence[Decision | None]
    patients: Labels
    classes: Labels | None = None
    feature_distances: Floats | None = None

    @property
    def predicted(self) -> Labels:
        """(n,) index of the predicted class."""
        return np.asarray(self.probabilities.argmax(1), np.int64) if self.classes is None else self.classes

    @property
    def positive(self) -> npt.NDArray[np.bool_]:
        """(n,) whether DXA says osteoporosis."""
        return np.asarray(self.labels == OSTEOPOROSIS_INDEX)

    @property
    def p_osteoporosis(self) -> Floats:
        """(n,) predicted probability of osteoporosis."""
        return np.asarray(self.probabilities[:, OSTEOPOROSIS_INDEX])


def cases_of(studies: Sequence[EvaluatedStudy], inputs: str | None = None) -> EvaluatedCases | None:
    """The studies that have a class and a T-score by DXA, as arrays; None where there is none.

    Args:
        studies: results with their references.
        inputs: name of one of `classify.inputs.SIX`, for the probabilities from its inputs alone.
    """
    cases = []
    for study in studies:
        prediction = study.prediction
        probabilities = prediction.probabilities if inputs is None else prediction.input_ablation.get(inputs)
        if study.dxa is not None and study.dxa.t_score is not None and probabilities:
            cases.append((study, probabilities, study.dxa))
    if not cases:
        return None
    predictions = [study.prediction for study, _, _ in cases]
    return EvaluatedCases(
        labels=np.array([BMD_CLASSES.index(d.bmd_class) for _, _, d in cases if d.bmd_class is not None], np.int64),
        probabilities=np.array([[by_class[c] for c in BMD_CLASSES] for _, by_class, _ in cases], np.float64),
        t_scores=np.array([d.t_score for _, _, d in cases], np.float64),
        t_estimates=np.array([np.nan if p.t_score is None else p.t_score for p in predictions], np.float64),
        prediction_sets=[frozenset(p.prediction_set) for p in predictions],
        decisions=[p.decision for p in predictions],
        classes=None if inputs is not None else _classes(predictions),
        feature_distances=_distances(predictions),
        patients=np.unique([s.patient_id for s, _, _ in cases], return_inverse=True)[1].astype(np.int64),
    )


def _classes(predictions: Sequence[Prediction]) -> Labels:
    """(n,) index of the class that each result states."""
    return np.array([BMD_CLASSES.index(p.bmd_class) for p in predictions if p.bmd_class is not None], np.int64)


def _distances(predictions: Sequence[Prediction]) -> Floats | None:
    """(n, 2) distances of each view that the results tell; None where none tells."""
    if not any(prediction.feature_distances for prediction in predictions):
        return None
    return np.array([[p.feature_distances.get(view, np.nan) for view in View] for p in predictions], np.float64)
