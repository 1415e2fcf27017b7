"""Synthetic pictures that show no vertebral body, for the segmenter to reject. No radiograph is copied."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float32]
Point = npt.NDArray[np.float64]


def draw_distractor(side: int, rng: np.random.Generator) -> Image:
    """One picture (side, side) in [0, 1]: long bones, a hand, joints, breast or lung texture, text, or nothing."""
    kinds = (_long_bones, _long_bones, _rays, _joint, _texture, _texture, _text, _lines)
    image = _clouds(side, rng, float(rng.uniform(0.2, 0.9)))
    if rng.random() < 0.95:
        image = kinds[int(rng.integers(len(kinds)))](image, rng)
    image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.6)))
    image = image + rng.normal(0, rng.uniform(0, 0.04), image.shape).astype(np.float32)
    low, high = float(image.min()), float(image.max())
    return np.asarray((image - low) / max(high - low, 1e-3), np.float32)


def _clouds(side: int, rng: np.random.Generator, strength: float) -> Image:
    """A smooth random field of a few scales."""
    out = np.zeros((side, side), np.float32)
    for cells in (2, 4, 9):
        grid = rng.normal(0, 1, (cells, cells)).astype(np.float32)
        out += cv2.resize(grid, (side, side), interpolation=cv2.INTER_CUBIC) * strength / cells
    return out


def _sheet(image: Image) -> npt.NDArray[np.uint8]:
    """An empty mask of the size of an image; OpenCV draws smooth edges on bytes alone."""
    return np.zeros(image.shape, np.uint8)


def _fractions(mask: npt.NDArray[np.uint8]) -> Image:
    return np.asarray(mask.astype(np.float32) / 255, np.float32)


def _rod(image: Image, start: Point, end: Point, radius: float, dense: float) -> None:
    """A tube with a brighter wall, widened at its ends, added in place."""
    thickness = max(1, round(2 * radius))
    first, last = ((round(float(p[0])), round(float(p[1]))) for p in (start, end))
    tube, core = _sheet(image), _sheet(image)
    cv2.line(tube, first, last, 255, thickness, cv2.LINE_AA)
    for point in (first, last):
        cv2.circle(tube, point, round(1.35 * radius), 255, -1, cv2.LINE_AA)
    cv2.line(core, first, last, 255, max(1, round(1.1 * radius)), cv2.LINE_AA)
    image += np.float32(dense) * (_fractions(tube) - np.float32(0.45) * _fractions(core))


def _long_bones(image: Image, rng: np.random.Generator) -> Image:
    """One or two shafts across the picture, as of a limb."""
    side = image.shape[0]
    turn = rng.uniform(0, np.pi)
    along, across = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    radius = rng.uniform(0.06, 0.2) * side
    for k in range(int(rng.integers(1, 3))):
        middle = np.full(2, side / 2) + across * (k * rng.uniform(2.5, 4) * radius) + rng.normal(0, 0.1 * side, 2)
        reach = rng.uniform(0.3, 1.2) * side
        _rod(image, middle - along * reach, middle + along * reach, radius, float(rng.uniform(0.4, 1.2)))
    return image


def _rays(image: Image, rng: np.random.Generator) -> Image:
    """Short bones in rows beside each other, as of a hand, a foot or a wrist."""
    side = image.shape[0]
    turn, radius = rng.uniform(-np.pi, np.pi), rng.uniform(0.03, 0.09) * side
    for ray in range(int(rng.integers(2, 6))):
        direction = np.array([np.cos(turn + 0.14 * ray), np.sin(turn + 0.14 * ray)])
        at = np.full(2, side / 2) + np.array([-direction[1], direction[0]]) * 3.2 * radius * (ray - 2)
        at = at - direction * rng.uniform(0.2, 0.6) * side
        for _ in range(int(rng.integers(2, 4))):
            reach = rng.uniform(3, 8) * radius
            _rod(image, at, at + direction * reach, radius, float(rng.uniform(0.4, 1.0)))
            at = at + direction * (reach + 3.4 * radius)
    return image


def _joint(image: Image, rng: np.random.Generator) -> Image:
    """Two or more round ends that face each other, as of a hip, a knee or a wrist."""
    side = image.shape[0]
    for _ in range(int(rng.integers(2, 6))):
        sheet = _sheet(image)
        centre = tuple(int(v) for v in rng.uniform(0, side, 2))
        size = tuple(int(v) for v in rng.uniform(0.08, 0.45, 2) * side)
        cv2.ellipse(sheet, centre, size, float(rng.uniform(0, 180)), 0, 360, 255, -1, cv2.LINE_AA)
        bone = _fractions(sheet)
        rim = bone - cv2.erode(bone, np.ones((5, 5), np.uint8))
        image = image + np.float32(rng.uniform(0.2, 0.8)) * (bone + np.float32(rng.uniform(0, 0.8)) * rim)
    return image


def _texture(image: Image, rng: np.random.Generator) -> Image:
    """Strands and blobs on a gradient, as of a breast, a lung or bowel."""
    side = image.shape[0]
    noise = rng.normal(0, 1, (side, side)).astype(np.float32)
    fine = cv2.GaussianBlur(noise, (0, 0), float(rng.uniform(1.5, 5)))
    image = image + fine / max(float(fine.std()), 1e-3) * np.float32(rng.uniform(0.05, 0.3))
    for _ in range(int(rng.integers(0, 14))):
        points = np.cumsum(rng.normal(0, 0.12 * side, (5, 2)), 0) + rng.uniform(0, side, 2)
        strand = _sheet(image)
        cv2.polylines(strand, [points.astype(np.int32)], False, 255, int(rng.integers(1, 6)), cv2.LINE_AA)
        image = image + np.float32(rng.uniform(-0.3, 0.4)) * _fractions(strand)
    return image


def _text(image: Image, rng: np.random.Generator) -> Image:
    """Letters and boxes, as of a form, a label or a test pattern."""
    side = image.shape[0]
    for _ in range(int(rng.integers(1, 9))):
        at = (int(rng.uniform(-0.1, 0.8) * side), int(rng.uniform(0.1, 1.0) * side))
        ink = _sheet(image)
        if rng.random() < 0.4:
            end = (at[0] + int(rng.uniform(0.1, 0.7) * side), at[1] + int(rng.uniform(0.1, 0.7) * side))
            cv2.rectangle(ink, at, end, 255, -1 if rng.random() < 0.5 else 2)
        else:
            word = "".join(chr(65 + int(c)) for c in rng.integers(0, 26, int(rng.integers(1, 7))))
            cv2.putText(ink, word, at, cv2.FONT_HERSHEY_SIMPLEX, float(rng.uniform(0.4, 2.5)), 255, 2, cv2.LINE_AA)
        image = image + np.float32(rng.uniform(-0.8, 1.4)) * _fractions(ink)
    return image


def _lines(image: Image, rng: np.random.Generator) -> Image:
    """Bands and edges without a body between them: ribs, collimators, rulers, skin folds."""
    side = image.shape[0]
    for _ in range(int(rng.integers(1, 6))):
        points = np.stack((np.linspace(-0.1, 1.1, 7) * side, rng.uniform(0, side) + np.cumsum(rng.normal(0, 8, 7))), 1)
        turned = points @ cv2.getRotationMatrix2D((0, 0), float(rng.uniform(0, 180)), 1.0)[:, :2].T
        turned += rng.uniform(0.2, 0.8, 2) * side - turned[3]
        band = _sheet(image)
        cv2.polylines(band, [turned.astype(np.int32)], False, 255, int(rng.integers(1, 22)), cv2.LINE_AA)
        image = image + np.float32(rng.uniform(-0.6, 0.8)) * _fractions(band)
    return image
