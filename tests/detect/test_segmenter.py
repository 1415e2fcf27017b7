"""Masks inside the boxes: geometry on made-up bodies, and the training's real path."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from cli.main import app
from cohort.io.annotations import read_outlines, read_rois
from cohort.io.folder import index_cohort
from cohort.spine import SpineDetection, VertebraBox, VertebralLevel, View, iou
from detect.scale import BodyScale, at_body_scale
from detect.segmenter import (
    BodySegmenter,
    SegmentedBody,
    crop_image,
    crop_matrix,
    mask_outline,
    refine_boxes,
)
from osteolens.errors import ReadError, WeightsError
from pipeline.bundle.load import Bundle
from pipeline.screening.radiograph_reader import read_study
from pipeline.screening.screener import Screener
from tests import EXAMPLES

BOX = VertebraBox(VertebralLevel.L3, 100.0, 200.0, 160.0, 250.0)


def seen(outline: np.ndarray | None, height_loss: float = 0.05, **changes: float) -> SegmentedBody:
    kinds = {"body": 0.99, "lateral": 0.9, "anterior_left": 0.9, **changes}
    return SegmentedBody(outline=outline, height_loss=height_loss, **kinds)


def body() -> np.ndarray:
    """Outline of a body of 60 x 40 px round (130, 225)."""
    x = np.linspace(100, 160, 61)
    return np.concatenate((np.c_[x, np.full(61, 205.0)], np.c_[x[::-1], np.full(61, 245.0)]))


def test_a_crop_holds_its_box_in_the_middle() -> None:
    matrix = crop_matrix(BOX)
    corners = np.array([[100.0, 200], [160, 250]]) @ matrix[:, :2].T + matrix[:, 2]
    assert corners.mean(0) == pytest.approx((64, 64))
    assert corners[1, 0] - corners[0, 0] == pytest.approx(128 / 1.45)


def test_a_mask_gives_back_its_outline() -> None:
    matrix = crop_matrix(BOX)
    polygon = body() @ matrix[:, :2].T + matrix[:, 2]
    mask = np.zeros((128, 128), np.uint8)
    cv2.fillPoly(mask, [np.round(polygon).astype(np.int32)], 1)
    cv2.circle(mask, (6, 6), 4, 1, -1)
    found = mask_outline(mask.astype(np.float32), matrix)
    assert found is not None
    assert np.abs(found.min(0) - body().min(0)).max() < 1 and np.abs(found.max(0) - body().max(0)).max() < 1
    assert mask_outline(np.zeros((128, 128), np.float32), matrix) is None


def test_a_crop_is_stretched_to_its_own_contrast() -> None:
    pixels = np.full((400, 300), 0.4, np.float32)
    pixels[200:250, 100:160] = 0.5
    crop = crop_image(pixels, crop_matrix(BOX))
    assert crop.shape == (128, 128) and crop.min() == 0 and crop.max() == 1


def test_boxes_move_to_the_rule_and_keep_name_and_confidence() -> None:
    upper = replace(BOX, level=VertebralLevel.L2, y0=140.0, y1=190.0)
    detection = SpineDetection(View.AP, (upper, replace(BOX, confidence=0.7)), (400, 300))
    bodies = {VertebralLevel.L2: seen(body() - (0, 60), 0.1), VertebralLevel.L3: seen(body(), 0.3)}
    moved = refine_boxes(detection, bodies, (0.5, 0.5))
    third = moved.boxes[1]
    assert third.confidence == 0.7 and third.level is VertebralLevel.L3
    assert (third.x0, third.x1) == pytest.approx((99, 161)), "half way to 1 mm, 2 px, beyond the body"
    assert third.y0 == pytest.approx((200 + 195) / 2, abs=0.5), "half way to the middle of the disc"
    alone = refine_boxes(detection, {VertebralLevel.L3: seen(body(), 0.3)}, None)
    assert alone == detection, "one outline has no neighbour and moves nothing"
    cut = refine_boxes(replace(detection, image_shape=(400, 150)), bodies, None)
    assert cut.boxes[1].x1 == 150
    elsewhere = {
        level: seen(body() + 40 - (0, up), 0.0) for level, up in ((VertebralLevel.L2, 60), (VertebralLevel.L3, 0))
    }
    assert refine_boxes(detection, elsewhere, None) == detection, "a mask far from its box is not used"
    context = replace(upper, level=VertebralLevel.T12), replace(BOX, level=VertebralLevel.L1)
    above = {VertebralLevel.T12: bodies[VertebralLevel.L2], VertebralLevel.L1: bodies[VertebralLevel.L3]}
    assert refine_boxes(replace(detection, boxes=context), above, None).boxes[0] == context[0], "neighbours stay"
    assert [box.height_loss for box in moved.boxes] == [None, None], "an AP view tells no loss of height"
    lateral = refine_boxes(replace(detection, view=View.LATERAL), bodies, None)
    assert [box.height_loss for box in lateral.boxes] == [0.1, 0.3]
    blind = {level: seen(None, own.height_loss) for level, own in bodies.items()}
    assert refine_boxes(detection, blind, None) == detection


def test_a_file_that_is_no_segmenter_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="cannot be loaded"):
        BodySegmenter(tmp_path / "x.onnx")
    with pytest.raises(WeightsError, match="expected n x 1 x 128 x 128"):
        BodySegmenter(bundle.detector)


def test_a_body_seen_both_ways_is_the_same_in_a_mirror(bundle: Bundle) -> None:
    assert bundle.segmenter is not None
    segmenter = BodySegmenter(bundle.segmenter)
    study = index_cohort(EXAMPLES).studies[0]
    radiograph = read_study(study).radiographs[1]
    boxes = read_rois(EXAMPLES / "rois.csv")[study.study_uid, View.LATERAL]
    wide = float(radiograph.pixels.shape[1])
    turned = tuple(replace(b, x0=wide - b.x1, x1=wide - b.x0) for b in boxes)
    found = []
    for pixels, own in ((radiograph.pixels, boxes), (np.ascontiguousarray(radiograph.pixels[:, ::-1]), turned)):
        scaled = at_body_scale(pixels, SpineDetection(View.LATERAL, own, pixels.shape))
        found.append(segmenter.segment(scaled)[VertebralLevel.L3])
    one, other = found
    assert one.anterior_left > 0.5 > other.anterior_left and one.lateral > 0.5 and one.body > 0.5
    assert one.height_loss == pytest.approx(other.height_loss, abs=0.02)
    assert one.outline is not None and other.outline is not None
    assert one.outline[:, 0].min() == pytest.approx(wide - other.outline[:, 0].max(), abs=1.0)


def with_outlines(tmp_path: Path) -> Path:
    """The examples with every box's inner part as an outline."""
    folder = tmp_path / "cohort"
    shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns("__pycache__", "*.py", "annotations.json"))
    studies = {s.study_uid: s for s in index_cohort(folder).studies}
    names = [str(level) for level in VertebralLevel]
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for (uid, view), boxes in read_rois(folder / "rois.csv").items():
        path = studies[uid].ap if view is View.AP else studies[uid].lateral
        assert path is not None
        images.append({"id": len(images), "file_name": str(path.relative_to(folder))})
        for box in boxes:
            x0, y0, x1, y1 = box.x0 + 3, box.y0 + 8, box.x1 - 3, box.y1 - 8
            polygon = [x0, y0, x1, y0, x1, y1, x0, y1]
            row = {"image_id": len(images) - 1, "category_id": names.index(str(box.level)), "segmentation": [polygon]}
            annotations.append(row)
    categories = [{"id": k, "name": name} for k, name in enumerate(names)]
    document = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(document))
    return folder


