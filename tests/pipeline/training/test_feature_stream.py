"""Features of simulated patients are kept, and their radiographs are not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from classify.training.begin import new_network
from classify.training.config import ClassifierTraining
from classify.training.crops.build import build_crops
from classify.training.crops.crop_set import StudyArrays
from classify.training.head.features import pooled_features
from classify.training.head.origin import FeatureOrigin
from classify.training.head.side import Side
from classify.training.head.stored import joined, read_stored, write_part
from cohort.spine import View
from osteolens.config import load_config
from osteolens.errors import ConfigError, OutputError, ReadError
from osteolens.shipped import shipped_weights
from phantom.cohort import simulate_cohort
from phantom.plan import SimulationOptions
from pipeline.bundle.load import load_bundle
from pipeline.screening.screener import Screener
from pipeline.training.classifier import crop_plan, settled, train_classifier
from pipeline.training.feature_stream import FILMS, FeatureStream, SimulatedFeatures, simulate_features
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
    out.mkdir(exist_ok=True)
    shutil.copy(films / "simulation.json", out)
    for k, patient in enumerate(sorted(films.glob("SIM*"))):
        shutil.copytree(patient, out / FILMS / f"part-{k // each * each:06}" / patient.name)
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

    def fails_on_the_second(path: Path, side: Side | None, origin: FeatureOrigin) -> None:
        if written:
            raise OutputError("the disk is full")
        write_part(path, side, origin)
        written.append(path)

    monkeypatch.setattr("classify.training.head.stored.write_part", fails_on_the_second)
    with pytest.raises(OutputError, match="full"):
        stream(out)
    assert (out / FILMS / "part-000002" / "SIM0009-00002" / "patient.json").is_file()
    before = written[0].stat().st_mtime_ns
    monkeypatch.undo()
    told: list[tuple[int, int]] = []
    again = stream(out, progress=lambda done, total: told.append((done, total)))
    assert again.simulated == 0 and told[0] == (2, 3) and told[-1] == (3, 3)
    assert written[0].stat().st_mtime_ns == before and not (out / FILMS).exists()
    for path in kept[0].glob("part-*"):
        assert (out / path.name).read_bytes() == path.read_bytes(), "as without a stop"
    more = stream(with_films(films, out), patients=4)
    assert more.kept == 4, "the last part is made anew with its further patient"
    names = [path.name for path in sorted(out.glob("part-*"))]
    assert names == ["part-000000-000002.safetensors", "part-000002-000004.safetensors"]
    with pytest.raises(ConfigError, match="holds features of 4 patients, more than 3; give --patients 4"):
        stream(out)
    (out / names[1]).write_bytes(b"of an older program")
    anew = stream(with_films(films, out), patients=4, options=replace(COARSE, resume=False))
    assert (anew.simulated, anew.kept) == (4, 4), "without resuming everybody is simulated again"


def test_two_processes_simulate_the_same_patients(kept: tuple[Path, SimulatedFeatures], tmp_path: Path) -> None:
    found = stream(tmp_path / "out", options=replace(COARSE, jobs=2))
    assert (found.simulated, found.kept) == (3, 3) and not (tmp_path / "out" / FILMS).exists()
    for path in sorted(kept[0].glob("part-*")):
        one, two = load_file(path), load_file(tmp_path / "out" / path.name)
        assert list(one) == list(two)
        for name in one:
            np.testing.assert_allclose(one[name], two[name], rtol=2e-3, atol=1e-3)


def test_what_is_in_a_folder_is_not_mixed(kept: tuple[Path, SimulatedFeatures], tmp_path: Path) -> None:
    out = kept[0]
    with pytest.raises(ConfigError, match=r"features\.json: this folder holds features with other criteria"):
        stream(out, config=load_config(FeatureStream, None, ["part_patients=2", *HEALTHY]))
    with pytest.raises(ConfigError, match=r"simulation\.json: .* seed is 9, not 8"):
        stream(out, seed=8)
    with pytest.raises(ConfigError, match=r"site test1 is not; .*sites\.training=\[test1\]"):
        stream(tmp_path / "none", sites="test1")
    assert not (tmp_path / "none").exists()
    (tmp_path / "own" / FILMS).mkdir(parents=True)
    with pytest.raises(ConfigError, match="would be written into, and is not of this command"):
        stream(tmp_path / "own")
    shutil.copy(out / "part-000000-000002.safetensors", tmp_path / "own")
    (tmp_path / "own" / "part-of-something.safetensors").touch()
    (tmp_path / "own" / FILMS).rmdir()
    with pytest.raises(ConfigError, match=r"holds part-.* without features\.json"):
        stream(tmp_path / "own")


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
    left = {path.name for path in (tmp_path / "run").iterdir()} - {path.name for path in (tmp_path / "alone").iterdir()}
    assert not left, "nothing but the results of a run is left in its folder"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["resolution_schedule=[[96, 1]]"], "features are of finished branches"),
        (["preprocess.margin_across=0.3"], "its features have other preprocess than this run"),
        (["boxes=manual"], "its features have other variants, boxes than this run"),
        (["criteria.max_dxa_days=60"], "its features have other criteria"),
        (["head_folds=2"], "folds calibrate on whom the head is fitted on"),
        (["sites.test=[training]", "sites.training=[validation]"], "of site training, which is not to train on"),
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


def own_side(count: int, channels: int, variants: int = 3) -> Side:
    """Studies of a cohort with features of ones."""
    return Side(
        StudyArrays(
            rows=np.arange(count) + 1,  # a row that no study uses
            present=np.ones((count, 2), np.float32),
            covariates=np.zeros((count, 6), np.float32),
            labels=np.zeros(count, np.int64),
            t_scores=np.zeros(count, np.float32),
            level_t_scores=np.full((count, 4), np.nan, np.float32),
            study_uids=tuple(f"own{k}" for k in range(count)),
            patient_ids=tuple(f"own{k}" for k in range(count)),
            made_from="ones",
        ),
        [np.ones((count + 1, variants, channels), np.float32) * (branch + 1) for branch in range(2)],
    )


def test_joined_features_follow_those_of_the_cohort(kept: tuple[Path, SimulatedFeatures], tmp_path: Path) -> None:
    stored = read_stored(kept[0])
    own = own_side(2, 7680)
    both = joined(own, [stored], tuple(View), tmp_path)
    assert both.studies.study_uids[:2] == ("own0", "own1") and both.studies.rows.tolist() == [0, 1, 2, 3, 4]
    assert both.studies.study_uids[2:] == tuple(uid for part in stored.parts.values() for uid in part.study_uids)
    shown = both.shown(both.studies.rows, 1)
    assert shown.shape == (5, 2, 7680) and (shown[:2, 0] == 1).all() and (shown[:2, 1] == 2).all()
    files = [load_file(path) for path in stored.parts]
    for branch in range(2):
        expected = np.concatenate([file[f"features.{branch}"] for file in files])[:, 1]
        np.testing.assert_array_equal(shown[2:, branch].numpy(), expected.astype(np.float32))
    assert not list(tmp_path.iterdir()), "files without a name"
    lateral = joined(Side(own.studies, own.features[1:]), [stored], (View.LATERAL,), tmp_path)
    np.testing.assert_array_equal(lateral.shown(lateral.studies.rows, 1)[:, 0], shown[:, 1])
    assert not lateral.studies.present[:, 0].any()


def test_features_beyond_half_precision_are_refused(kept: tuple[Path, SimulatedFeatures], tmp_path: Path) -> None:
    own = own_side(2, 5)
    own.features[0][1, 0, 0] = 7e4
    with pytest.raises(ConfigError, match="features up to 70000 do not fit half precision"):
        write_part(tmp_path / "part-000000-000002.safetensors", own, read_stored(kept[0]).origin)
    assert not list(tmp_path.iterdir())


def altered(kept: Path, out: Path, change: Callable[[dict[str, np.ndarray]], None]) -> Path:
    """The folder with a change to the arrays of its last part."""
    shutil.copytree(kept, out)
    path = out / "part-000002-000003.safetensors"
    arrays = load_file(path)
    with safe_open(path, "np") as file:
        header = file.metadata()
    change(arrays)
    save_file(arrays, path, header)
    return out


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("covariates", np.full((1, 6), np.nan, np.float32)),
        ("present", np.array([[7, 0]], np.float32)),
        ("present", np.zeros((1, 2), np.float32)),
        ("labels", np.array([3])),
        ("labels", np.array([1.0], np.float32)),
        ("t_scores", np.zeros(2, np.float32)),
        ("level_t_scores", np.full((1, 4), np.inf, np.float32)),
    ],
)
def test_values_that_no_study_has_are_refused(
    kept: tuple[Path, SimulatedFeatures], tmp_path: Path, name: str, value: np.ndarray
) -> None:
    with pytest.raises(ReadError, match=r"part-000002-000003\.safetensors: is no part"):
        read_stored(altered(kept[0], tmp_path / "out", lambda arrays: arrays.update({name: value})))


@pytest.mark.parametrize("value", [np.full((1, 3, 7680), np.inf, np.float16), np.ones((1, 3, 7680), np.float64)])
def test_features_that_are_none_are_refused(
    kept: tuple[Path, SimulatedFeatures], tmp_path: Path, value: np.ndarray
) -> None:
    stored = read_stored(altered(kept[0], tmp_path / "out", lambda arrays: arrays.update({"features.0": value})))
    with pytest.raises(ReadError, match=r"expected finite ones"):
        joined(own_side(2, 7680), [stored], tuple(View), tmp_path)


def test_what_a_part_was_made_from_is_held_to_the_note(kept: tuple[Path, SimulatedFeatures], tmp_path: Path) -> None:
    shutil.copytree(kept[0], tmp_path / "out")
    note = tmp_path / "out" / "features.json"
    before = read_stored(tmp_path / "out")
    note.write_text(note.read_text().replace("In-silico", "Simulated"))
    assert read_stored(tmp_path / "out").digest == before.digest, "the notice is for people"
    note.write_text(note.read_text().replace(next(iter(before.origin.branches.values())), "0" * 64))
    with pytest.raises(ReadError, match=r"made from something else than features\.json says"):
        read_stored(tmp_path / "out")
    shutil.copytree(kept[0], tmp_path / "twice")
    part = tmp_path / "twice" / "part-000002-000003.safetensors"
    shutil.copy(part, tmp_path / "twice" / "part-000003-000004.safetensors")
    with pytest.raises(ReadError, match="1 studies stand in it twice"):
        read_stored(tmp_path / "twice")


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
