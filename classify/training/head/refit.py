"""A head chosen among several weight decays, by the validation studies or by folds of the training patients."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt
from torch import Tensor

from classify.calibration import best_temperature, log_loss
from classify.network.densenet import DualChannelDenseNet
from classify.training.crops.crop_set import StudyArrays
from classify.training.head.fit import HeadPlan, fit_head
from classify.training.head.side import Side
from classify.training.metrics import ValidationMetrics, criterion_of, validation_metrics
from osteolens.errors import ConfigError
from osteolens.training.device import seed_everything

Floats = npt.NDArray[np.float64]
Fold = tuple[StudyArrays, StudyArrays]
"""Studies to fit on, and those of the patients who are left out."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Class probabilities (n, variants, 3) and T-scores (n, variants) of the training studies by heads that were fitted
    without their patients, as the kept head was."""

    probabilities: Floats
    t_scores: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Refitted:
    """Which head a network has now.

    Attributes:
        metrics: on the validation studies, with `head_weight_decay` where it is a new head.
        left_out: results by folds; None without folds.
        outcome: for people.
    """

    metrics: dict[str, float]
    left_out: LeftOut | None
    outcome: str


def refit_head(network: DualChannelDenseNet, training: Side, validation: Side, plan: HeadPlan) -> Refitted:
    """Refit what stands behind a network's branches, in place, with several weight decays; the best one is kept, or the
    head as it was where none beats it.

    The validation studies choose, by `criterion_of`; with `head_folds` the training studies do, each judged by a head
    that was fitted without its patient, by log loss plus `t_score_weight` times the mean error of the T-score. The head
    that is kept is fitted on all training studies. The start is taken to have seen none of them, so that its results
    count as left out where it is kept. Source: Stone 1974 (cross-validatory choice).

    Args:
        network: with finished branches.
        training: studies to fit on.
        validation: studies of other patients.
        plan: settings, loss, device and seed; it is fitted with `head_weight_decays`, not with its weight decay.

    Raises:
        ConfigError: fewer patients than folds.
    """
    if plan.config.head_folds:
        return _chosen_by_folds(network, training, validation, plan)
    criterion, start = criterion_of(validation.studies.labels), _copy_of_state(network)
    best = before = _metrics(network, validation, plan)
    chosen, decay = start, None
    for weight_decay in plan.config.head_weight_decays:
        _fit(network, start, training, replace(plan, weight_decay=weight_decay))
        metrics = _metrics(network, validation, plan)
        if criterion.score(metrics) > criterion.score(best):
            best, chosen, decay = metrics, _copy_of_state(network), weight_decay
    network.load_state_dict(chosen)
    values = (getattr(best, criterion.name), getattr(before, criterion.name))
    return Refitted(metrics=_as_dict(best, decay), left_out=None, outcome=_outcome(decay, criterion.name, *values))


def folds_of(studies: StudyArrays, folds: int, seed: int) -> list[Fold]:
    """Folds of patients, with as many of each class as their numbers allow.

    Args:
        studies: studies.
        folds: how many.
        seed: of who is in which.

    Raises:
        ConfigError: fewer patients than folds.
    """
    patients = sorted(set(studies.patient_ids))
    if len(patients) < folds:
        count = len(patients)
        raise ConfigError(f"{count} patients to train on; head_folds is {folds}; give a number from 2 to {count}")
    classes: dict[str, int] = {}
    for patient, label in zip(studies.patient_ids, studies.labels, strict=True):
        classes[patient] = max(classes.get(patient, 0), int(label))
    shuffled = [patients[k] for k in np.random.default_rng(seed).permutation(len(patients))]
    dealt = sorted(shuffled, key=classes.__getitem__)
    sides = [set(dealt[k::folds]) for k in range(folds)]
    return [(studies.of_patients(set(patients) - left), studies.of_patients(left)) for left in sides]


def _chosen_by_folds(network: DualChannelDenseNet, training: Side, validation: Side, plan: HeadPlan) -> Refitted:
    folds, start = folds_of(training.studies, plan.config.head_folds, plan.seed), _copy_of_state(network)
    left_out = LeftOut(*training.results(network, plan.device))
    best = before = _error(training.studies, left_out, plan)
    decay = None
    for weight_decay in plan.config.head_weight_decays:
        own = replace(plan, weight_decay=weight_decay)
        found = LeftOut(np.empty_like(left_out.probabilities), np.empty_like(left_out.t_scores))
        for others, left in folds:
            _fit(network, start, replace(training, studies=others), own)
            rows = np.isin(training.studies.study_uids, left.study_uids)
            found.probabilities[rows], found.t_scores[rows] = training.results(network, plan.device, left)
        if (error := _error(training.studies, found, plan)) < best:
            best, decay, left_out = error, weight_decay, found
    network.load_state_dict(start)
    if decay is not None:
        _fit(network, start, training, replace(plan, weight_decay=decay))
    metrics = _as_dict(_metrics(network, validation, plan), decay)
    return Refitted(
        metrics=metrics, left_out=left_out, outcome=_outcome(decay, "error of left-out patients", best, before)
    )


def _fit(network: DualChannelDenseNet, start: dict[str, Tensor], side: Side, plan: HeadPlan) -> None:
    """Fit the head anew from where it was."""
    network.load_state_dict(start)
    seed_everything(plan.seed, sum(epochs for _, epochs in plan.config.resolution_schedule) + 1)
    fit_head(network, side, plan)


def _metrics(network: DualChannelDenseNet, side: Side, plan: HeadPlan) -> ValidationMetrics:
    return validation_metrics(side.studies, *side.result(network, plan.device))


def _error(studies: StudyArrays, found: LeftOut, plan: HeadPlan) -> float:
    """Log loss at the best temperature, plus the weighted mean error of the T-score, over all variants."""
    probabilities = found.probabilities
    flat, labels = probabilities.reshape(-1, probabilities.shape[2]), np.repeat(studies.labels, probabilities.shape[1])
    of_classes = log_loss(flat, labels, best_temperature(flat, labels))
    return of_classes + plan.config.t_score_weight * float(np.abs(found.t_scores - studies.t_scores[:, None]).mean())


def _outcome(decay: float | None, name: str, best: float, before: float) -> str:
    kept = "no refitted head is better, so the head is kept as it was" if decay is None else "a refitted head is kept"
    return f"{kept}: {name} {best:.4g}, before {before:.4g}"


def _as_dict(metrics: ValidationMetrics, decay: float | None) -> dict[str, float]:
    return {**asdict(metrics), **({} if decay is None else {"head_weight_decay": decay})}


def _copy_of_state(network: DualChannelDenseNet) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}
