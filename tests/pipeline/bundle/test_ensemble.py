"""An ensemble gives the means of its members' calibrated outputs, and says who they are."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from typer.testing import CliRunner

from classify.calibration import NO_CALIBRATION, Calibration
from classify.classifier import BmdClassifier, Classified
from classify.config import NetworkSpec, PreprocessSpec
from classify.files import part_path
from cli.main import app
from cohort.bmd import BMD_CLASSES
from cohort.covariates import Covariates, Sex
from cohort.spine import View
from osteolens.errors import ConfigError, WeightsError
from pipeline.bundle.assemble import assemble_weights
from pipeline.bundle.ensemble import ensemble_weights
from pipeline.bundle.explainer import load_explainer
from pipeline.bundle.load import load_bundle
from pipeline.bundle.manifest import MANIFEST, Part, read_manifest
from pipeline.training.classifier import classifier_start
from pipeline.training.run import TrainingOptions

if TYPE_CHECKING:
    from classify.network.feature_distance import FeatureDistance

torch = pytest.importorskip("torch")

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore")]

SPEC = PreprocessSpec(roi="vertebra", size_px=64)
NETWORK = NetworkSpec(crops=4, backbone="resnet18")
CALIBRATIONS = (
    Calibration(temperature=2.3, t_score_slope=1.4, t_score_offset=-0.7, set_score=0.6, rule_in=0.7, rule_out=0.1),
    Calibration(temperature=0.6, t_score_slope=0.8, t_score_offset=0.4, set_score=0.5, rule_in=0.8, rule_out=0.2),
    Calibration(),
)


def some_distance(seed: int) -> FeatureDistance:
    """From features at random: an ensemble tells none, since each member's is from films of its own training."""
    from classify.network.densenet import FIELDS, SCALES
    from classify.network.feature_distance import fit_feature_distance

    channels = sum(channels * fields**2 for channels, fields in zip(SCALES["resnet18"], FIELDS, strict=True))
    rng = np.random.default_rng(seed)
    return fit_feature_distance([rng.normal(size=(20, channels)).astype(np.float32) for _ in View])


def a_run(out: Path, seed: int, calibration: Calibration, branches_of: int) -> Path:
    """A run folder of a network at random, its branches by one seed and the rest by another."""
    from classify.network.densenet import DualChannelDenseNet
    from classify.network.export import export_classifier

    torch.manual_seed(branches_of)
    network = DualChannelDenseNet(NETWORK)
    torch.manual_seed(seed)
    for part in (network.fuse, network.classes, network.t_score):
        for parameter in part.parameters():
            parameter.data.normal_(0, 0.02)
    out.mkdir()
    export_classifier(network.eval(), out, SPEC, 64, some_distance(seed))
    (out / "calibration.json").write_text(calibration.model_dump_json())
    document = {
        "validation": {"macro_auc": 0.5 + seed / 100},
        "config": {"lr": 0.1},
        "preprocess": SPEC.model_dump(),
        "network": NETWORK.model_dump(mode="json"),
        "working_px": 64,
    }
    (out / "metrics.json").write_text(json.dumps(document))
    return out


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Weights of three networks; the first two share their branches, as folds do that refit the head alone."""
    root, folders = tmp_path_factory.mktemp("members"), []
    for number, (calibration, branches) in enumerate(zip(CALIBRATIONS, (7, 7, 8), strict=True), start=1):
        run = a_run(root / f"run-{number}", number, calibration, branches)
        folders.append(root / f"weights-{number}")
        assemble_weights(folders[-1], f"fold {number}", {Part.CLASSIFIER: run})
    return folders


@pytest.fixture(scope="module")
def of_two(members: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the two that share their branches."""
    out = tmp_path_factory.mktemp("two") / "ensemble"
    ensemble_weights(members[:2], out, "mean of two")
    return out


