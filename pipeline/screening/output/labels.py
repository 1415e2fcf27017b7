"""Labels of an overlay: beside their boxes, over no box, over no other label, and on the picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from PIL import ImageDraw

from pipeline.appearance.colours import DARK, INK, rgb
from pipeline.appearance.lettering import font

Corners = tuple[float, float, float, float]
"""x0, y0, x1 and y1 in pixels of the picture."""

DETAIL = 0.64
"""Size of a label's second line by that of its first."""

NUDGES = (0.0, -0.25, 0.25, -0.5, 0.5)
"""Where a label is tried beside its box: up or down from its middle, by the height of the box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What is said of a box.

    Attributes:
        name: of the level.
        details: why the level is left out or what is suspected, the longest words first; may be empty.
        colour: #rrggbb of the level.
        size_px: of the letters of the name.
        is_used: whether the label is filled; that of a left-out level is framed.
        box: that the label stands beside.
    """

    name: str
    details: tuple[str, ...]
    colour: str
    size_px: int
    is_used: bool
    box: Corners

    @property
    def gap(self) -> int:
        """Between label and box."""
        return max(3, round(0.3 * self.size_px))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plate:
    """A label in its place.

    Attributes:
        label: what it says.
        detail: second line, one of the label's or none.
        corners: of the plate.
        has_line: whether a line leads from it to its box, from which it stands apart.
    """

    label: Label
    detail: str
    corners: Corners
    has_line: bool = False


def place(labels: Sequence[Label], width: int, height: int) -> tuple[list[Plate], int]:
    """Labels in their places.

    A label stands at the left of its box, else at its right, else with a shorter second line or none. Where boxes leave
    no room for it, it stands in a margin right of the picture, which becomes wider.

    Args:
        labels: in the order in which they are placed.
        width: of the picture in pixels.
        height: of the picture in pixels.

    Returns:
        the plates, and the width of the picture with its margin.
    """
    taken = [label.box for label in labels]
    plates, apart = [], []
    for label in labels:
        tried = (plate for detail in (*label.details, "") for plate in _beside(label, detail))
        plate = next((plate for plate in tried if _is_free(plate.corners, taken, width, height)), None)
        if plate is None:
            apart.append(label)
        else:
            plates.append(plate)
            taken.append(plate.corners)
    if not apart:
        return plates, width
    sizes = [_size(label, "") for label in apart]
    margin = round(max(wide for wide, _ in sizes)) + 4 * apart[0].gap
    return [*plates, *_in_margin(apart, width, height)], width + margin


def draw_plate(draw: ImageDraw.ImageDraw, plate: Plate) -> None:
    """Draw a label: filled in the colour of its level, or dark with a frame where the level is left out.

    Args:
        draw: of the picture.
        plate: to draw.
    """
    label, (x0, y0, x1, y1) = plate.label, plate.corners
    colour = rgb(label.colour)
    edge = max(1, round(label.size_px / 14))
    if plate.has_line:
        middle = (y0 + y1) / 2
        target = (label.box[2], min(max(middle, label.box[1]), label.box[3]))
        draw.line((*target, x0, middle), fill=rgb(INK), width=3 * edge)
        draw.line((*target, x0, middle), fill=colour, width=edge)
    halo = (x0 - edge, y0 - edge, x1 + edge, y1 + edge)
    draw.rounded_rectangle(halo, radius=0.25 * label.size_px, fill=rgb(INK))
    fill, ink = (colour, INK) if label.is_used else (rgb(DARK["raised"]), DARK["text"])
    draw.rounded_rectangle((x0, y0, x1, y1), 0.22 * label.size_px, fill=fill, outline=colour, width=edge + 1)
    middle, line = (x0 + x1) / 2, y0 + 0.68 * label.size_px
    draw.text((middle, line), label.name, rgb(ink), font(label.size_px, bold=True), anchor="mm")
    if plate.detail:
        below = line + 0.9 * label.size_px
        draw.text((middle, below), plate.detail, rgb(ink), font(_detail_size(label), bold=True), anchor="mm")


def _detail_size(label: Label) -> int:
    return max(8, round(DETAIL * label.size_px))


def _size(label: Label, detail: str) -> tuple[float, float]:
    name = font(label.size_px, bold=True).getlength(label.name)
    width = max(name, font(_detail_size(label), bold=True).getlength(detail) if detail else 0.0)
    return width + 0.6 * label.size_px, (2.2 if detail else 1.36) * label.size_px


def _beside(label: Label, detail: str) -> Iterator[Plate]:
    """Places beside the box, the best first."""
    x0, y0, x1, y1 = label.box
    wide, tall = _size(label, detail)
    for left in (x0 - label.gap - wide, x1 + label.gap):
        for nudge in NUDGES:
            top = (y0 + y1 - tall) / 2 + nudge * (y1 - y0)
            yield Plate(label=label, detail=detail, corners=(left, top, left + wide, top + tall))


def _is_free(corners: Corners, taken: Sequence[Corners], width: int, height: int) -> bool:
    x0, y0, x1, y1 = corners
    edge = 3
    if x0 < edge or y0 < edge or x1 > width - edge or y1 > height - edge:
        return False
    return not any(
        x0 - edge < right and left < x1 + edge and y0 - edge < bottom and top < y1 + edge
        for left, top, right, bottom in taken
    )


def _in_margin(labels: Sequence[Label], width: int, height: int) -> list[Plate]:
    """Labels one below the other right of the picture, as near to their boxes as there is room, smaller if need be."""
    gap = 4
    ordered = sorted(labels, key=lambda label: label.box[1] + label.box[3])
    needed = sum(_size(label, "")[1] + gap for label in ordered) + gap
    if needed > height:
        ordered = [replace(label, size_px=max(1, int(label.size_px * height / needed) - 1)) for label in ordered]
    sizes = [_size(label, "") for label in ordered]
    tops: list[float] = []
    floor = float(gap)
    for label, (_, tall) in zip(ordered, sizes, strict=True):
        tops.append(max(floor, (label.box[1] + label.box[3] - tall) / 2))
        floor = tops[-1] + tall + gap
    ceiling = float(height - gap)
    for k in reversed(range(len(tops))):
        tops[k] = min(tops[k], ceiling - sizes[k][1])
        ceiling = tops[k] - gap
    return [
        Plate(
            label=label,
            detail="",
            corners=(left := width + 2 * label.gap, top, left + wide, top + tall),
            has_line=True,
        )
        for label, (wide, tall), top in zip(ordered, sizes, tops, strict=True)
    ]
