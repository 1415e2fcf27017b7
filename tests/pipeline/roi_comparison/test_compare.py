"""Manual against automatic ROIs, with a detector and a classifier whose faults are known."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import pytest

from cohort.eligibility import EligibilityCriteria
from cohort.io.annotations import read_readings, read_rois
from cohort.spine import View
from osteolens.errors import ReadError
from pipeline.roi_comparison.compare import compare_rois
from pipeline.roi_comparison.config import ComparisonConfig
from pipeline.screening.screener import Screener
from tests.pipeline.roi_comparison.fakes import FakeScreener

QUICK = ComparisonConfig(bootstrap_draws=5)


def fake(dx: float = 2.0, blind_to: View | None = None) -> Screener:
    return cast(Screener, FakeScreener(dx, blind_to))


def test_readers_are_read_by_name(cohort: Path) -> None:
    readers = read_readings(cohort / "readers.csv")
    assert set(readers) == {"a", "b"} and readers["a"] == read_rois(cohort / "rois.csv")
    assert set(read_readings(cohort / "rois.csv")) == {"manual"}
    (cohort / "readers.csv").write_text("reader,study_uid,view\na,1,AP\n")
    with pytest.raises(ReadError, match="columns level"):
        read_readings(cohort / "readers.csv")


def test_overlap_and_edges_are_those_outlined(cohort: Path) -> None:
    comparison = compare_rois(cohort, cohort / "readers.csv", fake(2.0), QUICK)
    assert comparison.count == 6 and comparison.studies.readers == ("a", "b")
    between, detector = comparison.overlap_between_readers, comparison.overlap_with_detector
    assert between["all"] > detector["all"] > 0.9
    assert set(between) == {"all", "AP", "LATERAL", *(f"{v} L{k}" for v in View for k in range(1, 5))}
    spacing = comparison.studies.spacing_mm[View.AP]
    differences = {difference.name: difference.mm for difference in comparison.differences_mm}
    assert differences["AP left"].value == pytest.approx(float(np.mean(2.25 * spacing)), rel=1e-6)
    assert differences["AP top"].value == pytest.approx(0, abs=1e-9)
    assert differences["AP centre across"].value == pytest.approx(differences["AP left"].value)
    assert set(comparison.overlap_by_pair) == {("a", "b"), ("a", "detector"), ("b", "detector")}


def test_time_saved_is_told_where_a_readers_is_stated(cohort: Path) -> None:
    comparison = compare_rois(cohort, cohort / "rois.csv", fake(), QUICK)
    assert comparison.detection_seconds >= 0 and comparison.seconds_saved is None
    assert comparison.overlap_between_readers == {}
    stated = QUICK.model_copy(update={"manual_seconds": 60})
    saved = compare_rois(cohort, cohort / "rois.csv", fake(), stated).seconds_saved
    assert saved is not None and 0 < saved <= 60


def test_studies_that_cannot_be_compared_are_named(cohort: Path) -> None:
    table = pd.read_csv(cohort / "readers.csv")
    first = table["study_uid"].iloc[0]
    gone = (table["study_uid"] == first) & (table["level"] == "L2") & (table["reader"] == "b")
    table[~gone].to_csv(cohort / "readers.csv", index=False)
    comparison = compare_rois(cohort, cohort / "readers.csv", fake(), QUICK)
    assert comparison.count == 5 and "by b" in comparison.left_out[first]
    with pytest.raises(ReadError, match="did not find L1-L4"):
        compare_rois(cohort, cohort / "readers.csv", fake(blind_to=View.AP), QUICK)


def test_criteria_choose_who_is_compared(cohort: Path) -> None:
    ages = pd.read_csv(cohort / "cohort.csv")["age_years"]
    oldest = QUICK.model_copy(update={"criteria": EligibilityCriteria(min_age_years=float(ages.max()))})
    comparison = compare_rois(cohort, cohort / "rois.csv", fake(), oldest)
    assert comparison.count == int((ages == ages.max()).sum()) < 6


def test_progress_is_told_after_every_study(cohort: Path) -> None:
    told: list[tuple[int, int]] = []
    compare_rois(cohort, cohort / "rois.csv", fake(), QUICK, progress=lambda done, total: told.append((done, total)))
    assert told == [(k, 6) for k in range(1, 7)]


def test_lines_of_rois_that_cannot_be_read_are_named_and_the_rest_compared(cohort: Path) -> None:
    path = cohort / "readers.csv"
    path.write_text(path.read_text() + "1.2.3,AP,L1,x,2,3,4,a\n")
    comparison = compare_rois(cohort, path, fake(), QUICK)
    assert comparison.count == 6
    (line,) = comparison.unreadable_rois
    assert "readers.csv line" in line
    path.write_text("study_uid,view,level,x0,y0,x1,y1,reader\n1.2.3,AP,L1,x,2,3,4,a\n")
    with pytest.raises(ReadError, match=r"no manual ROI can be read: readers\.csv line 2"):
        compare_rois(cohort, path, fake(), QUICK)


def test_a_reader_who_bears_the_detectors_name_is_refused(cohort: Path) -> None:
    table = pd.read_csv(cohort / "rois.csv")
    table.assign(reader="detector").to_csv(cohort / "readers.csv", index=False)
    with pytest.raises(ReadError, match="a reader is called 'detector'"):
        compare_rois(cohort, cohort / "readers.csv", fake(), QUICK)
