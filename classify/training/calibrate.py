"""What a finished network is calibrated by: studies that it was not fitted on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from classify.calibration import (
    MIN_PATIENTS,
    NO_CALIBRATION,
    Calibration,
    distance_limit,
    fit_calibration,
    t_score_line,
)
from classify.network.densenet import DualChannelDenseNet
from classify.network.feature_distance import MOST_STUDIES, FeatureDistance, fit_feature_distance
from classify.training.begin import LEAST
from classify.training.crops.crop_set import StudyArrays
from classify.training.head.features import Features, Values
from classify.training.head.refit import LeftOut, folds_of
from classify.training.head.side import Side, Sides
from classify.training.metrics import reliability
from classify.training.trainer import ClassifierTrainer
from cohort.spine import View

Floats = npt.NDArray[np.float64]
Judged = tuple[StudyArrays, StudyArrays, Features]
"""Studies that a distance is fitted on, studies of other patients that are judged by it, and features of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """What is known of a network's outputs.

    Attributes:
        calibration: of classes and distances.
        distance: of features from those of the training; None where patients are too few for a limit.
        reliability: ECE and Brier score before and after the temperature.
    """

    calibration: Calibration
    distance: FeatureDistance | None
    reliability: dict[str, float]


def calibrate(
    trainer: ClassifierTrainer, network: DualChannelDenseNet, sides: Sides, left_out: LeftOut | None
) -> Calibrated:
    """Calibrate by the validation studies; with folds of the head by the training studies, each left out once.

    Every variant counts for the classes: as displayed, and as other systems and readers might show it, since a
    calibration on the displays of the training alone is too sure on others. Limits of distances go by the first.

    Args:
        trainer: of the network.
        network: with finished branches and head.
        sides: studies with the features of these branches.
        left_out: results of the training studies by folds, which also set the line of the T-score; None to go by the
            validation studies.
    """
    training, features = sides.training.studies, sides.training.features
    if left_out is None:
        studies, shown = sides.validation.studies, sides.validation.results(network, trainer.device)[0]
        judged: list[Judged] = [(training, studies, sides.validation.features)]
    else:
        studies, shown = training, left_out.probabilities
        folds = folds_of(training, trainer.config.head_folds, trainer.options.seed)
        judged = [(others, left, features) for others, left in folds]
    patients = np.unique(studies.patient_ids, return_inverse=True)[1].astype(np.int64)
    calibration = _of_classes(shown, studies, patients)
    if calibration is NO_CALIBRATION:
        _tell_of_none(trainer, int(patients.max()) + 1, "validation" if left_out is None else "training")
    if left_out is not None:
        slope, offset = t_score_line(left_out.t_scores[:, 0], studies.t_scores.astype(np.float64), patients)
        calibration = calibration.model_copy(update={"t_score_slope": slope, "t_score_offset": offset})
    views = [view for view in View if view in network.spec.views]
    limits = _limits(views, features, judged)
    distance = _fitted(views, features, training) if limits else None
    flat, truth = shown.reshape(-1, shown.shape[2]), np.repeat(studies.labels, shown.shape[1])
    return Calibrated(
        calibration=calibration.model_copy(update={"distance_limits": limits if distance is not None else {}}),
        distance=distance,
        reliability=reliability(flat, truth, calibration),
    )


def _of_classes(shown: Floats, studies: StudyArrays, patients: npt.NDArray[np.int64]) -> Calibration:
    """Fitted where the studies are of enough patients."""
    if int(patients.max()) + 1 < MIN_PATIENTS:
        return NO_CALIBRATION
    return fit_calibration(shown, studies.labels, patients)


def _tell_of_none(trainer: ClassifierTrainer, patients: int, whose: str) -> None:
    trainer.watch.notify(
        f"no calibration: {patients} {whose} patients, {MIN_PATIENTS} are needed; probabilities stay as they are, "
        "prediction sets hold every class, and nothing is ruled in or out"
    )


def _limits(views: list[View], of_training: Features, judged: list[Judged]) -> dict[View, float]:
    """The limit of each view that films of patients keep whom the distance was not fitted on, as they are displayed;
    a view without one has too few patients. Films as another system might show them would widen it, until films that
    are unlike those of the training lie within.

    Args:
        views: of the network, as the features.
        of_training: features of the training studies.
        judged: what is judged by what.
    """
    patients = {patient for _, left, _ in judged for patient in left.patient_ids}
    if distance_limit(np.zeros(len(patients)), np.arange(len(patients))) is None:
        return {}
    told: dict[View, list[Floats]] = {view: [] for view in views}
    owners: dict[View, list[str]] = {view: [] for view in views}
    for others, left, features in judged:
        if (distance := _fitted(views, of_training, others)) is None:
            return {}
        with torch.inference_mode():
            shown = distance(Side(left, features).shown(left.rows, 0)).numpy()
        for k, view in enumerate(views):
            here = np.flatnonzero(left.present[:, list(View).index(view)] > 0)
            told[view].append(shown[here, k].astype(np.float64))
            owners[view] += [left.patient_ids[row] for row in here]
    limits = {}
    for view in views:
        numbers = np.unique(owners[view], return_inverse=True)[1].astype(np.int64)
        if (limit := distance_limit(np.concatenate(told[view]), numbers)) is not None:
            limits[view] = limit
    return limits


def _fitted(views: list[View], features: Features, crops: StudyArrays) -> FeatureDistance | None:
    """The distance from the features of some studies; None with too few of a view."""
    known = [crops.rows[crops.present[:, list(View).index(view)] > 0] for view in views]
    if min(map(len, known)) < LEAST:
        return None
    return fit_feature_distance([_looked_at(own, rows) for own, rows in zip(features, known, strict=True)])


def _looked_at(features: Values, rows: npt.NDArray[np.int64]) -> Values:
    """As many of the variants of some rows as a distance looks at, (n, channels)."""
    variants = features.shape[1]
    count = len(rows) * variants
    places = np.arange(0, count, -(-count // MOST_STUDIES))
    chosen: Values = features[rows[places // variants], places % variants]
    return chosen
