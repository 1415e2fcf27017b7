"""Objects on a radiograph beside the patient: table and clothing in the beam, collimated borders, side markers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
import numpy.typing as npt

from cohort.spine import View
from phantom.xray.system import Border, XraySystem

Image = npt.NDArray[np.float32]


class Clothing(StrEnum):
    """Parts of clothing that a radiograph shows."""

    BUTTONS = "buttons"
    CLASP = "clasp"
    ZIP = "zip"
    WAISTBAND = "waistband"
    CLIP = "clip"


def sample_clothing(shape: tuple[int, int], spacing_mm: float, rng: np.random.Generator) -> Image:
    """Buttons, clasps, a zip or a waistband over the field, as g/cm2 of hydroxyapatite of equal attenuation.

    One image in eight shows any; frequencies and shapes are ours.
    """
    rows, columns = shape
    canvas = np.zeros(shape, np.float32)
    if rng.random() >= 0.125:
        return canvas
    kind = Clothing(str(rng.choice(list(Clothing))))

    def mm(value: float) -> int:
        return max(1, round(value / spacing_mm))

    x, y = int(rng.uniform(0.1, 0.9) * columns), int(rng.uniform(0.05, 0.95) * rows)
    dense = float(rng.uniform(0.15, 0.9))
    if kind is Clothing.BUTTONS:
        for k in range(int(rng.integers(1, 4))):
            cv2.circle(canvas, (x, y + k * mm(70)), mm(5.5), dense, -1, cv2.LINE_AA)
            for dx, dy in ((-1.5, 0), (1.5, 0)):
                cv2.circle(canvas, (x + mm(dx) if dx > 0 else x - mm(-dx), y + k * mm(70) + int(dy)), mm(0.7), 0.0, -1)
    elif kind is Clothing.CLASP:
        for k in range(3):
            cv2.ellipse(canvas, (x, y + k * mm(9)), (mm(5), mm(2.5)), 0, 20, 340, 2.0, mm(1.1), cv2.LINE_AA)
    elif kind is Clothing.ZIP:
        for k in range(int(rng.integers(20, 60))):
            cv2.rectangle(canvas, (x, y + k * mm(2.5)), (x + mm(3.5), y + k * mm(2.5) + mm(1.0)), 1.2, -1)
    elif kind is Clothing.WAISTBAND:
        for k in range(int(rng.integers(2, 5))):
            sag = int(rng.normal(0, 4))
            cv2.line(canvas, (0, y + k * mm(4)), (columns, y + k * mm(4) + sag), 0.08, mm(1.0), cv2.LINE_AA)
    else:
        for _ in range(int(rng.integers(2, 6))):
            at = (x + int(rng.normal(0, mm(8))), y + int(rng.normal(0, mm(8))))
            cv2.ellipse(canvas, at, (mm(3.5), mm(1.2)), float(rng.uniform(0, 180)), 0, 360, 3.0, -1, cv2.LINE_AA)
    return canvas


def sample_table(shape: tuple[int, int], rng: np.random.Generator) -> Image:
    """Table top or mattress with an edge in the field now and then, g/cm2 of water-like matter."""
    columns = shape[1]
    canvas = np.zeros(shape, np.float32)
    if rng.random() >= 0.15:
        return canvas
    edge = int(rng.uniform(0.0, 1.0) * columns)
    thickness = float(rng.uniform(0.1, 0.5))
    if rng.random() < 0.5:
        canvas[:, :edge] = thickness
    else:
        canvas[:, edge:] = thickness
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), float(rng.uniform(0.8, 4.0))), np.float32)


@dataclass(frozen=True, slots=True)
class Finished:
    """A stored image with border and marker, and how far the patient's image moved.

    Attributes:
        stored: uint16 (rows, columns), 12 bits.
        shift_px: (columns, rows) by which coordinates grew.
    """

    stored: npt.NDArray[np.uint16]
    shift_px: tuple[int, int]


def finish(
    stored: npt.NDArray[np.uint16], view: View, system: XraySystem, spacing_mm: float, rng: np.random.Generator
) -> Finished:
    """Keep collimated borders in a third of the images of systems that store them, and lay a lead marker.

    Args:
        stored: uint16 (rows, columns), 12 bits.
        view: which the marker may name.
        system: whose borders they are.
        spacing_mm: pixel size at the detector.
        rng: source of borders and marker.
    """
    shift = (0, 0)
    if system.border is not Border.NONE and rng.random() < 0.35:
        rows, columns = stored.shape
        top, bottom = (int(rng.uniform(0, 0.09) * rows) for _ in range(2))
        left, right = (int(rng.uniform(0, 0.16) * columns) for _ in range(2))
        level = 20 if system.border is Border.BLACK else 4000
        framed = np.full((rows + top + bottom, columns + left + right), level, np.uint16)
        framed += rng.integers(0, 30, framed.shape, dtype=np.uint16)
        framed[top : top + rows, left : left + columns] = stored
        stored, shift = framed, (left, top)
    if rng.random() < 0.7:
        stored = _marked(stored, shift, view, spacing_mm, rng)
    return Finished(stored, shift)


def _marked(
    stored: npt.NDArray[np.uint16], shift: tuple[int, int], view: View, spacing_mm: float, rng: np.random.Generator
) -> npt.NDArray[np.uint16]:
    """A lead letter, bright as lead is, near an edge of the field."""
    rows, columns = stored.shape
    height = float(rng.uniform(9, 16)) / spacing_mm
    scale = height / 22.0
    text = str(rng.choice(["R", "L", "R", "L", "AP" if view is View.AP else "LAT", "R 1", "L 2"]))
    side = int(rng.uniform(0.03, 0.10) * columns)
    x = shift[0] + side if rng.random() < 0.5 else int(columns - shift[0] - side - len(text) * height * 0.9)
    y = int(rng.uniform(0.06, 0.95) * rows)
    lead = np.zeros(stored.shape, np.uint8)
    cv2.putText(
        lead, text, (max(0, x), y), cv2.FONT_HERSHEY_SIMPLEX, scale, 255, max(1, round(2.2 * scale)), cv2.LINE_AA
    )
    opacity = lead.astype(np.float32) / 255
    return (stored * (1 - opacity) + 4050 * opacity).round().clip(0, 4095).astype(np.uint16)
