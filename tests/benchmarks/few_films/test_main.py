"""Few films of a hospital: squares instead of radiographs, the real fits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("torch")

from benchmarks.few_films import __main__ as benchmark
from benchmarks.few_films.figures import Row
from benchmarks.few_films.hospital import Hospital, read_hospital
from benchmarks.few_films.ways import Way, fitted, settings
from classify.calibration import Calibration
from classify.config import NetworkSpec, PreprocessSpec
from classify.network.checkpoint import save_network, split_weights
from classify.network.densenet import DualChannelDenseNet
from classify.training.crops.crop_set import CropSet
from cohort.bmd import DxaResult
from cohort.spine import View
from cohort.study import Study
from osteolens.documents.json_document import read_json
from osteolens.errors import ConfigError
from pipeline.bundle.load import Bundle
from tests import EXAMPLES
from tests.classify.training.squares import squares

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore")]

COLUMN = PreprocessSpec(version=2, roi="column", size_px=64)


@pytest.fixture
def weights(bundle: Bundle, tmp_path: Path) -> Bundle:
    """Small ones with random tensors, for columns of 64 px."""
    network = NetworkSpec(views=(View.AP,), covariates=False, pooled="last", backbone="resnet18")
    folder = tmp_path / "weights"
    folder.mkdir()
    save_network(DualChannelDenseNet(network), folder / "whole.safetensors")
    split_weights(folder / "whole.safetensors", folder)
    return replace(
        bundle, classifier=folder / "classifier.onnx", network=network, preprocess=COLUMN, working_px=64,
        calibration=Calibration(temperature=1.2, patients=60, studies=60),
    )  # fmt: skip


def some(crops: CropSet, rows: range) -> CropSet:
    return crops.of_patients({crops.patient_ids[k] for k in rows})


@pytest.fixture
def hospital(tmp_path: Path) -> Hospital:
    """Thirty patients, nine of whom test."""
    crops = squares(30, tmp_path / "crops")
    studies = [
        Study(study_uid=uid, patient_id=patient, dxa=DxaResult(t_score=float(t_score)))
        for uid, patient, t_score in zip(crops.study_uids, crops.patient_ids, crops.t_scores, strict=True)
    ]
    others = some(crops, range(9, 30))
    return Hospital(others=studies[9:], training=others, validation=others, test=some(crops, range(9)))


def test_rows_are_those_of_the_test_patients_and_a_rerun_fits_nothing(
    weights: Bundle, hospital: Hospital, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    given: list[tuple[set[str], set[str], set[str]]] = []

    def fit(way: Way, sides: tuple[CropSet, CropSet, CropSet], *more: object) -> object:
        training, validation, test = (set(side.patient_ids) for side in sides)
        given.append((training, validation, test))
        return fitted(way, sides, *more)  # type: ignore[arg-type]

    monkeypatch.setattr("classify.training.train.export_classifier", lambda *_: 0.0)
    monkeypatch.setattr(benchmark, "load_bundle", lambda _: weights)
    monkeypatch.setattr(benchmark, "read_hospital", lambda *_: hospital)
    monkeypatch.setattr(benchmark, "fitted", fit)
    monkeypatch.setattr("benchmarks.few_films.ways.EPOCHS", 1)
    monkeypatch.setattr("benchmarks.few_films.ways.LEAST_STEPS", 1)
    out = tmp_path / "out"
    command = ["cohort", "--out", str(out), "--ways", "head", "head-norms", "--patients", "12", "20", "99"]
    command += ["--set", "head_epochs=2", "--set", "batch=8", "--precision", "float32"]
    command += ["--set", "validation_fraction=0.25"]
    benchmark.main(command)
    printed = capsys.readouterr()
    assert "99 patients: 21 are left" in printed.err and "12 patients: too few, or too few of a class" in printed.err
    assert [len(training | validation) for training, validation, _ in given] == [12, 12, 20, 20]
    for training, validation, test in given:
        assert test == {f"p{k}" for k in range(9)} and not training & validation
        assert not test & (training | validation), "test patients are in no fit"
    assert given[0][0] | given[0][1] <= given[2][0] | given[2][1], "fewer patients are some of more"

    rows = [Row.from_json(row) for row in read_json(out / "few_films.json")["rows"]]
    assert [row.key for row in rows] == [
        ("start", 0, 0), ("head", 12, 0), ("head-norms", 12, 0), ("head", 20, 0), ("head-norms", 20, 0),
    ]  # fmt: skip
    assert [(row.training, row.validation) for row in rows] == [(0, 0), (9, 3), (9, 3), (15, 5), (15, 5)]
    assert rows[0].calibrated and not rows[1].calibrated
    truth = np.array([0.0, -1.8, -3.0])[np.arange(9) % 3]
    start = pd.read_csv(out / "results" / "start-0-0.csv")
    for row in rows:
        found = pd.read_csv(out / "results" / f"{'-'.join(map(str, row.key))}.csv")
        assert list(found.study_uid) == [f"s{k}" for k in range(9)]
        assert row.figures["t_bias"].value == pytest.approx((found.t_score - truth).mean(), abs=1e-3)
        mae = np.abs(found.t_score - truth).mean()
        assert row.figures["t_mae"].value == pytest.approx(mae, abs=1e-3)
        before = np.abs(start.t_score - truth).mean()
        assert row.differences["t_mae"].value == pytest.approx(mae - before, abs=1e-3)
    assert "| start |  | 1 | 1 of 1 |" in printed.out and "| head-norms | 20 | 1 | 0 of 1 |" in printed.out
    assert (out / "few_films.png").is_file() and not list((out / "fits").iterdir())

    benchmark.main(command)
    assert len(given) == 4 and capsys.readouterr().out == printed.out
    with pytest.raises(ConfigError, match="of other patients, weights, settings or another seed"):
        benchmark.main([*command, "--set", "head_epochs=3"])


def test_every_way_takes_crops_and_side_of_the_weights(bundle: Bundle) -> None:
    spec = bundle.preprocess.model_copy(update={"size_px": 96})
    small = replace(bundle, preprocess=spec, working_px=96)
    found = {way: settings(way, small, 45) for way in Way}
    assert {config.preprocess.size_px for config in found.values()} == {96}
    assert {config.preprocess.version for config in found.values()} == {PreprocessSpec().version}
    assert {way: config.resolution_schedule for way, config in found.items()} == {
        Way.HEAD: [(96, 0)], Way.HEAD_PLAIN: [(96, 0)], Way.HEAD_NORMS: [(96, 20)], Way.ALL: [(96, 20)],
        Way.NOTHING: [(64, 80), (96, 140)],
    }  # fmt: skip
    assert [way for way, config in found.items() if config.l2_sp] == [Way.HEAD, Way.HEAD_NORMS, Way.ALL]
    assert found[Way.HEAD_NORMS].trained == "norms and head" and found[Way.ALL].trained == "all"
    assert settings(Way.ALL, small, 900).resolution_schedule == [(96, 5)]


def test_test_patients_of_a_cohort_are_set_aside(bundle: Bundle, tmp_path: Path) -> None:
    sites = "sites.training=[test1, test2, validation]"
    config = settings(Way.HEAD, replace(bundle, preprocess=COLUMN, working_px=64, network=NetworkSpec()), 4, [sites])
    hospital = read_hospital(EXAMPLES, tmp_path, config, bundle, 2, 0)
    tested, others = set(hospital.test.patient_ids), {study.patient_id for study in hospital.others}
    assert len(tested) == 2 and len(others) == 4 and not tested & others
    assert hospital.test.images.shape[1] == 1 and hospital.training.images.shape[1] == 3
    assert hospital.drawn(2, 1) == [study for study in hospital.drawn(3, 1) if study in hospital.drawn(2, 1)]
    with pytest.raises(ConfigError, match="5 patients: 4 are left beside those who test"):
        hospital.drawn(5, 0)
    with pytest.raises(ConfigError, match="--test 6: the cohort has 6 eligible patients; leave some to train on"):
        read_hospital(EXAMPLES, tmp_path, config, bundle, 6, 0)
