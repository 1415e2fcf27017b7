"""Pixel spacing of plain images comes from a column of cohort.csv."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from cli.main import app
from cohort.io.folder import index_cohort
from cohort.io.radiograph import read_radiograph
from cohort.study import SpacingSource
from osteolens.errors import ReadError
from tests import EXAMPLES

FILM = EXAMPLES / "SIM0011-00003" / "AP.dcm"
runner = CliRunner()


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """A study of one PNG."""
    (tmp_path / "films" / "p7").mkdir(parents=True)
    pixels = np.round(255 * read_radiograph(FILM).pixels).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "films" / "p7" / "AP.png")
    return tmp_path / "films"


def table(films: Path, spacing: str) -> None:
    (films / "cohort.csv").write_text(f"study_uid;age_years;sex;pixel_spacing_mm\np7;78;F;{spacing}\n")


def test_a_plain_image_has_the_spacing_of_its_line_and_dicom_its_own(films: Path) -> None:
    table(films, "0,42")
    (study,) = index_cohort(films).studies
    assert study.ap is not None and study.plain_spacing_mm == 0.42
    shown = study.with_spacing(read_radiograph(study.ap))
    assert shown.pixel_spacing_mm == (0.42, 0.42) and shown.spacing_source is SpacingSource.TABLE
    own = read_radiograph(FILM)
    assert study.with_spacing(own) is own


def test_a_spacing_in_another_unit_is_refused(films: Path) -> None:
    table(films, "143")
    with pytest.raises(ReadError, match="pixel_spacing_mm"):
        index_cohort(films)


def test_results_tell_it_and_a_new_one_screens_the_study_anew(films: Path, tmp_path: Path) -> None:
    own = read_radiograph(FILM).pixel_spacing_mm
    assert own is not None
    for value, resumed in ((own[0], 0), (own[0], 1), (own[0] * 1.02, 0)):
        table(films, f"{value:.5f}")
        done = runner.invoke(app, ["process", str(films), "--out", str(tmp_path / "out"), "-q"])
        assert done.exit_code == 0, done.output
        assert json.loads((tmp_path / "out" / "run.json").read_text())["counts"]["resumed"] == resumed
        result = json.loads((tmp_path / "out" / "studies" / "p7.json").read_text())
        assert result["views"]["AP"]["pixel_spacing_mm"] == pytest.approx([value, value], abs=1e-4)
        assert not any("spacing" in warning for warning in result["warnings"])
