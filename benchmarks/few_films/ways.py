"""Ways of fitting the classifier to a hospital: what each one trains, for how long, and what the result says."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

import numpy as np

from benchmarks.few_films.figures import Results, Truth
from classify.calibration import Calibration, apply_temperature, rule_in_or_out
from classify.config import PreprocessSpec
from classify.network.densenet import DualChannelDenseNet
from classify.training.batches import batches_each
from classify.training.begin import new_network
from classify.training.config import ClassifierTraining
from classify.training.crops.crop_set import CropSet
from classify.training.head.features import pooled_features
from classify.training.head.side import Side
from classify.training.train import fit_classifier
from classify.training.trainer import BEST
from cohort.bmd import BMD_CLASSES, OSTEOPOROSIS_INDEX
from osteolens.config import load_config
from osteolens.training.device import torch_device
from osteolens.training.run_options import RunOptions
from osteolens.training.watch import Watch
from pipeline.bundle.load import Bundle
from pipeline.evaluation.classification.cases import EvaluatedCases
from pipeline.recalibration.config import DEFAULT_RECALIBRATION
from pipeline.recalibration.refit import refit


class Way(StrEnum):
    """What is done with the films."""

    HEAD = "head"
    """The recipe few-films: the head alone, kept near that of the weights."""
    HEAD_PLAIN = "head-plain"
    """The head alone, its weights decaying to zero."""
    HEAD_NORMS = "head-norms"
    """The head and the batch norm of the branches; convolutions stay."""
    ALL = "all"
    """Every tensor, from the weights, for few epochs at a low rate."""
    NOTHING = "nothing"
    """Every tensor, from random ones."""


START, RECALIBRATED = "start", "recalibrated"
"""The weights as they are, and with the calibration that `osteolens weights recalibrate` would fit."""

HEADS = (Way.HEAD, Way.HEAD_PLAIN)
"""Ways whose branches are those of the weights."""

EPOCHS, LEAST_STEPS = 5, 60
"""Of a fit that starts from the weights: its epochs, more where these would hold fewer steps."""

LEAST_STEPS_FROM_NOTHING = 600
"""Of a fit from random tensors: its epochs are those of the default schedule, more where these hold fewer steps."""

RATES = {Way.HEAD_NORMS: 3e-4, Way.ALL: 1e-4}
"""Peak learning rates of fits that start from the weights."""


def settings(way: Way, bundle: Bundle, studies: int, overrides: Sequence[str] = ()) -> ClassifierTraining:
    """Settings of a fit, with the inputs, crops and side of the weights.

    Args:
        way: of fitting.
        bundle: weights to start from.
        studies: to train on.
        overrides: `key=value`, for every way.

    Raises:
        ConfigError: an unknown setting, or one that does not fit.
    """
    newest = PreprocessSpec.model_fields["version"].default
    preprocess = bundle.preprocess.model_copy(update={"version": newest})
    network = bundle.network.model_dump(mode="json", exclude={"crops"})
    given = [f"{name}={json.dumps(value)}" for name, value in network.items()]
    given.append(f"preprocess={preprocess.model_dump_json()}")
    if way in HEADS:
        given += [f"resolution_schedule=[[{bundle.working_px}, 0]]", f"l2_sp={json.dumps(way is Way.HEAD)}"]
        given.append("precision=float32")  # features are those of every size
        if way is Way.HEAD_PLAIN:
            given.append(f"head_weight_decays={ClassifierTraining().head_weight_decays}")
        return load_config(ClassifierTraining, "few-films", [*given, *overrides])
    default = ClassifierTraining()
    each = max(1, batches_each(studies, default.batch))
    if way is Way.NOTHING:
        last, total = default.resolution_schedule[-1][0], sum(epochs for _, epochs in default.resolution_schedule)
        times = max(1, math.ceil(LEAST_STEPS_FROM_NOTHING / (total * each)))
        schedule = [(max(32, side * bundle.working_px // last), times * e) for side, e in default.resolution_schedule]
        return load_config(
            ClassifierTraining, None, [*given, f"resolution_schedule={json.dumps(schedule)}", *overrides]
        )
    given.append(f"resolution_schedule=[[{bundle.working_px}, {max(EPOCHS, math.ceil(LEAST_STEPS / each))}]]")
    given += [f"lr={RATES[way]}", "l2_sp=true"]
    given += ["trained=norms and head"] if way is Way.HEAD_NORMS else []
    return load_config(ClassifierTraining, None, [*given, *overrides])


def fitted(
    way: Way,
    sides: tuple[CropSet, CropSet, CropSet],
    folder: Path,
    config: ClassifierTraining,
    options: RunOptions,
) -> tuple[Results, Calibration]:
    """Fit, and what the result says of the test studies.

    Args:
        way: of fitting.
        sides: crops to train on, to validate by and to test.
        folder: of the run.
        config: settings of the way.
        options: device, seed, and the weights to start from.

    Raises:
        ConfigError: too few studies, or settings that do not fit.
    """
    if way not in HEADS:  # their features serve no other fit
        sides = _apart(sides[0], folder / "t"), _apart(sides[1], folder / "v"), replace(sides[2], folder=folder)
    training, validation, test = sides
    folder.mkdir(parents=True, exist_ok=True)
    fit_classifier(training, validation, folder, config, options, Watch(notify=_say))
    network = new_network(config, folder / BEST)
    calibration = Calibration.model_validate_json((folder / "calibration.json").read_text("utf-8"))
    return results_of(network, config, test, calibration, options.device), calibration


def results_of(
    network: DualChannelDenseNet, config: ClassifierTraining, crops: CropSet, calibration: Calibration, device: str
) -> Results:
    """What a network says of studies on their boxes and displays as they are, calibrated.

    Args:
        network: with its tensors.
        config: side and preprocessing.
        crops: studies, the first variant as it is.
        calibration: of the network.
        device: to compute on.
    """
    where = torch_device(device)
    network.to(where)
    features = pooled_features(network, crops, config.resolution_schedule[-1][0], config.preprocess, where)
    probabilities, t_scores = Side(crops, features).result(network, where)
    return Results(
        apply_temperature(probabilities, calibration.temperature),
        calibration.t_score_slope * t_scores + calibration.t_score_offset,
    )


def recalibrated(own: tuple[Truth, Results], test: Results, former: Calibration) -> Results | None:
    """The results of the weights on test studies after a refit of their calibration, as `weights recalibrate` fits it;
    None where the patients are fewer than it takes.

    Args:
        own: studies of the hospital, and what the weights say of them.
        test: what the weights say of the test studies.
        former: calibration of the weights, which made both.
    """
    truth, shown = own
    counts = [len(np.unique(truth.patients[truth.labels == place])) for place in range(len(BMD_CLASSES))]
    least = DEFAULT_RECALIBRATION
    if len(np.unique(truth.patients)) < least.fewest_patients or min(counts) < least.fewest_of_a_class:
        return None
    cases = EvaluatedCases(
        labels=truth.labels,
        probabilities=shown.probabilities,
        t_scores=truth.t_scores,
        t_estimates=shown.t_scores,
        prediction_sets=[frozenset()] * len(truth.labels),
        decisions=[rule_in_or_out(float(p), former) for p in shown.probabilities[:, OSTEOPOROSIS_INDEX]],
        patients=truth.patients,
    )
    fit = refit(cases, former)
    return Results(fit.probabilities(test.probabilities), fit.t_scores(test.t_scores))


def _apart(crops: CropSet, folder: Path) -> CropSet:
    """The same studies with images of their own, so that features are computed of them alone."""
    folder.mkdir(parents=True, exist_ok=True)
    return replace(
        crops,
        images=np.ascontiguousarray(crops.images[crops.rows]),
        rows=np.arange(len(crops.rows)),
        folder=folder,
        made_from=crops.digest,
    )


def _say(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)
