"""Folders and files as labelling tools write them, one test a layout."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cohort.importers.convert import import_cohort
from cohort.importers.options import ImportOptions
from cohort.importers.report import ImportFormat, ImportReport
from cohort.io.annotations import read_outlines, read_readings
from cohort.io.folder import index_cohort
from cohort.spine import VertebralLevel, View
from tests.importing import (
    BOXES,
    SIZE,
    bbox,
    corners,
    labelme_file,
    levels,
    outline,
    picture,
    reasons,
    rectangle,
    yolo_line,
)

L1, L2 = BOXES["L1"], BOXES["L2"]
NAMES = "L1\nL2\nL3\nL4\nL5\n"
HASHES = ("0a1b2c3d4e5f60718293a4b5c6d7e8f9", "ffeeddccbbaa99887766554433221100")


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def coco(path: Path, files: list[str], **of_box: object) -> Path:
    annotations = [
        {"id": 2 * k + n, "image_id": k, "category_id": n, "bbox": bbox(BOXES[f"L{n}"]), "iscrowd": 0, **of_box}
        for k in range(len(files))
        for n in (1, 2)
    ]
    categories = [{"id": 0, "name": "vertebrae", "supercategory": "none"}]
    categories += [{"id": n, "name": f"L{n}", "supercategory": "vertebrae"} for n in (1, 2)]
    images = [{"id": k, "file_name": name, "width": SIZE[0], "height": SIZE[1]} for k, name in enumerate(files)]
    return written(path, json.dumps({"images": images, "categories": categories, "annotations": annotations}))


def labelme_windows(folder: Path) -> tuple[ImportFormat, Path, list[Path]]:
    for view in ("AP", "LAT"):
        picture(folder / "films" / "2024" / f"p7_{view}.png")
        path = folder / "labels" / f"p7_{view}.json"
        name = f"C:\\Users\\reader\\Desktop\\2024\\p7_{view}.png" if view == "AP" else f"..\\..\\films\\p7_{view}.png"
        labelme_file(path, [rectangle("LWK1", L1), rectangle("LW 2", L2)], name)
    return ImportFormat.LABELME, folder / "labels", [folder / "films"]


def cvat_images(folder: Path) -> tuple[ImportFormat, Path, list[Path]]:
    images = ""
    for k, view in enumerate(("AP", "LAT")):
        picture(folder / "images" / "default" / f"p7_{view}.png")
        boxes = "".join(
            f'<box label="{level}" source="manual" xtl="{x0}" ytl="{y0}" xbr="{x1}" ybr="{y1}" z_order="0"/>'
            for level, (x0, y0, x1, y1) in (("第1腰椎", L1), ("腰2", L2))
        )
        name = f"default/p7_{view}.png"
        images += f'<image id="{k}" name="{name}" subset="default" task_id="3" width="80" height="170">{boxes}</image>'
    meta = "<version>1.1</version><meta><project><name>spine</name></project><dumped>2025</dumped></meta>"
    written(
        folder / "annotations.xml", f'<?xml version="1.0" encoding="utf-8"?><annotations>{meta}{images}</annotations>'
    )
    return ImportFormat.CVAT, folder, []


def cvat_yolo(folder: Path) -> tuple[ImportFormat, Path, list[Path]]:
    written(folder / "obj.names", NAMES)
    written(folder / "obj.data", "classes = 5\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n")
    written(folder / "train.txt", "data/obj_train_data/p7_AP.png\ndata/obj_train_data/p7_LAT.png\n")
    for view in ("AP", "LAT"):
        picture(folder / "obj_train_data" / f"p7_{view}.png")
        written(folder / "obj_train_data" / f"p7_{view}.txt", yolo_line("L1", L1) + yolo_line("L2", L2))
    return ImportFormat.YOLO, folder, []


def cvat_yolo_without_images(folder: Path) -> tuple[ImportFormat, Path, list[Path]]:
    cvat_yolo(folder / "labels")
    for view in ("AP", "LAT"):
        (folder / "labels" / "obj_train_data" / f"p7_{view}.png").unlink()
        picture(folder / "films" / f"p7_{view}.png")
    return ImportFormat.YOLO, folder / "labels", [folder / "films"]


def cvat_coco(folder: Path) -> tuple[ImportFormat, Path, list[Path]]:
    for subset, view in (("train", "AP"), ("val", "LAT")):
        picture(folder / "images" / subset / f"p7_{view}.png")
        attributes = {"occluded": False, "rotation": 0.0}
        coco(folder / "annotations" / f"instances_{subset}.json", [f"{subset}/p7_{view}.png"], attributes=attributes)
    return ImportFormat.COCO, folder, []


def cvat_coco_file(folder: Path) -> tuple[ImportFormat, Path, list[Path]]:
    for view in ("AP", "LAT"):
        picture(folder / "images" / f"p7_{view}.png")
    path = coco(folder / "annotations" / "instances_default.json", ["p7_AP.png", "p7_LAT.png"])
    return ImportFormat.COCO, path, []


def labelimg_yolo(folder: Path) -> tuple[ImportFormat, Path, list[Path]]:
    written(folder / "classes.txt", NAMES)
    for view in ("AP", "LAT"):
        picture(folder / f"p7_{view}.png")
        written(folder / f"p7_{view}.txt", yolo_line("L1", L1) + yolo_line("L2", L2))
    return ImportFormat.YOLO, folder, []


def roboflow_yolo(folder: Path) -> tuple[ImportFormat, Path, list[Path]]:
    written(folder / "README.roboflow.txt", "spine - v1\n")
    config = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 2\nnames: ['L1', 'L2']\n"
    written(folder / "data.yaml", config)
    for split, view, number in (("train", "AP", HASHES[0]), ("valid", "LAT", HASHES[1])):
        name = f"p7_{view}_png.rf.{number}"
        picture(folder / split / "images" / f"{name}.jpg")
        written(folder / split / "labels" / f"{name}.txt", yolo_line("L1", L1) + yolo_line("L2", L2))
    return ImportFormat.YOLO, folder, []


def roboflow_coco(folder: Path) -> tuple[ImportFormat, Path, list[Path]]:
    for split, view, number in (("train", "AP", HASHES[0]), ("valid", "LAT", HASHES[1])):
        name = f"p7_{view}_png.rf.{number}.jpg"
        picture(folder / split / name)
        coco(folder / split / "_annotations.coco.json", [name], segmentation=[])
    return ImportFormat.COCO, folder, []


def label_studio_yolo(folder: Path) -> tuple[ImportFormat, Path, list[Path]]:
    written(folder / "classes.txt", NAMES)
    written(folder / "notes.json", json.dumps({"categories": [], "info": {"contributor": "Label Studio"}}))
    for view, number in (("AP", HASHES[0][:8]), ("LAT", HASHES[1][:8])):
        picture(folder / "images" / f"{number}-p7_{view}.png")
        written(folder / "labels" / f"{number}-p7_{view}.txt", yolo_line("L1", L1) + yolo_line("L2", L2))
    return ImportFormat.YOLO, folder, []


def label_studio_coco(folder: Path) -> tuple[ImportFormat, Path, list[Path]]:
    names = [f"images\\{HASHES[k][:8]}-p7_{view}.png" for k, view in enumerate(("AP", "LAT"))]
    for name in names:
        picture(folder / "images" / name.split("\\")[1])
    path = coco(folder / "result.json", names)
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "info": {"contributor": "Label Studio"}}))
    return ImportFormat.COCO, folder, []


def ultralytics_obb(folder: Path) -> tuple[ImportFormat, Path, list[Path]]:
    written(folder / "data.yaml", "path: .\ntrain: images/train\nnames:\n  0: L1\n  1: L2\n")
    for view in ("AP", "LAT"):
        picture(folder / "images" / "train" / f"p7_{view}.png")
        lines = ""
        for number, (x0, y0, x1, y1) in enumerate((L1, L2)):
            turned = np.array([[x0, y1], [x0, y0], [x1, y0], [x1, y1]]) / SIZE
            lines += f"{number} {' '.join(f'{value:.6f}' for value in turned.ravel())}\n"
        written(folder / "labels" / "train" / f"p7_{view}.txt", lines)
    return ImportFormat.YOLO, folder, []


LAYOUTS = [
    *(labelme_windows, cvat_images, cvat_yolo, cvat_yolo_without_images, cvat_coco, cvat_coco_file, labelimg_yolo),
    *(roboflow_yolo, roboflow_coco, label_studio_yolo, label_studio_coco, ultralytics_obb),
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_a_layout_comes_in_whole(
    tmp_path: Path, layout: Callable[[Path], tuple[ImportFormat, Path, list[Path]]]
) -> None:
    source_format, source, images = layout(tmp_path / "in")
    out = tmp_path / "out"
    report = import_cohort(source_format, source, out, ImportOptions(images=images))
    assert (report.studies, report.images, report.rois) == (1, 2, 4), reasons(report)
    (study,) = index_cohort(out).studies
    for view in View:
        assert levels(out, view, study.study_uid) == ["L1", "L2"]
        assert corners(out, "L2", view, study.study_uid) == pytest.approx(L2, abs=0.01)
    assert study.study_uid.endswith("p7"), "no hash, no folder of the data set"


@pytest.mark.parametrize("layout", [cvat_images, roboflow_coco, roboflow_yolo, cvat_yolo], ids=lambda f: f.__name__)
def test_a_zip_as_the_tool_exports_it_comes_in(
    tmp_path: Path, layout: Callable[[Path], tuple[ImportFormat, Path, list[Path]]]
) -> None:
    source_format, source, _ = layout(tmp_path / "in")
    with zipfile.ZipFile(tmp_path / "p7.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in source.rglob("*"):
            archive.write(path, path.relative_to(source))
    report = import_cohort(source_format, tmp_path / "p7.zip", tmp_path / "out")
    assert (report.studies, report.images, report.rois) == (1, 2, 4), reasons(report)


def outlined(tmp_path: Path, out: str = "out", **options: object) -> ImportReport:
    folder = tmp_path / "in"
    points = {level: np.array(outline(box)) / (SIZE * 4) for level, box in BOXES.items()}
    picture(folder / "images" / "p7_AP.png")
    lines = [f"{k} {' '.join(f'{v:.6f}' for v in points[level])}\n" for k, level in enumerate(BOXES)]
    written(folder / "labels" / "p7_AP.txt", "".join(lines))
    written(folder / "data.yaml", f"names: [{', '.join(BOXES)}]\n")
    return import_cohort(ImportFormat.YOLO, folder, tmp_path / out, ImportOptions(**options))  # type: ignore[arg-type]


def test_outlines_survive_as_the_segmenter_reads_them(tmp_path: Path) -> None:
    report = outlined(tmp_path)
    assert report.outlines == report.rois == 5
    studies = index_cohort(tmp_path / "out").studies
    found = read_outlines(tmp_path / "out" / "annotations.json", studies)
    assert found["p7", View.AP][VertebralLevel.L3].ravel() == pytest.approx(outline(BOXES["L3"]), abs=0.01)


def test_the_margin_of_outlines_follows_the_pixel_spacing(tmp_path: Path) -> None:
    outlined(tmp_path)
    outlined(tmp_path, "mm", spacings_mm={"p7_ap": (0.25, 0.25)})
    assert corners(tmp_path / "out", "L2")[0] == pytest.approx(20 - 0.022 * 40, abs=0.01)
    assert corners(tmp_path / "mm", "L2")[0] == pytest.approx(20 - 1 / 0.25, abs=0.01)
    (study,) = index_cohort(tmp_path / "mm").studies
    assert study.plain_spacing_mm == 0.25, "cohort.csv keeps it for every other command"


def test_a_dry_run_says_the_same_and_writes_nothing(tmp_path: Path) -> None:
    wet, dry = outlined(tmp_path), outlined(tmp_path, "dry", writes=False)
    assert not (tmp_path / "dry").exists() and not dry.written
    assert {**dry.as_json(), "written": True} == wet.as_json() and dry.by_level == dict.fromkeys(BOXES, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_boxes_go_under_the_name_of_the_reader_too(tmp_path: Path) -> None:
    outlined(tmp_path, reader="dr-x")
    readings = read_readings(tmp_path / "out" / "readers.csv")
    assert list(readings) == ["dr-x"] and len(readings["dr-x"]["p7", View.AP]) == 5


def test_turned_boxes_of_yolo_and_cvat_coco_become_the_upright_ones_around_them(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    picture(folder / "images" / "p7_AP.png")
    turn = np.array([[np.cos(0.2), np.sin(0.2)], [-np.sin(0.2), np.cos(0.2)]])
    points = np.array([40, 52]) + np.array([[-20, -12], [20, -12], [20, 12], [-20, 12]]) @ turn
    written(folder / "labels" / "p7_AP.txt", f"1 {' '.join(f'{v:.6f}' for v in (points / SIZE).ravel())}\n")
    written(folder / "data.yaml", "names: [L1, L2]\n")
    report = import_cohort(ImportFormat.YOLO, folder, tmp_path / "yolo")
    around = (*points.min(0), *points.max(0))
    assert corners(tmp_path / "yolo", "L2") == pytest.approx(around, abs=0.01) and not report.outlines
    attributes = {"rotation": np.degrees(0.2)}
    coco(folder / "instances.json", ["images/p7_AP.png"], bbox=[20, 40, 40, 24], attributes=attributes)
    document = json.loads((folder / "instances.json").read_text())
    document["annotations"] = document["annotations"][1:]
    (folder / "instances.json").write_text(json.dumps(document))
    report = import_cohort(ImportFormat.COCO, folder / "instances.json", tmp_path / "coco")
    assert corners(tmp_path / "coco", "L2") == pytest.approx(around, abs=0.01)
    assert any("turned boxes" in note for note in report.notes)


def test_a_picture_that_is_only_a_view_is_not_taken_for_another_patient(tmp_path: Path) -> None:
    picture(tmp_path / "films" / "p1" / "AP.png")
    picture(tmp_path / "films" / "p3" / "p3_AP.png")
    labelme_file(tmp_path / "in" / "p2.json", [rectangle("L1", L1)], "C:\\films\\p2\\AP.png")
    labelme_file(tmp_path / "in" / "p1.json", [rectangle("L1", L1)], "C:\\films\\p1\\AP.png")
    report = import_cohort(
        ImportFormat.LABELME, tmp_path / "in", tmp_path / "out", ImportOptions(images=[tmp_path / "films"])
    )
    assert report.images == 1 and "p1" in {study.study_uid for study in index_cohort(tmp_path / "out").studies}
    assert "AP.png |  | the image is missing or lies outside the source" in reasons(report)
