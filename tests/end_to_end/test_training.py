"""Both trainings, from a cohort folder to weights that load. Tiny, but the real path."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tests import EXAMPLES

torch = pytest.importorskip("torch")
load_file = pytest.importorskip("safetensors.torch").load_file

from classify.classifier import BmdClassifier  # noqa: E402
from classify.config import NetworkSpec, PreprocessSpec  # noqa: E402
from classify.network.checkpoint import save_network  # noqa: E402
from classify.network.densenet import FIELDS, SCALES, DualChannelDenseNet  # noqa: E402
from classify.training.batches import batches  # noqa: E402
from classify.training.config import BODIES, ClassifierTraining, network_spec  # noqa: E402
from classify.training.crops import build_crops  # noqa: E402
from classify.training.head import fit_head, pooled_features  # noqa: E402
from classify.training.train import train_classifier  # noqa: E402
from classify.training.trainer import RunOptions  # noqa: E402
from cli.main import app  # noqa: E402
from cohort.covariates import Covariates  # noqa: E402
from cohort.io.annotations import read_rois  # noqa: E402
from cohort.io.folder import index_cohort  # noqa: E402
from cohort.spine import View  # noqa: E402
from cohort.splits import split_by_patient  # noqa: E402
from cohort.study import Study  # noqa: E402
from detect.detector import VertebraDetector  # noqa: E402
from osteolens.errors import ConfigError, ReadError  # noqa: E402
from pipeline.training.cohorts import training_cohorts  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.train, pytest.mark.filterwarnings("ignore")]


def test_a_detector_trains_and_loads(tmp_path: Path) -> None:
    options = ["image_px=128", "renders=1", "epochs=1", "batch=4", "validation_fraction=0.3"]
    command = ["train", "detector", str(EXAMPLES), "--out", str(tmp_path / "d")]
    for option in options:
        command += ["--set", option]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    detector = VertebraDetector(tmp_path / "d" / "detector.onnx")
    assert detector.side == 128
    metrics = json.loads((tmp_path / "d" / "metrics.json").read_text("utf-8"))
    assert set(metrics["validation"]) == {"precision", "recall", "mAP50", "mAP50-95"}
    assert 0 <= metrics["onnx_apart_px"] < 0.5
    assert {"results.png", "val_batch0_pred.jpg"} <= {path.name for path in (tmp_path / "d" / "fit").iterdir()}
    assert metrics["config"]["epochs"] == 1
    assert (tmp_path / "d" / "split.csv").is_file()
    assert (tmp_path / "d" / "detector.safetensors").is_file()


def test_other_architectures_do_not_start_from_the_shipped_weights(tmp_path: Path) -> None:
    command = ["train", "detector", str(EXAMPLES), "--out", str(tmp_path / "d"), "--set", "model=yolo11s"]
    done = CliRunner().invoke(app, [*command, "--set", "image_px=128", "--set", "renders=1"])
    assert done.exit_code == 1 and "start from weights of the same architecture" in done.stderr


def test_boxes_of_another_image_are_refused(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "in")
    table = pd.read_csv(EXAMPLES / "rois.csv")
    moved = table.assign(x0=table.x0 + 5000, x1=table.x1 + 5000)
    moved.to_csv(tmp_path / "in" / "rois.csv", index=False)
    for stage, setting in (("detector", "image_px=128"), ("classifier", "batch=2")):
        command = ["train", stage, str(tmp_path / "in"), "--out", str(tmp_path / stage), "--set", setting]
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 1 and "lies outside its image" in done.stderr, done.output
        assert any(uid in done.stderr for uid in table.study_uid)


def test_a_level_drawn_twice_is_refused(tmp_path: Path) -> None:
    table = pd.read_csv(EXAMPLES / "rois.csv")
    pd.concat([table, table.iloc[[3]]]).to_csv(tmp_path / "rois.csv", index=False)
    twice = table.iloc[3]
    with pytest.raises(ReadError, match=f"study {twice.study_uid} has a second {twice['view']} box of {twice.level}"):
        read_rois(tmp_path / "rois.csv")


def test_a_classifier_trains_resumes_and_loads(tmp_path: Path) -> None:
    command = ["train", "classifier", str(EXAMPLES), "--validation", str(EXAMPLES), "--out", str(tmp_path / "c")]
    assert CliRunner().invoke(app, command).exit_code == 1, "a patient on both sides must be rejected"
    command = ["train", "classifier", str(EXAMPLES), "--out", str(tmp_path / "c"), "--set", "batch=2"]
    command += ["--set", "validation_fraction=0.3"]
    done = CliRunner().invoke(app, [*command, "--set", "resolution_schedule=[[64, 1]]"])
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(app, [*command, "--set", "resolution_schedule=[[64, 2]]", "--resume"])
    assert done.exit_code == 0, done.output
    state = json.loads((tmp_path / "c" / "state.json").read_text("utf-8"))
    assert [row["epoch"] for row in state["history"]] == [1, 2]
    classifier = BmdClassifier(tmp_path / "c" / "classifier.onnx", BODIES)
    image = np.zeros((4, 128, 128), np.float32)
    found = classifier.classify({View.AP: image}, Covariates(age_years=70))
    assert sum(found.probabilities.values()) == pytest.approx(1, abs=1e-4)
    assert -6 < found.t_score < 3
    assert len(found.prediction_set) == 3 and found.decision == "undecided", "six studies calibrate nothing"
    assert json.loads((tmp_path / "c" / "calibration.json").read_text("utf-8"))["studies"] == 0


def test_a_split_never_parts_a_patient() -> None:
    studies = [Study(study_uid=f"s{k}", patient_id=f"p{k // 3}") for k in range(30)]
    training, held_out = split_by_patient(studies, 0.3, 1)
    assert not {s.patient_id for s in training} & {s.patient_id for s in held_out}
    assert len(held_out) == 9
    assert split_by_patient(studies, 0.3, 1) == (training, held_out)
    with pytest.raises(ConfigError, match="at least 2"):
        split_by_patient(studies[:2], 0.3, 1)


def test_training_without_rois_is_explained(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "in", ignore=shutil.ignore_patterns("rois.csv"))
    with pytest.raises(ReadError, match=r"rois\.csv is missing"):
        training_cohorts([tmp_path / "in"], None, 0.3, 0, tmp_path / "out")


def test_crops_are_cached_and_jittered(tmp_path: Path) -> None:
    studies = index_cohort(EXAMPLES).studies
    rois = read_rois(EXAMPLES / "rois.csv")
    spec = PreprocessSpec(size_px=64)
    first = build_crops(studies, rois, spec, tmp_path, 2, 0)
    assert first.images.shape == (6, 2, 2, 1, 64, 64)
    assert not np.array_equal(first.images[:, 0], first.images[:, 1])
    again = build_crops(studies, rois, spec, tmp_path, 2, 0)
    np.testing.assert_array_equal(first.images, again.images)
    (tmp_path / "features-of-two-copies.npy").touch()
    plain = build_crops(studies, rois, spec, tmp_path, 1, 0)
    assert not list(tmp_path.glob("features-*")), "features go with the crops they are of"
    as_drawn = np.array(plain.images[:, 0])
    checks = build_crops(studies, rois, spec, tmp_path, 3, 0, first_as_drawn=True)
    np.testing.assert_array_equal(checks.images[:, 0], as_drawn)
    assert not np.array_equal(checks.images[:, 1], checks.images[:, 0])


def test_augmentation_hides_views_and_covariates(tmp_path: Path) -> None:
    spec = PreprocessSpec(size_px=64)
    crops = build_crops(index_cohort(EXAMPLES).studies, read_rois(EXAMPLES / "rois.csv"), spec, tmp_path, 2, 0)
    config = ClassifierTraining(drop_view=0.5, drop_covariate=0.9)
    seen = list(batches(crops, 32, 6, spec, config, np.random.default_rng(0)))
    assert (seen[0].present.sum(1) == 1).all()
    assert float(seen[0].covariates[:, 3:].mean()) < 0.5
    whole = ClassifierTraining(drop_covariate=0, drop_covariates=0.5)
    known = [b.covariates[:, 3:].sum(1) for b in batches(crops, 32, 6, spec, whole, np.random.default_rng(0))]
    assert set(torch.cat(known).tolist()) == {0.0, 3.0}, "all of a study's covariates, or none"
    plain = next(batches(crops, 32, 6, spec, None, np.random.default_rng(0)))
    assert (plain.present == 1).all() and plain.images.shape == (6, 2, 1, 32, 32)


def test_a_step_may_show_some_bodies_alone(tmp_path: Path) -> None:
    spec = PreprocessSpec(roi="vertebra", size_px=64)
    crops = build_crops(index_cohort(EXAMPLES).studies, read_rois(EXAMPLES / "rois.csv"), spec, tmp_path, 1, 0)
    marked = crops.images.copy()
    for body in range(4):
        marked[:, :, :, body] = 40 * body + 60
    crops = replace(crops, images=marked)
    config = ClassifierTraining(crops_per_step=2)
    rng = np.random.default_rng(0)
    shown = [next(batches(crops, 32, 6, spec, config, rng)).images.shape for _ in range(2)]
    assert shown == [(6, 2, 2, 32, 32)] * 2
    whole = next(batches(crops, 32, 6, spec, None, rng)).images
    assert whole.shape == (6, 2, 4, 32, 32)
    assert whole[0, 0].mean((1, 2)).diff().min() > 0, "every body in its order when judging"


def _part(name: str) -> str:
    """Of a network, from a tensor's name; each fusion by itself."""
    return ".".join(name.split(".")[: 1 + name.startswith("fuse")])


