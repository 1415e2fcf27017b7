"""Overlays show boxes in the colours of their levels, dash those left out, and say what the result is."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cohort.rejection_codes import LevelCode, LevelReason
from cohort.spine import SpineDetection, VertebraBox, VertebralLevel, View
from pipeline.appearance.colours import DARK, LEVELS, OTHER, rgb
from pipeline.prediction import LengthUnit, MeasuredVertebra, Prediction
from pipeline.screening.output.legend import legend
from pipeline.screening.output.overlay import overlay_png, radiograph_width
from tests.predictions import screened, view_result

Picture = npt.NDArray[np.uint8]
SUSPECTED = MeasuredVertebra(
    level=VertebralLevel.L3,
    unit=LengthUnit.MILLIMETRE,
    anterior_height=20,
    middle_height=22,
    posterior_height=30,
    anterior_to_posterior=0.67,
    middle_to_posterior=0.73,
    posterior_to_neighbours=1,
    height_loss=0.33,
    genant_grade=2,
    confidence=0.9,
    suspected=True,
)
NAMES = (VertebralLevel.T12, *LEVELS, VertebralLevel.L5)


def result(columns: int = 300, rows: int = 600, x0: float = 110, **left_out: LevelCode) -> Prediction:
    """A study with six bodies in its lateral view, one below the other."""
    boxes = tuple(VertebraBox(name, x0, 60 + 70 * k, x0 + 70, 120 + 70 * k) for k, name in enumerate(NAMES))
    prediction = screened("s1", -1.5)
    view = replace(
        view_result(View.LATERAL),
        detection=SpineDetection(View.LATERAL, boxes, (rows, columns)),
        left_out={VertebralLevel(name): LevelReason(code=code, reason="") for name, code in left_out.items()},
    )
    return replace(prediction, views={View.LATERAL: view})


def drawn(prediction: Prediction, side: int = 600, shape: tuple[int, int] = (600, 300)) -> tuple[Picture, int]:
    """An overlay as RGB, and the width of its radiograph."""
    grey = np.linspace(0, 1, shape[0] * shape[1], dtype=np.float32).reshape(shape)
    with Image.open(io.BytesIO(overlay_png(prediction, View.LATERAL, grey, side))) as picture:
        return np.asarray(picture), radiograph_width(picture)


def has(picture: Picture, colour: str) -> npt.NDArray[np.bool_]:
    """Where a picture has a colour, lines of one pixel among it, which are blended with the ground."""
    return np.asarray(np.abs(picture.astype(int) - rgb(colour)).max(axis=2) <= 40)


def test_each_level_has_its_colour_and_context_is_grey() -> None:
    picture, width = drawn(result())
    assert width == 300
    for name, colour in zip(NAMES, (OTHER, *LEVELS.values(), OTHER), strict=True):
        top = 60 + 70 * NAMES.index(name)
        edge = has(picture, colour)[top : top + 60, 108:112]
        assert edge.any(axis=1).mean() > 0.9, name


def test_a_level_left_out_is_dashed_and_its_label_framed() -> None:
    whole, _ = drawn(result())
    cut, _ = drawn(result(L2=LevelCode.METAL))
    used, left_out = (has(picture, LEVELS[VertebralLevel.L2]) for picture in (whole, cut))
    edge = slice(60 + 70 * 2 + 5, 60 + 70 * 2 + 55)
    assert used[edge, 108:112].any(axis=1).all()
    assert 0.3 < left_out[edge, 108:112].any(axis=1).mean() < 0.9
    label = (slice(60 + 70 * 2 - 10, 60 + 70 * 2 + 70), slice(0, 100))
    assert left_out[label].sum() < 0.6 * used[label].sum() and has(cut, DARK["raised"])[label].sum() > 200


def test_labels_cover_no_body_and_no_box() -> None:
    grey = np.full((600, 300), 0.5, np.float32)
    grey[0, 0], grey[0, 1] = 0, 1
    with Image.open(io.BytesIO(overlay_png(result(L3=LevelCode.CUT), View.LATERAL, grey, 600))) as shown:
        picture = np.asarray(shown)
    for k in range(len(NAMES)):
        inside = picture[64 + 70 * k : 116 + 70 * k, 114:176]
        assert np.ptp(inside.reshape(-1, 3), axis=0).max() == 0


def test_a_narrow_radiograph_gets_a_margin_and_the_file_knows_its_width() -> None:
    narrow = result(columns=80, x0=5)
    picture, width = drawn(narrow, shape=(600, 80))
    assert width == 80 and picture.shape[1] >= 0.5 * 600
    assert has(picture[:590], LEVELS[VertebralLevel.L1])[:, 80:].sum() > 100
    assert radiograph_width(Image.new("RGB", (70, 50))) == 70


@pytest.mark.parametrize("told", ["-3 5", "900 5", "1e3 1", "x", "0 0", ""])
def test_a_foreign_width_is_never_more_than_the_picture(told: str) -> None:
    picture = Image.new("RGB", (70, 50))
    picture.info["radiograph"] = told
    assert radiograph_width(picture) == 70


def test_letters_grow_with_the_picture() -> None:
    small, large = (has(drawn(result(), side)[0], LEVELS[VertebralLevel.L3]) for side in (500, 1500))
    assert large.sum() > 7 * small.sum()


def test_bytes_are_the_same_for_the_same_result() -> None:
    grey = np.random.default_rng(3).random((200, 100)).astype(np.float32)
    assert len({overlay_png(result(), View.LATERAL, grey, 400) for _ in range(3)}) == 1


def test_a_constant_image_without_boxes_is_a_picture() -> None:
    prediction = result()
    view = replace(prediction.views[View.LATERAL], detection=SpineDetection(View.LATERAL, (), (50, 40)))
    empty = replace(prediction, views={View.LATERAL: view})
    overlay = overlay_png(empty, View.LATERAL, np.zeros((50, 40), np.float32), 300)
    assert Image.open(io.BytesIO(overlay)).size[0] >= 186


def test_the_legend_says_more_for_findings_and_stays_within_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def noted(text: str) -> str:
        said.append(text)
        return text

    monkeypatch.setattr("pipeline.screening.output.legend.legible", noted)
    prediction = result(L1=LevelCode.NOT_FOUND, L2=LevelCode.LOW_CONFIDENCE)
    view = replace(prediction.views[View.LATERAL], vertebrae={VertebralLevel.L3: SUSPECTED})
    band = legend(replace(prediction, views={View.LATERAL: view}), View.LATERAL, 400, 16)
    assert band.width == 400
    words = " | ".join(said)
    assert "L3 grade 2" in words and "Dashed, left out: L2 low confidence" in words and "Not found: L1" in words
    assert "weights test: estimated, research use" in words
