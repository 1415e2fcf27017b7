"""Hostile reports end with a reason, soon and in little memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import Dataset

from cohort.importers.dicom_sr.content import MAX_REPORT_BYTES, check_size, items_of
from cohort.importers.dicom_sr.read import read_dicom_sr
from osteolens.errors import ReadError
from tests.cohort.importers.dicom_sr.reports import group, item, rectangle, region, text, write_report

IMAGE = "1.2.3.4"


def deep(levels: int) -> Dataset:
    node = item("CONTAINER", "125007", "Measurement Group")
    for _ in range(levels):
        outer = item("CONTAINER", "125007", "Measurement Group")
        outer.ContentSequence = [node]
        node = outer
    return node


def reasons(source: Path) -> str:
    return "; ".join(left.reason for left in read_dicom_sr(source).left_out)


@pytest.fixture
def source(tmp_path: Path, make_dicom: Callable[..., Path]) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    make_dicom("source/film.dcm", SOPInstanceUID=IMAGE)
    write_report(folder / "good", [group("L1", [region(IMAGE, rectangle(10, 20, 30, 44))])])
    return folder


def test_deep_trees_are_refused(source: Path) -> None:
    write_report(source / "deep", [deep(40)])
    assert "items more than 16 deep" in reasons(source)


def test_wide_trees_are_refused(source: Path) -> None:
    write_report(source / "wide", [text("121106", "Comment", "x") for _ in range(20_001)])
    begun = time.perf_counter()
    assert "more than 20,000 items" in reasons(source)
    assert time.perf_counter() - begun < 20


def test_a_bomb_of_nested_sequences_costs_its_report_alone(source: Path) -> None:
    good = (source / "good").read_bytes()
    nested = b"\x40\x00\x30\xa7SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 20_000
    at = good.index(b"\x40\x00\x30\xa7SQ")
    (source / "bomb").write_bytes(good[:at] + nested)
    contents = read_dicom_sr(source)
    assert len(contents.images) == 1
    assert any(left.path.name == "bomb" for left in contents.left_out)


def test_a_large_report_is_refused_by_its_head(source: Path) -> None:
    path = source / "good"
    with path.open("ab") as stream:
        stream.truncate(MAX_REPORT_BYTES + 1)
    with pytest.raises(ReadError, match="a report of more than 4 MiB"):
        check_size(path)
    check_size(source / "film.dcm")


def test_any_cut_of_a_report_ends_with_a_reason(source: Path) -> None:
    whole = (source / "good").read_bytes()
    for place in range(140, len(whole), 97):
        (source / "cut").write_bytes(whole[:place])
        read_dicom_sr(source)


def test_items_are_walked_in_order() -> None:
    root = Dataset()
    root.ContentSequence = [text("1", "a", "one"), text("1", "a", "two")]
    assert [found.TextValue for found in items_of(root, "x")] == ["one", "two"]
