"""The flow of studies as a figure: boxes downwards, what leaves to the right, the last groups side by side."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from cohort.check import Step
from osteolens.atomic import whole_file
from osteolens.errors import ConfigError
from pipeline.report_page.figures import DOTS_PER_INCH, TYPE_PT, plain

ENDINGS = (".svg", ".png")
"""Of files that the flow is drawn into."""

WIDTH_IN = 6.9
"""Of the figure, within the text of an A4 page."""

MAIN_IN, SIDE_IN, GAP_IN, LINE_IN, PAD_IN = 2.7, 3.75, 0.3, 0.15, 0.09
"""Width of the boxes downwards and of those to the right, the room between two boxes downwards, the height of a line
and the room around text, in inches."""

MOST_SIDE_BY_SIDE = 4
"""Groups below the last box; more are lines of one box."""

CHARACTERS_PER_IN = 15.0
"""Of type of TYPE_PT, narrow enough for wide letters."""

EDGE, LEAVES = "#3b5b7a", "#f5f7f9"


@dataclass(frozen=True, slots=True)
class FlowBox:
    """One box of the flow.

    Attributes:
        text: how many studies there are, and what they are.
        leaving: lines about those that leave before the next box; empty where none does.
    """

    text: str
    leaving: tuple[str, ...] = ()


def flow_figure(boxes: Sequence[FlowBox], groups: Sequence[str] = ()) -> Figure:
    """A flow diagram of type of TYPE_PT at its printed width.

    Source: STARD 2015, item 19, Figure 1 of Bossuyt et al. 2015.

    Args:
        boxes: downwards.
        groups: boxes side by side below the last one; their lines are separated by line breaks.
    """
    texts = [_wrapped(box.text, MAIN_IN) for box in boxes]
    sides = [[line for text in box.leaving for line in _wrapped(text, SIDE_IN, "  ")] for box in boxes]
    if len(groups) > MOST_SIDE_BY_SIDE:
        groups = ["\n".join(group.replace("\n", ", ") for group in groups)]
    group_width = (WIDTH_IN - PAD_IN * (len(groups) + 1)) / max(len(groups), 1)
    ends = [[line for part in group.split("\n") for line in _wrapped(part, group_width)] for group in groups]
    gaps = [max(GAP_IN, _height(side) + 2 * PAD_IN if side else 0.0) for side in sides]
    tall = sum(_height(text) for text in texts) + sum(gaps[:-1]) + 2 * PAD_IN
    last = gaps[-1] + max((_height(end) for end in ends), default=0.0) if ends or sides[-1] else 0.0
    figure = Figure(figsize=(WIDTH_IN, tall + last))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, WIDTH_IN), ylim=(-(tall + last), 0))
    axes.axis("off")
    middle, y = PAD_IN + MAIN_IN / 2, -PAD_IN
    for number, (text, side, gap) in enumerate(zip(texts, sides, gaps, strict=True)):
        _box(axes, PAD_IN, y, MAIN_IN, text, "white", "center")
        y -= _height(text)
        if number < len(texts) - 1 or (ends and len(ends) == 1):
            _arrow(axes, (middle, y), (middle, y - gap))
        if side:
            _box(axes, WIDTH_IN - PAD_IN - SIDE_IN, y - (gap - _height(side)) / 2, SIDE_IN, side, LEAVES, "left")
            _arrow(axes, (middle, y - gap / 2), (WIDTH_IN - PAD_IN - SIDE_IN, y - gap / 2))
        y -= gap
    for number, end in enumerate(ends):
        x = PAD_IN + number * (group_width + PAD_IN)
        _box(axes, x, y, group_width, end, "white", "center")
        if len(ends) > 1:
            turn, target = y + gaps[-1] / 2, x + group_width / 2
            axes.plot([middle, middle, target], [y + gaps[-1], turn, turn], color=EDGE, linewidth=0.8)
            _arrow(axes, (target, turn), (target, y))
    return figure


def _wrapped(text: str, width: float, indent: str = "") -> list[str]:
    room = int((width - 2 * PAD_IN) * CHARACTERS_PER_IN)
    return textwrap.wrap(plain(text), room, subsequent_indent=indent) or [""]


def _height(lines: Sequence[str]) -> float:
    return len(lines) * LINE_IN + 2 * PAD_IN


def _box(axes: Axes, x: float, top: float, width: float, lines: Sequence[str], colour: str, align: str) -> None:
    height = _height(lines)
    axes.add_patch(
        FancyBboxPatch(
            (x, top - height), width, height, boxstyle="round,pad=0,rounding_size=0.04", fc=colour, ec=EDGE, lw=0.8
        )
    )
    at = x + width / 2 if align == "center" else x + PAD_IN
    for number, line in enumerate(lines):
        y = top - PAD_IN - (number + 0.5) * LINE_IN
        axes.text(at, y, line, ha=align, va="center_baseline", fontsize=TYPE_PT)


def _arrow(axes: Axes, begin: tuple[float, float], end: tuple[float, float]) -> None:
    arrow = {"arrowstyle": "-|>", "color": EDGE, "lw": 0.8, "shrinkA": 0.0, "shrinkB": 0.0}
    axes.annotate("", end, begin, arrowprops=arrow)


def draw_flow(flow: Sequence[Step], splits: Mapping[str, Mapping[str, int]], path: Path) -> None:
    """The flow of studies of a cohort, as the paper's Figure 1, into a file.

    Args:
        flow: steps of the eligibility, with what each leaves out.
        splits: eligible studies by split and class.
        path: to write, with the ending .svg or .png.

    Raises:
        ConfigError: another ending.
        OutputError: the file cannot be written.
    """
    if path.suffix.lower() not in ENDINGS:
        raise ConfigError(f"{path}: expected a name that ends in {' or '.join(ENDINGS)}")
    out = flow[0].remaining - flow[-1].remaining
    reasons = tuple(f"{step.left_out}: {step.reason}" for step in flow if step.left_out)
    groups = [
        "\n".join((f"{name}: {sum(classes.values())}", *(f"{count} {label}" for label, count in classes.items())))
        for name, classes in splits.items()
    ]
    found = FlowBox(f"{flow[0].remaining} studies found", (f"{out} left out:", *reasons) if out else ())
    figure = flow_figure([found, FlowBox(f"{flow[-1].remaining} eligible")], groups)
    with whole_file(path) as unfinished:
        figure.savefig(unfinished, format=path.suffix.lower().lstrip("."), dpi=DOTS_PER_INCH)
