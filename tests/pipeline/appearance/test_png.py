"""PNG that other readers read."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline.appearance.png import fast_png


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 1), (64, 37)])
def test_readers_find_the_same_pixels_and_texts(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    encoded = fast_png(picture, {"radiograph": "12 34", "made by": "OsteoLens"})
    with Image.open(io.BytesIO(encoded)) as read:
        np.testing.assert_array_equal(np.asarray(read), picture)
        assert read.info == {"radiograph": "12 34", "made by": "OsteoLens"}

    by_opencv = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    assert by_opencv is not None
    np.testing.assert_array_equal(by_opencv[..., ::-1], picture)
