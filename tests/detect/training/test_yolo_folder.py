"""Augmentation, labels and the letterbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from cohort.io.annotations import Rois, read_rois
from cohort.io.folder import index_cohort
from cohort.roi_rule import roi_boxes
from cohort.spine import VertebraBox, VertebralLevel, View
from cohort.study import Study
from detect.config import CLASSES
from detect.preprocess import detector_input
from detect.training.augment import _warped, augment, move_boxes
from detect.training.config import DetectorTraining
from detect.training.yolo_folder import (
    MADE_FROM,
    LabelledStudies,
    _agreeing,
    _labels_after,
    label_lines,
    write_yolo_folder,
)
from osteolens.errors import ReadError
from tests import EXAMPLES


def test_the_letterbox_and_its_matrix_agree() -> None:
    image = np.zeros((300, 120), np.float32)
    image[100:160, 30:70] = 1
    small, matrix = detector_input(image, 150)
    (box,) = move_boxes(np.array([[30.0, 100, 70, 160]]), matrix)
    bright = np.argwhere(small > 127)
    assert bright.min(0) == pytest.approx([box[1], box[0]], abs=1)
    assert bright.max(0) + 1 == pytest.approx([box[3], box[2]], abs=1)


def test_a_flat_image_does_not_divide_by_zero() -> None:
    assert detector_input(np.full((50, 50), 0.5, np.float32), 64)[0].max() == 0


def test_boxes_follow_their_bodies_through_augmentation() -> None:
    image = np.full((400, 240), 0.1, np.float32)
    image[150:200, 100:150] = 0.95
    boxes = np.array([[100.0, 150, 150, 200]])
    hits = 0
    for seed in range(40):
        out, matrix = augment(image, boxes, 256, np.random.default_rng(seed))
        x0, y0, x1, y1 = np.clip(move_boxes(boxes, matrix)[0], 0, 256).astype(int)
        if x1 - x0 < 8 or y1 - y0 < 8:
            continue
        inside = out[y0 + 3 : y1 - 3, x0 + 3 : x1 - 3].astype(float)
        ring = out[max(y0 - 8, 0) : y1 + 8, max(x0 - 8, 0) : x1 + 8].astype(float)
        hits += abs(inside.mean() - ring.mean()) > 5
    assert hits >= 30


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("scale", [0.3, 1.0, 1.7])
def test_warped_pixels_lie_where_boxes_say(scale: float, flipped: bool) -> None:
    image = np.zeros((300, 300), np.float32)
    image[100:200, 90:150] = 1
    matrix = np.array([[scale, 0.0, 20.0], [0.0, scale, 7.0]])
    if flipped:
        matrix[0] = (-scale, 0, 540)
    out = _warped(image, matrix, 560, 0.0)
    (box,) = move_boxes(np.array([[90.0, 100, 150, 200]]), matrix)
    shares = out.sum(0) / out.sum(0).max(), out.sum(1) / out.sum(1).max()
    found = [np.average(np.arange(560) + 0.5, weights=share) for share in shares]
    assert found == pytest.approx([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2], abs=0.05)
    assert shares[0].sum() == pytest.approx(box[2] - box[0], abs=0.1)


def test_labels_of_a_turned_body_follow_the_rule() -> None:
    levels = (VertebralLevel.L1, VertebralLevel.L2, VertebralLevel.L3)
    flat = np.array([[0.0, 0], [100, 0], [100, 40], [0, 40]])
    outlines = {level: flat + np.array((0, 50 * k)) for k, level in enumerate(levels)}
    boxes = roi_boxes(outlines, None)
    turn = np.radians(10)
    matrix = np.array([[np.cos(turn), -np.sin(turn), 0.0], [np.sin(turn), np.cos(turn), 0.0]])
    _, (x0, y0, x1, y1), _ = _labels_after(boxes, outlines, matrix, None)
    assert y1 - y0 >= 100 * np.sin(turn) + 40 * np.cos(turn)
    assert x1 - x0 == pytest.approx((100 * np.cos(turn) + 40 * np.sin(turn)) * 1.044, rel=1e-6)
    np.testing.assert_allclose(_labels_after(boxes, {}, matrix, None), move_boxes(_corners(boxes), matrix))
    still = _labels_after(boxes, outlines, np.eye(3)[:2], None)
    np.testing.assert_allclose(still, _corners(boxes))


def test_a_corrected_box_counts_before_the_outline_of_its_body(caplog: pytest.LogCaptureFixture) -> None:
    levels = (VertebralLevel.L1, VertebralLevel.L2, VertebralLevel.L3)
    flat = np.array([[0.0, 0], [100, 0], [100, 40], [0, 40]])
    outlines = {level: flat + np.array((0, 50 * k)) for k, level in enumerate(levels)}
    boxes = roi_boxes(outlines, None)
    rounded = [replace(box, x0=round(box.x0), y0=round(box.y0)) for box in boxes]
    assert _agreeing(rounded, outlines, None) is outlines and not caplog.text
    corrected = [boxes[0], replace(boxes[1], y0=boxes[1].y0 - 6), boxes[2]]
    assert _agreeing(corrected, outlines, None) == {}
    assert "boxes of L2 lie elsewhere than their outlines put them; the boxes count" in caplog.text


def _corners(boxes: Sequence[VertebraBox]) -> npt.NDArray[np.float64]:
    return np.array([box.corners for box in boxes])


def test_augmentation_repeats_with_its_seed() -> None:
    image = np.random.default_rng(0).random((100, 80)).astype(np.float32)
    boxes = np.array([[20.0, 30, 50, 60]])
    first, second = (augment(image, boxes, 64, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    assert not np.array_equal(first[0], augment(image, boxes, 64, np.random.default_rng(6))[0])


def test_labels_carry_view_and_level_and_drop_what_is_cut_off() -> None:
    boxes = [VertebraBox(VertebralLevel.L1, 0, 0, 1, 1), VertebraBox(VertebralLevel.L2, 0, 0, 1, 1)]
    corners = np.array([[10.0, 10, 30, 30], [90, 90, 130, 130]])
    (line,) = label_lines(boxes, corners, View.LATERAL, 100)
    cells = line.split()
    assert CLASSES[int(cells[0])] == (View.LATERAL, VertebralLevel.L1)
    assert [float(c) for c in cells[1:]] == pytest.approx([0.2, 0.2, 0.2, 0.2])


def moved(rois: Rois, by: float) -> Rois:
    return {key: tuple(replace(box, x0=box.x0 + by, x1=box.x1 + by) for box in boxes) for key, boxes in rois.items()}


def names(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in sorted(folder.rglob("labels/*/*.txt"))}


def test_rendered_images_follow_the_split_and_the_boxes(tmp_path: Path) -> None:
    studies, rois = index_cohort(EXAMPLES).studies, read_rois(EXAMPLES / "rois.csv")
    config = DetectorTraining(image_px=320, renders=1)

    def render(training: Sequence[Study], validation: Sequence[Study], boxes: Rois, seed: int) -> None:
        labelled = LabelledStudies(training=training, validation=validation, rois=boxes, outlines={})
        write_yolo_folder(labelled, tmp_path, config, seed)

    render(studies[:2], studies[2:3], rois, 0)
    first = names(tmp_path)
    kept = next((tmp_path / "images" / "val").iterdir())
    kept.write_bytes(b"kept")
    render(studies[:2], studies[2:3], rois, 0)
    assert kept.read_bytes() == b"kept", "the same inputs keep the rendered images"
    render(studies[1:3], studies[:1], rois, 0)
    training = {path.name.split("_")[0] for path in (tmp_path / "images" / "train").iterdir()}
    assert training == {study.study_uid for study in studies[1:3]}, "no validation patient stays in training"
    render(studies[:2], studies[2:3], moved(rois, 9), 0)
    corrected = names(tmp_path)
    assert corrected.keys() == first.keys() and corrected != first, "corrected boxes are taken up"
    render(studies[:2], studies[2:3], rois, 1)
    assert names(tmp_path) != first, "another seed renders anew"
    assert len((tmp_path / MADE_FROM).read_text("ascii").strip()) == 64


def test_training_images_without_boxes_are_explained(tmp_path: Path) -> None:
    studies = index_cohort(EXAMPLES).studies
    labelled = LabelledStudies(training=studies, validation=(), rois={}, outlines={})
    with pytest.raises(
        ReadError, match=rf"none of 6 training studies has ROIs \(the first is {studies[0].study_uid}\)"
    ):
        write_yolo_folder(labelled, tmp_path, DetectorTraining(), 0)


def test_labels_of_a_plain_image_follow_the_spacing_of_the_table(tmp_path: Path) -> None:
    film = tmp_path / "AP.png"
    shape = (400, 300)
    cv2.imwrite(str(film), np.random.default_rng(0).integers(0, 255, shape, np.uint8))
    levels = (VertebralLevel.L1, VertebralLevel.L2, VertebralLevel.L3)
    flat = np.array([[100.0, 40], [180, 40], [180, 90], [100, 90]])
    outlines = {level: flat + np.array((0, 60 * k)) for k, level in enumerate(levels)}
    boxes = tuple(roi_boxes(outlines, None))
    found = []
    for spacing_mm in (None, 0.2):
        study = Study(study_uid="1", patient_id="P", ap=film, plain_spacing_mm=spacing_mm)
        key = ("1", View.AP)
        labelled = LabelledStudies(training=[study], validation=[], rois={key: boxes}, outlines={key: outlines})
        write_yolo_folder(labelled, tmp_path / "out", DetectorTraining(image_px=128, renders=1), 0)
        found.append(names(tmp_path / "out"))
    assert found[0].keys() == found[1].keys() and found[0] != found[1], "2 mm are not the margin of an unknown spacing"
