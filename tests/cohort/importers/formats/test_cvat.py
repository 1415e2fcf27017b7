"""CVAT documents: masks, turned boxes, other shapes, and hostile XML."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from cohort.importers.convert import import_cohort
from cohort.importers.report import ImportFormat
from osteolens.errors import ReadError
from tests.importing import BOXES, corners, levels, picture, reasons

L1 = '<box label="L1" xtl="20" ytl="10" xbr="60" ybr="34"/>'


def cvat(tmp_path: Path, shapes: str, size: str = 'width="80" height="170"') -> Path:
    folder = tmp_path / "in"
    picture(folder / "images" / "p7_AP.png")
    text = f'<annotations><version>1.1</version><image id="0" name="p7_AP.png" {size}>{shapes}</image></annotations>'
    (folder / "annotations.xml").write_text(text)
    return folder


def rle(mask: np.ndarray) -> str:
    flat = mask.ravel()
    ends = [0, *(np.flatnonzero(np.diff(flat)) + 1), flat.size]
    runs = [int(b - a) for a, b in pairwise(ends)]
    return ", ".join(map(str, [0, *runs] if flat[0] else runs))


def test_a_mask_is_an_outline_of_its_cells(tmp_path: Path) -> None:
    x0, y0, x1, y1 = (int(value) for value in BOXES["L2"])
    mask = np.ones((y1 - y0, x1 - x0), bool)
    mask[0, : (x1 - x0) // 2] = False
    shape = f'<mask label="L2" rle="{rle(mask)}" left="{x0}" top="{y0}" width="{x1 - x0}" height="{y1 - y0}"/>'
    ring = f"{x0},{y0 + 1};{(x0 + x1) / 2},{y0 + 1};{(x0 + x1) / 2},{y0};{x1},{y0};{x1},{y1};{x0},{y1}"
    import_cohort(ImportFormat.CVAT, cvat(tmp_path / "mask", shape), tmp_path / "out")
    import_cohort(
        ImportFormat.CVAT, cvat(tmp_path / "ring", f'<polygon label="L2" points="{ring}"/>'), tmp_path / "out2"
    )
    assert corners(tmp_path / "out", "L2") == pytest.approx(corners(tmp_path / "out2", "L2"), abs=0.01)


def test_a_turned_box_is_enclosed_by_its_corners(tmp_path: Path) -> None:
    turned = '<box label="L2" xtl="20" ytl="40" xbr="60" ybr="64" rotation="30"/>'
    import_cohort(ImportFormat.CVAT, cvat(tmp_path, turned), tmp_path / "out")
    half = (20 * np.cos(np.pi / 6) + 12 * 0.5, 20 * 0.5 + 12 * np.cos(np.pi / 6))
    wanted = (40 - half[0], 52 - half[1], 40 + half[0], 52 + half[1])
    assert corners(tmp_path / "out", "L2") == pytest.approx(wanted, abs=0.01)


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        ('<polyline label="L2" points="20,40;60,64"/>', "a <polyline> is no ROI"),
        ('<points label="L2" points="20,40"/>', "a <points> is no ROI"),
        ('<ellipse label="L2" cx="40" cy="52" rx="20" ry="12"/>', "a <ellipse> is no ROI"),
        ('<cuboid label="L2" xtl1="1"/>', "a <cuboid> is no ROI"),
        ('<box label="L2" xtl="20" ytl="40" xbr="60"/>', "no usable corners (ybr is missing)"),
        ('<box label="L2" xtl="20" ytl="nan" xbr="60" ybr="64"/>', "ytl is 'nan', expected a number"),
        ('<box label="L2" xtl="20" ytl="40" xbr="60" ybr="64" rotation="much"/>', "rotation is 'much'"),
        ('<box label="L2" xtl="20" ytl="40" xbr="60" ybr="40"/>', "it is 40 x 0 pixels"),
        ('<polygon label="L2" points="20,40;60,64"/>', "expected three or more"),
        ('<polygon label="L2" points="20,40;60;20,64"/>', "expected three or more"),
        ('<polygon label="L2" points="20,40;60,inf;20,64"/>', "expected finite numbers"),
        ('<mask label="L2" rle="900, 100" left="20" top="40" width="4" height="4"/>', "rle holds 1000 pixels"),
        ('<mask label="L2" rle="16" left="20" top="40" width="4" height="4"/>', "the mask is empty"),
        ('<mask label="L2" rle="1" left="0" top="0" width="100000" height="100000"/>', "a mask of 100000 x 100000"),
        ('<mask label="L2" rle="" left="20" top="40" width="4" height="4"/>', "rle holds 0 pixels"),
        ('<mask label="L2" rle="0, 16" left="1e400" top="40" width="4" height="4"/>', "left is '1e400'"),
    ],
)
def test_each_shape_that_is_no_roi_is_listed_and_the_others_go_on(tmp_path: Path, shape: str, why: str) -> None:
    report = import_cohort(ImportFormat.CVAT, cvat(tmp_path, L1 + shape), tmp_path / "out")
    assert levels(tmp_path / "out") == ["L1"] and why in reasons(report)
    assert report.skipped[0].label == "L2"


def test_entities_are_refused_in_every_encoding(tmp_path: Path) -> None:
    text = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>'
    (tmp_path / "annotations.xml").write_text(text, encoding="utf-16")
    with pytest.raises(ReadError, match=r"annotations.xml: holds a DTD or entities"):
        import_cohort(ImportFormat.CVAT, tmp_path, tmp_path / "out")


@pytest.mark.parametrize(
    "raw",
    [b"", b"<annotations>", b"\0\0", b"<annotations>\xff</annotations>", b"no xml", b"<?xml encoding='x-y'?><a/>"],
)
def test_damaged_documents_are_told_by_name(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "annotations.xml").write_bytes(raw)
    with pytest.raises(ReadError, match=r"annotations.xml: (cannot be read as XML|found)"):
        import_cohort(ImportFormat.CVAT, tmp_path, tmp_path / "out")


def test_tracks_of_videos_are_listed(tmp_path: Path) -> None:
    folder = cvat(tmp_path, L1)
    text = (folder / "annotations.xml").read_text().replace("</annotations>", '<track label="L3"/></annotations>')
    (folder / "annotations.xml").write_text(text)
    report = import_cohort(ImportFormat.CVAT, folder, tmp_path / "out")
    assert "annotations.xml | L3 | a <track> of a video is not read" in reasons(report)


def test_a_deep_document_is_no_crash(tmp_path: Path) -> None:
    (tmp_path / "annotations.xml").write_text("<annotations>" + "<a>" * 50_000 + "</a>" * 50_000 + "</annotations>")
    with pytest.raises(ReadError, match="nothing to import"):
        import_cohort(ImportFormat.CVAT, tmp_path, tmp_path / "out")