def _classes_alone(found: Any, batch: Any) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(found[0], batch.labels)


@pytest.mark.train
def test_without_an_epoch_the_head_alone_is_trained(tmp_path: Path) -> None:
    torch.manual_seed(0)
    spec = PreprocessSpec(roi="vertebra", size_px=64)
    crops = build_crops(index_cohort(EXAMPLES).studies, read_rois(EXAMPLES / "rois.csv"), spec, tmp_path, 2, 0)
    config = ClassifierTraining(
        preprocess=spec, pooled="all", resolution_schedule=[(64, 0)], head_epochs=40, head_weight_decays=[0.1]
    )
    with pytest.raises(ConfigError, match="no epoch, and no network"):
        train_classifier(crops, crops, tmp_path / "a", config, spec)
    start = DualChannelDenseNet(network_spec(config, spec))
    save_network(start, tmp_path / "start.safetensors")
    options = RunOptions("cpu", 0, True, tmp_path / "start.safetensors")
    found = train_classifier(crops, crops, tmp_path / "b", config, spec, options)
    before, after = (load_file(path) for path in (tmp_path / "start.safetensors", tmp_path / "b" / "best.safetensors"))
    changed = {_part(name) for name in before if not before[name].equal(after[name])}
    fusions = {"fuse.both", "fuse.ap", "fuse.lateral"}
    assert changed == {"norms", "covariates", "classes", "t_score"} | fusions and found["macro_auc"] > 0.6
    assert (tmp_path / "b" / "classifier.onnx").is_file()


