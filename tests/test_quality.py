"""The quality gate on pictures whose faults are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from cohort.spine import TARGET_LEVELS, SpineDetection, VertebraBox, VertebralLevel, View
from cohort.study import Radiograph, SpacingSource, Study
from detect.config import DetectConfig
from detect.quality import curve_deg, exposure_measures, metal_share, refusal_of, warnings_of

BOXES = tuple(VertebraBox(level, 100, 60 + 66 * k, 180, 120 + 66 * k, 0.9) for k, level in enumerate(TARGET_LEVELS))
FOUND = SpineDetection(View.AP, BOXES, (400, 300), 2.0)


def picture(metal: str = "") -> Radiograph:
    """Soft tissue at 0.3, bodies at 0.5 with bright thin cortices, and screws, cement or a wire where asked."""
    pixels = np.full((400, 300), 0.3, np.float32)
    for box in BOXES:
        start, end = (int(box.x0), int(box.y0)), (int(box.x1), int(box.y1))
        cv2.rectangle(pixels, start, end, 0.5, -1)
        cv2.rectangle(pixels, start, end, 0.95, 2)
        if metal == "screws":
            for x in (118, 162):
                cv2.circle(pixels, (x, (start[1] + end[1]) // 2), 11, 1.0, -1)
        if metal == "wire":
            cv2.line(pixels, (140, start[1]), (140, end[1]), 1.0, 2)
    if metal == "cement":
        cv2.circle(pixels, (140, 156), 24, 1.0, -1)
    pixels = pixels + np.random.default_rng(0).normal(0, 0.01, pixels.shape).astype(np.float32)
    return Radiograph(np.clip(pixels, 0, 1), (0.5, 0.5), SpacingSource.PIXEL_SPACING, View.AP, Path("x.dcm"))


@pytest.mark.parametrize("metal", ["screws", "cement"])
def test_implants_are_refused_with_their_share(metal: str) -> None:
    reason = refusal_of(FOUND, picture(metal), DetectConfig(), 0.25)
    assert reason is not None and reason[0] == "implant" and "looks like metal or cement" in reason[1]
    assert refusal_of(FOUND, picture(metal), DetectConfig(max_metal_ap=0.5), 0.25) is None


@pytest.mark.parametrize("metal", ["", "wire"])
def test_cortices_and_wires_are_no_implants(metal: str) -> None:
    assert metal_share(picture(metal).pixels, FOUND) < 0.01
    assert refusal_of(FOUND, picture(metal), DetectConfig(), 0.25) is None


def test_bright_bone_with_texture_is_no_implant() -> None:
    radiograph = picture("screws")
    rough = np.random.default_rng(2).normal(0, 0.12, radiograph.pixels.shape).astype(np.float32)
    bright = radiograph.pixels > 0.97
    pixels = np.where(bright, np.clip(0.88 + rough, 0, 1), radiograph.pixels).astype(np.float32)
    assert metal_share(radiograph.pixels, FOUND) > 0.02
    assert metal_share(pixels, FOUND) < 0.2 * metal_share(radiograph.pixels, FOUND)


def test_a_lateral_column_reaches_behind_the_bodies_and_has_its_own_limit() -> None:
    radiograph = picture()
    pixels = radiograph.pixels.copy()
    cv2.circle(pixels, (215, 150), 13, 1.0, -1)
    lateral = replace(FOUND, view=View.LATERAL)
    assert metal_share(pixels, FOUND) < metal_share(pixels, lateral)
    reason = refusal_of(lateral, replace(radiograph, pixels=pixels), DetectConfig(), 0.25)
    assert reason is not None and reason[0] == "implant"
    assert refusal_of(lateral, replace(radiograph, pixels=pixels), DetectConfig(max_metal_lateral=0.2), 0.25) is None


def test_a_body_cut_by_the_border_is_missing() -> None:
    first, *others = BOXES
    cut = replace(FOUND, boxes=(replace(first, y0=84.0), *others))
    shifted = replace(cut, boxes=tuple(replace(b, y0=b.y0 - 84, y1=b.y1 - 84) for b in cut.boxes))
    reason = refusal_of(shifted, picture(), DetectConfig(), 0.25)
    assert reason is not None and reason[0] == "missing_level" and "L1 is cut off by the border" in reason[1]
    assert refusal_of(cut, picture(), DetectConfig(), 0.25) is None, "low, but not at the border"
    assert refusal_of(shifted, picture(), DetectConfig(min_cut_height=0.5), 0.25) is None
    last = replace(FOUND, image_shape=(290, 300), boxes=(*BOXES[:3], replace(BOXES[3], y1=290.0)))
    reason = refusal_of(last, picture(), DetectConfig(), 0.25)
    assert reason is not None and "L4 is cut off" in reason[1]


def test_a_naming_with_too_little_margin_is_refused_and_a_readers_is_not() -> None:
    doubtful = replace(FOUND, naming_margin=0.4)
    reason = refusal_of(doubtful, picture(), DetectConfig(), 0.25)
    assert reason is not None and reason[0] == "doubtful_levels" and "--shift-levels" in reason[1]
    assert refusal_of(replace(FOUND, naming_margin=float("inf")), picture(), DetectConfig(), 0.25) is None


def test_missing_levels_and_low_confidence_come_first() -> None:
    lacking = replace(FOUND, boxes=BOXES[1:])
    reason = refusal_of(lacking, picture("screws"), DetectConfig(), 0.25)
    assert reason is not None and reason[0] == "missing_level" and "L1" in reason[1]
    reason = refusal_of(FOUND, picture(), DetectConfig(), 0.95)
    assert reason is not None and reason[0] == "low_confidence"
    reason = refusal_of(None, picture(), DetectConfig(), 0.25)
    assert reason is not None and reason[0] == "no_spine"


def test_warnings_name_view_margin_and_spacing() -> None:
    odd = replace(picture(), view=View.LATERAL, pixel_spacing_mm=(2.0, 2.0))
    found = warnings_of(replace(FOUND, naming_margin=0.1), odd, DetectConfig())
    assert any("the file says LATERAL" in w for w in found)
    assert any("little margin (0.10)" in w for w in found)
    assert any("160 mm is implausible" in w for w in found)
    unknown = replace(picture(), pixel_spacing_mm=None, spacing_source=SpacingSource.NONE)
    assert any("no pixel spacing" in w for w in warnings_of(FOUND, unknown, DetectConfig()))


def test_one_view_with_metal_refuses_the_study(monkeypatch: pytest.MonkeyPatch) -> None:
    from cohort.index import index_cohort
    from pipeline.screen import Screener, read_study
    from pipeline.weights import load_weights

    examples = Path(__file__).parent.parent / "examples"
    study: Study = index_cohort(examples).studies[0]
    seen = []

    def only_ap(_: object, detection: SpineDetection) -> float:
        seen.append(detection.view)
        return 0.5 if detection.view is View.AP else 0.0

    monkeypatch.setattr("detect.quality.metal_share", only_ap)
    prediction = Screener(load_weights()).screen(read_study(study)).prediction
    assert set(seen) == set(View)
    assert prediction.bmd_class is None and prediction.refusal is not None and prediction.refusal.code == "implant"


def test_no_boxes_have_no_metal() -> None:
    empty = SpineDetection(View.AP, (VertebraBox(VertebralLevel.L5, 1, 1, 9, 9),), (400, 300))
    assert metal_share(picture("screws").pixels, empty) == 0.0


def test_starved_and_clipped_films_are_refused_with_their_measure() -> None:
    good = picture()
    assert refusal_of(FOUND, good, DetectConfig(), 0.25) is None
    noise = np.random.default_rng(1).normal(0, 0.25, good.pixels.shape).astype(np.float32)
    starved = replace(good, pixels=np.clip(0.5 * good.pixels + 0.25 + noise, 0, 1))
    reason = refusal_of(FOUND, starved, DetectConfig(), 0.25)
    assert reason is not None and reason[0] == "exposure" and "mostly noise" in reason[1]
    clipped = replace(good, pixels=good.pixels.clip(max=0.45))
    reason = refusal_of(FOUND, clipped, DetectConfig(), 0.25)
    assert reason is not None and reason[0] == "exposure" and "clipped" in reason[1]
    assert refusal_of(FOUND, clipped, DetectConfig(max_flat=1.0, min_detail=0.0), 0.25) is None


def test_exposure_does_not_depend_on_the_size_of_a_pixel() -> None:
    fine = cv2.resize(picture().pixels, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    boxes = tuple(VertebraBox(b.level, *(3 * v for v in b.corners)) for b in BOXES)
    detail, flat = exposure_measures(picture().pixels, FOUND)
    again = exposure_measures(fine, SpineDetection(View.AP, boxes, fine.shape))
    assert again == pytest.approx((detail, flat), abs=0.05)


def test_a_fracture_is_refused_by_its_loss_of_height() -> None:
    boxes = tuple(replace(box, height_loss=0.3 if k == 1 else 0.02) for k, box in enumerate(BOXES))
    hurt = replace(FOUND, view=View.LATERAL, boxes=boxes)
    reason = refusal_of(hurt, picture(), DetectConfig(max_height_loss=0.2), 0.25)
    assert reason is not None and reason[0] == "compression_fracture" and "L2 seems to have lost 30 %" in reason[1]
    assert refusal_of(hurt, picture(), DetectConfig(max_height_loss=0.35), 0.25) is None


def curved(degrees: float) -> SpineDetection:
    """L1 to L5 along a line that turns by this many degrees in its middle."""
    x, y, boxes = 140.0, 60.0, []
    for k, level in enumerate([*TARGET_LEVELS, VertebralLevel.L5]):
        boxes.append(VertebraBox(level, x - 40, y - 30, x + 40, y + 30, 0.9))
        turn = np.radians(degrees / 2 if k < 2 else -degrees / 2)
        x, y = x + 64 * np.sin(turn), y + 64 * np.cos(turn)
    return SpineDetection(View.AP, tuple(boxes), (400, 300), 2.0)


def test_a_curve_is_measured_and_refuses_an_ap_view_alone() -> None:
    assert curve_deg(curved(24)) == pytest.approx(24) and curve_deg(curved(0)) == 0
    assert curve_deg(replace(FOUND, boxes=BOXES[:2])) == 0
    reason = refusal_of(curved(24), picture(), DetectConfig(), 0.25)
    assert reason is not None and reason[0] == "scoliosis" and "24 degrees" in reason[1]
    assert refusal_of(curved(10), picture(), DetectConfig(), 0.25) is None
    lateral = refusal_of(replace(curved(24), view=View.LATERAL), picture(), DetectConfig(), 0.25)
    assert lateral is None
