"""Headers that a second index takes from the record, and those that it reads."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pydicom
import pytest

from cohort.io import folder as folder_module
from cohort.io import image_files
from cohort.io.dicom.read import Header, read_header
from cohort.io.folder import CohortIndex, index_cohort
from osteolens import file_state
from pipeline.screening.rerun.headers import KnownHeaders
from tests import EXAMPLES

pytestmark = pytest.mark.skipif(os.name != "posix", reason="times of the last change are those of POSIX")

ONE = "SIM0011-00003"


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files written a moment ago count as old."""
    monkeypatch.setattr(file_state, "SETTLED_NS", -1_000_000_000)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files whose headers were read."""
    names: list[str] = []

    def counted(path: Path) -> Header:
        names.append(path.name)
        return read_header(path)

    monkeypatch.setattr(image_files, "read_header", counted)
    monkeypatch.setattr(folder_module, "read_header", counted)
    return names


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """A study, a slice that is no radiograph, a broken file and a note."""
    shutil.copytree(EXAMPLES / ONE, tmp_path / "films" / ONE)
    dataset = pydicom.dcmread(EXAMPLES / ONE / "AP.dcm")
    dataset.Modality = "CT"
    dataset.save_as(tmp_path / "films" / "slice.dcm")
    (tmp_path / "films" / "broken.dcm").write_bytes(b"no image")
    (tmp_path / "films" / "note.txt").write_text("no image")
    return tmp_path / "films"


def indexed(source: Path, out: Path) -> CohortIndex:
    out.mkdir(exist_ok=True)
    headers = KnownHeaders(out, source)
    index = index_cohort(source, headers=headers)
    headers.write()
    return index


def test_a_second_index_reads_no_header_and_finds_the_same(films: Path, tmp_path: Path, read: list[str]) -> None:
    first = indexed(films, tmp_path / "out")
    assert sorted(read) == ["AP.dcm", "LATERAL.dcm", "slice.dcm"]
    read.clear()
    assert indexed(films, tmp_path / "out") == first == index_cohort(films) and len(first.skipped) == 2
    assert sorted(read) == ["AP.dcm", "LATERAL.dcm", "slice.dcm"], "those of the index without a record"


def test_a_changed_file_is_read_and_no_other(films: Path, tmp_path: Path, read: list[str]) -> None:
    indexed(films, tmp_path / "out")
    path = films / ONE / "AP.dcm"
    dataset = pydicom.dcmread(path)
    dataset.StudyDate = "20200102"
    dataset.save_as(path)
    (films / ONE / "LATERAL.dcm").rename(films / ONE / "SIDE.dcm")
    read.clear()
    assert indexed(films, tmp_path / "out") == index_cohort(films)
    assert sorted(read[:2]) == ["AP.dcm", "SIDE.dcm"]


def test_a_film_without_a_view_takes_it_from_the_name_of_its_folder_now(tmp_path: Path, read: list[str]) -> None:
    dataset = pydicom.dcmread(EXAMPLES / ONE / "AP.dcm")
    for keyword in ("ViewPosition", "SeriesDescription", "ProtocolName", "ViewCodeSequence"):
        if keyword in dataset:
            delattr(dataset, keyword)
    (tmp_path / "AP").mkdir()
    dataset.save_as(tmp_path / "AP" / "1.dcm")
    assert indexed(tmp_path / "AP", tmp_path / "out").studies[0].ap is not None
    (tmp_path / "AP").rename(tmp_path / "side")
    assert indexed(tmp_path / "side", tmp_path / "out").studies[0].lateral is not None


def test_a_manifest_takes_headers_from_the_record(films: Path, tmp_path: Path, read: list[str]) -> None:
    manifest = tmp_path / "list.csv"
    manifest.write_text(f"patient_id,ap,lateral\np,films/{ONE}/AP.dcm,films/{ONE}/LATERAL.dcm\nq,films/broken.dcm,\n")
    first = indexed(manifest, tmp_path / "out")
    assert "AP.dcm" in read
    read.clear()
    assert indexed(manifest, tmp_path / "out") == first
    assert read == ["broken.dcm"], "a file without a readable header is looked at again"


def test_a_file_that_changes_while_it_is_read_is_read_again(
    films: Path, tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def changing(path: Path) -> Header:
        header = read_header(path)
        path.write_bytes(path.read_bytes() + b"\0\0")
        return header

    with monkeypatch.context() as patch:
        patch.setattr(image_files, "read_header", changing)
        indexed(films, tmp_path / "out")
    indexed(films, tmp_path / "out")
    assert sorted(read) == ["AP.dcm", "LATERAL.dcm", "slice.dcm"]
