"""Weights whose calibration a site fitted anew."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from cohort.bmd import BMD_CLASSES, classify_t_score
from cohort.io.digest import sha256_of
from osteolens.errors import ConfigError, WeightsError
from pipeline.bundle.load import Bundle, load_bundle
from pipeline.bundle.manifest import read_manifest
from pipeline.recalibration.config import RecalibrationConfig
from pipeline.recalibration.recalibrate import recalibrate
from tests import WEIGHTS
from tests.pipeline.recalibration.conftest import MakeSite

FEW = RecalibrationConfig(bootstrap_draws=50, folds=3)


def stored(results: Path, cohort: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities, labels, T-scores and estimates, read without any of the product's readers."""
    lines = [line.split(",") for line in (cohort / "cohort.csv").read_text().splitlines()[1:]]
    documents = [json.loads((results / "studies" / f"{line[1]}.json").read_text()) for line in lines]
    truth = np.array([float(line[-1]) for line in lines])
    labels = np.array([BMD_CLASSES.index(classify_t_score(t)) for t in truth])
    p = np.array([[d["probabilities"][c] for c in BMD_CLASSES] for d in documents])
    return p, labels, truth, np.array([d["t_score_estimate"] for d in documents])


def test_figures_and_calibration_agree_with_a_computation_of_their_own(
    make_site: MakeSite, tmp_path: Path, bundle: Bundle
) -> None:
    results, cohort = make_site(bias=0.8, slope=0.6)
    written = recalibrate(results, cohort, tmp_path / "new", "ours", config=FEW)
    p, labels, truth, estimates = stored(results, cohort)
    line = np.polyfit(estimates, truth, 1)
    assert [written.fitted.t_score_slope, written.fitted.t_score_offset] == pytest.approx(line, abs=1e-6)
    assert written.figures.before.t_bias.value == pytest.approx((estimates - truth).mean(), abs=1e-9)
    assert written.figures.before.brier == pytest.approx(((p - np.eye(3)[labels]) ** 2).sum(1).mean(), abs=2e-3)
    assert written.fitted.temperature == bundle.calibration.temperature, "these probabilities are right already"
    scores = np.sort(1 - p[np.arange(len(labels)), labels])
    place = math.ceil(0.9 * (len(scores) + 1)) - 1
    assert written.fitted.set_score == pytest.approx(scores[place], abs=2e-3)


def test_a_t_score_that_is_off_is_mended_on_patients_left_out(make_site: MakeSite, tmp_path: Path) -> None:
    figures = recalibrate(*make_site(bias=0.8), tmp_path / "new", "ours", config=FEW).figures
    assert figures.before.t_bias.low > 0.6 and abs(figures.after.t_bias.value) < 0.1
    assert figures.t_error_gain.low > 0.1


def test_probabilities_that_are_too_sure_get_a_higher_temperature(
    make_site: MakeSite, tmp_path: Path, bundle: Bundle
) -> None:
    written = recalibrate(*make_site(sharpness=3.0), tmp_path / "new", "ours", config=FEW)
    assert written.fitted.temperature / bundle.calibration.temperature == pytest.approx(3.0, rel=0.35)
    assert written.figures.log_loss_gain.low > 0
    assert abs(written.fitted.t_score_offset) < 0.2, "the T-scores are right"


def test_networks_are_the_same_and_the_manifest_says_on_whom(make_site: MakeSite, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in WEIGHTS.glob("*.*")}
    results, cohort = make_site(bias=0.8)
    recalibrate(results, cohort, tmp_path / "new", "ours", config=FEW)
    old, new = read_manifest(WEIGHTS), read_manifest(tmp_path / "new")
    assert new.files == old.files and new.version == "ours"
    record = new.models.classifier.recalibration
    assert record is not None and record.release == old.version
    assert record.calibration == old.models.classifier.calibration
    assert (record.patients, record.studies, sum(record.classes.values())) == (90, 90, 90)
    assert record.tables == {"cohort.csv": sha256_of(cohort / "cohort.csv")}
    assert str(record.first_study) == "2024-03-01" and not record.in_silico
    assert {path.name: path.read_bytes() for path in WEIGHTS.glob("*.*")} == before
    fresh = load_bundle(tmp_path / "new")
    assert set(fresh.hashes) - set(load_bundle().hashes) == {"calibration"}
    assert fresh.calibration.t_score_offset != 0


def test_a_recalibration_is_recalibrated_from_where_it_stands(make_site: MakeSite, tmp_path: Path) -> None:
    results, cohort = make_site(bias=0.8)
    recalibrate(results, cohort, tmp_path / "new", "ours", config=FEW)
    with pytest.raises(WeightsError, match="which are not ours as they lie here"):
        recalibrate(results, cohort, tmp_path / "newer", "ours 2", tmp_path / "new", FEW)
    assert not (tmp_path / "newer").exists()


@pytest.mark.parametrize(
    ("site", "words"),
    [
        ({"patients": 40}, "40 patients with a class and DXA .*needs 60 or more"),
        ({"low": False}, "too few patients of .*osteoporosis .*needs 10 or more of each class"),
        ({"site": "training"}, "90 of 90 studies are of a training split"),
    ],
)
def test_too_few_or_trained_on_is_refused(
    site: dict[str, object], words: str, make_site: MakeSite, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=words):
        recalibrate(*make_site(**site), tmp_path / "new", "ours", config=FEW)
    assert not (tmp_path / "new").exists()


def test_the_name_of_the_former_weights_is_refused(make_site: MakeSite, tmp_path: Path, bundle: Bundle) -> None:
    with pytest.raises(ConfigError, match="another name than that of the weights before"):
        recalibrate(*make_site(), tmp_path / "new", bundle.version, config=FEW)


def test_results_on_manual_rois_are_refused(make_site: MakeSite, tmp_path: Path) -> None:
    results, cohort = make_site()
    for path in (results / "studies").glob("*.json"):
        document = json.loads(path.read_text())
        document["model"]["rois"] = "a" * 16
        path.write_text(json.dumps(document))
    with pytest.raises(WeightsError, match="made on manual ROIs"):
        recalibrate(results, cohort, tmp_path / "new", "ours", config=FEW)
