"""COCO documents as other tools write them: shapes, doubled levels, and damage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cohort.importers.convert import import_cohort
from cohort.importers.report import ImportFormat
from cohort.spine import View
from osteolens.errors import ReadError
from tests.conftest import MakeDicom
from tests.importing import BOXES, SIZE, bbox, coco_folder, corners, levels, outline, picture, reasons


def taken(tmp_path: Path, shapes: list[dict[str, Any]], **of_image: Any) -> Path:
    import_cohort(ImportFormat.COCO, coco_folder(tmp_path / "in", shapes, **of_image), tmp_path / "out")
    return tmp_path / "out"


def test_a_quadrilateral_body_follows_the_roi_rule_as_eight_points_do(tmp_path: Path) -> None:
    def eight(box: tuple[float, ...]) -> list[float]:
        x0, y0, x1, y1 = box
        middle = (x0 + x1) / 2
        return [x0, y0 + 4, middle, y0 + 2, x1, y0, x1, (y0 + y1) / 2, x1, y1, middle, y1, x0, y1, x0, (y0 + y1) / 2]

    four = taken(
        tmp_path / "four",
        [{"level": k, "segmentation": [outline(b)], "bbox": bbox(b)} for k, b in BOXES.items()],
    )
    many = taken(
        tmp_path / "many", [{"level": k, "segmentation": [eight(b)], "bbox": bbox(b)} for k, b in BOXES.items()]
    )
    assert corners(four, "L2") == corners(many, "L2") != BOXES["L2"]


@pytest.mark.parametrize("close", [False, True])
def test_four_corners_of_an_upright_rectangle_are_a_box(tmp_path: Path, close: bool) -> None:
    x0, y0, x1, y1 = BOXES["L2"]
    ring = [x1, y0, x1, y1, x0, y1, x0, y0, *([x1, y0] if close else [])]
    out = taken(tmp_path, [{"level": "L2", "segmentation": [ring], "bbox": bbox(BOXES["L2"])}])
    assert corners(out, "L2") == BOXES["L2"]


def test_a_crossed_ring_of_four_corners_is_no_box(tmp_path: Path) -> None:
    x0, y0, x1, y1 = BOXES["L2"]
    out = taken(tmp_path, [{"level": "L2", "segmentation": [[x0, y0, x1, y1, x1, y0, x0, y1]]}])
    assert corners(out, "L2") != BOXES["L2"]


def test_every_part_of_an_object_counts(tmp_path: Path) -> None:
    parts = [[20, 44, 26, 44, 26, 47, 20, 48], outline(BOXES["L2"])]
    whole = taken(tmp_path / "whole", [{"level": "L2", "segmentation": [outline(BOXES["L2"])]}])
    for name, order in (("first", parts), ("last", parts[::-1])):
        assert corners(taken(tmp_path / name, [{"level": "L2", "segmentation": order}]), "L2") == corners(whole, "L2")


def test_two_rectangles_of_one_object_are_an_outline_around_both(tmp_path: Path) -> None:
    halves = [[20, 40, 60, 40, 60, 50, 20, 50], [20, 50, 60, 50, 60, 64, 20, 64]]
    x0, y0, x1, y1 = corners(taken(tmp_path, [{"level": "L2", "segmentation": halves}]), "L2")
    assert x0 < 20 and x1 > 60 and y0 < 40 and y1 > 64


def test_flat_lists_and_missing_boxes_are_read(tmp_path: Path) -> None:
    nested = taken(tmp_path / "nested", [{"level": "L2", "segmentation": [outline(BOXES["L2"])], "bbox": [1, 2, 3, 4]}])
    flat = taken(tmp_path / "flat", [{"level": "L2", "segmentation": outline(BOXES["L2"]), "bbox": []}])
    bare = taken(tmp_path / "bare", [{"level": "L2", "segmentation": [outline(BOXES["L2"])]}])
    assert corners(flat, "L2") == corners(bare, "L2") == corners(nested, "L2")


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        ({"bbox": [20, 40, 40, 0]}, r"annotations[1].bbox: width 40 and height 0"),
        ({"bbox": [20, 40, -4, 9]}, r"annotations[1].bbox: width -4"),
        ({"bbox": []}, "bbox has 0 numbers and there is no polygon"),
        ({"bbox": [1, 2, 3]}, "bbox has 3 numbers"),
        ({"bbox": [20, float("nan"), 3, 4]}, "annotations[1].bbox[1]: input should be a finite number"),
        ({"bbox": [20, 10**400, 3, 4]}, "annotations[1].bbox[1]"),
        ({"bbox": [20, "left", 3, 4]}, "annotations[1].bbox[1]"),
        ({"bbox": "all"}, "annotations[1].bbox"),
        ({"bbox": [1e300, 1e300, 1e300, 1e300]}, "no numbers that an image has"),
        ({"bbox": [400, 900, 40, 24]}, "it lies outside its image of 80 x 170 pixels (400, 900, 440, 924)"),
        ({"segmentation": {"counts": [3, 5], "size": [170, 80]}, "bbox": [20, 40, 40, 24]}, "run-length mask (RLE)"),
        ({"segmentation": [[20, 40, 60, 40, 60]]}, "5 numbers"),
        ({"segmentation": [[20, 40, 60, 40]]}, "there is no polygon of three points"),
        ({"segmentation": [[20, 40, 40, 52, 60, 64]]}, "its points lie on one line"),
        ({"segmentation": [[20, 40, None, 40, 60, 64]]}, "annotations[1].segmentation[2]"),
        ({"segmentation": "polygon"}, "expected lists of x, y"),
        ({"bbox": [20, 40, 40, 24], "image_id": 7}, "annotations[1].image_id: '7' is not among those"),
        ({"bbox": [20, 40, 40, 24], "category_id": 99}, "annotations[1].category_id: '99' is not among those"),
        ({"bbox": [20, 40, 40, 24], "image_id": {}}, "annotations[1].image_id"),
    ],
)
def test_a_shape_that_cannot_be_used_is_named_and_the_others_go_on(
    tmp_path: Path, shape: dict[str, Any], why: str
) -> None:
    folder = coco_folder(tmp_path / "in", [{"level": "L1", "bbox": bbox(BOXES["L1"])}, {"level": "L2", **shape}])
    report = import_cohort(ImportFormat.COCO, folder, tmp_path / "out")
    assert levels(tmp_path / "out") == ["L1"]
    assert why in reasons(report)


def test_of_two_drawings_of_a_level_neither_wins_in_silence(tmp_path: Path) -> None:
    stray = [5.0, 5.0, 12.0, 9.0]
    shapes = [{"level": k, "bbox": bbox(b)} for k, b in BOXES.items()] + [{"level": "L2", "bbox": stray}]
    report = import_cohort(ImportFormat.COCO, coco_folder(tmp_path / "in", shapes), tmp_path / "out")
    assert levels(tmp_path / "out") == ["L1", "L3", "L4", "L5"]
    assert reasons(report).count("L2 is drawn 2 times (20, 40, 60, 64; 5, 5, 17, 14) and none is used") == 2


@pytest.mark.parametrize("scores", [(0.4, 0.9), (0.9, 0.9), (None, 0.9)])
def test_the_larger_score_decides_between_two_where_both_have_one(
    tmp_path: Path, scores: tuple[float | None, float]
) -> None:
    stray = {"level": "L2", "bbox": [5, 5, 12, 9], **({"score": scores[0]} if scores[0] else {})}
    shapes: list[dict[str, Any]] = [{"level": "L1", "bbox": bbox(BOXES["L1"])}, stray]
    shapes += [{"level": "L2", "bbox": bbox(BOXES["L2"]), "score": scores[1]}]
    report = import_cohort(ImportFormat.COCO, coco_folder(tmp_path / "in", shapes), tmp_path / "out")
    if scores == (0.4, 0.9):
        assert corners(tmp_path / "out", "L2") == BOXES["L2"]
        assert "the one of score 0.9 is used" in reasons(report)
    else:
        assert levels(tmp_path / "out") == ["L1"]


def test_the_same_box_twice_is_used_once_and_said(tmp_path: Path) -> None:
    report = import_cohort(
        ImportFormat.COCO,
        coco_folder(tmp_path / "in", [{"level": "L1", "bbox": bbox(BOXES["L1"])}] * 2),
        tmp_path / "out",
    )
    assert corners(tmp_path / "out", "L1") == BOXES["L1"]
    assert "L1 is drawn again in the same place" in reasons(report)


def test_a_box_and_the_body_inside_it_go_together(tmp_path: Path) -> None:
    x0, y0, x1, y1 = BOXES["L1"]
    shapes: list[dict[str, Any]] = [
        {"level": "L1", "segmentation": [outline((x0 + 2, y0 + 2, x1 - 2, y1 - 2))]},
        {"level": "L1", "bbox": bbox(BOXES["L1"])},
    ]
    assert corners(taken(tmp_path, shapes), "L1") == BOXES["L1"]


def test_images_without_labels_and_labels_without_image_are_listed(tmp_path: Path) -> None:
    folder = coco_folder(tmp_path / "in", [{"level": "L1", "bbox": bbox(BOXES["L1"])}], ("p7_AP.png", "p8_AP.png"))
    picture(folder / "more" / "p9_AP.png")
    document = json.loads((folder / "instances.json").read_text())
    document["images"].append({"id": 5, "file_name": "lost_AP.png"})
    document["annotations"].append({"image_id": 5, "category_id": 1, "bbox": [1, 2, 30, 40]})
    (folder / "instances.json").write_text(json.dumps(document))
    report = import_cohort(ImportFormat.COCO, folder, tmp_path / "out")
    assert report.images == 1
    assert [line.split(" | ")[0] for line in reasons(report).splitlines()] == [
        "lost_AP.png",
        "p8_AP.png",
        "p9_AP.png",
    ]


def test_capitals_and_foreign_separators_in_file_names_find_the_image(tmp_path: Path) -> None:
    folder = coco_folder(tmp_path / "in", [{"level": "L1", "bbox": bbox(BOXES["L1"])}], ("set/p7_AP.PNG",))
    text = (folder / "instances.json").read_text().replace("set/p7_AP.PNG", r"set\\p7_AP.png")
    (folder / "instances.json").write_text(text)
    import_cohort(ImportFormat.COCO, folder, tmp_path / "out")
    assert corners(tmp_path / "out", "L1", study="set_p7") == BOXES["L1"]


def test_labels_drawn_on_a_smaller_copy_are_scaled_and_on_another_picture_refused(tmp_path: Path) -> None:
    half = [value / 2 for value in bbox(BOXES["L3"])]
    folder = coco_folder(tmp_path / "in", [{"level": "L3", "bbox": half}], width=SIZE[0] // 2, height=SIZE[1] // 2)
    report = import_cohort(ImportFormat.COCO, folder, tmp_path / "out")
    assert corners(tmp_path / "out", "L3") == BOXES["L3"]
    assert report.notes == ("labels drawn on 40 x 85 pixels, scaled to the image's own size: p7_AP.png",)
    other = coco_folder(tmp_path / "other", [{"level": "L3", "bbox": bbox(BOXES["L3"])}], width=640, height=640)
    with pytest.raises(ReadError, match=r"drawn on 640 x 640 pixels, the image has 80 x 170; export them with"):
        import_cohort(ImportFormat.COCO, other, tmp_path / "none")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"instances.json line 1 column 2: no complete JSON"),
        ("[1, 2]", r"found \[1, 2\] at its top"),
        ("[" * 100_000, "nested too deeply"),
        ('{"images": [], "categories": []}', "`annotations` is missing"),
        ('{"images": {}, "categories": [], "annotations": []}', "`images` is {}"),
        ('{"images": [], "categories": [], "annotations": [[]]}', r"annotations\[0\]"),
        ("\0\0\0", "is a zero byte"),
        ('{"images": [{"id": 1, "file_name": 5}], "categories": [], "annotations": []}', r"images\[0\].file_name"),
        (
            '{"images": [], "categories": [{"id": 1, "name": "L1"}, {"id": 1, "name": "L2"}], "annotations": []}',
            r"categories\[1\].id '1' stands twice",
        ),
    ],
)
def test_damaged_documents_name_file_and_field(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "instances.json").write_text(text)
    with pytest.raises(ReadError, match=message):
        import_cohort(ImportFormat.COCO, tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_utf_16_is_read_by_its_mark(tmp_path: Path) -> None:
    folder = coco_folder(tmp_path / "in", [{"level": "L1", "bbox": bbox(BOXES["L1"])}])
    (folder / "instances.json").write_text((folder / "instances.json").read_text(), encoding="utf-16")
    import_cohort(ImportFormat.COCO, folder, tmp_path / "out")
    assert corners(tmp_path / "out", "L1") == BOXES["L1"]


def test_the_image_that_cannot_be_read_is_listed(tmp_path: Path) -> None:
    folder = coco_folder(tmp_path / "in", [{"level": "L1", "bbox": bbox(BOXES["L1"])}], ("p7_AP.png", "p8_AP.png"))
    document = json.loads((folder / "instances.json").read_text())
    document["annotations"].append({**document["annotations"][0], "image_id": 1})
    (folder / "instances.json").write_text(json.dumps(document))
    (folder / "p8_AP.png").write_bytes((folder / "p8_AP.png").read_bytes()[:200])
    report = import_cohort(ImportFormat.COCO, folder, tmp_path / "out")
    assert report.images == 1 and "p8_AP.png |  | p8_AP.png: cannot be read" in reasons(report)


def test_a_name_and_labels_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    folder = coco_folder(tmp_path / "in", [{"level": "L1", "bbox": bbox(BOXES["L1"])}])
    text = (folder / "instances.json").read_text().replace('"name": "L1"', '"name": "LAT_L1"')
    (folder / "instances.json").write_text(text)
    with pytest.raises(ReadError, match="its name says AP, its labels say LATERAL"):
        import_cohort(ImportFormat.COCO, folder, tmp_path / "out")


def test_labels_tell_the_view_where_no_name_does(tmp_path: Path) -> None:
    folder = coco_folder(tmp_path / "in", [{"level": "L1", "bbox": bbox(BOXES["L1"])}], ("p7.png",))
    text = (folder / "instances.json").read_text().replace('"name": "L1"', '"name": "LAT_L1"')
    (folder / "instances.json").write_text(text)
    import_cohort(ImportFormat.COCO, folder, tmp_path / "out")
    assert corners(tmp_path / "out", "L1", View.LATERAL) == BOXES["L1"]


def test_dicom_films_whose_headers_disagree_with_their_labels_write_no_wrong_roi(
    tmp_path: Path, make_dicom: MakeDicom
) -> None:
    boxes = [{"level": "L1", "bbox": [4, 4, 30, 20]}]
    folder = coco_folder(tmp_path / "in", boxes, ("p7_AP.dcm", "p8_AP.dcm", "p9_AP.dcm"), films=False)
    document = json.loads((folder / "instances.json").read_text())
    document["annotations"] = [{**document["annotations"][0], "image_id": k} for k in range(3)]
    (folder / "instances.json").write_text(json.dumps(document))
    for name, view in (("p7_AP", "AP"), ("p8_AP", "AP"), ("p9_AP", "LL")):
        make_dicom("x.dcm", ViewPosition=view).rename(folder / f"{name}.dcm")
    report = import_cohort(ImportFormat.COCO, folder, tmp_path / "out")
    assert corners(tmp_path / "out", "L1", study="1.2.3") == (4, 4, 34, 24) and report.rois == 1
    assert "p8_AP.dcm |  | its header makes it a second AP image of a study" in reasons(report)
    assert "p9_AP.dcm |  | its header says LATERAL, its name or labels say AP" in reasons(report)


def test_a_polygon_of_two_points_leaves_its_bbox_and_is_said(tmp_path: Path) -> None:
    shape = {"level": "L1", "segmentation": [[20, 10, 60, 34]], "bbox": bbox(BOXES["L1"])}
    report = import_cohort(ImportFormat.COCO, coco_folder(tmp_path / "in", [shape]), tmp_path / "out")
    assert corners(tmp_path / "out", "L1") == BOXES["L1"]
    assert "annotations[0].segmentation: fewer than three points; the bbox is taken" in reasons(report)
