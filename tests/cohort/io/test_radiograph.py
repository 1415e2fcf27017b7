"""Plain images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cohort.io.radiograph import read_radiograph
from cohort.spine import View
from osteolens.errors import NotRadiograph, ReadError

RAMP8 = np.tile(np.arange(100, dtype=np.uint8), (80, 1))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_grey_images_are_read_bright_as_dense(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"spine_AP{suffix}"
    Image.fromarray(RAMP8).save(path)
    image = read_radiograph(path)
    assert image.pixels.shape == (80, 100) and image.view is View.AP
    assert image.pixels[0, 0] < 0.05 < 0.95 < image.pixels[0, -1]
    assert image.sop_instance_uid is None and image.pixel_spacing_mm is None


def test_sixteen_bits_survive(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray((np.arange(5000, dtype=np.uint16) * 13).reshape(50, 100)).save(path)
    image = read_radiograph(path)
    assert image.bits == 16 and len(np.unique(image.pixels)) >= 4990, "but for the ends, which saturate"


def test_a_grey_picture_saved_as_rgb_passes(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.repeat(RAMP8[..., None], 3, 2)).save(path)
    assert read_radiograph(path).pixels.shape == (80, 100)


def test_colour_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)).save(path)
    with pytest.raises(NotRadiograph, match="colour"):
        read_radiograph(path)


def test_several_pages_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    page = Image.fromarray(RAMP8)
    page.save(path, save_all=True, append_images=[page])
    with pytest.raises(NotRadiograph, match="several frames"):
        read_radiograph(path)


@pytest.mark.parametrize("content", [b"", b"not an image at all"])
def test_broken_files_fail_with_their_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=r"broken\.png"):
        read_radiograph(path)


def test_a_truncated_image_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ReadError, match="cannot be read"):
        read_radiograph(path)


def test_names_outside_ascii_are_read(tmp_path: Path) -> None:
    path = tmp_path / "腰椎 正位_AP.png"
    Image.fromarray(RAMP8).save(path)
    assert read_radiograph(path).view is View.AP
