"""What a head gains with patients: two halves of the examples."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch")

from benchmarks.head_patients.__main__ import main
from classify.network.checkpoint import save_network
from classify.training.begin import new_network
from classify.training.config import ClassifierTraining
from cohort.io.folder import index_cohort
from osteolens.config import load_config
from osteolens.errors import ConfigError
from pipeline.bundle.load import load_bundle
from pipeline.training.classifier import settled
from tests import EXAMPLES

pytestmark = [pytest.mark.slow, pytest.mark.train, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def halves(tmp_path: Path) -> tuple[Path, Path]:
    """Three of the examples, and the others."""
    studies = index_cohort(EXAMPLES).studies
    folders = tmp_path / "fitted", tmp_path / "tested"
    for k, study in enumerate(studies):
        for _, image in study.images:
            target = folders[k % 2] / image.relative_to(EXAMPLES)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(image, target)
    for folder in folders:
        for name in ("cohort.csv", "rois.csv"):
            shutil.copy(EXAMPLES / name, folder / name)
    return folders


def test_heads_are_judged_on_other_patients_and_a_rerun_fits_nothing(
    halves: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    names = [str(halves[0]), "--test", str(halves[1]), "--out", str(out), "--patients", "2", "0", "--decays", "1"]
    names += [
        "--set",
        "sites.training=[test1, test2, training, validation]",
        "--set",
        "head_epochs=2",
        "--set",
        "head_batch=2",
    ]
    main(names)
    lines = [line.split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert [line[:2] for line in lines] == [["| start", "0"], ["| decay 1", "2"], ["| decay 1", "3"]]
    rows = json.loads((out / "head_patients.json").read_text())["rows"]
    start, fitted = rows[0]["figures"]["t_mae"][0], rows[2]["figures"]["t_mae"][0]
    assert rows[2]["differences"]["t_mae"][0] == pytest.approx(fitted - start, abs=1e-5) and fitted != start
    monkeypatch.setattr("benchmarks.head_patients.__main__.fit_head", lambda *_: pytest.fail("fitted again"))
    main(names)
    with pytest.raises(pytest.fail.Exception, match="fitted again"):
        main([*names, "--inputs", "ap-lat-covariates", "lat-images"])
    with pytest.raises(ConfigError, match="--patients 9: there are 3"):
        main([*names, "--patients", "9"])
    names[2] = names[0]
    with pytest.raises(ConfigError, match=r"3 patients of .* are fitted on too; expected others"):
        main(names)


def test_the_classifier_of_a_run_stands_beside_the_weights(
    halves: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = load_bundle(None)
    schedule = [f"resolution_schedule=[[{bundle.working_px}, 0]]"]
    network = new_network(
        settled(load_config(ClassifierTraining, None, schedule), bundle.classifier.parent), bundle.classifier.parent
    )
    assert network.ap is not None
    next(network.ap.parameters()).data.mul_(0.5)
    network.t_score.bias.data[0] += 1
    save_network(network, tmp_path / "run.safetensors")
    names = [str(halves[0]), "--test", str(halves[1]), "--out", str(tmp_path / "out"), "--patients", "0"]
    names += ["--classifier", str(tmp_path / "run.safetensors"), "--decays", "1", "--set", "head_epochs=1"]
    main([*names, "--set", "sites.training=[test1, test2, training, validation]", "--set", "head_batch=2"])
    lines = [line.split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert [line[:2] for line in lines] == [["| start", "0"], ["| classifier", "0"], ["| decay 1", "3"]]
    start, given, _ = json.loads((tmp_path / "out" / "head_patients.json").read_text())["rows"]
    assert given["differences"]["t_mae"][0] != 0 and start["differences"]["t_mae"][0] == 0
    assert given["figures"]["t_bias"][0] > start["figures"]["t_bias"][0]


def test_a_fit_is_judged_with_the_inputs_that_are_asked_for(
    halves: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [str(halves[0]), "--test", str(halves[1]), "--out", str(tmp_path / "out"), "--patients", "0"]
    names += ["--decays", "1", "--set", "head_epochs=1", "--set", "head_batch=2"]
    names += ["--set", "sites.training=[test1, test2, training, validation]"]
    main([*names, "--inputs", "ap-lat-covariates", "ap-lat-images", "lat-images"])
    lines = [line.split(" | ")[0] for line in capsys.readouterr().out.splitlines()[2:]]
    fits = [f"{fit}{inputs}" for fit in ("| start", "| decay 1") for inputs in ("", ", ap-lat-images", ", lat-images")]
    assert lines == fits
    rows = {row["way"]: row for row in json.loads((tmp_path / "out" / "head_patients.json").read_text())["rows"]}
    errors = {way: row["figures"]["t_mae"][0] for way, row in rows.items()}
    assert len(set(errors.values())) == len(errors), "what is hidden changes the answer"
    own = rows["decay 1, lat-images"]["differences"]["t_mae"][0]
    assert own == pytest.approx(errors["decay 1, lat-images"] - errors["start, lat-images"], abs=1e-5)
