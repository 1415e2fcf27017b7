"""What a plain image says of its display is what is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cohort.io.radiograph import read_radiograph
from osteolens.errors import NotRadiograph, ReadError

TURNS = {
    1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1], 5: lambda a: a.T,
    6: lambda a: np.rot90(a, 1), 7: lambda a: np.rot90(a.T, 2), 8: lambda a: np.rot90(a, -1),
}  # fmt: skip
"""How an upright picture is stored under each EXIF orientation."""


def film(rows: int = 90, columns: int = 64) -> npt.NDArray[np.uint8]:
    """A smooth picture without symmetry."""
    y, x = np.mgrid[:rows, :columns] / 64
    return np.asarray(np.round(90 + 60 * y + 20 * np.sin(7 * x) + 30 * x * y), np.uint8)


@pytest.mark.parametrize("orientation", list(TURNS))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_exif_orientation_is_undone(tmp_path: Path, orientation: int, suffix: str) -> None:
    Image.fromarray(film()).save(tmp_path / f"upright{suffix}", quality=95)
    tags = Image.Exif()
    tags[0x0112] = orientation
    stored = np.ascontiguousarray(TURNS[orientation](film()))
    Image.fromarray(stored).save(tmp_path / f"turned{suffix}", exif=tags, quality=95)
    upright, turned = (read_radiograph(tmp_path / f"{name}{suffix}").pixels for name in ("upright", "turned"))
    assert turned.shape == upright.shape == (90, 64)
    assert np.abs(turned - upright).mean() < 0.01


@pytest.mark.parametrize("bits", [8, 16])
def test_a_tiff_whose_white_is_zero_is_inverted(tmp_path: Path, bits: int) -> None:
    cells = film() if bits == 8 else film().astype(np.uint16) * 200
    Image.fromarray(cells).save(tmp_path / "plain.tif")
    stored = cells if bits == 8 else 65535 - cells  # Pillow turns 8 bits over itself as it writes
    Image.fromarray(stored).save(tmp_path / "white.tif", tiffinfo={262: 0})
    plain, white = (read_radiograph(tmp_path / f"{name}.tif").pixels for name in ("plain", "white"))
    assert np.abs(plain - white).mean() < 0.01


def test_pixels_of_a_plain_image_are_made_square(tmp_path: Path) -> None:
    Image.fromarray(film(90, 64)).save(tmp_path / "plain.png", dpi=(200, 200))
    Image.fromarray(film(90, 64)[::2]).save(tmp_path / "flat.png", dpi=(200, 100))
    plain, flat = (read_radiograph(tmp_path / f"{name}.png") for name in ("plain", "flat"))
    assert flat.pixels.shape == (90, 64) and any("not square" in note for note in flat.notes)
    assert np.abs(plain.pixels - flat.pixels).mean() < 0.02
    assert not plain.notes


def test_palettes_alpha_and_one_bit_are_read_as_grey_or_refused(tmp_path: Path) -> None:
    grey = Image.fromarray(film())
    grey.convert("P").save(tmp_path / "palette.png")
    grey.convert("LA").save(tmp_path / "alpha.png")
    grey.convert("RGBA").save(tmp_path / "rgba.png")
    plain = np.asarray(film(), float)
    for name in ("palette", "alpha", "rgba"):
        pixels = read_radiograph(tmp_path / f"{name}.png").pixels
        assert np.corrcoef(pixels.ravel(), plain.ravel())[0, 1] > 0.999
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(noise).quantize(32).save(tmp_path / "colours.png")
    with pytest.raises(NotRadiograph, match="colour"):
        read_radiograph(tmp_path / "colours.png")


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    values = film().astype(np.float32)
    values[4, 4] = np.nan
    Image.fromarray(values).save(tmp_path / "float.tif")
    with pytest.raises(ReadError, match="not finite"):
        read_radiograph(tmp_path / "float.tif")


def test_single_hot_pixels_do_not_set_the_scale(tmp_path: Path) -> None:
    cells = film(300, 200).astype(np.uint16)
    Image.fromarray(cells).save(tmp_path / "plain.png")
    cells[10, 10] = 65535
    Image.fromarray(cells).save(tmp_path / "hot.png")
    plain, hot = (read_radiograph(tmp_path / f"{name}.png").pixels for name in ("plain", "hot"))
    assert np.abs(plain - hot)[20:].max() < 0.01


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_tiff_without_unit_and_a_turned_one_are_made_square(tmp_path: Path, orientation: int) -> None:
    Image.fromarray(film()).save(tmp_path / "plain.tif")
    stored = film()[::2] if orientation == 1 else np.ascontiguousarray(np.rot90(film()[::2], 1))
    across, along = (200, 100) if orientation == 1 else (100, 200)
    tags = {282: float(across), 283: float(along), 296: 1, 274: orientation}
    Image.fromarray(stored).save(tmp_path / "uneven.tif", tiffinfo=tags)
    plain, uneven = (read_radiograph(tmp_path / f"{name}.tif").pixels for name in ("plain", "uneven"))
    assert uneven.shape == plain.shape and np.abs(uneven - plain).mean() < 0.02
