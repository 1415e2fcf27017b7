"""Pictures of a result: level-labelled boxes on the radiograph, the class below."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from cohort.spine import TARGET_LEVELS, VertebralLevel, View
from detect.segmenter import Points
from pipeline.appearance.colours import DARK, level_colour, rgb
from pipeline.appearance.png import fast_png
from pipeline.prediction import Prediction
from pipeline.screening.output.labels import Corners, Label, draw_plate, place
from pipeline.screening.output.legend import legend, level_words

Picture = npt.NDArray[np.uint8]

LABEL, TEXT = 0.036, 0.024
"""Size of the letters of a label and of the words below, by the longest side of the radiograph."""

LEAST_PX = 11
"""Size of the smallest letters."""

EVERY = 3
"""Of so many rows and columns of a picture one tells what is black and what is white."""

NARROW = 0.5
"""Least width by the longest side: beside a narrower radiograph lies a margin, so that the words have room."""

RADIOGRAPH = "radiograph"
"""Key of the text in the PNG that gives the radiograph's width and height, at the upper left of the picture."""


def overlay_png(
    prediction: Prediction,
    view: View,
    pixels: npt.NDArray[np.float32],
    side: int,
    outlines: Mapping[VertebralLevel, Points] | None = None,
    heat: npt.NDArray[np.float32] | None = None,
) -> bytes:
    """One view as PNG, the same bytes for the same result.

    Boxes, labels and outlines of L1 to L4 have the colours of the review page, other levels are grey, levels left out
    are dashed with the reason beside them. Class, decision, findings and versions stand below.

    Args:
        prediction: result of the study.
        view: which view.
        pixels: (rows, columns) in [0, 1].
        side: longest side of the radiograph in the picture, in pixels.
        outlines: points (n, 2) of bodies in pixels of the image.
        heat: (rows, columns) in [0, 1], laid over the image in colour.
    """
    scale = side / max(pixels.shape)
    width, height = (max(1, round(length * scale)) for length in (pixels.shape[1], pixels.shape[0]))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    picture = _grey(cv2.resize(pixels, (width, height), interpolation=interpolation))
    if heat is not None:
        picture = _heated(picture, cv2.resize(heat, (width, height), interpolation=cv2.INTER_LINEAR))
    picture = _with_boxes(picture, prediction, view, scale, outlines or {})
    plates, whole = place(_labels(prediction, view, scale, side), max(width, round(NARROW * side)), height)
    band = legend(prediction, view, whole, max(LEAST_PX, round(TEXT * side)))
    image = Image.new("RGB", (whole, height + band.height), rgb(DARK["raised"]))
    image.paste(Image.fromarray(picture), (0, 0))
    image.paste(band, (0, height))
    draw = ImageDraw.Draw(image)
    for plate in plates:
        draw_plate(draw, plate)
    return fast_png(np.asarray(image), {RADIOGRAPH: f"{width} {height}"})


def radiograph_width(picture: Image.Image) -> int:
    """Columns of an overlay that show the radiograph, from the left; the rest is margin."""
    told = str(picture.info.get(RADIOGRAPH, "")).split(" ")[0]
    return min(int(told), picture.width) if told.isascii() and told.isdecimal() and int(told) else picture.width


def _grey(small: npt.NDArray[np.float32]) -> Picture:
    low, high = np.percentile(small[::EVERY, ::EVERY], (0.5, 99.7))
    gain = 255 / max(float(high - low), 1e-4)
    grey = np.clip(np.rint((small - np.float32(low)) * np.float32(gain)), 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8)


def _heated(picture: Picture, heat: npt.NDArray[np.float32]) -> Picture:
    heat = np.clip(heat, 0, 1)
    colours = cv2.applyColorMap(np.round(heat * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    opacity = 0.6 * heat[..., None]
    return np.asarray(np.round(picture * (1 - opacity) + colours * opacity), np.uint8)


def _with_boxes(
    picture: Picture, prediction: Prediction, view: View, scale: float, outlines: Mapping[VertebralLevel, Points]
) -> Picture:
    """Boxes and outlines with a dark border, so that they are seen on bright bone too."""
    unit = max(1, round(max(picture.shape[:2]) / 330))
    thin, fine = max(1, round(0.6 * unit)), max(1, unit // 3)
    left_out = prediction.views[view].left_out
    lines: list[tuple[npt.NDArray[np.int32], VertebralLevel, int]] = []
    for level, outline in outlines.items():
        lines.append((np.round(scale * np.vstack((outline, outline[:1]))).astype(np.int32), level, fine))
    for box in prediction.views[view].detection.boxes:
        x0, y0, x1, y1 = (round(v * scale) for v in box.corners)
        corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)], np.int32)
        pieces = _dashed(corners, 4 * unit, 3 * unit) if box.level in left_out else [corners]
        lines += [(piece, box.level, unit if box.level in TARGET_LEVELS else thin) for piece in pieces]
    border = np.full(picture.shape[:2], 255, np.uint8)
    for points, _, thickness in lines:
        cv2.polylines(border, [points], False, 105, thickness + 2 * fine, cv2.LINE_AA)
    drawn = np.asarray(cv2.multiply(picture, cv2.cvtColor(border, cv2.COLOR_GRAY2RGB), scale=1 / 255), np.uint8)
    for points, level, thickness in lines:
        cv2.polylines(drawn, [points], False, rgb(level_colour(level)), thickness, cv2.LINE_AA)
    return drawn


def _dashed(corners: npt.NDArray[np.int32], dash: int, gap: int) -> list[npt.NDArray[np.int32]]:
    """A closed line as dashes, those of each side the same from its beginning to its end."""
    dashes = []
    for start, end in zip(corners[:-1].astype(float), corners[1:].astype(float), strict=True):
        length = max(float(np.abs(end - start).max()), 1.0)
        count = max(1, round((length + gap) / (dash + gap)))
        first = np.arange(count) * (length + gap) / count
        for at in first:
            ends = np.clip([at, at + (length + gap) / count - gap], 0, length) / length
            dashes.append(np.round(start + ends[:, None] * (end - start)).astype(np.int32))
    return dashes


def _labels(prediction: Prediction, view: View, scale: float, side: int) -> list[Label]:
    """What is said of each box: L1 to L4 first, so that they have the best places."""
    boxes = prediction.views[view].detection.boxes
    words, left_out = level_words(prediction, view), prediction.views[view].left_out
    if not boxes:
        return []
    pitch = scale * median(box.y1 - box.y0 for box in boxes)
    size = max(LEAST_PX, round(min(LABEL * side, 0.7 * pitch)))
    labels = []
    for box in sorted(boxes, key=lambda box: box.level not in TARGET_LEVELS):
        x0, y0, x1, y1 = (v * scale for v in box.corners)
        corners: Corners = (x0, y0, x1, y1)
        target = box.level in TARGET_LEVELS
        label = Label(
            name=box.level.value,
            details=words.get(box.level, ()),
            colour=level_colour(box.level),
            size_px=size if target else max(LEAST_PX, round(0.75 * size)),
            is_used=box.level not in left_out,
            box=corners,
        )
        labels.append(label)
    return labels
