"""The training from crops to files."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

torch = pytest.importorskip("torch")
load_file = pytest.importorskip("safetensors.torch").load_file
save_file = pytest.importorskip("safetensors.torch").save_file

from classify.calibration import Calibration  # noqa: E402
from classify.classifier import BmdClassifier  # noqa: E402
from classify.config import PreprocessSpec  # noqa: E402
from classify.network.checkpoint import save_network  # noqa: E402
from classify.network.densenet import DualChannelDenseNet  # noqa: E402
from classify.preprocess import normalise  # noqa: E402
from classify.training.config import ClassifierTraining, network_spec  # noqa: E402
from classify.training.crops.crop_set import CropSet  # noqa: E402
from classify.training.train import fit_classifier  # noqa: E402
from classify.training.trainer import ClassifierTrainer  # noqa: E402
from cohort.covariates import Covariates  # noqa: E402
from cohort.spine import View  # noqa: E402
from osteolens.errors import ConfigError, WeightsError  # noqa: E402
from osteolens.training.average import blended  # noqa: E402
from osteolens.training.run_options import RunOptions  # noqa: E402
from osteolens.training.watch import Watch  # noqa: E402
from tests.classify.training.of_examples import example_crops, part_of  # noqa: E402
from tests.classify.training.squares import SQUARES, squares  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.train, pytest.mark.filterwarnings("ignore")]


def test_without_an_epoch_the_head_alone_is_trained(tmp_path: Path) -> None:
    torch.manual_seed(0)
    spec = PreprocessSpec(roi="vertebra", size_px=64)
    crops = example_crops(spec, tmp_path, variants=2)
    config = ClassifierTraining(
        preprocess=spec, pooled="all", resolution_schedule=[(64, 0)], head_epochs=150, head_weight_decays=[0.1]
    )
    with pytest.raises(ConfigError, match="holds no epoch, and no network"):
        fit_classifier(crops, crops, tmp_path / "a", config, RunOptions(device="cpu"))
    start = DualChannelDenseNet(network_spec(config, spec))
    save_network(start, tmp_path / "start.safetensors")
    options = RunOptions(device="cpu", resume=True, start_from=tmp_path / "start.safetensors")
    found = fit_classifier(crops, crops, tmp_path / "b", config, options)
    before, after = (load_file(path) for path in (tmp_path / "start.safetensors", tmp_path / "b" / "best.safetensors"))
    changed = {part_of(name) for name in before if not before[name].equal(after[name])}
    fusions = {"fuse.both", "fuse.ap", "fuse.lateral"}
    assert changed == {"norms", "covariates", "classes", "t_score"} | fusions and found["macro_auc"] > 0.6
    assert (tmp_path / "b" / "classifier.onnx").is_file()


def trainer_from_random(folder: Path, settings: dict[str, object]) -> ClassifierTrainer:
    """Of eight studies, begun with random tensors that lie in start.safetensors."""
    config = ClassifierTraining.model_validate(settings)
    save_network(DualChannelDenseNet(network_spec(config, config.preprocess)), folder / "start.safetensors")
    crops, options = squares(8, folder), RunOptions(device="cpu", start_from=folder / "start.safetensors")
    (folder / "run").mkdir()
    return ClassifierTrainer(crops, crops, folder / "run", config, options, Watch())


def test_convolutions_stay_where_norms_and_head_are_trained(tmp_path: Path) -> None:
    settings = {**SQUARES, "resolution_schedule": [(64, 2)], "lr": 3e-2, "head_epochs": 0, "accumulate_grad_batches": 2}
    trainer = trainer_from_random(tmp_path, {**settings, "trained": "norms and head"})
    trainer.run_epoch()
    tensors = load_file(tmp_path / "start.safetensors")
    changed = {name for name, value in trainer.network.state_dict().items()
               if name in tensors and not value.half().equal(tensors[name])}  # fmt: skip
    assert not any(".conv" in name for name in changed)
    assert {"classes.weight", "t_score.weight", "ap.features.norm0.weight", "ap.features.norm0.running_mean"} <= changed


@pytest.mark.parametrize("backbone", ["densenet121", "resnet18", "mobilenet_v2", "efficientnet-b0"])
def test_early_stages_stay_where_late_ones_are_trained(tmp_path: Path, backbone: str) -> None:
    settings = {**SQUARES, "resolution_schedule": [(64, 2)], "lr": 3e-2, "head_epochs": 0, "backbone": backbone}
    trainer = trainer_from_random(tmp_path, {**settings, "trained": "late stages and head"})
    before = copy.deepcopy(trainer.network).eval()
    trainer.run_epoch()
    after, shown = trainer.network.eval(), torch.rand(2, 1, 64, 64)
    assert before.ap is not None and after.ap is not None
    apart = [float((a - b).abs().max()) for a, b in zip(before.ap(shown), after.ap(shown), strict=True)]
    assert apart[:4] == [0.0] * 4 and min(apart[4:]) > 0
    for name, value in before.t_score.state_dict().items():
        assert not value.equal(after.t_score.state_dict()[name])


def test_a_start_that_nothing_beats_is_kept(tmp_path: Path) -> None:
    lines: list[str] = []
    settings = {**SQUARES, "resolution_schedule": [(64, 1)], "lr": 3e-3, "head_epochs": 0}
    config = ClassifierTraining.model_validate(settings)
    training, validation = squares(8, tmp_path / "t"), squares(6, tmp_path / "v")
    first, start = trained_start(training, validation, tmp_path / "first", config)
    wrong, out = squares(8, tmp_path / "w", "wrong", shift=1), tmp_path / "second"
    wild = ClassifierTraining.model_validate({**settings, "lr": 0.1})
    watch = Watch(notify=lines.append)
    kept = fit_classifier(wrong, validation, out, wild, start, watch)
    if kept["epoch"]:
        assert kept["macro_auc"] > first["macro_auc"]
    else:
        assert kept["macro_auc"] == pytest.approx(first["macro_auc"])
        assert any("no epoch beat the start, so the start is kept: macro_auc" in line for line in lines)
        assert (out / "best.safetensors").read_bytes() == (tmp_path / "first" / "best.safetensors").read_bytes()
    document = json.loads((out / "metrics.json").read_text("utf-8"))
    assert [row["epoch"] for row in document["history"]] == [0, 1]
    assert document["run"]["precision"]["name"] == "float32" and document["run"]["threads"] >= 1
    assert any(line.startswith("no calibration: 6 validation patients, 20 are needed") for line in lines)
    pictures = ("training_crops.png", "validation_crops.png", "curves.png", "curves.svg", "history.csv")
    assert all((out / name).is_file() for name in pictures)
    again = RunOptions(device="cpu", start_from=start.start_from, resume=True)
    for crops, setting, options, message in (
        (wrong, config, again, r"setting lr 0\.1, now 0\.003"),
        (wrong, wild, replace(again, seed=1), "seed 0, now 1"),
        (wrong, wild, replace(again, start_from=None), "another weights to start from"),
        (training, wild, again, "another training; give"),
        (replace(wrong, labels=wrong.labels[::-1]), wild, again, "another training; give"),
    ):
        with pytest.raises(ConfigError, match=f"the run to go on with was made with {message}"):
            fit_classifier(crops, validation, out, setting, options)


def test_validation_chooses_how_much_of_the_start_is_kept(tmp_path: Path) -> None:
    lines: list[str] = []
    settings = {**SQUARES, "resolution_schedule": [(64, 4)], "lr": 3e-3, "head_epochs": 0}
    training, validation = squares(8, tmp_path / "t"), squares(6, tmp_path / "v")
    torch.manual_seed(0)
    alone = ClassifierTraining.model_validate(settings)
    start = DualChannelDenseNet(network_spec(alone, alone.preprocess))
    save_network(start, tmp_path / "start.safetensors")
    options = RunOptions(device="cpu", start_from=tmp_path / "start.safetensors", resume=True)
    first = fit_classifier(training, validation, tmp_path / "alone", alone, options)
    assert first["epoch"] >= 1, "training beats random tensors"
    config = ClassifierTraining.model_validate({**settings, "start_shares": [0.25, 0.9]})
    found = fit_classifier(training, validation, tmp_path / "run", config, options, Watch(notify=lines.append))
    (told,) = [line for line in lines if line.startswith("share of the start")]
    scores = scores_by_share(told)
    chosen = found.get("start_share", 0.0)
    assert list(scores) == [0, 0.25, 0.9] and told.startswith(f"share of the start {chosen:g} is kept")
    assert scores[chosen] == max(scores.values()) == pytest.approx(found["macro_auc"], abs=1e-3)
    began, ended, kept = (
        load_file(path)
        for path in (tmp_path / "start.safetensors", *(tmp_path / run / "best.safetensors" for run in ("alone", "run")))
    )
    for name, value in kept.items():
        expected = blended({name: ended[name].float()}, {name: began[name].float()}, chosen)[name]
        torch.testing.assert_close(value.float(), expected, rtol=1e-2, atol=1e-3)
    assert fit_classifier(training, validation, tmp_path / "run", config, options) == pytest.approx(found)


def test_the_whole_start_is_tried_where_no_epoch_beat_it(tmp_path: Path) -> None:
    lines: list[str] = []
    config = ClassifierTraining.model_validate({**SQUARES, "resolution_schedule": [(64, 1)], "head_epochs": 0})
    validation, wrong = squares(6, tmp_path / "v"), squares(8, tmp_path / "w", "wrong", shift=1)
    first, start = trained_start(squares(8, tmp_path / "t"), validation, tmp_path / "first", config)
    wild = config.model_copy(update={"lr": 0.1, "start_shares": [0.5]})
    kept = fit_classifier(wrong, validation, tmp_path / "second", wild, start, Watch(notify=lines.append))
    scores = scores_by_share(next(line for line in lines if line.startswith("share of the start")))
    assert set(scores) == ({0, 0.5} if kept["epoch"] else {0, 0.5, 1})
    assert kept["macro_auc"] >= first["macro_auc"] - 1e-3
    assert kept["macro_auc"] == pytest.approx(max(scores.values()), abs=1e-3)


def trained_start(
    training: CropSet, validation: CropSet, out: Path, config: ClassifierTraining
) -> tuple[dict[str, float], RunOptions]:
    """Metrics of a first run from random tensors, and options to start from what it kept."""
    found = fit_classifier(training, validation, out, config, RunOptions(device="cpu"))
    assert found["epoch"] >= 1, "random tensors are no start"
    return found, RunOptions(device="cpu", start_from=out / "best.safetensors")


def test_shares_of_no_start_are_refused(tmp_path: Path) -> None:
    crops, shares = squares(3, tmp_path), {"start_shares": [0.5]}
    config = ClassifierTraining.model_validate({**SQUARES, "resolution_schedule": [(64, 1)], **shares})
    with pytest.raises(ConfigError, match=r"start_shares \[0\.5\]: there is no network to start from"):
        fit_classifier(crops, crops, tmp_path / "run", config, RunOptions(device="cpu"))
    save_network(DualChannelDenseNet(network_spec(config, config.preprocess)), tmp_path / "start.safetensors")
    options = RunOptions(device="cpu", start_from=tmp_path / "start.safetensors")
    without = ClassifierTraining.model_validate({**SQUARES, "resolution_schedule": [(64, 0)], **shares})
    with pytest.raises(ConfigError, match=r"there is no epoch in \[\(64, 0\)\], so nothing can be mixed"):
        fit_classifier(crops, crops, tmp_path / "run", without, options)
    other = config.model_copy(update={"backbone": "resnet18"})
    with pytest.raises(ConfigError, match=r"tensors begin with those of start\.safetensors, the others at random, so"):
        fit_classifier(crops, crops, tmp_path / "run", other, options)


def scores_by_share(told: str) -> dict[float, float]:
    """What the line of shares says of each."""
    parts = [part.split(": ") for part in told.split("by share ")[1].split(", ")]
    return {float(share): float(score) for share, score in parts}


def test_patience_and_time_end_a_training(tmp_path: Path) -> None:
    crops, lines = squares(3, tmp_path), list[str]()
    settings = {
        **SQUARES,
        "resolution_schedule": [(64, 6)],
        "lr": 1e-7,
        "head_epochs": 0,
    }
    patient = ClassifierTraining.model_validate({**settings, "patience": 1})
    fit_classifier(crops, crops, tmp_path / "a", patient, RunOptions(device="cpu"), Watch(notify=lines.append))
    assert any("none was better for 1 epochs" in line for line in lines), lines
    short = ClassifierTraining.model_validate({**settings, "max_minutes": 1e-6})
    found = fit_classifier(crops, crops, tmp_path / "b", short, RunOptions(device="cpu"), Watch(notify=lines.append))
    assert found["epoch"] == 1 and "stops after 0 minutes, 1 of 6 epochs" in lines


def test_what_cannot_be_trained_is_told_before_any_step(tmp_path: Path) -> None:
    crops = squares(3, tmp_path)
    config = ClassifierTraining.model_validate({**SQUARES, "resolution_schedule": [(64, 1)]})
    with pytest.raises(ConfigError, match="1 study to train on with crops; expected 2 or more"):
        fit_classifier(squares(1, tmp_path), crops, tmp_path / "a", config, RunOptions(device="cpu"))
    torch_file = tmp_path / "other.safetensors"
    save_file({"detector.weight": torch.zeros(3)}, torch_file)
    with pytest.raises(WeightsError, match="none of 1 tensors fits this network; start from other weights"):
        fit_classifier(crops, crops, tmp_path / "a", config, RunOptions(device="cpu", start_from=torch_file))
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(("patients", "counted"), [(24, 24), (19, None)])
def test_the_calibration_counts_patients_whatever_their_studies_and_displays(
    tmp_path: Path, patients: int, counted: int | None
) -> None:
    crops = squares(48, tmp_path)
    displays = np.repeat(crops.images, 2, axis=1)
    validation = replace(crops, images=displays, patient_ids=tuple(f"p{k % patients}" for k in range(48)))
    config = ClassifierTraining.model_validate({**SQUARES, "resolution_schedule": [(64, 0)], "head_epochs": 0})
    save_network(DualChannelDenseNet(network_spec(config, config.preprocess)), tmp_path / "start.safetensors")
    options = RunOptions(device="cpu", start_from=tmp_path / "start.safetensors")
    lines: list[str] = []
    fit_classifier(crops, validation, tmp_path / "run", config, options, Watch(notify=lines.append))
    found = json.loads((tmp_path / "run" / "calibration.json").read_text("utf-8"))
    assert found["patients"] == counted and found["studies"] == (48 if counted else 0)
    assert any(line.startswith("no calibration: 19 validation patients") for line in lines) == (counted is None)


def test_films_unlike_those_of_the_training_are_told_where_validation_is_large_enough_for_a_limit(
    tmp_path: Path,
) -> None:
    training, validation = squares(60, tmp_path / "t"), squares(45, tmp_path / "v", "validation")
    config = ClassifierTraining.model_validate({**SQUARES, "resolution_schedule": [(64, 0)], "head_epochs": 0})
    save_network(DualChannelDenseNet(network_spec(config, config.preprocess)), tmp_path / "start.safetensors")
    options = RunOptions(device="cpu", start_from=tmp_path / "start.safetensors")
    fit_classifier(training, validation, tmp_path / "run", config, options)
    calibration = Calibration.model_validate_json((tmp_path / "run" / "calibration.json").read_text("utf-8"))
    assert list(calibration.distance_limits) == [View.AP]
    other = replace(validation, images=np.stack((validation.images[:, 0], 255 - validation.images[:, 0]), 1))
    fit_classifier(training, other, tmp_path / "other", config, options)
    wide = Calibration.model_validate_json((tmp_path / "other" / "calibration.json").read_text("utf-8"))
    assert wide.distance_limits == calibration.distance_limits, "other displays do not make unlike films familiar"
    classifier = BmdClassifier(tmp_path / "run" / "classifier.onnx", config.preprocess, calibration)

    def distance(image: npt.NDArray[np.uint8]) -> float:
        shown = normalise(image, config.preprocess)
        return classifier.classify({View.AP: shown}, Covariates()).feature_distances[View.AP]

    like = [distance(validation.images[k, 0, 0, 0]) for k in range(45)]
    assert np.mean(np.array(like) > 1) < 0.05
    assert distance(255 - validation.images[0, 0, 0, 0]) > 1.5, "a negative is unlike them"
    fit_classifier(training, squares(38, tmp_path / "f", "few"), tmp_path / "few", config, options)
    few = BmdClassifier(tmp_path / "few" / "classifier.onnx", config.preprocess)
    shown = normalise(validation.images[0, 0, 0, 0], config.preprocess)
    assert few.classify({View.AP: shown}, Covariates()).feature_distances == {}
