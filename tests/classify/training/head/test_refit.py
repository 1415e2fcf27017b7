"""With folds of the head every patient trains, and every patient is judged by heads that were fitted without him."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pydantic import ValidationError  # noqa: E402

from classify.calibration import Calibration  # noqa: E402
from classify.network.checkpoint import save_network  # noqa: E402
from classify.network.densenet import DualChannelDenseNet  # noqa: E402
from classify.training.config import ClassifierTraining, network_spec  # noqa: E402
from classify.training.crops.crop_set import CropSet  # noqa: E402
from classify.training.head.features import pooled_features  # noqa: E402
from classify.training.head.fit import HeadPlan  # noqa: E402
from classify.training.head.refit import Refitted, folds_of, refit_head  # noqa: E402
from classify.training.head.side import Side  # noqa: E402
from classify.training.loss import classifier_loss  # noqa: E402
from classify.training.train import fit_classifier  # noqa: E402
from cohort.spine import View  # noqa: E402
from osteolens.errors import ConfigError  # noqa: E402
from osteolens.training.run_options import RunOptions  # noqa: E402
from osteolens.training.watch import Watch  # noqa: E402
from tests.classify.training.squares import SQUARES, squares  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore")]

HEAD_ALONE = {**SQUARES, "resolution_schedule": [(64, 0)], "head_epochs": 20, "head_lr": 1e-2, "head_folds": 4}


def settings(**changed: object) -> ClassifierTraining:
    return ClassifierTraining.model_validate({**HEAD_ALONE, **changed})


def refitted(crops: CropSet, validation: CropSet, config: ClassifierTraining) -> Refitted:
    torch.manual_seed(0)
    network = DualChannelDenseNet(network_spec(config, config.preprocess))
    training, held_out = (
        Side(own, pooled_features(network, own, 64, config.preprocess, "cpu")) for own in (crops, validation)
    )
    loss = classifier_loss(crops.labels, config.model_copy(update={"class_weights": "equal"}), "cpu")
    plan = HeadPlan(config=config, loss=loss, device="cpu", seed=0, weight_decay=0.0)
    return refit_head(network, training, held_out, plan)


def test_a_patient_is_judged_by_heads_that_know_nothing_of_him(tmp_path: Path) -> None:
    crops, validation = squares(24, tmp_path / "t"), squares(6, tmp_path / "v", "v")
    crops = replace(crops, patient_ids=tuple(f"p{k // 2}" for k in range(24)))
    found = refitted(crops, validation, settings())
    assert found.left_out is not None and found.left_out.probabilities.shape == (24, 1, 3)
    assert found.outcome.startswith("a refitted head is kept: error of left-out patients")
    # The folds go by class, so the label of a patient is kept, and his T-scores are altered beyond measure.
    wrong = crops.t_scores.copy()
    wrong[:2] = 40.0
    other = refitted(replace(crops, t_scores=wrong), validation, settings())
    assert other.left_out is not None
    own, former = other.left_out.probabilities, found.left_out.probabilities
    assert np.array_equal(own[:2], former[:2])
    assert not np.allclose(own[2:], former[2:]), "the others' heads saw him"


def test_folds_part_patients_and_share_out_classes(tmp_path: Path) -> None:
    crops = squares(36, tmp_path)
    crops = replace(crops, patient_ids=tuple(f"p{k // 3}" for k in range(36)))
    folds = folds_of(crops, 4, seed=0)
    left = [set(own.patient_ids) for _, own in folds]
    assert len(folds) == 4 and sum(map(len, left)) == 12 and set().union(*left) == set(crops.patient_ids)
    for others, own in folds:
        assert set(others.patient_ids) | set(own.patient_ids) == set(crops.patient_ids)
        assert not set(others.patient_ids) & set(own.patient_ids)
        assert np.bincount(own.labels, minlength=3).min() >= 2
    with pytest.raises(ConfigError, match=r"3 patients to train on; head_folds is 4; give a number from 2 to 3"):
        folds_of(crops.of_patients({"p0", "p1", "p2"}), 4, seed=0)


def test_a_head_that_folds_do_not_improve_is_kept_as_it_was(tmp_path: Path) -> None:
    crops, validation = squares(12, tmp_path / "t"), squares(6, tmp_path / "v", "v")
    found = refitted(crops, validation, settings(head_lr=0.1, head_epochs=1, head_weight_decays=[500.0]))
    assert found.outcome.startswith("no refitted head is better") and "head_weight_decay" not in found.metrics


@pytest.mark.slow
def test_few_patients_calibrate_and_give_limits_by_folds(tmp_path: Path) -> None:
    training, validation = squares(42, tmp_path / "t"), squares(3, tmp_path / "v", "v")
    config, lines = settings(), list[str]()
    save_network(DualChannelDenseNet(network_spec(config, config.preprocess)), tmp_path / "start.safetensors")
    options = RunOptions(device="cpu", start_from=tmp_path / "start.safetensors")
    fit_classifier(training, validation, tmp_path / "run", config, options, Watch(notify=lines.append))
    calibration = Calibration.model_validate_json((tmp_path / "run" / "calibration.json").read_text("utf-8"))
    assert calibration.patients == calibration.studies == 42 and list(calibration.distance_limits) == [View.AP]
    assert not any("no calibration" in line for line in lines)
    document = json.loads((tmp_path / "run" / "metrics.json").read_text("utf-8"))
    assert {"ece", "head_weight_decay"} <= set(document["validation"])
    with pytest.raises(ConfigError, match=r"3 patients to train on; head_folds is 4; give a number from 2 to 3"):
        fit_classifier(squares(3, tmp_path / "n"), validation, tmp_path / "none", config, options)
    assert not (tmp_path / "none").exists()
    few = squares(18, tmp_path / "f", "few")
    fit_classifier(few, validation, tmp_path / "few", config, options, Watch(notify=lines.append))
    assert any(line.startswith("no calibration: 18 training patients, 20 are needed") for line in lines)


def test_folds_are_for_a_head_alone() -> None:
    with pytest.raises(ValidationError, match="resolution_schedule holds epochs"):
        settings(resolution_schedule=[(64, 1)])
    with pytest.raises(ValidationError, match="expected 0, or 2 to 20 folds"):
        settings(head_folds=1)
