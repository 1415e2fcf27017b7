"""Mutated files, for some seconds with a fixed seed; and every file that was once trouble."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cohort.io.dicom.read import MAX_INFLATED_BYTES
from cohort.io.folder import index_cohort
from cohort.io.radiograph import read_radiograph
from osteolens.errors import ReadError
from tests.fuzz.corpus import CORPUS, READ, bomb, odd_exif
from tests.fuzz.fuzz import main
from tests.fuzz.plain_seeds import plain_seeds
from tests.fuzz.targets import check_message, read_image, targets

FUZZ = Path(__file__).parent / "fuzz.py"


@pytest.mark.parametrize("what", CORPUS)
def test_files_that_were_trouble_are_read_or_refused_by_name(what: str, tmp_path: Path) -> None:
    name, make, message = CORPUS[what]
    path = tmp_path / name
    path.write_bytes(make())
    begun = time.process_time()
    if message == READ:
        read_image(path)
    elif message == ".*":
        try:
            read_image(path)
        except ReadError as error:
            check_message(str(error), name)
    else:
        with pytest.raises(ReadError, match=message) as found:
            read_image(path)
        check_message(str(found.value), name)
    assert time.process_time() - begun < 5
    index = index_cohort(tmp_path)
    assert len(index.studies) + len(index.skipped) == 1, "a bad file keeps its row or line"


def test_a_film_with_an_odd_exif_block_is_turned_all_the_same(tmp_path: Path) -> None:
    for name, raw in (("odd.jpg", odd_exif()), ("whole.jpg", plain_seeds()["grey.jpg"])):
        (tmp_path / name).write_bytes(raw)
    odd, whole = (read_radiograph(tmp_path / name).pixels for name in ("odd.jpg", "whole.jpg"))
    np.testing.assert_array_equal(odd, whole)


def test_a_deflated_bomb_is_refused_before_it_is_unpacked_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.dcm"
    path.write_bytes(bomb(40))
    assert path.stat().st_size < 200_000 and MAX_INFLATED_BYTES == 2**30
    monkeypatch.setattr("cohort.io.dicom.read.MAX_INFLATED_BYTES", 32 * 2**20)
    with pytest.raises(ReadError, match=r"bomb\.dcm: unpacks to more than 32 MiB"):
        read_radiograph(path)


@pytest.mark.slow
def test_some_seconds_of_mutated_files_give_no_finding() -> None:
    command = [sys.executable, str(FUZZ), "--seed", "0", "--what", "all", "--seconds", "30", "--files", "400"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(found.stdout)
    assert [one["findings"] for one in report.values()] == [[], [], []], found.stdout
    assert found.returncode == 0
    for one in report.values():
        assert one["read"] + one["refused"] == one["files"] and one["read"] and one["refused"]


@pytest.mark.parametrize("what", ["images", "tables", "results"])
def test_a_file_is_the_same_whatever_was_made_before_it(what: str, tmp_path: Path) -> None:
    (target,) = targets(what, tmp_path)
    first = [target.mutated(3, number) for number in range(60)]
    assert [target.mutated(3, number) for number in reversed(range(60))] == first[::-1]
    assert len({raw for _, _, raw in first}) > 50


def test_a_finding_is_named_and_can_be_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def hostile(path: Path) -> None:
        number = int(path.name[:7])
        if number == 2:
            raise ValueError("two")
        if number == 4:
            os.kill(os.getpid(), signal.SIGKILL)

    def only(what: str, scratch: Path) -> list[object]:
        (target,) = targets("tables", scratch)
        object.__setattr__(target, "read", hostile)
        return [target]

    monkeypatch.setattr("tests.fuzz.fuzz.targets", only)
    arguments = ["--seconds", "0", "--files", "6", "--keep", str(tmp_path)]
    assert main(arguments) == 1
    found = json.loads(capsys.readouterr().out)["tables"]["findings"]
    assert [one["number"] for one in found] == [2, 4]
    assert re.search(r"ValueError: two \(test_fuzz\.py:\d+\)", found[0]["problem"])
    assert found[1]["problem"] == "the process ended with -9"
    kept = {path.name[2:9]: path.read_bytes() for path in tmp_path.iterdir()}
    (target,) = targets("tables", tmp_path)
    assert kept["0000002"] == target.mutated(0, 2)[2]
    assert main([*arguments[:3], "1", "--start", "2"]) == 1
    assert [one["number"] for one in json.loads(capsys.readouterr().out)["tables"]["findings"]] == [2]
