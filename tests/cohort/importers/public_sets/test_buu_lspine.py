"""BUU-LSPINE: edges that are damaged, capitals, phone turns."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cohort.importers.convert import import_cohort
from cohort.importers.report import ImportFormat
from cohort.io.folder import index_cohort
from osteolens.errors import ReadError
from tests.importing import BOXES, corners, picture, reasons

EDGES = [[x0, y, x1, y] for x0, y0, x1, y1 in BOXES.values() for y in (y0, y1)]
NAME = "0001-F-037Y0"


def buu(folder: Path, text: str, suffix: str = "jpg", orientation: int = 1, name: str = NAME) -> Path:
    picture(folder / "AP" / f"{name}.{suffix}", orientation=orientation)
    (folder / "AP" / f"{name}.csv").write_text(text)
    return folder


def text_of(edges: list[list[float]]) -> str:
    return pd.DataFrame(edges).to_csv(header=False, index=False)


def test_capitals_and_a_phone_turn_are_read(tmp_path: Path) -> None:
    import_cohort(ImportFormat.BUU_LSPINE, buu(tmp_path / "plain", text_of(EDGES)), tmp_path / "out")
    folder = buu(tmp_path / "turned", text_of(EDGES), "JPG", 6)
    (folder / "AP" / f"{NAME}.csv").rename(folder / "AP" / f"{NAME}.CSV")
    (folder / "AP").rename(folder / "ap")
    report = import_cohort(ImportFormat.BUU_LSPINE, folder, tmp_path / "out2")
    assert corners(tmp_path / "out", "L2", study="0001") == corners(tmp_path / "out2", "L2", study="0001")
    assert "EXIF Orientation 6" in report.notes[0]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (text_of([[20, 10, 60, 10]] * 10), "edges of L1: it is 40 x 0 pixels"),
        (text_of([[k, k, k + 1, k + 1] for k in range(10)]), "edges of L1"),
        (text_of([row[:3] for row in EDGES]), "10 edges, expected 10"),
        (text_of([[value + 900 for value in row] for row in EDGES]), "edges of L1: it lies outside the image"),
        (text_of(EDGES[:7]), "7 edges, expected 10"),
        (text_of([*EDGES[:9], [1, 2, 3, float("inf")]]), "10 edges, expected 10"),
        ("x1,y1,x2,y2\n" + text_of(EDGES), "no rows of x1, y1, x2, y2"),
        ("", "0 edges, expected 10"),
        ("1,2\0", "zero byte"),
    ],
)
def test_damaged_edges_are_listed_and_the_others_go_on(tmp_path: Path, text: str, why: str) -> None:
    folder = buu(tmp_path / "in", text_of(EDGES))
    buu(folder, text, name="0002-M-061Y0")
    (folder / "AP" / "0003-M-061Y0.csv").write_text(text_of(EDGES))
    report = import_cohort(ImportFormat.BUU_LSPINE, folder, tmp_path / "out")
    assert report.studies == 1 and why in reasons(report)
    assert "0003-M-061Y0.csv |  | edges without image" in reasons(report)
    (folder / "AP" / f"{NAME}.csv").write_text(text)
    with pytest.raises(ReadError, match="nothing to import as buu-lspine"):
        import_cohort(ImportFormat.BUU_LSPINE, folder, tmp_path / "none")


def test_an_age_that_nobody_has_is_unknown(tmp_path: Path) -> None:
    import_cohort(ImportFormat.BUU_LSPINE, buu(tmp_path / "in", text_of(EDGES), name="0001-F-999Y0"), tmp_path / "out")
    (study,) = index_cohort(tmp_path / "out").studies
    assert study.covariates.age_years is None and str(study.covariates.sex) == "F"
