"""Sites of one cohort: results are evaluated site by site."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from cli.main import app
from osteolens.errors import ReadError
from pipeline.evaluation.evaluate import evaluate

runner = CliRunner()


def cohort_with(folder: Path, **columns: Sequence[str]) -> Path:
    table = pd.read_csv(folder / "cohort.csv").assign(**{name: list(values) for name, values in columns.items()})
    table.to_csv(folder / "cohort.csv", index=False)
    return folder


def test_one_site_is_screened_and_evaluated(examples: Path, tmp_path: Path) -> None:
    sites = ["a", "a", "b", "b", "b", "b"]
    folder = cohort_with(examples, site=sites, implant=["none", "cement", *["none"] * 4])
    done = runner.invoke(app, ["process", str(folder), "--out", str(tmp_path / "out"), "--site", "a", "--json"])
    assert done.exit_code == 0 and len(json.loads(done.stdout)) == 2
    done = runner.invoke(app, ["process", str(folder), "--out", str(tmp_path / "out"), "--site", "a,b", "--json"])
    assert len(json.loads(done.stdout)) == 6
    found = evaluate(tmp_path / "out", folder, site="a")
    assert (len(found.studies), found.excluded) == (1, 1)
    assert len(evaluate(tmp_path / "out", folder, site="a", include_ineligible=True).studies) == 2
    chosen = ["--site", "a", "--include-ineligible", "--json"]
    done = runner.invoke(app, ["evaluate", str(tmp_path / "out"), str(folder), *chosen])
    assert json.loads(done.stdout)["studies"] == 2


def test_an_unknown_site_is_named_with_those_found(examples: Path, tmp_path: Path) -> None:
    folder = cohort_with(examples, site=["a"] * 6)
    done = runner.invoke(app, ["process", str(folder), "--out", str(tmp_path / "out"), "--site", "c"])
    assert done.exit_code == 1 and "no study is of this site; found a" in done.stderr
    done = runner.invoke(app, ["process", str(folder), "--out", str(tmp_path / "out"), "--site", "a, typo"])
    assert done.exit_code == 1 and "found a; not typo" in done.stderr
    runner.invoke(app, ["process", str(folder), "--out", str(tmp_path / "out"), "-q"])
    with pytest.raises(ReadError, match="no study is of site 'c'"):
        evaluate(tmp_path / "out", folder, site="c")
