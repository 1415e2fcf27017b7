"""Boxes are drawn on what a tool shows: EXIF turns, and pixels that the image's reader gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cohort.importers.convert import import_cohort
from cohort.importers.geometry import turned_upright
from cohort.importers.report import ImportFormat
from cohort.io.radiograph import read_radiograph
from osteolens.errors import ReadError
from tests.conftest import MakeDicom
from tests.importing import (
    BOXES,
    SIZE,
    bbox,
    coco_folder,
    corners,
    labelme_file,
    picture,
    rectangle,
    yolo_folder,
    yolo_line,
)

TURNS = range(2, 9)
UPRIGHT = "labels taken as drawn on the upright picture"
STORED = "labels taken as drawn on the stored picture and turned upright"


def stored_box(box: tuple[float, ...], orientation: int) -> tuple[float, ...]:
    """The box where its pixels lie in the file, found by turning a picture of it."""
    mask = np.zeros(SIZE[::-1], np.uint8)
    x0, y0, x1, y1 = (int(value) for value in box)
    mask[y0:y1, x0:x1] = 255
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]
    ys, xs = np.nonzero(np.asarray(Image.fromarray(mask).transpose(Image.Transpose(back))))
    return float(xs.min()), float(ys.min()), float(xs.max()) + 1, float(ys.max()) + 1


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_the_reader_and_the_rois_agree_on_the_upright_picture(tmp_path: Path, orientation: int, suffix: str) -> None:
    folder = yolo_folder(tmp_path / "in", {"p7_AP": yolo_line("L2", BOXES["L2"])})
    picture(folder / "images" / f"p7_AP.{suffix}", orientation=orientation)
    report = import_cohort(ImportFormat.YOLO, folder, tmp_path / "out")
    assert corners(tmp_path / "out", "L2") == pytest.approx(BOXES["L2"], abs=0.01)
    assert report.notes == (f"EXIF Orientation {orientation}: {UPRIGHT}: p7_AP.{suffix}",)
    stored = tmp_path / "out" / "p7" / f"AP.{suffix}"
    assert read_radiograph(stored).pixels.shape == SIZE[::-1], "pixels of the ROIs"


@pytest.mark.parametrize("orientation", TURNS)
def test_points_are_turned_as_pixels_are(orientation: int) -> None:
    x0, y0, x1, y1 = stored_box(BOXES["L2"], orientation)
    size = SIZE[::-1] if orientation >= 5 else SIZE
    points = turned_upright(np.array([[x0, y0], [x1, y1]]), orientation, size)
    assert (*points.min(0), *points.max(0)) == BOXES["L2"]


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_stated_size_tells_which_picture_was_drawn_on(tmp_path: Path, orientation: int) -> None:
    for name, box, size, said in (
        ("upright", BOXES["L2"], SIZE, UPRIGHT),
        ("stored", stored_box(BOXES["L2"], orientation), SIZE[::-1], STORED),
    ):
        shape = {"level": "L2", "bbox": bbox(box)}
        folder = coco_folder(tmp_path / name, [shape], ("p7_AP.jpg",), width=size[0], height=size[1])
        picture(folder / "p7_AP.jpg", orientation=orientation)
        report = import_cohort(ImportFormat.COCO, folder, tmp_path / f"{name}-out")
        assert corners(tmp_path / f"{name}-out", "L2") == BOXES["L2"]
        assert report.notes == (f"EXIF Orientation {orientation}: {said}: p7_AP.jpg",)


def test_an_aspect_tells_it_too(tmp_path: Path) -> None:
    half = tuple(value / 2 for value in stored_box(BOXES["L2"], 6))
    picture(tmp_path / "in" / "p7_AP.jpg", orientation=6)
    size = {"imageWidth": SIZE[1] // 2, "imageHeight": SIZE[0] // 2}
    labelme_file(tmp_path / "in" / "p7_AP.json", [rectangle("L2", half)], "p7_AP.jpg", **size)
    report = import_cohort(ImportFormat.LABELME, tmp_path / "in", tmp_path / "out")
    assert corners(tmp_path / "out", "L2") == BOXES["L2"]
    assert "scaled to the image's own size" in report.notes[0] and STORED in report.notes[0]


def test_without_a_size_shapes_that_fit_the_stored_picture_alone_were_drawn_on_it(tmp_path: Path) -> None:
    folder = coco_folder(
        tmp_path / "in",
        [
            {"level": "L4", "bbox": bbox(stored_box(BOXES["L4"], 6))},
            {"level": "L1", "bbox": bbox(stored_box(BOXES["L1"], 6))},
        ],
        ("p7_AP.jpg",),
    )
    picture(folder / "p7_AP.jpg", orientation=6)
    report = import_cohort(ImportFormat.COCO, folder, tmp_path / "out")
    assert corners(tmp_path / "out", "L4") == BOXES["L4"] and STORED in report.notes[0]


def test_a_picture_with_uneven_pixels_gets_rois_in_the_pixels_that_are_read(tmp_path: Path) -> None:
    folder = coco_folder(
        tmp_path / "in", [{"level": "L2", "bbox": bbox(BOXES["L2"])}], ("p7_AP.png",), width=SIZE[0], height=SIZE[1]
    )
    cells = np.random.default_rng(0).integers(0, 255, SIZE[::-1], np.uint8)
    Image.fromarray(cells).save(folder / "p7_AP.png", dpi=(200, 100))
    import_cohort(ImportFormat.COCO, folder, tmp_path / "out")
    rows, columns = read_radiograph(tmp_path / "out" / "p7" / "AP.png").pixels.shape
    assert (rows, columns) != SIZE[::-1], "the reader makes pixels square"
    x0, y0, x1, y1 = corners(tmp_path / "out", "L2")
    scale = np.array([columns / SIZE[0], rows / SIZE[1]] * 2)
    assert np.array([x0, y0, x1, y1]) == pytest.approx(np.array(BOXES["L2"]) * scale, abs=0.01)


def test_a_dicom_film_that_is_turned_on_reading_is_refused(tmp_path: Path, make_dicom: MakeDicom) -> None:
    boxes = [{"level": "L1", "bbox": [4, 4, 30, 20]}]
    for name, patient, refused in (("plain", ["L", "F"], False), ("down", ["R", "H"], True)):
        folder = coco_folder(tmp_path / name, boxes, ("p7_AP.dcm",), films=False)
        make_dicom("x.dcm", PatientOrientation=patient).rename(folder / "p7_AP.dcm")
        if refused:
            with pytest.raises(ReadError, match="turned upright on reading; draw on an upright PNG of it"):
                import_cohort(ImportFormat.COCO, folder, tmp_path / "out")
        else:
            assert import_cohort(ImportFormat.COCO, folder, tmp_path / "plain-out").rois == 1
