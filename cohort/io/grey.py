"""Grey values of photographs and scans of films: tints into grey, and a scale that borders and labels do not set."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from osteolens.errors import NotRadiograph

Floats = npt.NDArray[np.float32]

SAMPLE_PX = 512
"""Longest side, in pixels, at which hue and borders are looked at, so that the cost does not grow with the image."""

TINT_BINS = 16
"""Steps of brightness in each of which a tinted film has one hue."""

GREY_SPREAD = 8.0
"""Difference of channels, of 255, up to which an image is grey; JPEG alone makes about three."""

HUE_LEFT_OVER = 18.0
"""Mean difference of channels, of 255, that brightness does not explain, from which an image is a colour picture."""

BORDER_FLAT = 0.02
"""Change of grey from pixel to pixel, of the whole range, within a border."""

ENDS = (0.1, 99.9)
"""Percentiles of the film between its borders that become black and white."""


BULK = (0.03, 0.97)
"""Ranks between which most of a film's greys lie, whatever is written on it."""

SORTED = 20_000
"""Number of values from which these ranks are computed."""

APART = 0.35
"""Width of an empty stretch of greys, of the range between these ranks, beyond which values are not of the film."""


def colour_of(pixels: Floats) -> tuple[float, float]:
    """How far the channels of an image (rows, columns, 3) in [0, 255] differ, and how much of it is not a tint.

    A tinted film has a hue that follows its brightness: both channel differences are smooth curves of the grey value.
    What these curves do not explain is hue that varies in space, as in a photograph of people or a diagram.

    Returns:
        mean difference of the channels, and mean difference that the curves leave, both of 255.
    """
    rows, columns = pixels.shape[:2]
    scale = min(1.0, SAMPLE_PX / max(rows, columns))
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    small = cv2.resize(pixels[..., :3], size, interpolation=cv2.INTER_AREA)
    grey = small.mean(2)
    apart = small[..., :2] - small[..., 2:]
    bins = np.clip((grey / 256 * TINT_BINS).astype(int), 0, TINT_BINS - 1).ravel()
    count = np.maximum(np.bincount(bins, minlength=TINT_BINS), 1)
    left = 0.0
    for channel in range(2):
        values = apart[..., channel].ravel()
        curve = np.bincount(bins, values, TINT_BINS) / count
        left += float(np.abs(values - curve[bins]).mean())
    return float(np.ptp(small, axis=2).mean()), left


def grey_of(channels: Floats, name: str) -> tuple[Floats, list[str]]:
    """Grey values of an image (rows, columns, 3 or more) in [0, 255] that is grey or evenly tinted, and what to know.

    Raises:
        NotRadiograph: its hue varies in space.
    """
    apart, left_over = colour_of(channels)
    if left_over > HUE_LEFT_OVER:
        raise NotRadiograph(
            f"{name}: colour image (its hue varies by {left_over:.0f} of 255 where its brightness does not), "
            "expected a grey or evenly tinted radiograph"
        )
    notes = ["the image is tinted; it is read as grey"] if apart > GREY_SPREAD else []
    return np.asarray(channels[..., :3].mean(2), np.float32), notes


def radiograph_range(values: Floats) -> tuple[float, float]:
    """Grey values that become black and white: ends of the film itself, without borders, labels and stray pixels.

    Borders are what hangs together with the image's edge and does not change from pixel to pixel: unexposed or
    collimated parts, white frames, rounded corners, the black around a photograph. A border of more than half of the
    image is taken for film. Labels, rulers and hot cells are less than the fraction that `ENDS` leaves out, or lie
    apart from all other greys (`APART`).

    Args:
        values: (rows, columns).
    """
    rows, columns = values.shape
    step = max(1, max(rows, columns) // SAMPLE_PX)
    small = np.ascontiguousarray(values[::step, ::step], np.float32)
    if float(small.max()) <= float(small.min()) or min(small.shape) < 8:
        return float(small.min()), float(small.max())
    low, high = _without_strays(small)
    film = ~_borders(np.clip((small - low) / max(high - low, 1e-9), 0, 1))
    if film.mean() < 0.5:
        film = np.ones_like(film)
    low, high = _without_strays(small[film])
    film_values = small[film & (small >= low) & (small <= high)]
    ends = np.percentile(film_values, ENDS)
    return (float(ends[0]), float(ends[1])) if ends[1] > ends[0] else (float(small.min()), float(small.max()))


def _without_strays(values: Floats) -> tuple[float, float]:
    """The least and the greatest value that no empty stretch of greys parts from most others."""
    low, high = float(values.min()), float(values.max())
    some = np.sort(values.ravel()[:: max(1, values.size // SORTED)])
    first, last = (round(rank * (len(some) - 1)) for rank in BULK)
    widest = max(APART * float(some[last] - some[first]), 1e-9)
    above, below = (np.sort(part) for part in (values[values >= some[last]], values[values <= some[first]]))
    gaps_above, gaps_below = np.flatnonzero(np.diff(above) > widest), np.flatnonzero(np.diff(below) > widest)
    high = float(above[gaps_above[0]]) if len(gaps_above) else high
    low = float(below[gaps_below[-1] + 1]) if len(gaps_below) else low
    return (low, high) if high > low else (float(values.min()), float(values.max()))


def _borders(unit: Floats) -> npt.NDArray[np.bool_]:
    """Flat parts of an image in [0, 1] that touch its edge and lie at an end of its greys."""
    kernel = np.ones((3, 3), np.uint8)
    flat = cv2.dilate(unit, kernel) - cv2.erode(unit, kernel) < BORDER_FLAT
    ends = (unit < 0.06) | (unit > 0.94)
    count, labels = cv2.connectedComponents((flat & ends).astype(np.uint8), connectivity=4)
    edge = np.unique(np.concatenate((labels[0], labels[-1], labels[:, 0], labels[:, -1])))
    touches = np.zeros(count, bool)
    touches[edge] = True
    touches[0] = False
    return np.asarray(cv2.dilate(touches[labels].astype(np.uint8), kernel) > 0)


def brighter_at_left(pixels: npt.NDArray[np.float32]) -> bool:
    """Whether the columns' mean greys weigh more left of the middle; films that show no front are turned by it."""
    columns = pixels.mean(0, dtype=np.float64)
    return float(columns @ (np.arange(len(columns)) - (len(columns) - 1) / 2)) < 0
