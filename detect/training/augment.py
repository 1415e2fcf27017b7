"""Strong augmentation of training radiographs: field, display, collimation, text and tables of other hospitals."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from osteolens.training.display_augmentation import other_display

Image = npt.NDArray[np.float32]
Boxes = npt.NDArray[np.float64]


def move_boxes(boxes: Boxes, matrix: npt.NDArray[np.float64]) -> Boxes:
    """Boxes (n, 4) whose centres follow the affine and whose sides follow its scale; for small rotations."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2 @ matrix[:, :2].T + matrix[:, 2]
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 * np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    return np.concatenate((centres - half, centres + half), 1)


def augment(
    image: Image, boxes: Boxes, side: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
    """One rendering of a radiograph as another room might show it.

    Args:
        image: (rows, columns) in [0, 1], bright = dense, full range.
        boxes: (n, 4) x0, y0, x1, y1 in pixels.
        side: output size in pixels.
        rng: source of every choice.

    Returns:
        uint8 (side, side) and the affine (2, 3) from pixels of the image to it; a flip is part of the affine.
    """
    shown = other_display(image, rng)
    matrix = _geometry(image.shape, boxes, side, rng)
    fill = float(rng.choice([0.0, 0.0, 0.0, 0.0, 0.02, 1.0, rng.random()]))
    if rng.random() < 0.5:
        matrix = np.array([[-1.0, 0.0, side], [0.0, 1.0, 0.0]]) @ np.vstack((matrix, (0, 0, 1)))
    out = _warped(shown, matrix, side, fill)
    if rng.random() < 0.25:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.4, 1.6))
    out = _overlays(out, rng)
    if rng.random() < 0.06:
        out = 1 - out
    return np.round(np.clip(out, 0, 1) * 255).astype(np.uint8), matrix


def _warped(image: Image, matrix: npt.NDArray[np.float64], side: int, fill: float) -> Image:
    """The image through an affine, shrunk by area first where it loses much, since warping samples points."""
    shrink = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if shrink < 0.6:
        rows, columns = image.shape
        size = (max(1, round(columns * shrink)), max(1, round(rows * shrink)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        matrix = matrix @ np.diag((columns / size[0], rows / size[1], 1.0))
    at_centres = matrix.copy()  # boxes count from a pixel's corner, warping from its centre
    at_centres[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    return np.asarray(cv2.warpAffine(image, at_centres, (side, side), flags=cv2.INTER_LINEAR, borderValue=fill))


def _geometry(shape: tuple[int, ...], boxes: Boxes, side: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """A field cut from the image (ribs or sacrum may fall out), a small turn and stretch, then the letterbox."""
    rows, columns = shape[0], shape[1]
    spine = (boxes[:, 0].min(), boxes[:, 2].max()) if len(boxes) else (columns * 0.4, columns * 0.6)
    left = rng.uniform(0, 0.9) * max(spine[0], 0) if rng.random() < 0.6 else 0.0
    right = columns - (rng.uniform(0, 0.9) * max(columns - spine[1], 0) if rng.random() < 0.6 else 0.0)
    top = rng.uniform(0, 0.25) * rows if rng.random() < 0.5 else 0.0
    bottom = rows - (rng.uniform(0, 0.28) * rows if rng.random() < 0.5 else 0.0)
    centre = np.array([left + right, top + bottom]) / 2
    scale = side / max(right - left, bottom - top) * (rng.uniform(0.7, 1.0) if rng.random() < 0.4 else 1.0)
    turn = np.radians(rng.normal(0, 3.0))
    stretch = np.exp(rng.normal(0, 0.05))
    linear = scale * np.array([[np.cos(turn) * stretch, -np.sin(turn)], [np.sin(turn), np.cos(turn) / stretch]])
    target = np.full(2, side / 2) + rng.normal(0, 0.02 * side, 2)
    return np.column_stack((linear, target - linear @ centre))


def _overlays(image: Image, rng: np.random.Generator) -> Image:
    """Collimation borders, table edges, text and lead markers, clips."""
    side = image.shape[0]
    if rng.random() < 0.35:
        mask = np.zeros_like(image)
        left, right = rng.uniform(0, 0.18) * side, side - rng.uniform(0, 0.18) * side
        top, bottom = rng.uniform(0, 0.08) * side, side - rng.uniform(0, 0.08) * side
        corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
        corners += rng.normal(0, 0.006 * side, corners.shape)
        cv2.fillConvexPoly(mask, corners.astype(np.int32), 1.0)
        level = float(rng.choice([0.0, 0.03, 0.1, 1.0]))
        image = image * mask + level * (1 - mask)
    for _ in range(int(rng.integers(0, 3)) if rng.random() < 0.3 else 0):
        at = int(rng.uniform(0, side))
        slanted = ((0, at), (side, at + int(rng.normal(0, 6))))
        start, end = slanted if rng.random() < 0.5 else ((at, 0), (at, side))
        line = np.zeros_like(image)
        cv2.line(line, start, end, 1.0, int(rng.integers(1, 4)))
        image = image + rng.uniform(-0.3, 0.4) * cv2.GaussianBlur(line, (0, 0), 0.8)
    for _ in range(int(rng.integers(1, 4)) if rng.random() < 0.5 else 0):
        text = str(rng.choice(["L", "R", "AP", "LAT", "12:45", "70 kV", "ERECT", "ID 48213", "2021-03"]))
        corner = (
            int(rng.uniform(0, 0.9) * side),
            int(rng.choice([rng.uniform(0.03, 0.2), rng.uniform(0.8, 0.98)]) * side),
        )
        value = 1.0 if rng.random() < 0.8 else 0.0
        ink = np.zeros(image.shape, np.uint8)
        cv2.putText(ink, text, corner, cv2.FONT_HERSHEY_SIMPLEX, rng.uniform(0.3, 1.1), 255, int(rng.integers(1, 3)))
        image = np.where(ink > 127, np.float32(value), image)
    for _ in range(int(rng.integers(1, 4)) if rng.random() < 0.12 else 0):
        middle = (int(rng.uniform(0, side)), int(rng.uniform(0, side)))
        size = (int(rng.uniform(1, 0.02 * side) + 1), int(rng.uniform(2, 0.05 * side) + 1))
        cv2.ellipse(image, middle, size, rng.uniform(0, 180), 0, 360, float(rng.uniform(0.8, 1.0)), -1)
    return np.asarray(image, np.float32)
