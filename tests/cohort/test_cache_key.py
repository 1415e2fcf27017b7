"""Caches of training carry a digest of what made them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from classify.config import PreprocessSpec
from classify.training.crops import build_crops
from cohort.io.annotations import Rois, read_rois
from cohort.io.folder import index_cohort
from cohort.study import Study
from detect.training.body_crops import build_store
from detect.training.config import DetectorTraining, SegmenterTraining
from detect.training.yolo_folder import MADE_FROM, write_yolo_folder
from tests import EXAMPLES


def cohort() -> tuple[tuple[Study, ...], Rois]:
    return index_cohort(EXAMPLES).studies, read_rois(EXAMPLES / "rois.csv")


def moved(rois: Rois, by: float) -> Rois:
    return {key: tuple(replace(box, x0=box.x0 + by, x1=box.x1 + by) for box in boxes) for key, boxes in rois.items()}


def names(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in sorted(folder.rglob("labels/*/*.txt"))}


def test_rendered_images_follow_the_split_and_the_boxes(tmp_path: Path) -> None:
    studies, rois = cohort()
    config = DetectorTraining(image_px=320, renders=1)
    write_yolo_folder(studies[:2], studies[2:3], rois, {}, tmp_path, config, 0)
    first = names(tmp_path)
    kept = next((tmp_path / "images" / "val").iterdir())
    kept.write_bytes(b"kept")
    write_yolo_folder(studies[:2], studies[2:3], rois, {}, tmp_path, config, 0)
    assert kept.read_bytes() == b"kept", "the same inputs keep the rendered images"
    write_yolo_folder(studies[1:3], studies[:1], rois, {}, tmp_path, config, 0)
    training = {path.name.split("_")[0] for path in (tmp_path / "images" / "train").iterdir()}
    assert training == {study.study_uid for study in studies[1:3]}, "no validation patient stays in training"
    write_yolo_folder(studies[:2], studies[2:3], moved(rois, 9), {}, tmp_path, config, 0)
    corrected = names(tmp_path)
    assert corrected.keys() == first.keys() and corrected != first, "corrected boxes are taken up"
    write_yolo_folder(studies[:2], studies[2:3], rois, {}, tmp_path, config, 1)
    assert names(tmp_path) != first, "another seed renders anew"
    assert len((tmp_path / MADE_FROM).read_text("ascii").strip()) == 64


def test_crops_follow_boxes_images_and_seed(tmp_path: Path) -> None:
    source, spec = tmp_path / "cohort", PreprocessSpec(size_px=64)
    shutil.copytree(EXAMPLES, source, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    studies, rois = index_cohort(source).studies, read_rois(source / "rois.csv")

    def crops(boxes: Rois, seed: int) -> np.ndarray:
        return np.array(build_crops(studies, boxes, spec, tmp_path / "cache", 2, seed).images)

    first = crops(rois, 0)
    assert not np.array_equal(crops(moved(rois, 9), 0), first) and not np.array_equal(crops(rois, 1), first)
    np.testing.assert_array_equal(crops(rois, 0), first)
    one, other = studies[0].ap, studies[1].ap
    assert one is not None and other is not None
    shutil.copy(other, one)
    assert not np.array_equal(crops(rois, 0), first), "another image under the same name"


def test_bodies_follow_outlines_and_seed(tmp_path: Path) -> None:
    studies, rois = cohort()
    outlines = {
        key: {
            box.level: np.array([[box.x0, box.y0], [box.x1, box.y0], [box.x1, box.y1], [box.x0, box.y1]])
            for box in boxes
        }
        for key, boxes in rois.items()
    }
    config = SegmenterTraining(bodies_an_image=2)
    first = np.array(build_store(studies, outlines, tmp_path / "crops.npy", config, 0).planes)
    again = np.array(build_store(studies, outlines, tmp_path / "crops.npy", config, 0).planes)
    np.testing.assert_array_equal(first, again)
    wider = {key: {level: p * 1.05 for level, p in own.items()} for key, own in outlines.items()}
    other = np.array(build_store(studies, wider, tmp_path / "crops.npy", config, 0).planes)
    assert other.shape != first.shape or not np.array_equal(other, first)
