"""Features of simulated patients are kept, and their radiographs are not."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from safetensors.numpy import load_file

from classify.training.begin import new_network
from classify.training.config import ClassifierTraining
from classify.training.crops.build import build_crops
from classify.training.head.features import pooled_features
from classify.training.head.side import Side
from classify.training.head.stored import read_stored, write_part
from osteolens.config import load_config
from osteolens.errors import ConfigError, OutputError, ReadError
from osteolens.shipped import shipped_weights
from phantom.cohort import simulate_cohort
from phantom.plan import SimulationOptions
from pipeline.bundle.load import load_bundle
from pipeline.screening.screener import Screener
from pipeline.training.classifier import crop_plan, settled, train_classifier
from pipeline.training.feature_stream import FeatureStream, SimulatedFeatures, simulate_features
from pipeline.training.folders import read_folder
from pipeline.training.run import TrainingOptions

pytestmark = [pytest.mark.slow, pytest.mark.train, pytest.mark.filterwarnings("ignore")]

COARSE = SimulationOptions(spacing_mm=1.2)
EVERYONE = ["part_patients=2", "criteria.min_age_years=0", "criteria.max_fracture_grade=3", "criteria.max_cobb_deg=90"]
HEALTHY = [f"population.{name}_fraction=0" for name in ("implant", "fracture", "scoliosis", "poor_exposure")]
SETTINGS = load_config(FeatureStream, None, [*EVERYONE, *HEALTHY])


def stream(out: Path, patients: int = 3, config: FeatureStream = SETTINGS, **more: object) -> SimulatedFeatures:
    given = {"seed": 9, "options": COARSE, **more}
    return simulate_features(out, patients, config=config, **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SimulatedFeatures]:
    """Features of three patients in two parts."""
    out = tmp_path_factory.mktemp("features")
    return out, stream(out)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort of the same patients and a further one."""
    out = tmp_path_factory.mktemp("films")
    simulate_cohort(out, 4, 9, "training", replace(COARSE, population=SETTINGS.population))
    return out


def with_films(films: Path, out: Path, each: int = 2) -> Path:
    """A folder of features whose patients were simulated before a stop."""
    for k, patient in enumerate(sorted(films.glob("SIM*"))):
        shutil.copytree(patient, out / "films" / f"part-{k // each * each:06}" / patient.name)
    return out


def test_features_are_those_of_the_cohort_and_films_go(
    kept: tuple[Path, SimulatedFeatures], films: Path, tmp_path: Path
) -> None:
    out, found = kept
    names = [path.name for path in sorted(out.iterdir())]
    parts = ["part-000000-000002.safetensors", "part-000002-000003.safetensors"]
    assert names == ["features.json", *parts, "simulation.json"]
    assert (found.patients, found.simulated) == (3, 3) and found.bytes == sum((out / p).stat().st_size for p in parts)
    folder, start = read_folder(films, []), shipped_weights()
    config = settled(ClassifierTraining(resolution_schedule=[]), start)
    plan = crop_plan(config, 9, Screener(load_bundle()))
    crops = build_crops(folder.studies[:3], folder.rois, plan, tmp_path / "crops")
    side = config.resolution_schedule[-1][0]
    features = pooled_features(new_network(config, start), crops, side, config.preprocess, "cpu")
    stored = read_stored(out)
    assert found.kept == stored.studies == len(crops.labels) == 3
    whole = list(stored.parts.values())
    assert tuple(uid for part in whole for uid in part.study_uids) == crops.study_uids
    for name in ("present", "covariates", "labels", "t_scores", "level_t_scores"):
        np.testing.assert_array_equal(np.concatenate([getattr(part, name) for part in whole]), getattr(crops, name))
    for k, own in enumerate(features):
        halves = np.concatenate([load_file(path)[f"features.{k}"] for path in stored.parts])
        assert halves.dtype == np.float16
        np.testing.assert_allclose(halves, own[crops.rows], rtol=2e-3, atol=1e-3)


