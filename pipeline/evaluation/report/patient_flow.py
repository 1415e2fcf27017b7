"""The flow of patients of a cohort, drawn as SVG or PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cohort.check import Step
from osteolens.atomic import whole_file
from osteolens.errors import ConfigError

ENDINGS = (".svg", ".png")
"""Of files that the flow is drawn into."""


def draw_flow(flow: Sequence[Step], splits: Mapping[str, Mapping[str, int]], path: Path) -> None:
    """The flow of patients, as the paper's Figure 1: boxes downwards, what leaves to the right, splits below.

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
    from matplotlib.figure import Figure

    steps = [step for step in flow if step.left_out]
    rows = len(steps) + 2
    figure = Figure(figsize=(9, 0.9 * rows + 0.6))
    axes = figure.subplots()
    axes.set_xlim(0, 10)
    axes.set_ylim(-rows, 0.2)
    axes.axis("off")
    style = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": "#3b5b7a"}
    arrow = {"arrowstyle": "-|>", "color": "#3b5b7a"}

    def box(x: float, y: float, text: str, align: str = "center") -> None:
        axes.text(x, y, text, ha=align, va="center", fontsize=10, bbox=style)

    box(3, -0.4, f"{flow[0].remaining} studies found")
    for row, step in enumerate(steps, start=1):
        box(5.35, -row, f"{step.left_out} left out: {step.reason}", "left")
        axes.annotate("", (5.2, -row), (3, -row), arrowprops=arrow)
    last = -(rows - 1)
    axes.annotate("", (3, last + 0.15), (3, -0.65), arrowprops=arrow)
    box(3, last - 0.2, f"{flow[-1].remaining} eligible")
    text = "\n".join(
        f"{name}: {sum(classes.values())} ({', '.join(f'{count} {label}' for label, count in classes.items())})"
        for name, classes in splits.items()
    )
    if text:
        axes.text(5.2, last - 0.2, text, ha="left", va="center", fontsize=9)
    with whole_file(path) as unfinished:
        figure.savefig(unfinished, format=path.suffix.lower().lstrip("."), bbox_inches="tight", dpi=150)
