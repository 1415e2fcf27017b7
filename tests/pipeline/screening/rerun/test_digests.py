"""Digests that a rerun takes from the record, and files that it reads again."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from cohort.io.digest import sha256_of
from cohort.study import Study
from osteolens import file_state
from pipeline.screening.rerun import digests as module
from pipeline.screening.rerun.digests import KnownDigests

pytestmark = pytest.mark.skipif(os.name != "posix", reason="times of the last change are those of POSIX")


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files written a moment ago count as old."""
    monkeypatch.setattr(file_state, "SETTLED_NS", -1_000_000_000)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "AP.dcm"
    path.write_bytes(b"first")
    record = KnownDigests(tmp_path, tmp_path)
    record.of(path)
    record.write()
    return path


def reads(image: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, int]:
    """Digest by the record, and how often the file was read for it."""
    read: list[Path] = []

    def counted(path: Path) -> str:
        read.append(path)
        return sha256_of(path)

    monkeypatch.setattr(module, "digest_of", counted)
    return KnownDigests(image.parent, image.parent).of(image), len(read)


def test_an_unchanged_file_is_not_read_again(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert reads(image, monkeypatch) == (sha256_of(image), 0)


def test_a_change_that_hides_behind_size_and_mtime_is_found(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = image.stat()
    time.sleep(0.02)
    image.write_bytes(b"other")
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert image.stat().st_mtime_ns == before.st_mtime_ns and image.stat().st_size == before.st_size
    assert reads(image, monkeypatch) == (sha256_of(image), 1)


def test_a_file_in_its_place_is_read(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = image.with_suffix(".new")
    other.write_bytes(b"other")
    other.replace(image)
    assert reads(image, monkeypatch)[1] == 1


def test_a_file_changed_a_moment_ago_is_not_trusted(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_state, "SETTLED_NS", 3_000_000_000)
    record = KnownDigests(tmp_path, tmp_path)
    record.of(image)
    record.write()
    assert reads(image, monkeypatch)[1] == 1


def test_a_digest_is_not_joined_to_a_later_state(image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = KnownDigests(tmp_path, tmp_path)
    record.of(image)
    image.write_bytes(b"other")
    record.note(Study(study_uid="1", patient_id="p", ap=image))
    record.write()  # the run was stopped before the study was screened
    assert reads(image, monkeypatch)[1] == 1
