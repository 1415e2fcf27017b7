"""Rows of predictions.csv as Parquet: types, parts, resume, and what a rerun leaves as it is."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from cli.main import app
from cohort.covariates import Covariates
from cohort.io.folder import index_cohort
from osteolens.errors import OutputError
from pipeline.bundle.load import Bundle
from pipeline.prediction import Prediction
from pipeline.prediction.parts import ModelIdentifiers
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.folder import RunSummary, ScreeningOptions, screen_folder
from pipeline.screening.output import parquet as module
from pipeline.screening.output.parquet import FOLDER, NUMBERS, ParquetWriter
from pipeline.screening.output.rows import COLUMNS, PredictionRow, row_of
from tests import EXAMPLES

if find_spec("pyarrow") is None:
    pytest.skip("the extra 'parquet' is not installed: no part is written", allow_module_level=True)

import pyarrow as pa
import pyarrow.parquet as pq

MODEL = ModelIdentifiers(version="1", settings="2")


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS_A_PART", 2)


def row(uid: str, reason: str = "") -> PredictionRow:
    failed = Prediction(
        study_uid=uid, patient_id=f"p-{uid}", model=MODEL, covariates=Covariates(), images=(), failure=reason or "none"
    )
    return row_of(failed, 1.5)


def uids(out: Path) -> list[str]:
    return [uid for path in parts(out) for uid in pq.read_table(path)["study_uid"].to_pylist()]


def parts(out: Path) -> list[Path]:
    return sorted((out / FOLDER).iterdir())


def states(out: Path) -> dict[str, tuple[int, int]]:
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in parts(out)}


def screened(out: Path, bundle: Bundle, stop_at: int = 0, asked: bool = True) -> RunSummary:
    stopped = threading.Event()

    def stop(done: int, total: int) -> None:
        if done == stop_at:
            stopped.set()

    options = ScreeningOptions(config=ScreeningConfig(jobs=1, overlays=False, parquet=asked))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("pipeline.screening.folder.stop_asked", lambda: nullcontext(stopped))
        return screen_folder(index_cohort(EXAMPLES), out, bundle, options, progress=stop)


def test_it_holds_the_rows_of_the_table_with_types_and_a_rerun_changes_nothing(bundle: Bundle, tmp_path: Path) -> None:
    screened(tmp_path, bundle)
    table = pq.read_table(tmp_path / FOLDER)
    assert table.num_rows == 6
    assert [path.name for path in parts(tmp_path)] == [f"part-{k:06d}.parquet" for k in range(3)]
    assert tuple(table.column_names) == COLUMNS
    for field in table.schema:
        assert field.type == (pa.float64() if field.name in NUMBERS else pa.string()), field.name
    text = dict.fromkeys(set(COLUMNS) - NUMBERS, str)
    csv = pd.read_csv(tmp_path / "predictions.csv", dtype=text)
    pd.testing.assert_frame_equal(table.to_pandas(), csv, check_dtype=False)
    assert csv["seconds"].min() > 0 and csv["warnings"].isna().any()
    before, lines = states(tmp_path), (tmp_path / "predictions.csv").read_bytes()
    assert screened(tmp_path, bundle).resumed == 6
    assert states(tmp_path) == before, "no part is written again"
    assert (tmp_path / "predictions.csv").read_bytes() == lines, "seconds are those of the run that screened"
    screened(tmp_path, bundle, asked=False)
    assert not (tmp_path / FOLDER).exists(), "no table of an earlier run stays beside a new one"


def test_a_stopped_run_has_what_it_screened_and_goes_on(bundle: Bundle, tmp_path: Path) -> None:
    screened(tmp_path / "whole", bundle)
    assert screened(tmp_path / "out", bundle, stop_at=3).stopped
    assert len(uids(tmp_path / "out")) == 3
    screened(tmp_path / "out", bundle)
    one, other = (pq.read_table(tmp_path / name / FOLDER).drop(["seconds"]) for name in ("whole", "out"))
    assert one.equals(other)


def test_full_parts_are_there_before_the_end_and_no_study_is_there_twice(tmp_path: Path) -> None:
    writer = ParquetWriter(True, tmp_path)
    for uid in "abcde":
        writer(row(uid))
    assert uids(tmp_path) == list("abcd"), "what a killed run leaves"
    again = ParquetWriter(True, tmp_path)
    for uid in "ab":
        again(row(uid))
    assert uids(tmp_path) == list("abcd"), "the same rows, so the rest still follows them"
    for uid in "df":
        again(row(uid))
    assert uids(tmp_path) == list("abdf"), "other rows: the parts after them are gone"
    again.finish([row(uid) for uid in "abcdf"])
    assert uids(tmp_path) == list("abcdf")
    again.finish([row("a")])
    assert uids(tmp_path) == ["a"]


def test_text_is_what_it_is_and_a_part_that_is_damaged_is_made_anew(tmp_path: Path) -> None:
    made = replace(row("a", "=1+1\x00\ud800"), bmi_kg_m2=float("nan"))
    ParquetWriter(True, tmp_path).finish([made])
    (line,) = pq.read_table(tmp_path / FOLDER).to_pylist()
    assert line["reason"] == "=1+1\\x00\\ud800" and line["bmi_kg_m2"] is None and line["bmd_class"] is None
    (path,) = parts(tmp_path)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    ParquetWriter(True, tmp_path).finish([made])
    assert uids(tmp_path) == ["a"]


def test_a_run_without_studies_has_an_empty_table(tmp_path: Path) -> None:
    ParquetWriter(True, tmp_path).finish([])
    assert pq.read_table(tmp_path / FOLDER).column_names == list(COLUMNS)


def test_files_of_others_in_the_folder_stay(tmp_path: Path) -> None:
    ParquetWriter(True, tmp_path).finish([row("a")])
    (tmp_path / FOLDER / "part-notes.parquet").write_text("mine")
    ParquetWriter(False, tmp_path)
    assert [path.name for path in parts(tmp_path)] == ["part-notes.parquet"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        ParquetWriter(True, tmp_path)


def test_it_names_the_extra_before_any_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("osteolens.extras._is_installed", lambda package: package != "pyarrow")
    done = CliRunner().invoke(app, ["process", "--out", str(tmp_path / "out"), "--set", "parquet=true"])
    assert done.exit_code == 1 and "pip install 'osteolens[parquet]'" in " ".join(done.output.split())
    assert not list((tmp_path / "out" / "studies").glob("*"))