@pytest.mark.train
def test_a_strong_decay_leads_to_zero_or_back_to_the_start(tmp_path: Path) -> None:
    torch.manual_seed(0)
    spec = PreprocessSpec(roi="vertebra", size_px=64)
    crops = build_crops(index_cohort(EXAMPLES).studies, read_rois(EXAMPLES / "rois.csv"), spec, tmp_path, 1, 0)
    plain = ClassifierTraining(pooled="all", head_epochs=60, head_batch=6, head_lr=1e-4)
    start = DualChannelDenseNet(network_spec(plain, spec))
    features = pooled_features(start, crops, 64, spec, "cpu")
    first = start.fuse["both"][1].weight.detach()
    far = {}
    for l2_sp in (False, True):
        network = copy.deepcopy(start)
        config = plain.model_copy(update={"l2_sp": l2_sp})
        fit_head(network, features, crops, config, _classes_alone, "cpu", 0, 2000.0)
        far[l2_sp] = float((network.fuse["both"][1].weight - first).norm() / first.norm())
    assert far[True] < 0.2 and 0.8 < far[False] < 1.2


@pytest.mark.train
def test_the_head_alone_is_fitted_on_features_of_fixed_branches(tmp_path: Path) -> None:
    torch.manual_seed(0)
    spec = PreprocessSpec(roi="vertebra", size_px=64)
    crops = build_crops(index_cohort(EXAMPLES).studies, read_rois(EXAMPLES / "rois.csv"), spec, tmp_path, 2, 0)
    config = ClassifierTraining(pooled="all", head_epochs=60, head_batch=6, head_lr=0.01, drop_view=0, drop_covariate=0)
    network = DualChannelDenseNet(network_spec(config, spec))
    features = pooled_features(network, crops, 64, spec, "cpu")
    channels = sum(channels * fields**2 for channels, fields in zip(SCALES, FIELDS, strict=True))
    assert [own.shape for own in features] == [(6, 2, channels)] * 2
    kept = sorted(tmp_path.glob("features-*.npy"))
    one = DualChannelDenseNet(NetworkSpec(views=(View.LATERAL,), crops=4))
    for part in ("lateral", "attention"):
        getattr(one, part).load_state_dict(getattr(network, part).state_dict())
    alone = pooled_features(one, crops.of_views((View.LATERAL,)), 64, spec, "cpu")
    np.testing.assert_array_equal(alone[0], features[1], "the same branch, read back")
    assert sorted(tmp_path.glob("features-*.npy")) == kept and len(kept) == 2
    before = {name: value.clone() for name, value in network.state_dict().items()}
    once = config.model_copy(update={"head_epochs": 1})
    first = fit_head(network, features, crops, once, _classes_alone, "cpu", 0, 0.1)
    last = fit_head(network, features, crops, config, _classes_alone, "cpu", 0, 0.1)
    assert last < 0.5 * first
    changed = {_part(name) for name, value in network.state_dict().items() if not value.equal(before[name])}
    assert changed == {"norms", "covariates", "fuse.both", "classes", "t_score"}
    with torch.inference_mode():
        batch = next(batches(crops, 64, 6, spec, None, np.random.default_rng(0)))
        whole = network(batch.images[:, 0], batch.images[:, 1], batch.present, batch.covariates)[0]
        parts = network.fused(
            torch.from_numpy(np.stack([own[:, 0] for own in features], 1)), batch.present, batch.covariates
        )[0]
    assert (whole.softmax(1) - parts.softmax(1)).abs().max() < 0.05, "bfloat16 branches, the same head"
