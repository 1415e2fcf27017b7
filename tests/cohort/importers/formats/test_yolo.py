"""YOLO folders: names with dots and capitals, confidences, polygons, lines that are damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from cohort.importers.convert import import_cohort
from cohort.importers.report import ImportFormat
from cohort.spine import View
from osteolens.errors import ReadError
from tests.importing import BOXES, SIZE, corners, levels, outline, picture, reasons, yolo_folder, yolo_line

LINE = yolo_line("L1", BOXES["L1"])


def relative(points: list[float]) -> str:
    return " ".join(f"{value / SIZE[k % 2]:.6f}" for k, value in enumerate(points))


def test_hashes_of_roboflow_are_no_part_of_the_study(tmp_path: Path) -> None:
    names = ["p3_AP_jpg.rf.0623d8e59ab0a70dc69de2088a0bb17e", "p3_LAT_jpg.rf.9aAP4bLLcD0e5e4c1a8"]
    folder = yolo_folder(tmp_path / "in", dict.fromkeys(names, LINE))
    for name in names:
        picture(folder / "images" / f"{name}.jpg")
    report = import_cohort(ImportFormat.YOLO, folder, tmp_path / "out")
    assert (report.studies, report.images, report.rois) == (1, 2, 2)
    assert corners(tmp_path / "out", "L1", View.LATERAL, "p3") == pytest.approx(BOXES["L1"], abs=0.01)


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("p7_AP.JPG", "p7_AP"),
        ("p7_AP.PNG", "p7_AP"),
        ("p7_AP.png", "p7_AP.png"),
        ("p7_AP.png", "P7_ap"),
    ],
)
def test_suffixes_are_replaced_or_appended_in_any_case(tmp_path: Path, image: str, label: str) -> None:
    folder = yolo_folder(tmp_path / "in", {label: LINE})
    picture(folder / "images" / image)
    report = import_cohort(ImportFormat.YOLO, folder, tmp_path / "out")
    assert report.rois == 1 and not report.skipped


def test_labels_of_a_lost_image_never_become_those_of_another(tmp_path: Path) -> None:
    shifted = yolo_line("L1", (30, 40, 70, 64))
    folder = yolo_folder(tmp_path / "in", {"case_AP": LINE, "case_AP.v2": shifted})
    picture(folder / "images" / "case_AP.jpg")
    picture(folder / "images" / "other.v2_AP.png")
    report = import_cohort(ImportFormat.YOLO, folder, tmp_path / "out")
    assert corners(tmp_path / "out", "L1", study="case") == pytest.approx(BOXES["L1"], abs=0.01)
    assert reasons(report).splitlines() == [
        "case_AP.v2.txt |  | label without image: no image case_AP.v2 with one suffix in images",
        "other.v2_AP.png |  | no label for this image",
    ]


def test_two_images_of_one_name_are_told_and_not_guessed(tmp_path: Path) -> None:
    folder = yolo_folder(tmp_path / "in", {"p7_AP": LINE, "p8_AP": LINE})
    for name in ("p7_AP.png", "p7_AP.jpg", "p8_AP.png"):
        picture(folder / "images" / name)
    report = import_cohort(ImportFormat.YOLO, folder, tmp_path / "out")
    assert report.images == 1 and "p7_AP.jpg, p7_AP.png fit one label; keep one of them" in reasons(report)


def test_the_layouts_of_roboflow_and_darknet_are_read(tmp_path: Path) -> None:
    folder = yolo_folder(tmp_path / "in", {})
    for place in ("train", "valid"):
        (folder / place / "labels").mkdir(parents=True)
    picture(folder / "train" / "images" / "p7_AP.png")
    (folder / "train" / "labels" / "p7_AP.txt").write_text(LINE)
    picture(folder / "flat" / "p8_AP.png")
    (folder / "flat" / "p8_AP.txt").write_text(LINE)
    (folder / "README.roboflow.txt").write_text("this is no label")
    report = import_cohort(ImportFormat.YOLO, folder, tmp_path / "out")
    assert report.images == 2 and not report.skipped
    assert corners(tmp_path / "out", "L1", study="flat_p8") == pytest.approx(BOXES["L1"], abs=0.01)


def test_a_confidence_is_no_coordinate_and_decides_between_two(tmp_path: Path) -> None:
    lines = yolo_line("L1", BOXES["L1"], extra=" 0.91") + yolo_line("L1", (2, 2, 30, 30), extra=" 0.35")
    folder = yolo_folder(tmp_path / "in", {"p7_AP": lines})
    picture(folder / "images" / "p7_AP.png")
    report = import_cohort(ImportFormat.YOLO, folder, tmp_path / "out")
    assert corners(tmp_path / "out", "L1") == pytest.approx(BOXES["L1"], abs=0.01)
    assert "the one of score 0.91 is used" in reasons(report)


@pytest.mark.parametrize("confidence", ["", " 0.8"])
def test_polygons_are_outlines_unless_they_are_upright_rectangles(tmp_path: Path, confidence: str) -> None:
    x0, y0, x1, y1 = BOXES["L1"]
    lines = (
        f"0 {relative([x0, y0, x1, y0, x1, y1, x0, y1])}{confidence}\n3 {relative(outline(BOXES['L4']))}{confidence}\n"
    )
    folder = yolo_folder(tmp_path / "in", {"p7_AP": lines})
    picture(folder / "images" / "p7_AP.png")
    import_cohort(ImportFormat.YOLO, folder, tmp_path / "out")
    assert corners(tmp_path / "out", "L1") == pytest.approx(BOXES["L1"], abs=0.01)
    assert corners(tmp_path / "out", "L4")[0] < BOXES["L4"][0] - 0.5, "by the rule"


def test_keypoints_after_a_box_are_no_polygon(tmp_path: Path) -> None:
    points = " 0.3 0.1 2 0.7 0.1 2\n"
    folder = yolo_folder(tmp_path / "in", {"p7_AP": LINE.strip() + points}, "names: [L1]\nkpt_shape: [2, 3]\n")
    picture(folder / "images" / "p7_AP.png")
    import_cohort(ImportFormat.YOLO, folder, tmp_path / "out")
    assert corners(tmp_path / "out", "L1") == pytest.approx(BOXES["L1"], abs=0.01)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("1 0.5 0.5 0.1", "3 numbers after the class"),
        ("1 0.5 nan 0.1 0.1", "4 numbers after the class"),
        ("inf 0.5 0.5 0.1 0.1", "infinity"),
        ("1 0.5 half 0.1 0.1", "'half'"),
        ("9 0.5 0.5 0.1 0.1", "class 9 is not among its 5 names"),
        ("0.5 0.5 0.5 0.1 0.1", "class 0.5 is not among its 5 names"),
        ("1 0.5 0.5 0 0.1", "no width or no height"),
        ("1 300 400 20 30", "it lies outside its image"),
        ("1 0.5 0.5 0.001 0.1", "a body has a width and a height"),
    ],
)
def test_a_line_that_cannot_be_used_is_named_and_the_others_go_on(tmp_path: Path, line: str, why: str) -> None:
    folder = yolo_folder(tmp_path / "in", {"p7_AP": f"{LINE}\n{line}\n"})
    picture(folder / "images" / "p7_AP.png")
    report = import_cohort(ImportFormat.YOLO, folder, tmp_path / "out")
    assert levels(tmp_path / "out") == ["L1"] and why in reasons(report)
    assert len(report.skipped) == 1


@pytest.mark.parametrize(("raw", "why"), [(b"0 0.5\0", "zero byte"), (b"0 \xff", "is no utf-8"), (b"", "is empty")])
def test_a_damaged_label_file_is_listed_and_the_others_go_on(tmp_path: Path, raw: bytes, why: str) -> None:
    folder = yolo_folder(tmp_path / "in", {"p7_AP": LINE, "p8_AP": ""})
    (folder / "labels" / "p8_AP.txt").write_bytes(raw)
    for name in ("p7_AP", "p8_AP"):
        picture(folder / "images" / f"{name}.png")
    report = import_cohort(ImportFormat.YOLO, folder, tmp_path / "out")
    assert report.images == 1 and why in reasons(report)
    (folder / "labels" / "p7_AP.txt").unlink()
    with pytest.raises(ReadError, match=why):
        import_cohort(ImportFormat.YOLO, folder, tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("names: [L1", r"data.yaml line \d+: no YAML"),
        ("- L1", "found list at its top"),
        ("nc: 3", "`names` is missing"),
        ("names: {}", "`names` is empty"),
        ("names: [[L1]]", r"names\[0\] is list"),
        ("names: {a: L1}", r"names\['a'\]"),
        ("[" * 50_000, "no YAML"),
        ("a\0b", "zero byte"),
    ],
)
def test_a_damaged_data_yaml_says_where(tmp_path: Path, config: str, message: str) -> None:
    folder = yolo_folder(tmp_path / "in", {"p7_AP": LINE}, config)
    picture(folder / "images" / "p7_AP.png")
    with pytest.raises(ReadError, match=message):
        import_cohort(ImportFormat.YOLO, folder, tmp_path / "out")


@pytest.mark.parametrize("name", ["classes.txt", "obj.names", "_darknet.labels"])
def test_names_one_a_line_stand_in_for_data_yaml(tmp_path: Path, name: str) -> None:
    folder = yolo_folder(tmp_path / "in", {"p7_AP": LINE})
    picture(folder / "images" / "p7_AP.png")
    (folder / "data.yaml").rename(folder / "labels" / name)
    (folder / "labels" / name).write_text("L1\r\nL2\r\n", newline="")
    report = import_cohort(ImportFormat.YOLO, folder, tmp_path / "out")
    assert levels(tmp_path / "out") == ["L1"] and not report.skipped
    (folder / "classes.txt").write_text("L2\nL1\n")
    if name != "classes.txt":
        with pytest.raises(ReadError, match="2 different lists of classes"):
            import_cohort(ImportFormat.YOLO, folder, tmp_path / "none")
