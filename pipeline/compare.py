"""The same studies on hand-drawn and on automatic ROIs, through the same classifier."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cohort.annotations import Rois, read_readings
from cohort.eligibility import exclusions
from cohort.errors import OsteoLensError, ReadError, StudyError
from cohort.index import index_cohort
from cohort.spine import TARGET_LEVELS, SpineDetection, VertebraBox, VertebralLevel, View, iou
from cohort.study import BMD_CLASSES, BmdClass, Study
from pipeline.screen import Screener, read_study
from pipeline.statistics import (
    bland_altman,
    bootstrap,
    compare_areas,
    counts,
    delong,
    mcnemar,
)

AUTOMATIC = "detector"
"""Name of the automatic reader among the others."""


@dataclass(slots=True)
class Comparison:
    """What every reader drew and what the classifier made of it.

    Attributes:
        labels: class of each study, index into BMD_CLASSES.
        shares: by reader, probabilities (n, 3).
        boxes: by reader, view and level, corners (n, 4) in pixels; NaN where there is none.
        spacing_mm: by view, (n,) pixel at the detector; NaN when unknown.
        detect_seconds: time of detection a study, both views.
        left_out: studies that could not be compared, with the reason.
    """

    labels: list[int] = field(default_factory=list)
    shares: dict[str, list[list[float]]] = field(default_factory=dict)
    boxes: dict[tuple[str, View, VertebralLevel], list[tuple[float, ...]]] = field(default_factory=dict)
    spacing_mm: dict[View, list[float]] = field(default_factory=lambda: {view: [] for view in View})
    detect_seconds: list[float] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def compare_rois(
    cohort: Path,
    manual: Path,
    screener: Screener,
    site: str | None = None,
    done: Callable[[int, int], None] = lambda _now, _all: None,
) -> Comparison:
    """Classify every eligible study with DXA once on each reader's boxes and once on the detector's.

    Args:
        cohort: folder with images and cohort.csv.
        manual: rois.csv, or readings with a column `reader`.
        screener: loaded models.
        site: only studies of this site.
        done: called with how many of all studies are done.

    Raises:
        ReadError: no study has hand-drawn boxes of L1-L4 in both views and a T-score.
    """
    readings = read_readings(manual)
    chosen = [s for s in index_cohort(cohort).studies if (site is None or s.site == site) and not exclusions(s)]
    found = Comparison()
    for number, study in enumerate(chosen, start=1):
        try:
            _compare_one(study, readings, screener, found)
        except OsteoLensError as error:
            found.left_out[study.study_uid] = str(error)
        done(number, len(chosen))
    if not found.labels:
        reasons = "; ".join(sorted(set(found.left_out.values()))[:2]) or "no eligible study"
        raise ReadError(f"{manual}: nothing can be compared on {cohort} ({reasons})")
    return found


def _compare_one(study: Study, readings: Mapping[str, Rois], screener: Screener, found: Comparison) -> None:
    drawn = {name: _detections(study, rois) for name, rois in readings.items()}
    lacking = [name for name, views in drawn.items() if len(views) < len(View)]
    if lacking:
        raise StudyError(f"no hand-drawn boxes of L1-L4 in both views by {', '.join(lacking)}")
    radiographs = read_study(study).radiographs
    started = time.perf_counter()
    detections = zip(radiographs, screener.detect(radiographs), strict=True)
    automatic = {d.view: (r, d) for r, d in detections if d is not None and not d.missing}
    seconds = time.perf_counter() - started
    if len(automatic) < len(View):
        raise StudyError("the detector did not find L1-L4 in both views")
    shares = {}
    for name, views in {**drawn, AUTOMATIC: {view: d for view, (_, d) in automatic.items()}}.items():
        pixels = {view: automatic[view][0].pixels for view in View}
        classified = screener.classify_boxes(pixels, views, study.covariates)
        shares[name] = [classified.probabilities[c] for c in BMD_CLASSES]
        for view, detection in views.items():
            for level in TARGET_LEVELS:
                box = detection.box(level)
                corners = (float("nan"),) * 4 if box is None else box.corners
                found.boxes.setdefault((name, view, level), []).append(corners)
    for name, own in shares.items():
        found.shares.setdefault(name, []).append(own)
    for view in View:
        spacing = automatic[view][0].pixel_spacing_mm
        found.spacing_mm[view].append(float("nan") if spacing is None else spacing[1])
    assert study.dxa is not None and study.dxa.bmd_class is not None
    found.labels.append(BMD_CLASSES.index(study.dxa.bmd_class))
    found.detect_seconds.append(seconds)


def _detections(study: Study, rois: Rois) -> dict[View, SpineDetection]:
    views = {}
    for view in View:
        boxes: tuple[VertebraBox, ...] = rois.get((study.study_uid, view), ())
        detection = SpineDetection(view, boxes, (0, 0))
        if not detection.missing:
            views[view] = detection
    return views


def summarise(found: Comparison, margin: float = 0.02, draws: int = 500, seed: int = 0) -> dict[str, Any]:
    """Overlaps, differences in mm, and what the classifier's figures lose or gain by automatic ROIs.

    With several readers, the manual side of classification is the mean of the readers' probabilities; each reader
    also stands alone.
    """
    readers = [name for name in found.shares if name != AUTOMATIC]
    shares = {name: np.array(own) for name, own in found.shares.items()}
    manual = np.mean([shares[name] for name in readers], 0)
    labels = np.array(found.labels)
    return {
        "studies": len(labels),
        "readers": readers,
        "left_out": len(found.left_out),
        "detect_seconds_median": float(np.median(found.detect_seconds)),
        "overlap_between_readers": _overlaps(found, list(combinations(readers, 2))),
        "overlap_with_detector": _overlaps(found, [(name, AUTOMATIC) for name in readers]),
        "edges_mm": _edges(found, readers),
        "osteoporosis": _paired(labels, manual, shares[AUTOMATIC], BmdClass.OSTEOPOROSIS, margin, draws, seed),
        "by_reader": {name: _area(labels, shares[name]) for name in [*readers, AUTOMATIC]},
        "flips": _flips(manual, shares[AUTOMATIC]),
        "share_of_osteoporosis": _agreement(manual[:, -1], shares[AUTOMATIC][:, -1]),
    }


def _overlaps(found: Comparison, pairs: Sequence[tuple[str, str]]) -> dict[str, float]:
    """Mean intersection over union of pairs of readers: over all, by view, and by view and level."""
    values: dict[str, list[float]] = {}
    for first, second in pairs:
        for view in View:
            for level in TARGET_LEVELS:
                both = zip(found.boxes[first, view, level], found.boxes[second, view, level], strict=True)
                own = [iou(a, b) for a, b in both]
                for key in ("all", f"{view}", f"{view} {level}"):
                    values.setdefault(key, []).extend(own)
    return {key: float(np.mean(own)) for key, own in values.items()}


def _edges(found: Comparison, readers: Sequence[str]) -> dict[str, dict[str, float]]:
    """Detector minus mean reader at each edge in mm: bias and limits of agreement, by view."""
    result = {}
    for view in View:
        spacing = np.array(found.spacing_mm[view])
        gaps = []
        for level in TARGET_LEVELS:
            mean = np.mean([np.array(found.boxes[name, view, level]) for name in readers], 0)
            gaps.append((np.array(found.boxes[AUTOMATIC, view, level]) - mean) * spacing[:, None])
        stacked = np.concatenate(gaps)
        stacked = stacked[np.isfinite(stacked).all(1)]
        if len(stacked) < 2:
            continue
        for k, edge in enumerate(("left", "top", "right", "bottom")):
            own = stacked[:, k]
            spread = 1.96 * float(own.std(ddof=1))
            bias = float(own.mean())
            result[f"{view} {edge}"] = {"bias": bias, "low": bias - spread, "high": bias + spread}
    return result


def _paired(
    labels: npt.NDArray[np.int64],
    manual: npt.NDArray[np.float64],
    automatic: npt.NDArray[np.float64],
    kind: BmdClass,
    margin: float,
    draws: int,
    seed: int,
) -> dict[str, Any]:
    """AUC of one class on both kinds of ROI: difference, non-inferiority, McNemar at the argmax; NaN without both."""
    column = BMD_CLASSES.index(kind)
    positive = labels == column
    if positive.all() or not positive.any():
        return {"positive": int(positive.sum()), "reason": "one class is absent; no area can be computed"}
    areas, _ = delong(positive, np.stack((manual[:, column], automatic[:, column])))
    paired = compare_areas(positive, manual[:, column], automatic[:, column], margin)
    called = [shares.argmax(1) == column for shares in (manual, automatic)]

    def gap(index: npt.NDArray[np.int64]) -> float:
        if positive[index].all() or not positive[index].any():
            return float("nan")
        two, _ = delong(positive[index], np.stack((manual[index, column], automatic[index, column])))
        return float(two[1] - two[0])

    drawn = bootstrap(gap, len(labels), draws, seed)
    return {
        "positive": int(positive.sum()),
        "auc_manual": float(areas[0]),
        "auc_automatic": float(areas[1]),
        "difference": paired.difference.value,
        "difference_low": paired.difference.low,
        "difference_high": paired.difference.high,
        "bootstrap_low": drawn.low,
        "bootstrap_high": drawn.high,
        "p_equal": paired.p,
        "margin": margin,
        "p_noninferior": paired.p_noninferior,
        "noninferior": paired.difference.low > -margin,
        "mcnemar_p": mcnemar(called[0] == positive, called[1] == positive),
        "manual": _counts(positive, called[0]),
        "automatic": _counts(positive, called[1]),
    }


def _counts(positive: npt.NDArray[np.bool_], called: npt.NDArray[np.bool_]) -> dict[str, float]:
    return {name: estimate.value for name, estimate in counts(positive, called).metrics().items()}


def _area(labels: npt.NDArray[np.int64], shares: npt.NDArray[np.float64]) -> float:
    positive = labels == len(BMD_CLASSES) - 1
    return float("nan") if positive.all() or not positive.any() else float(delong(positive, shares[None, :, -1])[0][0])


def _flips(manual: npt.NDArray[np.float64], automatic: npt.NDArray[np.float64]) -> dict[str, int]:
    """How many studies change class, from manual to automatic, by pair of classes."""
    first, second = manual.argmax(1), automatic.argmax(1)
    names = [str(c) for c in BMD_CLASSES]
    return {
        f"{names[a]} to {names[b]}": int(((first == a) & (second == b)).sum())
        for a in range(3)
        for b in range(3)
        if a != b
    }


def _agreement(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> dict[str, float]:
    found = bland_altman(first, second)
    return {"bias": found.bias, "low": found.low, "high": found.high, "r": found.r}
