"""Pascal VOC as labelImg, Roboflow and CVAT write it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cohort.importers.convert import import_cohort
from cohort.importers.report import ImportFormat
from osteolens.errors import ReadError
from tests.importing import BOXES, corners, levels, picture, reasons

LABELIMG = """<annotation verified="yes">
	<folder>{folder}</folder>
	<filename>{name}</filename>
	<path>C:\\Users\\reader\\films\\{name}</path>
	<source><database>Unknown</database></source>
	<size><width>{width}</width><height>170</height><depth>1</depth></size>
	<segmented>0</segmented>
{objects}</annotation>
"""
OBJECT = """	<object>
		<name>{label}</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>
		{shape}
	</object>
"""


def box(corners: tuple[float, float, float, float]) -> str:
    sides = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    return f"<bndbox>{''.join(f'<{name}>{value:g}</{name}>' for name, value in sides)}</bndbox>"


def voc(path: Path, shapes: dict[str, str], name: str = "p7_AP.png", width: int = 80) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    objects = "".join(OBJECT.format(label=label, shape=shape) for label, shape in shapes.items())
    path.write_text(LABELIMG.format(folder="films", name=name, width=width, objects=objects))
    return path


def test_labelimg_beside_its_images(tmp_path: Path) -> None:
    picture(tmp_path / "in" / "p7_AP.png")
    voc(
        tmp_path / "in" / "p7_AP.xml",
        {"LWK 1": box(BOXES["L1"]), "Th12": box((20, 0, 60, 8)), "pin": box((1, 1, 9, 9))},
    )
    report = import_cohort(ImportFormat.PASCAL_VOC, tmp_path / "in", tmp_path / "out")
    assert levels(tmp_path / "out") == ["T12", "L1"] and corners(tmp_path / "out", "L1") == BOXES["L1"]
    assert report.unknown_names == {"pin": 1} and report.by_level == {"T12": 1, "L1": 1}


def test_cvat_puts_annotations_beside_jpeg_images(tmp_path: Path) -> None:
    picture(tmp_path / "in" / "JPEGImages" / "p7_AP.png")
    voc(tmp_path / "in" / "Annotations" / "p7_AP.xml", {"L2": box(BOXES["L2"])})
    import_cohort(ImportFormat.PASCAL_VOC, tmp_path / "in", tmp_path / "out")
    assert corners(tmp_path / "out", "L2") == BOXES["L2"]


def test_polygons_are_outlines_and_turned_boxes_are_enclosed_or_refused(tmp_path: Path) -> None:
    picture(tmp_path / "in" / "p7_AP.png")
    points = [(20, 12), (60, 10), (60, 34), (20, 34)]
    polygon = "".join(f"<x{k}>{x}</x{k}><y{k}>{y}</y{k}>" for k, (x, y) in enumerate(points, start=1))
    angle = f"<robndbox><cx>40</cx><cy>80</cy><w>24</w><h>40</h><angle>{np.pi / 2}</angle></robndbox>"
    shapes = {
        "L1": f"<polygon>{polygon}</polygon>{box((20, 10, 60, 34))}",
        "L3": f"<type>robndbox</type>{angle}",
        "L4": f"<rotation>30</rotation>{box(BOXES['L4'])}",
    }
    voc(tmp_path / "in" / "p7_AP.xml", shapes)
    report = import_cohort(ImportFormat.PASCAL_VOC, tmp_path / "in", tmp_path / "out")
    assert corners(tmp_path / "out", "L1")[0] == pytest.approx(20 - 0.88) and report.outlines == 1
    assert corners(tmp_path / "out", "L3") == pytest.approx((20, 68, 60, 92), abs=0.01)
    assert "a turned <bndbox> is not read" in reasons(report)


def test_hostile_and_damaged_files_are_listed_and_the_others_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    picture(folder / "p7_AP.png")
    voc(
        folder / "p7_AP.xml", {"L1": box(BOXES["L1"]), "L2": box((20, 40, 20, 40)), "L3": "", "L4": box((0, 0, 9e9, 1))}
    )
    (folder / "bomb.xml").write_text("<!DOCTYPE a [<!ENTITY b 'c'>]><annotation/>")
    (folder / "other.xml").write_text("<annotations/>")
    (folder / "deep.xml").write_text("<annotation>" * 50_000)
    voc(folder / "out.xml", {"L1": box(BOXES["L1"])}, name="../../secret_AP.png")
    picture(tmp_path / "secret_AP.png")
    report = import_cohort(ImportFormat.PASCAL_VOC, folder, tmp_path / "out")
    listed = reasons(report)
    assert report.rois == 1 and "it is 0 x 0 pixels" in listed and "no <bndbox>" in listed
    for reason in ("holds a DTD", "found <annotations>", "cannot be read as XML", "missing or lies outside the source"):
        assert reason in listed


def test_a_size_of_another_image_is_refused(tmp_path: Path) -> None:
    picture(tmp_path / "in" / "p7_AP.png")
    voc(tmp_path / "in" / "p7_AP.xml", {"L1": box(BOXES["L1"])}, width=300)
    with pytest.raises(ReadError, match="the labels were drawn on 300 x 170 pixels"):
        import_cohort(ImportFormat.PASCAL_VOC, tmp_path / "in", tmp_path / "out")
