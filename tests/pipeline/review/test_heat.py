"""The layer of where the classifier looked: what one stored picture has beyond the other."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cohort.spine import View
from osteolens.errors import ReadError
from pipeline.review.study import heat_layer


def pictures(out: Path, plain: npt.NDArray[np.uint8], explained: npt.NDArray[np.uint8]) -> None:
    (out / "overlays").mkdir(parents=True)
    Image.fromarray(plain).save(out / "overlays" / "s1_AP.png")
    Image.fromarray(explained).save(out / "overlays" / "s1_AP_explained.png")


def test_the_layer_holds_the_map_alone(tmp_path: Path) -> None:
    plain = np.full((120, 80, 3), 90, np.uint8)
    plain[10:20, 10:20] = (255, 255, 0)  # a box stands on both
    explained = plain.copy()
    explained[40:60, 30:50] = (230, 60, 20)
    pictures(tmp_path, plain, explained)
    layer = np.asarray(Image.open(io.BytesIO(heat_layer(tmp_path, "s1", View.AP, (200, 160)))))
    assert layer.shape == (100, 80, 4), "without the band of text below the image"
    seen = layer[..., 3] > 0
    assert seen[40:60, 30:50].all() and seen.sum() == 400
    assert tuple(layer[50, 40]) == (230, 60, 20, 255)


def test_a_study_without_the_picture_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="--explain"):
        heat_layer(tmp_path, "s1", View.AP, (200, 160))


def test_pictures_of_two_sizes_are_none(tmp_path: Path) -> None:
    pictures(tmp_path, np.zeros((100, 80, 3), np.uint8), np.zeros((90, 80, 3), np.uint8))
    with pytest.raises(ReadError, match="differ in size"):
        heat_layer(tmp_path, "s1", View.AP, (200, 160))
