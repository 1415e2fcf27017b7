"""The command line: exit codes, streams, options."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from cli.console import print_table
from cli.main import app
from tests import EXAMPLES

runner = CliRunner()


def one_example(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    shutil.copytree(sorted(EXAMPLES.glob("SIM*"))[0], folder)
    return folder


def test_json_stands_alone_on_stdout(tmp_path: Path) -> None:
    done = runner.invoke(app, ["process", str(one_example(tmp_path)), "--out", str(tmp_path / "out"), "--json"])
    assert done.exit_code == 0, done.output
    (row,) = json.loads(done.stdout)
    assert row["status"] == "screened"
    assert "report.html" in done.stderr


def test_quiet_says_nothing_on_stderr(tmp_path: Path) -> None:
    done = runner.invoke(app, ["process", str(one_example(tmp_path)), "--out", str(tmp_path / "out"), "-q"])
    assert done.exit_code == 0 and done.stderr == ""


def test_odd_header_values_are_not_quoted_on_stderr(tmp_path: Path) -> None:
    import pydicom

    folder = one_example(tmp_path)
    ds = pydicom.dcmread(folder / "AP.dcm")
    with pytest.warns(UserWarning, match="value length"):
        ds.AccessionNumber = "secret-number-of-a-patient"
        ds.save_as(folder / "AP.dcm")
    command = [sys.executable, "-m", "cli.main", "process", str(folder), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=EXAMPLES.parent)
    assert done.returncode == 0 and "secret" not in done.stderr and "Warning" not in done.stderr


def test_single_study_options_reach_the_result(tmp_path: Path) -> None:
    options = ["--age", "81", "--sex", "f", "--height", "150", "--weight", "45"]
    done = runner.invoke(
        app, ["process", str(one_example(tmp_path)), "--out", str(tmp_path / "out"), "--json", *options]
    )
    (row,) = json.loads(done.stdout)
    assert (row["age_years"], row["sex"], row["bmi_kg_m2"]) == (81, "F", 20.0)
    more = runner.invoke(
        app, ["process", str(tmp_path / "in"), "--out", str(tmp_path / "out2"), "--json", "--bmi", "31"]
    )
    assert json.loads(more.stdout)[0]["bmi_kg_m2"] == 31


def test_failed_studies_give_exit_code_3(tmp_path: Path) -> None:
    folder = one_example(tmp_path)
    (folder / "broken.dcm").write_bytes(b"x")
    done = runner.invoke(app, ["process", str(folder), "--out", str(tmp_path / "out")])
    assert done.exit_code == 3


def test_our_errors_give_exit_code_1_and_one_line(tmp_path: Path) -> None:
    done = runner.invoke(app, ["process", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("options", [["--age", "500"], ["--sex", "X"], ["--nonsense"]])
def test_usage_errors_give_exit_code_2(tmp_path: Path, options: list[str]) -> None:
    done = runner.invoke(app, ["process", str(EXAMPLES), "--out", str(tmp_path / "out"), *options])
    assert done.exit_code == 2


def test_results_never_go_into_the_input_folder(tmp_path: Path) -> None:
    folder = one_example(tmp_path)
    done = runner.invoke(app, ["process", str(folder), "--out", str(folder)])
    assert done.exit_code == 1 and "is the input folder" in done.stderr


def test_studies_of_other_sites_are_not_called_missing(tmp_path: Path) -> None:
    given = ["process", str(EXAMPLES), "--out", str(tmp_path / "out"), "--site", "test2"]
    done = runner.invoke(app, given)
    assert done.exit_code == 0 and "without radiographs" not in done.stderr, done.stderr
    done = runner.invoke(app, ["evaluate", str(tmp_path / "out"), str(EXAMPLES), "--site", "test2"])
    assert done.exit_code == 0 and "without radiographs" not in done.stderr, done.stderr


def test_quiet_commands_print_no_notes(tmp_path: Path, examples: Path) -> None:
    table = pd.read_csv(examples / "cohort.csv", dtype=str)
    ghost = table.iloc[[0]].assign(patient_id="ghost", study_uid="1.2.3", site="test2")
    pd.concat([table, ghost]).to_csv(examples / "cohort.csv", index=False)
    out = tmp_path / "out"
    given = ["process", str(examples), "--out", str(out), "--site", "test2"]
    assert "without radiographs: 1.2.3" in runner.invoke(app, [*given, "--dry-run"]).stderr
    assert runner.invoke(app, [*given, "--quiet"]).stderr == ""
    given = ["evaluate", str(out), str(examples), "--site", "test2", "--out", str(tmp_path / "report")]
    assert "without radiographs: 1.2.3" in runner.invoke(app, given).stderr
    assert runner.invoke(app, [*given, "--quiet"]).stderr == ""


def test_an_empty_folder_is_explained(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    done = runner.invoke(app, ["process", str(tmp_path / "in"), "--out", str(tmp_path / "out")])
    assert done.exit_code == 1 and "no radiographs found" in done.stderr


def test_dry_run_lists_and_writes_nothing(tmp_path: Path) -> None:
    done = runner.invoke(app, ["process", "--out", str(tmp_path / "out"), "--dry-run", "--json"])
    document = json.loads(done.stdout)
    assert len(document["studies"]) == 6 and document["skipped"]
    assert not (tmp_path / "out").exists()


def test_settings_reach_the_run(tmp_path: Path) -> None:
    base = ["process", str(one_example(tmp_path)), "--out", str(tmp_path / "out"), "--json"]
    done = runner.invoke(app, [*base, "--set", "min_confidence=1.0"])
    assert json.loads(done.stdout)[0]["status"] == "rejected"
    config = tmp_path / "c.yaml"
    config.write_text("overlay_px: 300\nthreads: 1\nread_ahead: 1\n")
    runner.invoke(app, [*base, "--config", str(config), "--no-resume"])
    log = json.loads((tmp_path / "out" / "run.json").read_text("utf-8"))
    assert (log["config"]["overlay_px"], log["config"]["threads"], log["config"]["read_ahead"]) == (300, 1, 1)


def test_levels_can_be_shifted_from_the_command_line(tmp_path: Path) -> None:
    base = ["process", str(one_example(tmp_path)), "--out", str(tmp_path / "out"), "--json"]
    done = runner.invoke(app, [*base, "--shift-levels", "-1"])
    assert "a reader moved all levels by -1" in json.loads(done.stdout)[0]["warnings"]
    assert runner.invoke(app, [*base, "--shift-levels", "7"]).exit_code == 2


def test_other_weights_can_be_named(tmp_path: Path) -> None:
    done = runner.invoke(app, ["process", "--out", str(tmp_path / "out"), "--weights", str(tmp_path)])
    assert done.exit_code == 1 and "manifest" in done.stderr


def test_evaluate_prints_tables_or_json(tmp_path: Path) -> None:
    runner.invoke(app, ["process", "--out", str(tmp_path / "out"), "-q"])
    done = runner.invoke(app, ["evaluate", str(tmp_path / "out"), "--examples", "--json"])
    found = json.loads(done.stdout)
    assert found["studies"] == 4, "of the test sites; two are for validation"
    assert {name: own["studies"] for name, own in found["datasets"].items() if name != "all"} == {
        "validation": 2,
        "test1": 3,
        "test2": 1,
    }
    table = runner.invoke(app, ["evaluate", str(tmp_path / "out"), "--examples"])
    assert "mean IoU" in table.stdout and "Brier score" in table.stdout and "t_score" not in table.stdout
    assert "Classification (all)" in table.stdout and "--out REPORT writes every table" in table.stderr
    assert table.stdout.index("Summary") < table.stdout.index("Classification") < table.stdout.index("Detection and")


def test_evaluate_without_results_is_explained(tmp_path: Path) -> None:
    done = runner.invoke(app, ["evaluate", str(tmp_path), str(EXAMPLES)])
    assert done.exit_code == 1 and "studies/*.json" in done.stderr


def test_evaluate_asks_for_the_cohort(tmp_path: Path) -> None:
    done = runner.invoke(app, ["evaluate", str(tmp_path)])
    assert done.exit_code == 1 and "no cohort is given" in done.stderr
    assert f"osteolens evaluate {tmp_path} COHORT" in done.stderr and "--examples" in done.stderr
    done = runner.invoke(app, ["evaluate", str(tmp_path), str(EXAMPLES), "--examples"])
    assert done.exit_code == 1 and "expected one of them" in done.stderr


@pytest.mark.parametrize("columns", [80, 120])
def test_intervals_stay_on_one_line_and_no_line_is_too_long(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    interval = "79.76 (78.21-81.23)"
    names = ["dataset", "threshold of a long name", "sensitivity %", "specificity %", "PPV %", "NPV %", "AUC", "other"]
    rows = [[name, kind, *[interval] * 6] for name in ("test1", "all") for kind in ("most probable class", "90 %")]
    print_table("points", names, rows)
    told = capsys.readouterr().out
    assert told.count(interval) == 24 and max(map(len, told.splitlines())) <= columns
    print_table("one line a dataset", names, [rows[0], rows[2]])
    told = capsys.readouterr().out
    assert told.count(interval) == 12 and max(map(len, told.splitlines())) <= columns


def test_version() -> None:
    assert runner.invoke(app, ["--version"]).stdout.startswith("osteolens ")
