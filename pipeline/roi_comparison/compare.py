"""The same studies on hand-drawn and on automatic ROIs, through the same classifier."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cohort.bmd import BMD_CLASSES
from cohort.eligibility import exclusions
from cohort.io.annotations import Rois, read_readings
from cohort.io.folder import index_cohort, only_sites
from cohort.io.tables.notes import table_notes
from cohort.spine import TARGET_LEVELS, SpineDetection, VertebraBox, VertebralLevel, View
from cohort.study import Study
from osteolens.errors import OsteoLensError, ReadError, StudyError
from pipeline.screening.film_reader import read_study
from pipeline.screening.screener import Screener

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
        unreadable: lines of the ROIs that cannot be read and were left out.
        table_notes: what the cohort's tables lack.
    """

    labels: list[int] = field(default_factory=list)
    shares: dict[str, list[list[float]]] = field(default_factory=dict)
    boxes: dict[tuple[str, View, VertebralLevel], list[tuple[float, ...]]] = field(default_factory=dict)
    spacing_mm: dict[View, list[float]] = field(default_factory=lambda: {view: [] for view in View})
    detect_seconds: list[float] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    table_notes: tuple[str, ...] = ()


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
        site: only studies of these sites, separated by commas.
        done: called with how many of all studies are done.

    Raises:
        ReadError: no ROI can be read, or no study has hand-drawn boxes of L1-L4 in both views and a T-score.
        ConfigError: no study is of the site.
    """
    found = Comparison()
    readings = read_readings(manual, found.unreadable)
    if not any(readings.values()):
        why = f": {found.unreadable[0]}" if found.unreadable else ""
        raise ReadError(f"{manual}: no hand-drawn ROI can be read{why}; expected study_uid, view, level and corners")
    index = index_cohort(cohort)
    found.table_notes = table_notes(cohort, index.studies)
    chosen = [s for s in (index if site is None else only_sites(index, site)).studies if not exclusions(s)]
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
        images = {view: automatic[view][0] for view in View}
        classified = screener.classify_boxes(images, views, study.covariates)
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
