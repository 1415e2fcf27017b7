"""Records: what they give back, and files that count as empty."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from cohort.covariates import Covariates
from osteolens.file_state import FileState
from pipeline.screening.rerun import record as module
from pipeline.screening.rerun.record import Record

STATE = FileState(5, 1_800_000_000_000_000_001, 1_800_000_000_000_000_002, 2**63 + 1)
AGE = Covariates(age_years=66.1)


def known(out: Path) -> Record[Covariates]:
    return Record(out, "ages", Covariates)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A record of two values."""
    record = known(tmp_path)
    record.put("a", STATE, AGE)
    record.put("b\u00e4", STATE, Covariates())
    record.write()
    return module.record_path(tmp_path, "ages")


def test_a_value_comes_back_for_its_name_and_state_alone(path: Path, tmp_path: Path) -> None:
    record = known(tmp_path)
    assert record.get("a", STATE) == AGE and record.get("b\u00e4", STATE) == Covariates()
    assert record.get("c", STATE) is None and record.get("a", None) is None
    for field in STATE._fields:
        assert record.get("a", STATE._replace(**{field: 1})) is None


def test_an_unchanged_record_is_not_written_again(path: Path, tmp_path: Path) -> None:
    before, record = path.stat(), known(tmp_path)
    record.get("a", STATE)
    record.get("b\u00e4", STATE)
    record.write()
    assert path.stat().st_ino == before.st_ino


def test_what_was_not_asked_for_goes_at_the_end_of_a_run_but_stays_after_a_stop(path: Path, tmp_path: Path) -> None:
    for finished, there in ((False, AGE), (True, None)):
        record = known(tmp_path)
        record.put("c", STATE, AGE)
        record.write(finished)
        assert known(tmp_path).get("a", STATE) == there and known(tmp_path).get("c", STATE) == AGE


def test_what_would_come_back_as_something_else_is_not_noted(tmp_path: Path) -> None:
    record = known(tmp_path)
    for name, value in (("nan", math.nan), ("infinity", math.inf), ("whole", 66)):
        record.put(name, STATE, Covariates(age_years=value))
    record.put("no state", None, AGE)
    record.put("lone \ud800", STATE, AGE)
    record.put("fit", STATE, AGE)
    record.write()
    again = known(tmp_path)
    assert again.get("fit", STATE) == AGE
    assert all(again.get(name, STATE) is None for name in ("nan", "infinity", "whole", "no state", "lone \ud800"))


def test_a_value_that_is_not_noted_leaves_no_earlier_one(path: Path, tmp_path: Path) -> None:
    record = known(tmp_path)
    record.put("a", STATE, Covariates(age_years=math.nan))
    record.write(finished=False)
    assert known(tmp_path).get("a", STATE) is None and known(tmp_path).get("b\u00e4", STATE) is not None


@pytest.mark.parametrize("content", [b"", b"[1]", b"\x00", b"\n\n", b'{"format": 1}\n["a"]\n', b"[" * 100_000])
def test_a_damaged_record_is_empty(path: Path, tmp_path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert known(tmp_path).get("a", STATE) is None


def test_a_changed_digit_or_a_cut_empties_the_record(path: Path, tmp_path: Path) -> None:
    whole = path.read_bytes()
    for damaged in (whole.replace(b"66.1", b"66.2"), whole[:-1], whole + b"\n"):
        path.write_bytes(damaged)
        assert known(tmp_path).get("a", STATE) is None
    path.write_bytes(whole)
    assert known(tmp_path).get("a", STATE) == AGE


@pytest.mark.parametrize(
    "line", [b"3", b'["a"]', b'["a", [1, 2, 3], {}]', b'["a", [1, 2, 3, 4], {"sex": "X"}]', b"\xff"]
)
def test_wrong_types_under_a_right_digest_empty_the_record(path: Path, tmp_path: Path, line: bytes) -> None:
    path.write_bytes(module._head(line + b"\n") + line + b"\n")
    assert known(tmp_path).get("a", STATE) is None
    known(tmp_path).write()


@pytest.mark.parametrize("name", ["FORMAT", "version", "MOST_BYTES"])
def test_a_record_of_another_program_or_size_is_empty(
    path: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values: dict[str, object] = {"FORMAT": module.FORMAT + 1, "version": lambda _: "0.0.0", "MOST_BYTES": 2}
    monkeypatch.setattr(module, name, values[name])
    assert known(tmp_path).get("a", STATE) is None


@pytest.mark.skipif(os.name != "posix", reason="pipes have no name elsewhere")
def test_what_is_no_file_is_an_empty_record(tmp_path: Path) -> None:
    os.mkfifo(module.record_path(tmp_path, "ages"))
    assert known(tmp_path).get("a", STATE) is None
