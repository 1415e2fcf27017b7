"""Quality control on pictures whose faults are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from cohort.findings import CobbAngle
from cohort.rejection_codes import LevelCode, RejectionCode
from cohort.spine import TARGET_LEVELS, SpineDetection, VertebraBox, VertebralLevel, View
from cohort.study import Radiograph, SpacingSource
from detect.config import DetectionConfig
from detect.pixel_quality import exposure_of, metal_fractions
from detect.quality_control import (
    ViewQuality,
    check_view,
    too_few,
    warnings_of,
)
from detect.scale import at_body_scale
from detect.segmenter import SegmentedBody

BOXES = tuple(
    VertebraBox(level, 100, 60 + 66 * k, 180, 120 + 66 * k, confidence=0.9) for k, level in enumerate(TARGET_LEVELS)
)
FOUND = SpineDetection(View.AP, BOXES, (400, 300), 2.0)
L1, L2, L3, L4 = TARGET_LEVELS


def checked(
    detection: SpineDetection | None,
    radiograph: Radiograph,
    config: DetectionConfig | None = None,
    min_confidence: float = 0.25,
    bodies: dict[VertebralLevel, SegmentedBody] | None = None,
) -> ViewQuality:
    return check_view(detection, radiograph, bodies or {}, True, config or DetectionConfig(), min_confidence)


def code_of(quality: ViewQuality) -> str | None:
    return None if quality.rejection is None else quality.rejection.code.value


def body_at(box: VertebraBox, loss: float = 0.02, turn_deg: float = 0.0, body: float = 0.99) -> SegmentedBody:
    """An upright or turned rectangle inside a box."""
    x, y, dx, dy = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2, (box.x1 - box.x0) / 2 - 3, (box.y1 - box.y0) / 2 - 6
    turn = np.radians(turn_deg)
    corners = np.array([[-dx, -dy], [dx, -dy], [dx, dy], [-dx, dy]])
    turned = corners @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) + (x, y)
    return SegmentedBody(outline=turned, height_loss=loss, body=body, lateral=0.5, anterior_left=0.9)


def bodies_of(detection: SpineDetection, **changes: float) -> dict[VertebralLevel, SegmentedBody]:
    return {box.level: body_at(box, **changes) for box in detection.boxes}


def picture(metal: str = "", levels: tuple[VertebralLevel, ...] = TARGET_LEVELS) -> Radiograph:
    """Soft tissue at 0.3, bodies at 0.5 with bright thin cortices, and screws, cement or a wire where asked."""
    pixels = np.full((400, 300), 0.3, np.float32)
    for box in BOXES:
        start, end = (int(box.x0), int(box.y0)), (int(box.x1), int(box.y1))
        cv2.rectangle(pixels, start, end, 0.5, -1)
        cv2.rectangle(pixels, start, end, 0.95, 2)
        if metal == "screws" and box.level in levels:
            for x in (118, 162):
                cv2.circle(pixels, (x, (start[1] + end[1]) // 2), 11, 1.0, -1)
        if metal == "wire":
            cv2.line(pixels, (140, start[1]), (140, end[1]), 1.0, 2)
    if metal == "cement":
        cv2.circle(pixels, (140, 156), 24, 1.0, -1)
    pixels = pixels + np.random.default_rng(0).normal(0, 0.02, pixels.shape).astype(np.float32)
    return Radiograph(
        pixels=np.clip(pixels, 0, 1),
        pixel_spacing_mm=(0.5, 0.5),
        spacing_source=SpacingSource.PIXEL_SPACING,
        view=View.AP,
        path=Path("x.dcm"),
    )


def test_metal_costs_the_levels_that_it_hides_and_no_others() -> None:
    quality = checked(FOUND, picture("screws", (L3, L4)))
    assert quality.rejection is None and quality.used == (L1, L2)
    assert {why.code for why in quality.left_out.values()} == {LevelCode.METAL}
    assert "looks like metal or cement" in quality.left_out[L3].reason
    assert checked(FOUND, picture("screws"), DetectionConfig(max_metal_ap=0.9)).used == TARGET_LEVELS
    assert checked(FOUND, picture("cement")).used == (L1, L3, L4)


@pytest.mark.parametrize("metal", ["", "wire"])
def test_cortices_and_wires_are_no_implants(metal: str) -> None:
    assert max(metal_fractions(at_body_scale(picture(metal).pixels, FOUND)).values()) < 0.01
    assert checked(FOUND, picture(metal)) == replace(checked(FOUND, picture(metal)), left_out={}, rejection=None)


def test_bright_bone_with_texture_is_no_implant() -> None:
    radiograph = picture("screws")
    rough = np.random.default_rng(2).normal(0, 0.12, radiograph.pixels.shape).astype(np.float32)
    bright = radiograph.pixels > 0.97
    pixels = np.where(bright, np.clip(0.88 + rough, 0, 1), radiograph.pixels).astype(np.float32)
    plain, textured = (metal_fractions(at_body_scale(shown, FOUND))[L2] for shown in (radiograph.pixels, pixels))
    assert plain > 0.02 and textured < 0.2 * plain


def test_a_lateral_view_is_looked_at_behind_the_bodies_too_and_has_its_own_limit() -> None:
    radiograph = picture()
    pixels = radiograph.pixels.copy()
    cv2.circle(pixels, (215, 150), 13, 1.0, -1)
    lateral, with_rod = replace(FOUND, view=View.LATERAL), replace(radiograph, pixels=pixels)
    assert checked(FOUND, with_rod).used == TARGET_LEVELS
    assert checked(lateral, with_rod).left_out[L2].code is LevelCode.METAL
    assert checked(lateral, with_rod, DetectionConfig(max_metal_lateral=0.3)).used == TARGET_LEVELS


@pytest.mark.parametrize("times", [0.5, 1.0, 4.0, 9.0])
def test_no_measure_depends_on_the_size_of_a_pixel(times: float) -> None:
    plain = picture("cement")
    how = cv2.INTER_AREA if times < 1 else cv2.INTER_CUBIC
    large = cv2.resize(plain.pixels, None, fx=times, fy=times, interpolation=how)
    boxes = tuple(VertebraBox(b.level, *(times * v for v in b.corners), confidence=0.9) for b in BOXES)
    found = replace(FOUND, boxes=boxes, image_shape=large.shape)
    quality = checked(found, replace(plain, pixels=np.clip(large, 0, 1)))
    assert quality.rejection is None and quality.used == (L1, L3, L4)
    share = metal_fractions(at_body_scale(large, found))[L2]
    assert share == pytest.approx(metal_fractions(at_body_scale(plain.pixels, FOUND))[L2], rel=0.35)
    exposure, again = exposure_of(plain, FOUND), exposure_of(replace(plain, pixels=large), found)
    assert again.flat == pytest.approx(exposure.flat, abs=0.01)
    assert again.structure == pytest.approx(exposure.structure, abs=0.15)
    if times > 1:
        assert again.detail == pytest.approx(exposure.detail, abs=0.05), "what was shrunk away is gone"


def test_a_body_cut_by_the_border_is_left_out() -> None:
    first, *others = BOXES
    cut = replace(FOUND, boxes=(replace(first, y0=84.0), *others))
    shifted = replace(cut, boxes=tuple(replace(b, y0=b.y0 - 84, y1=b.y1 - 84) for b in cut.boxes))
    quality = checked(shifted, picture())
    assert quality.rejection is None and quality.used == (L2, L3, L4)
    assert quality.left_out[L1].code is LevelCode.CUT and "cut off by the border" in quality.left_out[L1].reason
    assert checked(cut, picture()).used == TARGET_LEVELS, "low, but not at the border"
    assert checked(shifted, picture(), DetectionConfig(min_cut_height=0.5)).used == TARGET_LEVELS
    last = replace(FOUND, image_shape=(290, 300), boxes=(*BOXES[:3], replace(BOXES[3], y1=290.0)))
    assert checked(last, picture()).used == (L1, L2, L3)
    aside = replace(FOUND, boxes=(*BOXES[:3], replace(BOXES[3], x0=0.0, x1=55.0)))
    assert checked(aside, picture()).left_out[L4].code is LevelCode.CUT, "cut at its side"


def test_a_level_that_was_not_found_is_left_out_and_two_are_enough() -> None:
    fifth = VertebraBox(VertebralLevel.L5, 100, 324, 180, 384, confidence=0.9)
    lacking = replace(FOUND, boxes=(*BOXES[1:], fifth))
    quality = checked(lacking, picture())
    assert quality.used == (L2, L3, L4) and quality.left_out[L1].code is LevelCode.NOT_FOUND
    assert too_few(View.AP, quality.left_out, 2) is None
    refused = too_few(View.AP, quality.left_out, 4)
    assert refused is not None and refused.code is RejectionCode.TOO_FEW_LEVELS
    assert "L2, L3, L4 of L1-L4 can be used, at least 4 expected (L1: no body found" in refused.reason
    doubtful = replace(FOUND, boxes=(replace(BOXES[0], confidence=0.1), *BOXES[1:]))
    assert checked(doubtful, picture()).left_out[L1].code is LevelCode.LOW_CONFIDENCE
    assert checked(doubtful, picture(), DetectionConfig(min_level_confidence=0.05)).used == TARGET_LEVELS


def test_a_naming_with_too_little_margin_is_refused_and_a_readers_is_not() -> None:
    quality = checked(replace(FOUND, labelling_margin=0.4), picture())
    assert code_of(quality) == "ambiguous_levels" and "--shift-levels" in quality.rejection.reason  # type: ignore[union-attr]
    assert checked(replace(FOUND, labelling_margin=float("inf")), picture()).rejection is None
    assert code_of(checked(FOUND, picture(), min_confidence=0.95)) == "low_confidence"
    assert code_of(checked(None, picture())) == "no_spine"


def test_what_is_no_lumbar_film_is_refused_as_such() -> None:
    short = replace(FOUND, boxes=BOXES[1:])
    assert code_of(checked(short, picture())) == "not_lumbar", "three bodies are no lumbar spine"
    fifth = VertebraBox(VertebralLevel.L5, 100, 324, 180, 384, confidence=0.9)
    below = tuple(replace(b, y0=b.y0 + 120, y1=b.y1 + 120) for b in (*BOXES[1:], fifth))
    chest = replace(FOUND, boxes=below, image_shape=(520, 300))
    assert code_of(checked(chest, picture())) == "not_lumbar", "room for T11, T12 and L1 above L2, as in a chest film"
    quality = checked(FOUND, picture(), bodies=bodies_of(FOUND, body=0.2))
    assert code_of(quality) == "not_lumbar" and "probability of 0.20" in quality.rejection.reason  # type: ignore[union-attr]
    assert checked(FOUND, picture(), DetectionConfig(min_body=0.1), bodies=bodies_of(FOUND, body=0.2)).rejection is None


def test_warnings_name_view_and_margin() -> None:
    odd = replace(picture(), view=View.LATERAL, pixel_spacing_mm=(2.0, 2.0))
    curve = CobbAngle(degrees=24, upper=L1, lower=L3)
    found = warnings_of(replace(FOUND, labelling_margin=0.1), odd, curve, DetectionConfig())
    assert any("the file says LATERAL" in w for w in found)
    assert any("little margin (0.10)" in w for w in found)
    assert any("160 mm is implausible" in w for w in found)
    assert any("Cobb angle about 24 degrees" in w for w in found)
    assert not any("Cobb" in w for w in warnings_of(FOUND, odd, curve, DetectionConfig(warn_cobb_deg=30)))


def test_no_boxes_have_no_metal() -> None:
    empty = SpineDetection(View.AP, (VertebraBox(VertebralLevel.L5, 100, 60, 180, 120),), (400, 300))
    assert metal_fractions(at_body_scale(picture("screws").pixels, empty)) == {}


def test_starved_and_clipped_films_are_refused_with_their_measure() -> None:
    good = picture()
    noise = np.random.default_rng(1).normal(0, 0.25, good.pixels.shape).astype(np.float32)
    starved = replace(good, pixels=np.clip(0.5 * good.pixels + 0.25 + noise, 0, 1))
    quality = checked(FOUND, starved)
    assert code_of(quality) == "exposure" and "mostly noise" in quality.rejection.reason  # type: ignore[union-attr]
    grain = cv2.GaussianBlur(noise, (0, 0), 1.5) * 4
    grainy = replace(good, pixels=np.clip(0.5 * good.pixels + 0.25 + grain, 0, 1).astype(np.float32))
    assert checked(FOUND, grainy).rejection is None, "grain of a film hangs together"
    clipped = replace(good, pixels=good.pixels.clip(max=0.45))
    quality = checked(FOUND, clipped)
    assert code_of(quality) == "exposure" and "clipped" in quality.rejection.reason  # type: ignore[union-attr]
    assert checked(FOUND, clipped, DetectionConfig(max_flat=1.0, min_detail=0.0)).rejection is None


def test_a_fracture_is_a_finding_and_costs_its_level() -> None:
    lateral = replace(FOUND, view=View.LATERAL)
    bodies = bodies_of(lateral)
    wedge = np.array([[103.0, 146], [177, 132], [177, 180], [103, 170]])
    bodies[L2] = replace(body_at(BOXES[1], loss=0.5), outline=wedge)
    quality = checked(lateral, picture(), bodies=bodies)
    assert quality.rejection is None and quality.used == (L1, L3, L4)
    assert quality.left_out[L2].code is LevelCode.FRACTURE and "confirmed by a reader" in quality.left_out[L2].reason
    own = quality.vertebrae[L2]
    assert own.suspected and own.genant_grade >= 2 and own.confidence > 0.9
    assert own.heights.anterior < 0.7 * own.heights.posterior
    assert not quality.vertebrae[L3].suspected and quality.vertebrae[L3].genant_grade == 0
    assert checked(lateral, picture(), DetectionConfig(fracture_loss=0.9), bodies=bodies).used == TARGET_LEVELS
    assert checked(FOUND, picture(), bodies=bodies).vertebrae == {}, "an AP view tells no heights"


def curved(degrees: float) -> SpineDetection:
    """L1 to L5 along a line that turns by this many degrees in its middle."""
    x, y, boxes = 140.0, 60.0, []
    for k, level in enumerate([*TARGET_LEVELS, VertebralLevel.L5]):
        boxes.append(VertebraBox(level, x - 40, y - 30, x + 40, y + 30, confidence=0.9))
        turn = np.radians(degrees / 2 if k < 2 else -degrees / 2)
        x, y = x + 64 * np.sin(turn), y + 64 * np.cos(turn)
    return SpineDetection(View.AP, tuple(boxes), (400, 300), 2.0)


def curved_bodies(degrees: float) -> dict[VertebralLevel, SegmentedBody]:
    tilts = np.array([-1, -1, 0, 1, 1]) * degrees / 2
    return {b.level: body_at(b, turn_deg=t) for b, t in zip(curved(degrees).boxes, tilts, strict=True)}


def test_a_curve_is_measured_in_degrees_and_refuses_an_ap_view_alone() -> None:
    quality = checked(curved(50), picture(), bodies=curved_bodies(50))
    assert code_of(quality) == "scoliosis" and "Cobb angle 50 degrees from L" in quality.rejection.reason  # type: ignore[union-attr]
    mild = checked(curved(30), picture(), bodies=curved_bodies(30))
    assert mild.rejection is None and mild.cobb is not None and mild.cobb.degrees == pytest.approx(30, abs=1)
    strict = DetectionConfig(max_cobb_deg=25)
    assert code_of(checked(curved(30), picture(), strict, bodies=curved_bodies(30))) == "scoliosis"
    assert checked(replace(curved(50), view=View.LATERAL), picture(), bodies=curved_bodies(50)).cobb is None
    assert checked(curved(50), picture()).cobb is None, "without outlines nothing is measured"