def test_outlines_are_read_by_study_view_and_level(tmp_path: Path) -> None:
    folder = with_outlines(tmp_path)
    studies = index_cohort(folder).studies
    outlines = read_outlines(folder / "annotations.json", studies)
    box = next(b for b in read_rois(folder / "rois.csv")[studies[0].study_uid, View.AP] if b.level.value == "L2")
    points = outlines[studies[0].study_uid, View.AP][VertebralLevel.L2]
    assert points.min(0) == pytest.approx((box.x0 + 3, box.y0 + 8))
    (folder / "annotations.json").write_text("{}")
    with pytest.raises(ReadError, match="no COCO document"):
        read_outlines(folder / "annotations.json", studies)


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.filterwarnings("ignore")
def test_a_segmenter_trains_loads_and_refines(bundle: Bundle, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    folder = with_outlines(tmp_path)
    command = ["train", "segmenter", str(folder), "--out", str(tmp_path / "s"), "--set", "batch=4"]
    command += ["--set", "validation_fraction=0.3", "--set", "bodies_an_image=2", "--set", "epochs=2"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    metrics = json.loads((tmp_path / "s" / "metrics.json").read_text("utf-8"))
    assert 0 <= metrics["validation"]["dice"] <= 1 and len(metrics["history"]) == 2
    trained = replace(bundle, segmenter=tmp_path / "s" / "segmenter.onnx")
    study = read_study(index_cohort(folder).studies[0])
    prediction = Screener(trained).screen_loaded(study).prediction
    assert set(prediction.views) == set(View)
    (folder / "annotations.json").unlink()
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1 and "none of 1 studies to train on has outlines in annotations.json" in done.stderr


def test_refinement_can_be_switched_off(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.screening.config import ScreeningConfig

    calls = []

    class Fake:
        def __init__(self, *_: object) -> None: ...

        def segment(self, scaled: BodyScale, *_: object, **__: object) -> dict[VertebralLevel, SegmentedBody]:
            detection = scaled.detection
            calls.append(detection.view)
            inner = {}
            for b in detection.boxes:
                corners = [[b.x0 + 9, b.y0 + 9], [b.x1 - 9, b.y0 + 9], [b.x1 - 9, b.y1 - 9], [b.x0 + 9, b.y1 - 9]]
                lateral = float(detection.view is View.LATERAL)
                inner[b.level] = seen(scaled.to_radiograph(np.array(corners)), lateral=lateral)
            return inner

    monkeypatch.setattr("pipeline.screening.screener.BodySegmenter", Fake)
    faked = replace(bundle, segmenter=Path("fake.onnx"))
    study = read_study(index_cohort(EXAMPLES).studies[0])
    plain = Screener(faked, ScreeningConfig(refine=False)).screen_loaded(study).prediction
    moved = Screener(faked, ScreeningConfig(refine=True)).screen_loaded(study).prediction
    assert set(calls) == set(View)
    before, after = (p.views[View.AP].detection.box(VertebralLevel.L2) for p in (plain, moved))
    assert before is not None and after is not None
    assert after.x0 > before.x0 and 0.5 < iou(before.corners, after.corners) < 1
