"""The audit's pictures and page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2
import jinja2
import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd

from cohort.io.radiograph import PLAIN_SUFFIXES, read_radiograph
from cohort.study import Study
from osteolens.errors import OsteoLensError

mpl.use("Agg")
from matplotlib import pyplot as plt

PUBLISHED_WOMEN = ((30.0, 0.990, 0.100), (70.0, 0.762, 0.130))
"""Age, mean and SD of areal BMD: young women of Lynn 2005, and 23 % less at 70; the SD at 70 is of women from 60 on."""

PUBLISHED_MEN = ((30.0, 0.980, 0.116), (50.0, 0.941, 0.125))
"""Young men of Tan 2007, and 4 % less at 50 (Lynn 2005)."""

PANEL_PX = 520
SHOWN = 4


def write_audit_report(
    out: Path,
    document: dict[str, Any],
    truth: pd.DataFrame,
    adults: pd.DataFrame,
    studies: Sequence[Study],
    real: Path | None,
) -> None:
    """Write figures as PNG and `report.html`, which holds them and needs no other file."""
    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "figure.dpi": 120})
    _population_figure(truth, out / "population.png")
    _bone_figure(truth, adults, out / "bone.png")
    _check_figure(document["checks"], out / "shortcuts.png")
    names = ["population.png", "bone.png", "shortcuts.png"]
    for view in ("ap", "lateral"):
        name = f"panel_{view}.png"
        if _panel([getattr(s, view) for s in studies[: 40 * SHOWN : 40]], _real_films(real), view, out / name):
            names.append(name)
    pictures = {name: base64.b64encode((out / name).read_bytes()).decode() for name in names}
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string((files("pipeline.audit") / "audit.html.jinja").read_text("utf-8"))
    page = template.render(**document, pictures=pictures)
    (out / "report.html").write_text(page, encoding="utf-8")


def _population_figure(truth: pd.DataFrame, path: Path) -> None:
    figure, axes = plt.subplots(1, 3, figsize=(10, 2.9), constrained_layout=True)
    bmi = truth["weight_kg"] / (truth["height_cm"] / 100) ** 2
    for axis, (values, label) in zip(
        axes,
        ((truth["age_years"], "age, years"), (bmi, "BMI, kg/m²"), (truth["t_score"], "L1-L4 T-score")),
        strict=True,
    ):
        for sex, colour in (("F", "#b4436c"), ("M", "#2b6cb0")):
            axis.hist(
                values[truth["sex"] == sex], bins=24, alpha=0.6, color=colour, label={"F": "women", "M": "men"}[sex]
            )
        axis.set_xlabel(label)
    axes[2].axvline(-2.5, color="k", lw=0.8)
    axes[2].axvline(-1.0, color="k", lw=0.8)
    axes[0].set_ylabel("patients")
    axes[0].legend(frameon=False)
    figure.savefig(path)
    plt.close(figure)


def _bone_figure(truth: pd.DataFrame, adults: pd.DataFrame, path: Path) -> None:
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.1), constrained_layout=True)
    for axis, sex, word, published in (
        (axes[0], "F", "women", PUBLISHED_WOMEN),
        (axes[1], "M", "men", PUBLISHED_MEN),
    ):
        both = pd.concat([adults, truth])[lambda d, sex=sex: d["sex"] == sex]
        axis.scatter(both["age_years"], both["bmd_g_cm2"], s=4, alpha=0.35, color="#4a5568", lw=0)
        bins = pd.cut(both["age_years"], [20, 40, 55, 60, 65, 70, 75, 80, 95])
        course = both.groupby(bins, observed=True)[["age_years", "bmd_g_cm2"]].mean()
        axis.plot(course["age_years"], course["bmd_g_cm2"], color="#b4436c", label="simulated mean")
        ages, means, spreads = np.array(published).T
        axis.errorbar(ages, means, spreads, fmt="s", color="#2b6cb0", ms=5, capsize=3, label="published mean, SD")
        axis.set_xlabel(f"age of {word}, years")
        axis.set_ylim(0.3, 1.5)
    axes[0].set_ylabel("areal BMD of L1-L4, g/cm²")
    axes[0].legend(frameon=False)
    axes[2].scatter(truth["vbmd_mg_cm3"], truth["bmd_g_cm2"], s=4, alpha=0.35, color="#4a5568", lw=0)
    axes[2].set_xlabel("trabecular vBMD, mg/cm³")
    figure.savefig(path)
    plt.close(figure)


def _check_figure(checks: Sequence[dict[str, Any]], path: Path) -> None:
    shown = [c for c in checks if c["name"].startswith("AUC")]
    figure, axis = plt.subplots(figsize=(7, 0.38 * len(shown) + 0.9), constrained_layout=True)
    for row, check in enumerate(reversed(shown)):
        axis.plot([check["low"], check["high"]], [row, row], color="#cbd5e0", lw=7, solid_capstyle="butt")
        axis.plot(check["value"], row, "o", color="#2f7d5b" if check["passed"] else "#b03a3a")
    axis.set_yticks(range(len(shown)), [c["name"].removeprefix("AUC of osteoporosis from ") for c in reversed(shown)])
    axis.set_xlim(0.4, 1.0)
    axis.set_xlabel("AUC of osteoporosis, logistic regression, 10-fold; grey: allowed")
    figure.savefig(path)
    plt.close(figure)


def _real_films(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    known = (*PLAIN_SUFFIXES, ".dcm")
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in known)[:SHOWN]


def _panel(simulated: Sequence[Path | None], real: Sequence[Path], view: str, path: Path) -> bool:
    """Real films, where given, left of simulated ones; a real film counts as AP unless its name says lateral."""
    chosen = [p for p in real if ("lat" in p.stem.lower()) == (view == "lateral")]
    tiles = [_tile(p, "real") for p in chosen] + [_tile(p, "in-silico") for p in simulated if p is not None]
    shown = [tile for tile in tiles if tile is not None]
    if shown:
        cv2.imwrite(str(path), np.hstack(shown))
    return bool(shown)


def _tile(path: Path, label: str) -> npt.NDArray[np.uint8] | None:
    try:
        pixels = read_radiograph(path).pixels
    except OsteoLensError:
        return None
    scale = PANEL_PX / pixels.shape[0]
    size = (max(1, round(pixels.shape[1] * scale)), PANEL_PX)
    small = (cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) * 255).round().astype(np.uint8)
    small = cv2.copyMakeBorder(small, 22, 0, 2, 2, cv2.BORDER_CONSTANT, value=0)
    cv2.putText(small, label, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1, cv2.LINE_AA)
    return np.asarray(small, np.uint8)