@pytest.fixture(scope="module")
def of_three(members: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of all."""
    out = tmp_path_factory.mktemp("three") / "ensemble"
    ensemble_weights(members, out, "mean of three")
    return out


def classified(folder: Path, views: Sequence[View], covariates: Covariates) -> Classified:
    bundle, rng = load_bundle(folder), np.random.default_rng(3)
    shown = {view: rng.normal(size=(4, 64, 64)).astype(np.float32) for view in View}
    classifier = BmdClassifier(bundle.classifier, bundle.preprocess, bundle.calibration)
    return classifier.classify({view: shown[view] for view in views}, covariates)


@pytest.mark.parametrize("count", [2, 3])
def test_probabilities_and_t_scores_are_the_means_of_the_calibrated_ones(
    members: list[Path], of_two: Path, of_three: Path, count: int
) -> None:
    folder = {2: of_two, 3: of_three}[count]
    for views in ([View.AP], [View.LATERAL], list(View)):
        for covariates in (Covariates(), Covariates(age_years=70, sex=Sex.FEMALE, bmi_given=22)):
            each = [classified(member, views, covariates) for member in members[:count]]
            mean = classified(folder, views, covariates)
            spread = [float(np.ptp([one.probabilities[c] for one in each])) for c in BMD_CLASSES]
            assert max(spread) > 0.01, "members that agree would prove nothing"
            for bmd_class in BMD_CLASSES:
                of_members = [one.probabilities[bmd_class] for one in each]
                assert mean.probabilities[bmd_class] == pytest.approx(np.mean(of_members), abs=1e-5)
            assert mean.t_score == pytest.approx(np.mean([one.t_score for one in each]), abs=1e-5)
            assert mean.prediction_set == BMD_CLASSES and mean.decision == "indeterminate"


def test_the_manifest_names_the_members_and_keeps_no_calibration_of_one(members: list[Path], of_three: Path) -> None:
    part = read_manifest(of_three).models.classifier
    assert read_manifest(of_three).version == "mean of three" and part.calibration == NO_CALIBRATION
    assert [member.release for member in part.members] == ["fold 1", "fold 2", "fold 3"]
    assert [member.calibration for member in part.members] == list(CALIBRATIONS)
    for member, folder in zip(part.members, members, strict=True):
        files = read_manifest(folder).files
        assert member.files == {name: files[name].sha256 for name in files if name.startswith("classifier")}
    assert part.metrics == {}, "figures of one member are none of the mean"
    bundle, first = load_bundle(of_three), load_bundle(members[0])
    assert bundle.hashes["classifier"] != first.hashes["classifier"]
    assert bundle.hashes["detector"] == first.hashes["detector"] and bundle.members == 3


def test_what_members_share_is_stored_and_computed_once(members: list[Path], of_two: Path, of_three: Path) -> None:
    one, two, three = (part_path(folder, "ap").stat().st_size for folder in (members[0], of_two, of_three))
    assert two < 1.01 * one and three > 1.9 * one
    nodes = [operations(folder) for folder in (members[0], of_two, of_three)]
    assert nodes[1]["Conv"] == nodes[0]["Conv"] and nodes[2]["Conv"] == 2 * nodes[0]["Conv"]


def operations(folder: Path) -> Counter[str]:
    import onnx

    graph = onnx.load(folder / "classifier.onnx", load_external_data=False).graph
    return Counter(node.op_type for node in graph.node)


def test_it_is_verified_and_screens_with_its_own_name(members: list[Path], tmp_path: Path, examples: Path) -> None:
    out = tmp_path / "w"
    command = ["weights", "ensemble", *map(str, members[:2]), "--out", str(out), "--release", "two folds"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.stderr
    assert "two folds, the mean of 2 classifiers" in done.stderr and "nothing is ruled in or out" in done.stderr
    done = CliRunner().invoke(app, ["weights", "verify", str(out)])
    assert done.exit_code == 0, done.stderr
    shown = json.loads(CliRunner().invoke(app, ["weights", "show", str(out), "--json"]).stdout)
    assert shown["models"]["classifier"]["architecture"].startswith("mean of 2 networks: ")
    with (part_path(out, "fusion")).open("r+b") as stream:
        stream.seek(-4, 2)
        stream.write(b"\x01\x02\x03\x04")
    done = CliRunner().invoke(app, ["weights", "verify", str(out)])
    assert done.exit_code == 1 and "SHA-256 is" in done.stderr


def test_members_that_differ_in_what_they_see_are_refused_by_name(members: list[Path], tmp_path: Path) -> None:
    def altered(name: str, **changes: object) -> Path:
        folder = tmp_path / name
        shutil.copytree(members[1], folder)
        document = json.loads((folder / MANIFEST).read_text())
        document["models"]["classifier"].update(changes)
        (folder / MANIFEST).write_text(json.dumps(document))
        return folder

    other_px = altered("px", working_px=32)
    no_segmenter = altered("no-segmenter")
    document = json.loads((no_segmenter / MANIFEST).read_text())
    del document["files"]["segmenter.onnx"], document["models"]["segmenter"]
    (no_segmenter / MANIFEST).write_text(json.dumps(document))
    (no_segmenter / "segmenter.onnx").unlink()
    for folder, message in {
        other_px: "working_px of the classifier is 32, that of .* is 64",
        no_segmenter: r"segmenter\.onnx is none, that of",
        members[0]: "holds the classifier of .*weights-1; a member counts once",
    }.items():
        with pytest.raises(WeightsError, match=message):
            ensemble_weights([members[0], folder], tmp_path / "out", "mean")
    with pytest.raises(ConfigError, match="an ensemble needs 2 or more"):
        ensemble_weights(members[:1], tmp_path / "out", "mean")
    assert not (tmp_path / "out").exists()


def test_what_needs_one_network_refuses_an_ensemble(members: list[Path], of_two: Path, tmp_path: Path) -> None:
    bundle = load_bundle(of_two)
    for use in (lambda: load_explainer(bundle, "x"), lambda: classifier_start(TrainingOptions(), bundle)):
        with pytest.raises(WeightsError, match="is the mean of 2 networks"):
            use()
    with pytest.raises(WeightsError, match="is an ensemble of 2 networks"):
        ensemble_weights([members[2], of_two], tmp_path / "nested", "nested")
