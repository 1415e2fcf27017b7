"""osteolens evaluate-groups."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from cohort.covariates import Covariates, Sex
from tests.predictions import save, screened


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """24 women whose T-score from the lateral view falls with age."""
    return save(
        tmp_path / "out",
        [
            replace(
                screened(f"s{k}", -2.0),
                covariates=Covariates(age_years=50.0 + k, sex=Sex.FEMALE),
                input_t_scores={"lat-images": -1 - 0.1 * k + 0.3 * (-1) ** k},
            )
            for k in range(24)
        ],
    )


def test_tables_json_and_page(results: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate-groups", str(results), "--out", str(tmp_path / "page")])
    assert done.exit_code == 0, done.output
    assert "24 women" in done.stdout and "shown" in done.stdout and "24 patients of 24 results" in done.stderr
    page = (tmp_path / "page" / "report.html").read_text()
    assert "Known groups without DXA" in page and "24 women" in page
    assert (tmp_path / "page" / "figures" / "age.svg").is_file()
    done = CliRunner().invoke(app, ["evaluate-groups", str(results), "--json", "-q"])
    assert json.loads(done.stdout)["age"][0]["patients"] == 24 and not done.stderr


def test_a_page_may_not_lie_among_results(results: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate-groups", str(results), "--out", str(results)])
    assert done.exit_code == 1 and "a report would mix" in done.stderr