def test_a_stopped_run_goes_on(
    kept: tuple[Path, SimulatedFeatures], films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = with_films(films, tmp_path / "out")
    written: list[Path] = []

    def fails_on_the_second(path: Path, side: Side | None) -> None:
        if written:
            raise OutputError("the disk is full")
        write_part(path, side)
        written.append(path)

    monkeypatch.setattr("classify.training.head.stored.write_part", fails_on_the_second)
    with pytest.raises(OutputError, match="full"):
        stream(out)
    assert (out / "films" / "part-000002" / "SIM0009-00002" / "patient.json").is_file()
    before = written[0].stat().st_mtime_ns
    monkeypatch.undo()
    told: list[tuple[int, int]] = []
    again = stream(out, progress=lambda done, total: told.append((done, total)))
    assert again.simulated == 0 and told[0] == (2, 3) and told[-1] == (3, 3)
    assert written[0].stat().st_mtime_ns == before and not (out / "films").exists()
    for path in kept[0].glob("part-*"):
        assert (out / path.name).read_bytes() == path.read_bytes(), "as without a stop"
    more = stream(with_films(films, out), patients=4)
    assert more.kept == 4, "the last part is made anew with its further patient"
    names = [path.name for path in sorted(out.glob("part-*"))]
    assert names == ["part-000000-000002.safetensors", "part-000002-000004.safetensors"]


def test_what_is_in_a_folder_is_not_mixed(kept: tuple[Path, SimulatedFeatures], tmp_path: Path) -> None:
    out = kept[0]
    with pytest.raises(ConfigError, match=r"features\.json: this folder holds features with other criteria"):
        stream(out, config=load_config(FeatureStream, None, ["part_patients=2", *HEALTHY]))
    with pytest.raises(ConfigError, match=r"simulation\.json: .* seed is 9, not 8"):
        stream(out, seed=8)
    with pytest.raises(ConfigError, match=r"site test1 is not; .*sites\.training=\[test1\]"):
        stream(tmp_path / "none", sites="test1")
    assert not (tmp_path / "none").exists()


def test_a_part_without_eligible_patients_is_empty(films: Path, tmp_path: Path) -> None:
    none = load_config(FeatureStream, None, [*HEALTHY, "criteria.min_age_years=120"])
    with pytest.raises(ReadError, match="holds no features of eligible patients"):
        stream(with_films(films, tmp_path), patients=1, config=none)
    assert [path.name for path in tmp_path.glob("part-*")] == ["part-000000-000001.safetensors"]


def test_detected_boxes_are_one_variant(films: Path, tmp_path: Path) -> None:
    settings = load_config(FeatureStream, None, [*EVERYONE, *HEALTHY, "boxes=detector"])
    assert stream(with_films(films, tmp_path), patients=2, config=settings).kept == 2
    assert read_stored(tmp_path).origin.variants == 1


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Patients of training and validation."""
    out = tmp_path_factory.mktemp("cohort")
    simulate_cohort(out, sites="training:2,validation:2", seed=5, options=COARSE)
    return out


HEAD = ["resolution_schedule=[[96, 0]]", "head_epochs=2", "head_weight_decays=[1.0]", "criteria.min_age_years=0"]
HEAD += EVERYONE[1:]


def test_a_head_learns_from_them(kept: tuple[Path, SimulatedFeatures], cohort: Path, tmp_path: Path) -> None:
    told: list[str] = []
    settings = load_config(ClassifierTraining, None, HEAD)
    options = TrainingOptions(device="cpu")
    alone = train_classifier(cohort, tmp_path / "alone", settings, options)
    run = train_classifier(cohort, tmp_path / "run", settings, options, notify=told.append, features=[kept[0]])
    assert run.training == alone.training + kept[1].kept
    assert any(line.startswith(f"{kept[1].kept} more studies for the head") for line in told)
    with pytest.raises(ConfigError, match="was made with another features"):
        train_classifier(cohort, tmp_path / "run", settings, replace(options, resume=True))
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["validation"]["macro_auc"] is None or metrics["validation"]["macro_auc"] >= 0
    left = {path.name for path in (tmp_path / "run").iterdir()} - {path.name for path in (tmp_path / "alone").iterdir()}
    assert not left, "nothing but the results of a run is left in its folder"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["resolution_schedule=[[96, 1]]"], "features are of finished branches"),
        (["preprocess.margin_across=0.3"], "its features have other preprocess than this run"),
        (["boxes=manual"], "its features have other variants"),
    ],
)
def test_features_of_another_network_are_refused(
    kept: tuple[Path, SimulatedFeatures], cohort: Path, tmp_path: Path, overrides: list[str], message: str
) -> None:
    settings = load_config(ClassifierTraining, None, [*HEAD, *overrides])
    with pytest.raises(ConfigError, match=message):
        train_classifier(cohort, tmp_path, settings, TrainingOptions(device="cpu"), features=[kept[0]])


def test_a_patient_counts_once(kept: tuple[Path, SimulatedFeatures], films: Path, tmp_path: Path) -> None:
    settings, options = load_config(ClassifierTraining, None, HEAD), TrainingOptions(device="cpu")
    with pytest.raises(ConfigError, match=r"3 of its 3 patients stand in the cohorts too"):
        train_classifier(films, tmp_path, settings, options, features=[kept[0]])


def test_a_damaged_part_is_named(kept: tuple[Path, SimulatedFeatures], tmp_path: Path) -> None:
    for path in kept[0].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    part = tmp_path / "part-000002-000003.safetensors"
    part.write_bytes(part.read_bytes()[:-100])
    with pytest.raises(ReadError, match=r"part-000002-000003\.safetensors: is no part .* delete it"):
        read_stored(tmp_path)
    (tmp_path / "features.json").write_text("{}")
    with pytest.raises(ReadError, match=r"features\.json: branches"):
        read_stored(tmp_path)
    with pytest.raises(
        ReadError, match=r"features\.json is missing; expected a folder of `osteolens simulate features`"
    ):
        read_stored(tmp_path / "none")
