"""Photographs of films: tints, borders, labels."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cohort.io.grey import GREY_SPREAD, HUE_LEFT_OVER, colour_of, radiograph_range
from cohort.io.radiograph import read_radiograph
from osteolens.errors import NotRadiograph


def film(rows: int = 600, columns: int = 400) -> npt.NDArray[np.float32]:
    """Greys from 60 to 180 with grain, as a pale film."""
    rng = np.random.default_rng(0)
    broad = cv2.resize(rng.random((8, 6)).astype(np.float32), (columns, rows), interpolation=cv2.INTER_CUBIC)
    broad = (broad - broad.min()) / np.ptp(broad)
    return np.asarray(np.clip(60 + 120 * broad + rng.normal(0, 2, broad.shape), 0, 255), np.float32)


def tinted(grey: np.ndarray) -> np.ndarray:
    """As a blue or green film photographs: the channels follow brightness, each by its own curve."""
    unit = grey / 255
    return np.stack((255 * unit**1.6, 255 * unit**1.1, 255 * unit**0.7), -1)


def test_a_tint_is_no_colour_and_a_varying_hue_is() -> None:
    apart, left = colour_of(tinted(film()))
    assert apart > GREY_SPREAD and left < HUE_LEFT_OVER / 2
    picture = tinted(film())
    picture[200:400] = picture[200:400, :, ::-1]
    assert colour_of(picture)[1] > HUE_LEFT_OVER
    assert colour_of(np.repeat(film()[..., None], 3, 2))[0] == pytest.approx(0, abs=1e-3)


def test_a_tinted_film_is_read_as_grey_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "film_LAT.png"
    Image.fromarray(tinted(film()).astype(np.uint8)).save(path)
    radiograph = read_radiograph(path)
    assert any("tinted" in note for note in radiograph.notes)
    grey = tmp_path / "grey_LAT.png"
    Image.fromarray(film().astype(np.uint8)).save(grey)
    plain = read_radiograph(grey)
    assert plain.notes == ()
    assert np.corrcoef(radiograph.pixels.ravel(), plain.pixels.ravel())[0, 1] > 0.98
    coloured = tinted(film())
    coloured[:, 200:] = coloured[:, 200:, ::-1]
    Image.fromarray(coloured.astype(np.uint8)).save(path)
    with pytest.raises(NotRadiograph, match="hue varies"):
        read_radiograph(path)


def bordered(kind: str) -> np.ndarray:
    image = film()
    if kind == "white frame":
        image = cv2.copyMakeBorder(image, 30, 30, 40, 0, cv2.BORDER_CONSTANT, value=255.0)
    elif kind == "black collimation at an angle":
        inside = np.zeros(image.shape, np.uint8)
        cv2.fillConvexPoly(inside, np.array([[40, 10], [380, 40], [360, 590], [20, 560]]), 1)
        image = np.where(inside > 0, image, 0.0)
    elif kind == "rounded corners":
        inside = np.zeros(image.shape, np.uint8)
        cv2.ellipse(inside, (200, 300), (260, 380), 0, 0, 360, 1, -1)
        image = np.where(inside > 0, image, 0.0)
    elif kind == "label":
        cv2.rectangle(image, (350, 20), (358, 34), 255.0, -1)
    return np.asarray(image, np.float32)


@pytest.mark.parametrize("kind", ["white frame", "black collimation at an angle", "rounded corners", "label"])
def test_borders_and_labels_do_not_set_the_scale_of_greys(kind: str) -> None:
    plain, shown = radiograph_range(film()), radiograph_range(bordered(kind))
    assert shown == pytest.approx(plain, abs=8), kind
    assert plain[0] > 50 and plain[1] < 190


def test_a_film_that_is_mostly_flat_keeps_its_range_and_a_blank_one_divides_by_nothing(tmp_path: Path) -> None:
    flat = np.zeros((300, 300), np.float32)
    flat[120:180, 120:180] = 200
    assert radiograph_range(flat) == pytest.approx((0, 200), abs=1)
    assert radiograph_range(np.full((50, 50), 7, np.float32)) == (7, 7)
    Image.fromarray(np.full((50, 50), 7, np.uint8)).save(tmp_path / "blank.png")
    assert read_radiograph(tmp_path / "blank.png").pixels.max() == 0
