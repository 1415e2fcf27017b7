"""Crop, preprocessing and covariates."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from classify.config import PreprocessSpec
from classify.covariates import encode, implausible
from classify.crop import crop_corners, roi_corners
from classify.preprocess import normalise, preprocess_crop
from cohort.covariates import Covariates, Sex
from cohort.spine import TARGET_LEVELS, SpineDetection, VertebraBox, VertebralLevel, View
from osteolens.errors import StudyError


def detection(*levels: VertebralLevel, shape: tuple[int, int] = (400, 200)) -> SpineDetection:
    boxes = tuple(VertebraBox(level, 60.5, 50 + 60 * k, 120.2, 110 + 60 * k) for k, level in enumerate(levels))
    return SpineDetection(View.AP, boxes, shape)


def test_the_crop_is_the_union_of_l1_to_l4_alone() -> None:
    with_context = detection(*TARGET_LEVELS, VertebralLevel.L5)
    assert crop_corners((400, 200), with_context) == (60.5, 50, 120.2, 290)


def test_a_missing_level_is_named() -> None:
    with pytest.raises(StudyError, match="no box for L2"):
        crop_corners((400, 200), detection(VertebralLevel.L1, *TARGET_LEVELS[2:]))


def test_boxes_outside_the_image_are_refused() -> None:
    with pytest.raises(StudyError, match="expected 8 at least"):
        crop_corners((40, 40), detection(*TARGET_LEVELS))


def test_the_letterbox_keeps_proportions_and_fills_with_grey() -> None:
    spec = PreprocessSpec(size_px=128)
    out = preprocess_crop(np.random.default_rng(0).random((200, 50), np.float32), spec)
    assert out.shape == (128, 128)
    assert (out[:, :48] == 128).all() and (out[:, 80:] == 128).all()
    assert out[:, 48:80].std() > 40


def test_equalisation_flattens_the_crops_own_histogram() -> None:
    skewed = np.random.default_rng(0).random((300, 300), np.float32) ** 6
    out = preprocess_crop(skewed, PreprocessSpec(size_px=256))
    counts, _ = np.histogram(out, 4)
    assert counts.min() > 0.15 * out.size


def test_gain_and_offset_of_the_display_do_not_matter() -> None:
    crop = np.random.default_rng(0).random((200, 80), np.float32)
    spec = PreprocessSpec(size_px=128)
    difference = preprocess_crop(crop, spec).astype(int) - preprocess_crop(0.2 + 0.3 * crop, spec).astype(int)
    assert np.abs(difference).max() <= 2


def test_sigma_and_grey_change_the_result() -> None:
    crop = np.random.default_rng(0).random((200, 80), np.float32)
    base = preprocess_crop(crop, PreprocessSpec(size_px=128))
    assert not np.array_equal(base, preprocess_crop(crop, PreprocessSpec(size_px=128, sigma_px=3)))
    assert preprocess_crop(crop, PreprocessSpec(size_px=128, grey=0.25))[0, 0] == 64


def test_normalisation_is_the_specs() -> None:
    spec = PreprocessSpec(size_px=64, mean=0.25, std=0.5)
    out = normalise(np.full((64, 64), 255, np.uint8), spec)
    assert out.shape == (1, 64, 64) and out.dtype == np.float32
    assert out[0, 0, 0] == pytest.approx(1.5)


def test_unknown_covariates_are_zero_and_say_so() -> None:
    np.testing.assert_array_equal(encode(Covariates()), np.zeros(6, np.float32))
    known = encode(Covariates(age_years=74.7, sex=Sex.FEMALE, bmi_given=23.97))
    np.testing.assert_allclose(known, [1, -1, 0, 1, 1, 1], atol=1e-5)
    assert encode(Covariates(sex=Sex.MALE))[1] == 1


@pytest.mark.parametrize(
    ("covariates", "words"),
    [
        (Covariates(age_years=5), "age is 5, expected 18 to 115"),
        (Covariates(bmi_given=900), "bmi is 900, expected 10 to 80"),
        (Covariates(height_cm=60, weight_kg=150), "bmi is 416.7"),
        (Covariates(age_years=70, bmi_given=24), None),
        (Covariates(), None),
    ],
)
def test_implausible_covariates_are_named(covariates: Covariates, words: str | None) -> None:
    found = implausible(covariates)
    assert found is None if words is None else words in str(found)


def test_a_body_gets_a_crop_of_its_own() -> None:
    shape, boxes = (400, 200), detection(*TARGET_LEVELS)
    parts = roi_corners(shape, boxes, PreprocessSpec(roi="vertebra", size_px=64))
    assert parts == [(60.5, 50 + 60 * k, 120.2, 110 + 60 * k) for k in range(4)]
    assert roi_corners(shape, boxes, PreprocessSpec()) == [(60.5, 50, 120.2, 290)]


def test_margins_widen_a_crop_as_far_as_the_image_goes() -> None:
    spec = PreprocessSpec(roi="vertebra", size_px=64, margin_across=0.2, margin_along=0.1)
    first, *_ = roi_corners((400, 200), detection(*TARGET_LEVELS), spec)
    assert first == pytest.approx((48.56, 44, 132.14, 116)), "59.7 x 60 pixels with 11.94 and 6 more at each side"
    wide = spec.model_copy(update={"roi": "column", "margin_across": 1.0, "margin_along": 1.0})
    (whole,) = roi_corners((400, 200), detection(*TARGET_LEVELS), wide)
    assert whole == pytest.approx((0.8, 0, 179.9, 350)), "cut where the image ends"


def test_a_crop_in_whole_pixels_is_that_part_of_the_image() -> None:
    rows, columns = np.mgrid[:200, :100]
    pixels = ((rows * 7 + columns * 13) % 97 / 96).astype(np.float32)
    spec = PreprocessSpec(size_px=64, sigma_px=0, equalised=0)
    same = preprocess_crop(pixels, spec, (20, 30, 84, 94))
    np.testing.assert_array_equal(same, np.round(pixels[30:94, 20:84] * 255))
    shrunk = preprocess_crop(pixels, spec, (0, 0, 96, 192))
    expected = cv2.resize(pixels[:192, :96], (32, 64), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(shrunk[:, 16:48], expected * 255, atol=0.51)
    grown = preprocess_crop(pixels, spec, (20, 30, 52, 62))
    inner = cv2.resize(pixels[29:63, 19:53], (68, 68), interpolation=cv2.INTER_LINEAR)[2:66, 2:66]
    np.testing.assert_allclose(grown, inner * 255, atol=0.51)


@pytest.mark.parametrize("edge", range(4))
def test_a_crop_that_moves_a_little_changes_a_little(edge: int) -> None:
    """No whole pixels: neither the corners nor the border of the letterbox jump."""
    image = cv2.GaussianBlur(np.random.default_rng(1).random((160, 160), np.float32), (0, 0), 1.5)
    pixels = np.asarray((image - image.min()) / np.ptp(image), np.float32)
    spec = PreprocessSpec(size_px=128, sigma_px=0.5, equalised=0.5)
    shown = []
    for moved in np.arange(0, 2, 0.05):
        corners = [30.0, 40.0, 131.4, 120.3]
        corners[edge] += moved
        shown.append(preprocess_crop(pixels, spec, (corners[0], corners[1], corners[2], corners[3])).astype(float))
    steps = [np.abs(after - before).mean() for before, after in pairwise(shown)]
    assert max(steps) < 3 * np.median(steps) and np.median(steps) > 0


def test_a_crop_at_the_corner_of_an_image_repeats_its_border() -> None:
    spec = PreprocessSpec(size_px=64, sigma_px=0, equalised=0)
    out = preprocess_crop(np.full((20, 20), 0.25, np.float32), spec, (0, 0, 20, 20))
    assert (out == 64).all()


def test_partial_equalisation_leaves_the_display_in() -> None:
    crop = np.random.default_rng(0).random((64, 64), np.float32) * 0.5
    specs = [PreprocessSpec(size_px=64, sigma_px=0, equalised=fraction) for fraction in (1.0, 0.5, 0.0)]
    whole, half, none = (preprocess_crop(crop, spec).astype(float) for spec in specs)
    np.testing.assert_allclose(none, crop * 255, atol=0.51)
    np.testing.assert_allclose(half, (whole + none) / 2, atol=1.01)
    assert whole.max() == 255 and none.max() < 129


@pytest.mark.parametrize("spec", [PreprocessSpec(version=1), PreprocessSpec()])
def test_preprocessing_does_not_drift(spec: PreprocessSpec) -> None:
    """The column of both versions of the recipe, as version 4 of it makes it."""
    rows, columns = np.mgrid[:96, :40]
    crop = ((rows * 7 + columns * 13) % 97 / 96).astype(np.float32)
    out = preprocess_crop(crop, spec.model_copy(update={"size_px": 64}))
    assert (out.sum(), out[32, 32], out[0, 0], out[40, 25]) == (525186, 9, 128, 191)


def test_an_unknown_recipe_is_refused() -> None:
    with pytest.raises(ValidationError, match="version"):
        PreprocessSpec(version=5)
