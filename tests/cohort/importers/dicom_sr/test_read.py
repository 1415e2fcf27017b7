"""Boxes that readers drew in a viewer become ROIs of the image as it is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from cohort.importers.convert import import_cohort
from cohort.importers.report import ImportFormat, ImportReport
from cohort.io.annotations import read_readings, read_rois
from cohort.io.radiograph import read_radiograph
from cohort.spine import VertebralLevel, View
from osteolens.errors import ReadError
from tests.cohort.importers.dicom_sr.reports import group, rectangle, region, write_report

IMAGE = "1.2.3.4"
BOX = (10.0, 20.0, 30.0, 44.0)


@pytest.fixture
def source(tmp_path: Path, make_dicom: Callable[..., Path]) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    make_dicom("source/film.dcm", SOPInstanceUID=IMAGE)
    return folder


def imported(source: Path) -> ImportReport:
    return import_cohort(ImportFormat.DICOM_SR, source, source.parent / "cohort")


def boxes(source: Path) -> dict[str, tuple[float, ...]]:
    rois = read_rois(source.parent / "cohort" / "rois.csv")
    assert set(rois) == {("1.2.3", View.AP)}
    return {box.level.value: box.corners for box in rois["1.2.3", View.AP]}


def reasons(report: ImportReport) -> str:
    return "; ".join(f"{item.label}: {item.reason}" for item in report.skipped)


def test_rectangles_become_rois(source: Path) -> None:
    groups = [group("L1", [region(IMAGE, rectangle(*BOX))]), group("L2", [region(IMAGE, rectangle(9, 45, 31, 60))])]
    write_report(source / "reader", groups)
    report = imported(source)
    assert (report.images, report.rois, report.skipped) == (1, 2, ())
    assert boxes(source) == {"L1": BOX, "L2": (9, 45, 31, 60)}
    assert not (source.parent / "cohort" / "readers.csv").exists()


@pytest.mark.parametrize("orientation", [["R", "H"], ["F", "L"], ["L", "H"]])
def test_boxes_of_a_turned_image_lie_on_the_image_as_it_is_read(
    source: Path, make_dicom: Callable[..., Path], orientation: list[str]
) -> None:
    pixels = np.full((64, 48), 100, np.uint16)
    x0, y0, x1, y1 = (int(value) for value in BOX)
    pixels[y0:y1, x0:x1] = 4000
    make_dicom("source/film.dcm", pixels, SOPInstanceUID=IMAGE, PatientOrientation=orientation)
    write_report(source / "reader", [group("L1", [region(IMAGE, rectangle(*BOX))])])
    imported(source)
    shown = read_radiograph(source / "film.dcm").pixels
    left, top, right, bottom = (round(value) for value in boxes(source)["L1"])
    assert shown[top:bottom, left:right].min() > 0.9 and (right - left) * (bottom - top) == 20 * 24


def test_the_label_tells_the_level_where_no_code_does(source: Path) -> None:
    write_report(source / "reader", [group(None, [region(IMAGE, rectangle(*BOX))], label="L3 AP")])
    imported(source)
    assert boxes(source) == {"L3": BOX}


def test_a_label_that_contradicts_the_site_is_refused(source: Path) -> None:
    groups = [
        group("L1", [region(IMAGE, rectangle(*BOX))], label="L2"),
        group("L4", [region(IMAGE, rectangle(9, 45, 31, 60))]),
    ]
    write_report(source / "reader", groups)
    assert "its site and its label name L1 and L2; make them agree" in reasons(imported(source))
    assert list(boxes(source)) == ["L4"]


def test_several_readers_have_a_table_of_their_own(source: Path) -> None:
    moved = (11.0, 21.0, 31.0, 45.0)
    write_report(source / "a", [group("L1", [region(IMAGE, rectangle(*BOX))])], observer="Ada^A", moment="20260102")
    write_report(source / "b", [group("L1", [region(IMAGE, rectangle(*moved))])], observer="Bo^B", moment="20260103")
    report = imported(source)
    readings = read_readings(source.parent / "cohort" / "readers.csv")
    found = {name: rois["1.2.3", View.AP][0].corners for name, rois in readings.items()}
    assert found == {"Ada^A": BOX, "Bo^B": moved}
    assert boxes(source) == {"L1": moved} and "several readers" in " ".join(report.notes)


def test_a_replaced_report_is_not_read_and_the_latest_of_a_reader_counts(source: Path) -> None:
    first = write_report(source / "a", [group("L1", [region(IMAGE, rectangle(1, 1, 9, 9))])], moment="20260109")
    write_report(source / "b", [group("L1", [region(IMAGE, rectangle(2, 2, 9, 9))])], moment="20260102", replaces=first)
    write_report(source / "c", [group("L1", [region(IMAGE, rectangle(*BOX))])], moment="20260103")
    report = imported(source)
    assert boxes(source) == {"L1": BOX}
    assert "a later report replaces it" in reasons(report) and "the latest counts" in reasons(report)


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        (region(IMAGE, [5, 5, 9, 9], "CIRCLE"), "a CIRCLE of 2 points; expected a rectangle"),
        (region(IMAGE, rectangle(100, 100, 160, 160)), "it lies outside its image film.dcm"),
        (region(IMAGE, rectangle(5, 5, 5.2, 30)), "a rectangle of less than a pixel"),
        (region(IMAGE, rectangle(float("nan"), 5, 30, 30)), "coordinates that lie on no image"),
        (region(IMAGE, [1.0] * 10_000), "5,000 points, expected at most 2,000"),
        (region("9.9", rectangle(*BOX)), "the image that it names is not in the folder"),
    ],
)
def test_shapes_that_are_no_box_are_refused_by_name(source: Path, shape: Dataset, reason: str) -> None:
    good = region(IMAGE, rectangle(9, 45, 31, 60))
    write_report(source / "reader", [group("L1", [shape]), group("L2", [good])])
    assert reason in reasons(imported(source))
    assert list(boxes(source)) == ["L2"]


def test_a_level_that_is_drawn_twice_has_no_box(source: Path) -> None:
    twice = [group("L1", [region(IMAGE, rectangle(*BOX))]) for _ in range(2)]
    write_report(source / "reader", [*twice, group("L2", [region(IMAGE, rectangle(9, 45, 31, 60))])])
    assert "L1 is drawn 2 times and none is used" in reasons(imported(source))
    assert list(boxes(source)) == [VertebralLevel.L2]


def test_a_folder_without_boxes_is_an_error(source: Path) -> None:
    with pytest.raises(ReadError, match="nothing to import as dicom-sr"):
        imported(source)
