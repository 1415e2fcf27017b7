"""The training from crops to files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests import EXAMPLES

torch = pytest.importorskip("torch")
load_file = pytest.importorskip("safetensors.torch").load_file

from classify.config import PreprocessSpec  # noqa: E402
from classify.network.checkpoint import save_network  # noqa: E402
from classify.network.densenet import DualChannelDenseNet  # noqa: E402
from classify.training.config import ClassifierTraining, network_spec  # noqa: E402
from classify.training.crops import CropPlan, CropSet, build_crops  # noqa: E402
from classify.training.train import fit_classifier  # noqa: E402
from cohort.io.annotations import read_rois  # noqa: E402
from cohort.io.folder import index_cohort  # noqa: E402
from osteolens.errors import ConfigError, ReadError  # noqa: E402
from osteolens.training.run_options import RunOptions  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.train, pytest.mark.filterwarnings("ignore")]


def example_crops(spec: PreprocessSpec, cache: Path, variants: int) -> CropSet:
    plan = CropPlan(spec=spec, variants=variants)
    return build_crops(index_cohort(EXAMPLES).studies, read_rois(EXAMPLES / "rois.csv"), plan, cache)


def part_of(name: str) -> str:
    """Of a network, from a tensor's name; each fusion by itself."""
    return ".".join(name.split(".")[: 1 + name.startswith("fuse")])


def test_without_an_epoch_the_head_alone_is_trained(tmp_path: Path) -> None:
    torch.manual_seed(0)
    spec = PreprocessSpec(roi="vertebra", size_px=64)
    crops = example_crops(spec, tmp_path, variants=2)
    config = ClassifierTraining(
        preprocess=spec, pooled="all", resolution_schedule=[(64, 0)], head_epochs=40, head_weight_decays=[0.1]
    )
    with pytest.raises(ConfigError, match="no epoch, and no network"):
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


def test_a_history_of_another_version_is_refused(tmp_path: Path) -> None:
    spec = PreprocessSpec(roi="vertebra", size_px=64)
    crops = example_crops(spec, tmp_path, variants=1)
    for name in ("last.safetensors", "averaged.safetensors"):
        (tmp_path / name).touch()
    (tmp_path / "state.json").write_text(json.dumps({"history": [{"epoch": 1}]}), "utf-8")
    config = ClassifierTraining(preprocess=spec, resolution_schedule=[(64, 1)])
    with pytest.raises(ReadError, match=r"state\.json.*train anew, without --resume"):
        fit_classifier(crops, crops, tmp_path, config, RunOptions(device="cpu", resume=True))


@pytest.mark.parametrize(("patients", "counted"), [(24, 24), (19, None)])
def test_the_calibration_counts_patients_whatever_their_studies_and_displays(
    tmp_path: Path, patients: int, counted: int | None
) -> None:
    torch.manual_seed(0)
    spec = PreprocessSpec(roi="vertebra", size_px=64)
    crops = example_crops(spec, tmp_path, variants=2)
    many = [k % len(crops.labels) for k in range(48)]
    validation = replace(
        crops,
        **{name: getattr(crops, name)[many] for name in ("rows", "present", "covariates", "labels", "t_scores")},
        study_uids=tuple(f"s{k}" for k in range(48)),
        patient_ids=tuple(f"p{k % patients}" for k in range(48)),
    )
    config = ClassifierTraining(
        preprocess=spec, pooled="all", resolution_schedule=[(64, 0)], head_epochs=2, head_weight_decays=[0.1]
    )
    save_network(DualChannelDenseNet(network_spec(config, spec)), tmp_path / "start.safetensors")
    options = RunOptions(device="cpu", resume=True, start_from=tmp_path / "start.safetensors")
    fit_classifier(crops, validation, tmp_path / "run", config, options)
    found = json.loads((tmp_path / "run" / "calibration.json").read_text("utf-8"))
    assert found["patients"] == counted and found["studies"] == (48 if counted else 0)
