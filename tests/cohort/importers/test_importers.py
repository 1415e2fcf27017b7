"""Other people's annotations and public sets, on small files made in their formats."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from cohort.importers.convert import import_cohort
from cohort.importers.report import ImportFormat
from cohort.io.folder import index_cohort
from cohort.spine import View
from osteolens.errors import ConfigError, ReadError
from tests.importing import BOXES, corners, picture


def coco(folder: Path, polygons: bool) -> Path:
    names = ["p7_AP.png", "p7_LAT.png"]
    for name in names:
        picture(folder / name)
    annotations = []
    for image in range(2):
        for k, (x0, y0, x1, y1) in enumerate(BOXES.values()):
            line = [x0, y0, (x0 + x1) / 2, y0 + 1, x1, y0, x1, y1, x0, y1]
            row = {"image_id": image, "category_id": k, "bbox": [x0, y0, x1 - x0, y1 - y0]}
            annotations.append({**row, "segmentation": [line] if polygons else []})
    document = {
        "images": [{"id": k, "file_name": name} for k, name in enumerate(names)],
        "categories": [{"id": k, "name": f"vertebra {name}"} for k, name in enumerate(BOXES)],
        "annotations": annotations,
    }
    (folder / "instances.json").write_text(json.dumps(document))
    return folder


def test_coco_boxes_stay_as_drawn(tmp_path: Path) -> None:
    report = import_cohort(ImportFormat.COCO, coco(tmp_path / "in", False), tmp_path / "out")
    assert (report.studies, report.images, report.rois, report.skipped) == (1, 2, 10, ())
    (study,) = index_cohort(tmp_path / "out").studies
    assert study.study_uid == "p7" and study.ap is not None and study.lateral is not None
    assert corners(tmp_path / "out", "L2") == BOXES["L2"]


def test_coco_polygons_follow_the_roi_rule(tmp_path: Path) -> None:
    import_cohort(ImportFormat.COCO, coco(tmp_path / "in", True), tmp_path / "out")
    x0, y0, x1, y1 = corners(tmp_path / "out", "L2")
    assert (x0, x1) == pytest.approx((20 - 0.88, 60 + 0.88)), "2.2 % of the width at each side"
    assert (y0, y1) == pytest.approx((37, 67), abs=0.6), "the middle of the discs"


def test_images_outside_the_source_are_left_out(tmp_path: Path) -> None:
    folder = coco(tmp_path / "in", False)
    picture(tmp_path / "secret_AP.png")
    document = json.loads((folder / "instances.json").read_text())
    document["images"][0]["file_name"] = "../secret_AP.png"
    document["images"][1]["file_name"] = "gone_LAT.png"
    (folder / "instances.json").write_text(json.dumps(document))
    with pytest.raises(ReadError, match="lies outside the source"):
        import_cohort(ImportFormat.COCO, folder, tmp_path / "out")


def test_yolo_lines_become_pixels(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    picture(folder / "images" / "train" / "12_AP.png")
    (folder / "labels" / "train").mkdir(parents=True)
    x0, y0, x1, y1 = BOXES["L3"]
    box = f"1 {(x0 + x1) / 160} {(y0 + y1) / 340} {(x1 - x0) / 80} {(y1 - y0) / 170}"
    (folder / "labels" / "train" / "12_AP.txt").write_text(f"{box}\n0 0.5 0.5 0.1 0.1\n")
    (folder / "data.yaml").write_text(yaml.safe_dump({"names": {0: "implant", 1: "AP_L3"}}))
    report = import_cohort(ImportFormat.YOLO, folder, tmp_path / "out")
    assert corners(tmp_path / "out", "L3", study="12") == pytest.approx(BOXES["L3"], abs=0.01)
    assert [(s.label, s.reason) for s in report.skipped] == [("implant", "the label names no single vertebral level")]
    (folder / "labels" / "train" / "12_AP.txt").write_text("7 0.5 0.5 0.1 0.1\n")
    with pytest.raises(ReadError, match=r"no `class x y w h`"):
        import_cohort(ImportFormat.YOLO, folder, tmp_path / "out2")


def test_labelme_rectangles_and_polygons(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    picture(folder / "a_lateral.png")
    x0, y0, x1, y1 = BOXES["L1"]
    shapes = [
        {"label": "L1", "shape_type": "rectangle", "points": [[x1, y1], [x0, y0]]},
        {"label": "L2", "points": [[20, 40], [60, 40], [60, 64], [20, 64]]},
    ]
    (folder / "a_lateral.json").write_text(json.dumps({"imagePath": "a_lateral.png", "shapes": shapes}))
    assert import_cohort(ImportFormat.LABELME, folder, tmp_path / "out").rois == 2
    assert corners(tmp_path / "out", "L1", View.LATERAL, "a") == BOXES["L1"]
    assert corners(tmp_path / "out", "L2", View.LATERAL, "a")[0] == pytest.approx(19.12)


def buu(folder: Path) -> Path:
    for name, view, rows in (("0001-F-037Y0", "AP", 10), ("0001-F-037Y1", "LA", 11), ("0002-M-061Y0", "AP", 9)):
        picture(folder / view / f"{name}.jpg")
        edges = [[x0, y, x1, y] for x0, y0, x1, y1 in BOXES.values() for y in (y0, y1)] + [[22, 164, 62, 164]]
        pd.DataFrame(edges[:rows]).to_csv(folder / view / f"{name}.csv", header=False, index=False)
    picture(folder / "AP" / "readme.png")
    return folder


def cvat(folder: Path, shape: str) -> Path:
    for name in ("p7_AP.png", "p7_LAT.png"):
        picture(folder / "images" / name)
    shapes = "".join(
        shape.format(level=level, x0=x0, y0=y0, x1=x1, y1=y1, xm=(x0 + x1) / 2)
        for level, (x0, y0, x1, y1) in BOXES.items()
    )
    images = "".join(
        f'<image id="{k}" name="images/{name}" width="80" height="170">{shapes}</image>'
        for k, name in enumerate(("p7_AP.png", "p7_LAT.png"))
    )
    (folder / "annotations.xml").write_text(f"<?xml version='1.0'?><annotations>{images}</annotations>")
    return folder


CVAT_BOX = '<box label="{level}" xtl="{x0}" ytl="{y0}" xbr="{x1}" ybr="{y1}" rotation="%s"/>'
CVAT_POLYGON = '<polygon label="{level}" points="{x0},{y0};{xm},{y0};{x1},{y0};{x1},{y1};{x0},{y1}"/>'


def test_cvat_boxes_stay_and_turned_ones_are_enclosed(tmp_path: Path) -> None:
    report = import_cohort(ImportFormat.CVAT, cvat(tmp_path / "in", CVAT_BOX % 0), tmp_path / "out")
    assert (report.studies, report.images, report.rois, report.skipped) == (1, 2, 10, ())
    assert corners(tmp_path / "out", "L2") == BOXES["L2"]
    import_cohort(ImportFormat.CVAT, cvat(tmp_path / "turned", CVAT_BOX % 90), tmp_path / "out2")
    x0, y0, x1, y1 = BOXES["L2"]
    middle, level, wide, tall = (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
    turned = (middle - tall / 2, level - wide / 2, middle + tall / 2, level + wide / 2)
    assert corners(tmp_path / "out2", "L2") == pytest.approx(turned)


def test_cvat_polygons_follow_the_roi_rule_as_coco_does(tmp_path: Path) -> None:
    import_cohort(ImportFormat.CVAT, cvat(tmp_path / "in", CVAT_POLYGON) / "annotations.xml", tmp_path / "out")
    import_cohort(ImportFormat.COCO, coco(tmp_path / "coco", True), tmp_path / "out2")
    assert corners(tmp_path / "out", "L3") == corners(tmp_path / "out2", "L3")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotations><image", "cannot be read as XML"),
        ("<notes/>", "found <notes>, expected <annotations>"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><annotations/>", "holds a DTD"),
        ('<annotations><image name="a_AP.png"><box label="L1" xtl="1"/></image></annotations>', "no usable corners"),
    ],
)
def test_broken_cvat_documents_are_errors(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "annotations.xml").write_text(text)
    with pytest.raises(ReadError, match=message):
        import_cohort(ImportFormat.CVAT, tmp_path, tmp_path / "out")


def test_buu_lspine_edges_become_rois_by_the_rule(tmp_path: Path) -> None:
    report = import_cohort(ImportFormat.BUU_LSPINE, buu(tmp_path / "in"), tmp_path / "out")
    assert (report.studies, report.rois) == (1, 10)
    assert sorted(s.reason for s in report.skipped) == [
        "0002-M-061Y0.csv: 9 edges, expected 10",
        "name is not id-sex-ageY0 or Y1",
    ]
    (study,) = index_cohort(tmp_path / "out").studies
    assert study.covariates.age_years == 37 and str(study.covariates.sex) == "F"
    assert corners(tmp_path / "out", "L3", study="0001")[1] == pytest.approx(67, abs=0.6)
    assert corners(tmp_path / "out", "L5", View.LATERAL, "0001")[3] == pytest.approx((154 + 164) / 2, abs=0.6)


def lumos(folder: Path) -> Path:
    folder.mkdir()
    for k in (1, 4):
        for view in (0, 1):
            np.save(folder / f"lumos_x_{k:03d}_{view}.npy", np.arange(48 * 36, dtype=np.int16).reshape(48, 36))
    columns = "patient_id;image_path_ap;image_path_lat;age;gender;height;weight;bmi;t_value;t_l1_l4;bmd"
    rows = [
        "1;lumos_x_001_1.npy;lumos_x_001_0.npy;61;Female;1,55;54,5;2,268E+14;-31.083;-3,1;0,652",
        "4;lumos_x_004_1.npy;lumos_x_004_1.npy;70;Male;1.70;70;24;-1;-1.0;0.9",
        "5;../gone.npy;gone0.npy;70;Male;1.70;70;24;-1;-1.0;0.9",
        "../6;gone.npy;gone0.npy;70;Male;1.70;70;24;-1;-1.0;0.9",
    ]
    (folder / "lumos.csv").write_text("\n".join([columns, *rows]))
    return folder


def test_lumos_takes_the_undamaged_columns(tmp_path: Path) -> None:
    report = import_cohort(ImportFormat.LUMOS, lumos(tmp_path / "in"), tmp_path / "out")
    assert (report.studies, report.images, report.rois) == (1, 2, 0)
    assert [s.reason for s in report.skipped] == [
        "lumos.csv line 5: patient_id is no number",
        "patient 4: both views name this file",
        "the image is missing",
    ]
    assert any("CC BY-NC 4.0" in note for note in report.notes)
    (study,) = index_cohort(tmp_path / "out").studies
    assert study.dxa is not None and study.dxa.t_score == -3.1 and study.dxa.bmd_g_cm2 == 0.652
    assert study.covariates.bmi_kg_m2 == pytest.approx(54.5 / 1.55**2)
    with Image.open(tmp_path / "out" / "lumos_1" / "AP.png") as shown:
        assert shown.size == (36, 48) and np.asarray(shown).max() == 65535
    assert not (tmp_path / "out" / "rois.csv").exists()


def test_an_array_of_objects_is_never_unpickled(tmp_path: Path) -> None:
    folder = lumos(tmp_path / "in")
    np.save(folder / "lumos_x_001_1.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    report = import_cohort(ImportFormat.LUMOS, folder, tmp_path / "out")
    assert report.images == 1, "the other view goes on"
    assert any("no plain array" in s.reason for s in report.skipped)
    np.save(folder / "lumos_x_001_0.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ReadError, match="no plain array"):
        import_cohort(ImportFormat.LUMOS, folder, tmp_path / "out2")
    assert not (tmp_path / "out2").exists()


def test_a_folder_in_use_and_one_without_files_of_the_format_are_refused(tmp_path: Path) -> None:
    folder = coco(tmp_path / "in", False)
    with pytest.raises(ConfigError, match="is not empty"):
        import_cohort(ImportFormat.COCO, folder, folder)
    for kind in ImportFormat:
        (tmp_path / kind).mkdir()
        with pytest.raises(ReadError):
            import_cohort(kind, tmp_path / kind, tmp_path / "none")


@pytest.mark.parametrize(
    "header", [b"{'descr': (", b"{'descr': '<i2', 'fortran_order': False, 'shape': (9, 10", b"[" * 99]
)
def test_an_array_whose_header_is_damaged_is_listed(tmp_path: Path, header: bytes) -> None:
    folder = lumos(tmp_path / "in")
    raw = b"\x93NUMPY\x01\x00" + (len(header) + 1).to_bytes(2, "little") + header + b"\n"
    (folder / "lumos_x_001_1.npy").write_bytes(raw)
    report = import_cohort(ImportFormat.LUMOS, folder, tmp_path / "out")
    assert report.images == 1
    assert any("lumos_x_001_1.npy: no plain array" in s.reason for s in report.skipped)
