"""The table and the curves of few films."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.few_films.figures import BIAS, ECE, LOG_LOSS, MACRO, MAE, OSTEOPOROSIS, Row
from benchmarks.few_films.ways import RECALIBRATED, START, Way
from cohort.bmd import BmdClass
from cohort.spine import VertebralLevel
from pipeline.appearance.colours import CLASSES, LEVELS, LIGHT
from pipeline.evaluation.statistics.intervals import Estimate

STYLES: Mapping[str, tuple[str, str]] = {
    RECALIBRATED: (LIGHT["quiet"], "x"),
    Way.HEAD: (LEVELS[VertebralLevel.L1], "o"),
    Way.HEAD_PLAIN: (LEVELS[VertebralLevel.L2], "s"),
    Way.HEAD_NORMS: (LEVELS[VertebralLevel.L4], "D"),
    Way.ALL: (CLASSES[BmdClass.OSTEOPOROSIS], "^"),
    Way.NOTHING: (LIGHT["good"], "v"),
}
"""Colour and marker of each way."""

COLUMNS = {
    OSTEOPOROSIS: "osteoporosis AUC",
    MACRO: "macro AUC",
    BIAS: "T bias",
    MAE: "T MAE",
    LOG_LOSS: "log loss",
    ECE: "ECE",
}

NOTE = (
    "Estimates with 95 % intervals; of several draws of the patients, the mean with the least and the largest. "
    "Differences are paired, from the weights as they are (`start`), by bootstrap of patients."
)


def table(rows: Sequence[Row]) -> str:
    """Markdown: a line for each way and size, draws taken together."""
    heads = ["way", "patients", "draws", "calibrated", *COLUMNS.values(), "AUC - start", "T MAE - start", "seconds"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for (way, patients), draws in _grouped(rows).items():
        calibrated = f"{sum(row.calibrated for row in draws)} of {len(draws)}"
        cells = [way, f"{patients:,}" if patients else "", str(len(draws)), calibrated]
        cells += [_cell([row.figures[name] for row in draws], signed=name == BIAS) for name in COLUMNS]
        cells += [
            _cell([row.differences[name] for row in draws], signed=True) if way != START else ""
            for name in (OSTEOPOROSIS, MAE)
        ]
        lines.append(f"| {' | '.join([*cells, f'{np.mean([row.seconds for row in draws]):.0f}'])} |")
    return "\n".join([*lines, "", NOTE])


def draw(rows: Sequence[Row], picture: Path) -> None:
    """AUC of osteoporosis and magnitude of the T-score's bias over patients, a curve a way."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    figure = Figure(figsize=(9, 4.2), dpi=150, layout="constrained")
    grouped = _grouped(rows)
    sizes = sorted({patients for _, patients in grouped if patients})
    shown = ((OSTEOPOROSIS, "AUC of osteoporosis"), (BIAS, "magnitude of the T-score's bias"))
    for axes, (name, label) in zip(figure.subplots(1, 2), shown, strict=True):
        for way, (colour, marker) in STYLES.items():
            own = {patients: draws for (one, patients), draws in sorted(grouped.items()) if one == way}
            values = [[_shown(row, name) for row in draws] for draws in own.values()]
            if own:
                axes.plot(list(own), [np.mean(each) for each in values], color=colour, marker=marker, label=str(way))
                if any(len(each) > 1 for each in values):
                    low, high = [min(each) for each in values], [max(each) for each in values]
                    axes.vlines(list(own), low, high, color=colour, linewidth=1)
        for row in rows:
            if row.way == START:
                axes.axhline(_shown(row, name), color=LIGHT["text"], linestyle="--", label=START)
        axes.set_xscale("log")
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set(xlabel="patients of the hospital", ylabel=label)
        if name == BIAS:
            axes.set_ylim(bottom=0)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False)
    figure.savefig(picture)


def _shown(row: Row, name: str) -> float:
    value = row.figures[name].value
    return abs(value) if name == BIAS else value


def _grouped(rows: Sequence[Row]) -> dict[tuple[str, int], list[Row]]:
    """Rows by way and size, in the order of the ways."""
    order = [START, *STYLES]
    found: dict[tuple[str, int], list[Row]] = {}
    for row in sorted(rows, key=lambda row: (order.index(row.way), row.patients, row.repeat)):
        found.setdefault((row.way, row.patients), []).append(row)
    return found


def _cell(estimates: Sequence[Estimate], signed: bool = False) -> str:
    sign = "+" if signed else ""
    values = [one.value for one in estimates]
    low, high = (estimates[0].low, estimates[0].high) if len(estimates) == 1 else (min(values), max(values))
    return f"{np.mean(values):{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"
