"""Figures of an audit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cohort.bmd import NORMAL_FROM, OSTEOPOROSIS_TO
from cohort.covariates import Sex
from cohort.io.dicom.read import DICOM_SUFFIXES
from cohort.io.radiograph import PLAIN_SUFFIXES, read_radiograph
from cohort.io.view_names import view_from_path
from cohort.spine import View
from osteolens.errors import OsteoLensError
from phantom.subject.population import YoungAdult
from pipeline.audit.checks import Check, CheckKind
from pipeline.audit.patients import Flags, Floats, SimulatedPatients
from pipeline.report_page.figures import panels

PUBLISHED_BMD = {
    Sex.FEMALE: ((30.0, 0.990, 0.100), (70.0, 0.762, 0.130)),
    Sex.MALE: ((30.0, 0.980, 0.116), (50.0, 0.941, 0.125)),
}
"""Age, mean and SD of areal BMD: young women of Lynn 2005, and 23 % less at 70, with the SD of women from 60 on; young
men of Tan 2007, and 4 % less at 50 (Lynn 2005)."""

AGE_EDGES = (20, 40, 55, 60, 65, 70, 75, 80, 95)
"""Years between which mean areal BMD is drawn."""

COLOURS = {Sex.FEMALE: "#b4436c", Sex.MALE: "#2b6cb0"}
GREY, PASS_COLOUR, FAIL_COLOUR = "#4a5568", "#2f7d5b", "#b03a3a"

TILE_PX = 520
"""Height of a radiograph in a panel."""

TILES = 4
"""Radiographs of each kind in a panel."""

PIXELS_PER_INCH = 150


def audit_figures(
    patients: SimulatedPatients, checks: Sequence[Check], young: Sequence[YoungAdult], real: Path | None
) -> dict[str, Figure]:
    """Every figure of the page by name.

    Args:
        patients: eligible ones.
        checks: of the audit.
        young: simulated young adults.
        real: folder of real radiographs to show beside simulated ones.
    """
    figures = {
        "population": _population_figure(patients),
        "bone": _bone_figure(patients, young),
        "shortcut_learning": _shortcut_figure([c for c in checks if c.kind is CheckKind.SHORTCUT_LEARNING]),
    }
    shown = patients.studies[: 10 * TILES * TILES : 10 * TILES]
    real_tiles = _real_tiles(real)
    for view in View:
        paths = [study.ap if view is View.AP else study.lateral for study in shown]
        tiles = [("in-silico", tile) for path in paths if path is not None and (tile := _tile(path)) is not None]
        tiles = [("real", tile) for tile_view, tile in real_tiles if tile_view is view] + tiles
        if tiles:
            figures[f"panel_{view.lower()}"] = _panel_figure(tiles)
    return figures


def _population_figure(patients: SimulatedPatients) -> Figure:
    figure, axes = panels(3, 10, 2.9)
    traits = ((patients.age_years, "age, years"), (patients.bmi_kg_m2, "BMI, kg/m²"), (patients.t_score, "T-score"))
    for axis, (values, label) in zip(axes, traits, strict=True):
        for sex, word in ((Sex.FEMALE, "women"), (Sex.MALE, "men")):
            axis.hist(values[_of(patients, sex)], bins=24, alpha=0.6, color=COLOURS[sex], label=word)
        axis.set_xlabel(label)
    for limit in (OSTEOPOROSIS_TO, NORMAL_FROM):
        axes[2].axvline(limit, color="k", lw=0.8)
    axes[0].set_ylabel("patients")
    axes[0].legend(frameon=False)
    return figure


def _bone_figure(patients: SimulatedPatients, young: Sequence[YoungAdult]) -> Figure:
    figure, axes = panels(3, 10, 3.1)
    for axis, sex, word in ((axes[0], Sex.FEMALE, "women"), (axes[1], Sex.MALE, "men")):
        adults = [(a.age_years, a.bmd_g_cm2) for a in young if a.sex is sex and a.bmd_g_cm2 is not None]
        group = _of(patients, sex)
        points = np.concatenate(
            (np.array(adults, float).reshape(-1, 2), np.stack((patients.age_years, patients.bmd_g_cm2), 1)[group])
        )
        _bmd_by_age(axis, points)
        ages, means, spreads = np.array(PUBLISHED_BMD[sex]).T
        axis.errorbar(
            ages, means, spreads, fmt="s", color=COLOURS[Sex.MALE], ms=5, capsize=3, label="published mean, SD"
        )
        axis.set_xlabel(f"age of {word}, years")
        axis.set_ylim(0.3, 1.5)
    axes[0].set_ylabel("areal BMD of L1-L4, g/cm²")
    axes[0].legend(frameon=False)
    _points(axes[2], patients.vbmd_mg_cm3, patients.bmd_g_cm2)
    axes[2].set_xlabel("trabecular vBMD, mg/cm³")
    return figure


def _bmd_by_age(axis: Axes, points: Floats) -> None:
    """Points (n, 2) of age and areal BMD, and their means by age."""
    _points(axis, points[:, 0], points[:, 1])
    groups = np.digitize(points[:, 0], AGE_EDGES, right=True)
    inside = [points[groups == k] for k in range(1, len(AGE_EDGES))]
    means = np.array([group.mean(0) for group in inside if len(group)]).reshape(-1, 2)
    axis.plot(means[:, 0], means[:, 1], color=COLOURS[Sex.FEMALE], label="simulated mean")


def _points(axis: Axes, x: Floats, y: Floats) -> None:
    """Thousands of points, as pixels also within an SVG."""
    axis.scatter(x, y, s=5, alpha=0.5, color=GREY, lw=0, rasterized=True)


def _of(patients: SimulatedPatients, sex: Sex) -> Flags:
    return patients.female if sex is Sex.FEMALE else ~patients.female


def _shortcut_figure(checks: Sequence[Check]) -> Figure:
    figure, (axis,) = panels(1, 7, 0.38 * len(checks) + 0.9)
    for row, check in enumerate(reversed(checks)):
        axis.plot([check.low, check.high], [row, row], color="#cbd5e0", lw=7, solid_capstyle="butt")
        axis.plot([check.value], [row], "o", color=PASS_COLOUR if check.passed else FAIL_COLOUR)
    axis.set_yticks(range(len(checks)), [check.name.removeprefix("AUC from ") for check in reversed(checks)])
    axis.set_xlim(min(0.4, *(check.value - 0.02 for check in checks)), 1.0)
    axis.set_xlabel("AUC of osteoporosis, logistic regression, 10-fold; grey: allowed")
    return figure


def _real_tiles(folder: Path | None) -> list[tuple[View, npt.NDArray[np.uint8]]]:
    """The first radiographs of a folder by name; one counts as AP unless its path says lateral."""
    suffixes = (*PLAIN_SUFFIXES, *DICOM_SUFFIXES)
    paths = [] if folder is None else sorted(p for p in folder.rglob("*") if p.suffix.lower() in suffixes)
    tiles = []
    for path in paths[:TILES]:
        tile = _tile(path)
        if tile is not None and folder is not None:
            tiles.append((view_from_path(path.relative_to(folder)) or View.AP, tile))
    return tiles


def _tile(path: Path) -> npt.NDArray[np.uint8] | None:
    """A radiograph of the panel's height; None where it cannot be read."""
    try:
        pixels = read_radiograph(path).pixels
    except OsteoLensError:
        return None
    width = max(1, round(pixels.shape[1] * TILE_PX / pixels.shape[0]))
    resized = cv2.resize(pixels, (width, TILE_PX), interpolation=cv2.INTER_AREA)
    return np.asarray((resized * 255).round(), np.uint8)


def _panel_figure(tiles: Sequence[tuple[str, npt.NDArray[np.uint8]]]) -> Figure:
    """Radiographs side by side, each with a word above."""
    gap = np.zeros((TILE_PX, 4), np.uint8)
    row = np.hstack([part for _, tile in tiles for part in (tile, gap)])[:, : -gap.shape[1]]
    figure = Figure(figsize=(row.shape[1] / PIXELS_PER_INCH, TILE_PX / PIXELS_PER_INCH))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.imshow(row, cmap="gray", vmin=0, vmax=255, aspect="equal", interpolation="none")
    left = 0
    for label, tile in tiles:
        axes.text(left, -8, label, fontsize=8, va="bottom")
        left += tile.shape[1] + gap.shape[1]
    return figure
