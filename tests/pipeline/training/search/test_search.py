"""Settings are searched on validation studies alone, go on after a stop, and outlive a trial that fails."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from classify.training.config import ClassifierTraining
from cli.main import app
from osteolens.config import load_config
from osteolens.errors import ConfigError
from pipeline.training.run import TrainingOptions
from pipeline.training.search import search as searched
from pipeline.training.search.search import search_classifier
from pipeline.training.search.space import SearchSpace

pytest.importorskip("torch")
pytest.importorskip("optuna")

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore")]

TINY = [
    "preprocess.roi=vertebra",
    "preprocess.size_px=64",
    "views=[AP]",
    "pooled=last",
    "backbone=mobilenet_v2",
    "precision=float32",
    "boxes=manual",
    "resolution_schedule=[[64, 0]]",
    "head_epochs=1",
    "head_weight_decays=[1.0]",
]
"""Heads alone, on branches of the shipped weights."""


@pytest.fixture
def cohort(examples: Path) -> Path:
    """The six examples: three to train on, two to validate by, one of a test site."""
    table = pd.read_csv(examples / "cohort.csv", dtype=str)
    table.assign(split=["training"] * 3 + ["validation"] * 2 + ["test"]).to_csv(examples / "cohort.csv", index=False)
    return examples


def run(cohort: Path, out: Path, *more: str) -> tuple[int, str, str]:
    settings = [part for value in TINY for part in ("--set", value)]
    done = CliRunner().invoke(app, ["train", "search", str(cohort), "--out", str(out), *settings, *more])
    return done.exit_code, done.stdout, done.stderr


def trials_of(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "trials.csv").drop(columns="minutes")


def test_three_trials_give_settings_that_a_training_takes(cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "s"
    code, stdout, stderr = run(cohort, out, "--trials", "2", "--json")
    assert code == 0, stderr
    assert json.loads(stdout)["trials"] == 2
    code, stdout, stderr = run(cohort, out, "--trials", "3", "--resume", "--json")
    assert code == 0 and "goes on after trial 2 of 3" in stderr, stderr
    found, table = json.loads(stdout), trials_of(out)
    assert list(table.trial) == [1, 2, 3] and set(table.state) == {"finished"}
    names = ["head_lr", "t_score_weight", "label_smoothing", "class_weights", "drop_covariate", "drop_covariates"]
    assert list(table.columns) == ["trial", "state", "t_score_mae", *names, "reason"]
    assert table.head_lr[0] == ClassifierTraining().head_lr and table.head_lr.nunique() == 3
    best = table.iloc[int(table.t_score_mae.to_numpy().argmin())]
    assert found["best_trial"] == best.trial and found["value"] == pytest.approx(best.t_score_mae)
    assert found["given"] == pytest.approx(table.t_score_mae[0]) and "so the figure is too good" in found["note"]
    settings = load_config(ClassifierTraining, out / "best.yaml")
    assert settings.head_lr == pytest.approx(best.head_lr) and settings.class_weights == best.class_weights
    split = pd.read_csv(out / "split.csv", dtype=str)
    tested = pd.read_csv(cohort / "cohort.csv", dtype=str).study_uid[5]
    assert sorted(split.split) == ["training"] * 3 + ["validation"] * 2 and tested not in set(split.study_uid)
    assert not (out / "trial").exists()

    undisturbed = tmp_path / "u"
    code, _, stderr = run(cohort, undisturbed, "--trials", "3", "--quiet")
    assert code == 0, stderr
    pd.testing.assert_frame_equal(trials_of(undisturbed), table)

    with sqlite3.connect(out / "search.db") as store:  # as a kill in the third trial leaves it
        store.execute("UPDATE trials SET state = 'RUNNING' WHERE number = 2")
        store.execute("DELETE FROM trial_values WHERE trial_id = (SELECT trial_id FROM trials WHERE number = 2)")
    code, _, stderr = run(cohort, out, "--trials", "3", "--resume")
    assert code == 0 and "goes on after trial 2 of 3" in stderr, stderr
    pd.testing.assert_frame_equal(trials_of(out), table)

    code, _, stderr = run(cohort, out, "--trials", "3", "--resume", "--space", "head_lr=null")
    assert code == 1 and "was made with other settings, space, studies, seed or start" in stderr


def test_a_trial_that_fails_does_not_end_the_search(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from classify.training import train

    fit, count = train.try_settings, iter(range(10))

    def second_fails(*args: object) -> dict[str, float]:
        if next(count) == 1:
            raise ConfigError("the loss is no number any more in epoch 1")
        return fit(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(train, "try_settings", second_fails)
    config = load_config(ClassifierTraining, None, TINY)
    found = search_classifier(cohort, tmp_path / "s", 3, config, options=TrainingOptions(device="cpu"))
    table = trials_of(tmp_path / "s")
    assert list(table.state) == ["finished", "failed", "finished"] and found.failed == 1 and found.number != 2
    assert "the loss is no number" in table.reason[1] and pd.isna(table.t_score_mae[1])

    monkeypatch.setattr(train, "try_settings", _raise)
    with pytest.raises(ConfigError, match="no trial of 1 came to its end; the first one failed with: RuntimeError: no"):
        search_classifier(cohort, tmp_path / "s", 1, config, options=TrainingOptions(device="cpu"))
    assert not (tmp_path / "s" / "best.yaml").exists(), "that of the search before"


def _raise(*_: object) -> dict[str, float]:
    raise RuntimeError("no memory")


def test_a_trial_that_is_worse_than_the_others_is_stopped(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from classify.training import train

    count = iter(range(10))

    def faked(
        training: object, validation: object, out: Path, config: object, options: object, watch: object
    ) -> object:
        number = next(count)
        for epoch in range(4):
            watch.on_epoch({"epoch": float(epoch), "t_score_mae": 9.0 if number == 6 else 1.0 + number / 100})  # type: ignore[attr-defined]
        return {"t_score_mae": 1.0 + number / 100}

    monkeypatch.setattr(train, "try_settings", faked)
    config = load_config(ClassifierTraining, None, [*TINY, "resolution_schedule=[[64, 3]]"])
    found = search_classifier(cohort, tmp_path / "s", 8, config, options=TrainingOptions(device="cpu"))
    assert list(trials_of(tmp_path / "s").state).count("stopped early") == found.stopped >= 1
    assert trials_of(tmp_path / "s").state[6] == "stopped early" and found.number == 1


def test_what_changes_nothing_is_not_searched() -> None:
    space = SearchSpace()
    head_alone = load_config(ClassifierTraining, None, TINY)
    assert not {"lr", "weight_decay", "p_original_display", "drop_view"} & set(space.searched(head_alone))
    assert space.searched(ClassifierTraining()) == tuple(SearchSpace.model_fields)
    bare = load_config(
        ClassifierTraining, None, [*TINY, "covariates=False", "head_epochs=0", "resolution_schedule=[[64, 1]]"]
    )
    assert "head_lr" not in space.searched(bare) and "drop_covariate" not in space.searched(bare)
    assert "lr" not in SearchSpace(lr=None).searched(ClassifierTraining())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("lr=[0.01, 0.001]", "lr: found .*expected the least and the largest value"),
        ("lr=[0, 0.001]", "the least above 0"),
        ("label_smoothing=[0, 0.9]", "label_smoothing: "),
        ("class_weights=[equal]", "expected two different ones"),
        ("batch=[4, 8]", "setting 'batch' is unknown"),
    ],
)
def test_bounds_that_training_would_refuse_are_refused(given: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(SearchSpace, None, [given])


def test_a_setting_outside_of_the_space_is_said() -> None:
    assert SearchSpace().outside({"lr": 0.05, "class_weights": (1.0, 2.0, 3.0), "head_lr": 1e-3}) == (
        "lr",
        "class_weights",
    )
    assert searched.TRIALS == "trials.csv"
