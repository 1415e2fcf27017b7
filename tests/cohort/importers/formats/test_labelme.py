"""LabelMe files: what each shape_type means, and what is damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cohort.importers.convert import import_cohort
from cohort.importers.report import ImportFormat
from cohort.spine import View
from osteolens.errors import ReadError
from tests.importing import BOXES, SIZE, corners, labelme_file, levels, picture, reasons, rectangle

L1 = rectangle("L1", BOXES["L1"])


def folder_of(tmp_path: Path, shapes: list[Any], **fields: Any) -> Path:
    picture(tmp_path / "in" / "p7_AP.png")
    labelme_file(tmp_path / "in" / "p7_AP.json", shapes, "p7_AP.png", **fields)
    return tmp_path / "in"


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        ({"points": [[20, 50], [60, 56]], "shape_type": "line"}, "a line is no ROI"),
        ({"points": [[40, 52], [60, 52]], "shape_type": "circle"}, "a circle is no ROI"),
        ({"points": [[20, 40], [60, 40], [60, 64]], "shape_type": "linestrip"}, "a linestrip is no ROI"),
        ({"points": [[20, 40]], "shape_type": "point"}, "a point is no ROI"),
        ({"points": [[20, 40], [30, 40], [40, 60]], "shape_type": "points"}, "a points is no ROI"),
        ({"points": [[20, 40], [60, 64]], "shape_type": "mask", "mask": "iVBO"}, "a mask is no ROI"),
        ({"points": [[20, 40], [20, 40]], "shape_type": "rectangle"}, "it is 0 x 0 pixels"),
        ({"points": [[20, 40]], "shape_type": "rectangle"}, "a rectangle of 1 points encloses nothing"),
        ({"points": [[20, 40], [60, 64]], "shape_type": "polygon"}, "a polygon of 2 points encloses nothing"),
        ({"points": [[20, 40], [40, 40], [60, 40]], "shape_type": "polygon"}, "it is 40 x 0 pixels"),
        ({"points": [[20, 40], [40, 52], [60, 64]], "shape_type": "polygon"}, "its points lie on one line"),
        ({"points": []}, "a rectangle of 0 points"),
        ({"points": [[20, 40], [60, float("inf")]]}, "shapes[1].points[1][1]: input should be a finite number"),
        ({"points": [[20, 40, 1], [60, 64, 1]]}, "shapes[1].points[0]"),
        ({"points": "many"}, "shapes[1].points"),
        ({"points": [[20, 40], [60, 64]], "label": 5}, "shapes[1].label"),
        ({"points": [[20, 40], [60, 64]], "label": "L1/2"}, "names no single vertebral level"),
    ],
)
def test_each_shape_that_is_no_roi_is_listed_and_the_others_go_on(
    tmp_path: Path, shape: dict[str, Any], why: str
) -> None:
    report = import_cohort(ImportFormat.LABELME, folder_of(tmp_path, [L1, {"label": "L2", **shape}]), tmp_path / "out")
    assert levels(tmp_path / "out") == ["L1"] and why in reasons(report)
    assert len(report.skipped) == 1 and report.skipped[0].path.name == "p7_AP.png"


def test_shape_type_rules_over_the_number_of_points(tmp_path: Path) -> None:
    x0, y0, x1, y1 = BOXES["L2"]
    ring = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]
    body = {"label": "L2", "points": ring, "shape_type": "polygon"}
    import_cohort(ImportFormat.LABELME, folder_of(tmp_path / "a", [body]), tmp_path / "out")
    assert corners(tmp_path / "out", "L2")[0] == pytest.approx(x0 - 0.88), "a polygon is a body"
    import_cohort(
        ImportFormat.LABELME, folder_of(tmp_path / "b", [{**body, "shape_type": "rectangle"}]), tmp_path / "out2"
    )
    assert corners(tmp_path / "out2", "L2") == BOXES["L2"]


def test_a_click_beside_a_rectangle_does_not_cost_its_level(tmp_path: Path) -> None:
    click = {"label": "L1", "points": [[20, 10], [20, 10]], "shape_type": "rectangle"}
    import_cohort(ImportFormat.LABELME, folder_of(tmp_path, [click, L1]), tmp_path / "out")
    assert corners(tmp_path / "out", "L1") == BOXES["L1"]


def test_a_drawing_of_lines_alone_leaves_nothing_and_says_why(tmp_path: Path) -> None:
    line = {"label": "L1", "points": [[20, 20], [60, 26]], "shape_type": "line"}
    with pytest.raises(ReadError, match=r"p7_AP.png \(L1\): a line is no ROI; draw a rectangle"):
        import_cohort(ImportFormat.LABELME, folder_of(tmp_path, [line]), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["in"], "no folder, no rest"


@pytest.mark.parametrize("stated", [r"..\\films\\p7_AP.png", "C:\\\\x\\\\p7_AP.png", "/home/x/p7_AP.png", "old_AP.png"])
def test_the_image_lies_beside_its_file_whatever_the_path_says(tmp_path: Path, stated: str) -> None:
    picture(tmp_path / "in" / "p7_AP.PNG")
    labelme_file(tmp_path / "in" / "p7_AP.json", [L1], stated)
    import_cohort(ImportFormat.LABELME, tmp_path / "in", tmp_path / "out")
    assert corners(tmp_path / "out", "L1") == BOXES["L1"]


def test_the_picture_inside_the_file_is_never_decoded(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, [L1], imageWidth=SIZE[0], imageHeight=SIZE[1])
    text = (folder / "p7_AP.json").read_text().replace('"imageData": null', '"imageData": "no base64 !!"')
    (folder / "p7_AP.json").write_text(text)
    import_cohort(ImportFormat.LABELME, folder, tmp_path / "out")
    assert corners(tmp_path / "out", "L1") == BOXES["L1"]


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b'{"imagePath": "p8_AP.png", "shapes": [', "no complete JSON"),
        (b'{"imagePath": "p8_AP.png"}', "`shapes` is missing"),
        (b'{"imagePath": null, "shapes": []}', "`imagePath` is None"),
        (b'{"shapes": []}', "`imagePath` is missing"),
        (b"null", "found None at its top"),
        (b"\x00\x01", "zero byte"),
        (b"\xff\xfe{", "is no utf-16"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"imagePath": "' + b"a" * 5000 + b'", "shapes": [{"label": "L1", "points": [[1,1],[9,9]]}]}', "is missing"),
    ],
)
def test_a_damaged_file_is_listed_and_the_others_go_on(tmp_path: Path, raw: bytes, why: str) -> None:
    folder = folder_of(tmp_path, [L1])
    (folder / "broken.json").write_bytes(raw)
    report = import_cohort(ImportFormat.LABELME, folder, tmp_path / "out")
    assert report.images == 1 and why in reasons(report)


def test_an_empty_drawing_is_an_image_without_label(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, [L1])
    picture(folder / "p8_LAT.png")
    labelme_file(folder / "p8_LAT.json", [], "p8_LAT.png")
    report = import_cohort(ImportFormat.LABELME, folder, tmp_path / "out")
    assert reasons(report) == "p8_LAT.png |  | no label for this image"
    assert levels(tmp_path / "out", View.AP) == ["L1"]
