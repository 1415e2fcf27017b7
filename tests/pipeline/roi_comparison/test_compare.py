"""Manual against automatic ROIs, with a detector and a classifier whose faults are known."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import pydicom
import pytest

from cohort.eligibility import EligibilityCriteria
from cohort.io.annotations import read_readings, read_rois
from cohort.spine import TARGET_LEVELS, VertebralLevel, View
from osteolens.errors import ReadError
from pipeline.roi_comparison.compare import compare_rois
from pipeline.roi_comparison.config import ComparisonConfig
from pipeline.roi_comparison.read import Cause
from pipeline.screening.screener import Screener
from tests.pipeline.roi_comparison.fakes import FakeScreener

QUICK = ComparisonConfig(bootstrap_draws=20)


def fake(dx: float = 2.0, blind_to: View | None = None, rejects: str | None = None) -> Screener:
    return cast(Screener, FakeScreener(dx, blind_to, rejects))


def test_readers_are_read_by_name(cohort: Path) -> None:
    readers = read_readings(cohort / "readers.csv")
    assert set(readers) == {"a", "b"} and readers["a"] == read_rois(cohort / "rois.csv")
    assert set(read_readings(cohort / "rois.csv")) == {"manual"}
    (cohort / "readers.csv").write_text("reader,study_uid,view\na,1,AP\n")
    with pytest.raises(ReadError, match="columns level"):
        read_readings(cohort / "readers.csv")


def test_overlap_and_edges_are_those_outlined(cohort: Path) -> None:
    comparison = compare_rois(cohort, cohort / "readers.csv", fake(2.0), QUICK)
    assert comparison.count == 6 and comparison.studies.names == ("a", "b")
    between, detector = comparison.overlap_between_readers, comparison.overlap_with_detector
    assert between["all"].iou > detector["all"].iou > 0.9 and between["all"].dice > between["all"].iou
    assert between["AP L1"].boxes == 6 and detector["AP L1"].boxes == 12
    assert set(between) == {"all", "AP", "LATERAL", *(f"{v} L{k}" for v in View for k in range(1, 5))}
    spacing = comparison.studies.spacing_mm[View.AP]
    differences = {difference.name: difference.mm for difference in comparison.differences_mm}
    assert differences["AP left"].value == pytest.approx(float(np.mean(2.25 * spacing)), rel=1e-6)
    assert differences["AP top"].value == pytest.approx(0, abs=1e-9)
    assert differences["AP centre across"].value == pytest.approx(differences["AP left"].value)
    assert set(comparison.overlap_by_pair) == {("a", "b")} and set(comparison.overlap_by_reader) == {"a", "b"}
    assert comparison.overlap_by_reader["a"].iou > comparison.overlap_by_reader["b"].iou


def test_dice_is_the_mean_over_boxes(cohort: Path) -> None:
    """The other reader's boxes lie half a pixel further left, so that Dice is 1 - 0.5 / width."""
    widths: dict[str, list[float]] = {}
    for (_, view), boxes in read_rois(cohort / "rois.csv").items():
        for box in boxes:
            widths.setdefault(f"{view} {box.level}", []).append(box.width)
    between = compare_rois(cohort, cohort / "readers.csv", fake(), QUICK).overlap_between_readers
    for name in (f"{view} {level}" for view in View for level in TARGET_LEVELS):
        assert between[name].dice == pytest.approx(float(np.mean([1 - 0.5 / width for width in widths[name]])))


def test_agreement_in_mm_is_given_by_level_and_measure(cohort: Path) -> None:
    comparison = compare_rois(cohort, cohort / "readers.csv", fake(2.0), QUICK)
    found = {(one.view, one.level, one.measure): one for one in comparison.reliability}
    assert len(found) == 2 * 4 * 7
    shifted, same = found[View.AP, VertebralLevel.L1, "left"], found[View.AP, VertebralLevel.L1, "height"]
    assert same.readers is not None and shifted.readers is not None
    assert same.readers.value == pytest.approx(1) and same.with_detector.value == pytest.approx(1)
    assert shifted.with_detector.value < shifted.readers.value < 1 and shifted.studies == 6
    single = compare_rois(cohort, cohort / "rois.csv", fake(2.0), QUICK)
    assert single.reliability[0].readers is None and "icc_readers" not in single.tables


def test_time_saved_is_told_where_a_readers_is_stated(cohort: Path) -> None:
    comparison = compare_rois(cohort, cohort / "rois.csv", fake(), QUICK)
    assert comparison.detection_seconds >= 0 and comparison.seconds_saved is None
    assert comparison.overlap_between_readers == {}
    stated = QUICK.model_copy(update={"manual_seconds": 60})
    timed = compare_rois(cohort, cohort / "rois.csv", fake(), stated)
    assert comparison.minutes_saved is None and timed.seconds_saved is not None and 0 < timed.seconds_saved <= 60
    assert timed.minutes_saved == pytest.approx(6 * timed.seconds_saved / 60)
    uid = timed.studies.study_uids[0]
    failed = compare_rois(cohort, cohort / "rois.csv", fake(rejects=uid), stated)
    assert failed.minutes_saved is not None and failed.seconds_saved is not None
    assert failed.minutes_saved == pytest.approx((5 * failed.seconds_saved - failed.detection_seconds) / 60)


def test_studies_that_cannot_be_compared_are_named(cohort: Path) -> None:
    table = pd.read_csv(cohort / "readers.csv")
    first = table["study_uid"].iloc[0]
    gone = (table["study_uid"] == first) & (table["level"] == "L2") & (table["reader"] == "b")
    table[~gone].to_csv(cohort / "readers.csv", index=False)
    comparison = compare_rois(cohort, cohort / "readers.csv", fake(), QUICK)
    assert comparison.count == 5 and "by b" in comparison.left_out[first].reason
    assert comparison.left_out[first].cause is Cause.READERS and comparison.failed == 0
    with pytest.raises(ReadError, match="no AP view found"):
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


def test_a_reader_may_bear_the_detectors_name(cohort: Path) -> None:
    table = pd.read_csv(cohort / "rois.csv")
    pd.concat([table.assign(reader="detector"), table.assign(reader="b", x0=table["x0"] - 9)]).to_csv(
        cohort / "readers.csv", index=False
    )
    comparison = compare_rois(cohort, cohort / "readers.csv", fake(2.0), QUICK)
    assert comparison.studies.names == ("b", "detector")
    document = comparison.as_json()
    assert document["readers"] == ["b", "detector"]
    assert comparison.overlap_by_reader["detector"].iou > comparison.overlap_by_reader["b"].iou
    assert list(comparison.tables["readers"]["ROIs by"])[-1] == "detector (automatic)"


def test_lines_that_contradict_each_other_are_named_and_both_left_out(cohort: Path) -> None:
    path = cohort / "readers.csv"
    lines = path.read_text().splitlines()
    place = next(k for k, line in enumerate(lines) if ",AP,L1," in line and line.endswith(",a"))
    cells = lines[place].split(",")
    column = lines[0].split(",").index("x0")
    other = [*cells[:column], str(float(cells[column]) - 9), *cells[column + 1 :]]
    path.write_text("\n".join([*lines, ",".join(other)]) + "\n")
    comparison = compare_rois(cohort, path, fake(), QUICK)
    (line,) = comparison.unreadable_rois
    assert f"lines {place + 1} and {len(lines) + 1}" in line and "both are left out" in line
    assert comparison.count == 5
    assert "by a" in comparison.left_out[cells[0]].reason
    path.write_text("\n".join([*lines, lines[place]]) + "\n")
    assert compare_rois(cohort, path, fake(), QUICK).count == 6, "the same box twice contradicts nothing"


def test_a_study_that_quality_control_rejects_counts_as_a_failure_of_the_detector(cohort: Path) -> None:
    uid = compare_rois(cohort, cohort / "readers.csv", fake(), QUICK).studies.study_uids[2]
    comparison = compare_rois(cohort, cohort / "readers.csv", fake(rejects=uid), QUICK)
    assert comparison.count == 5 and comparison.failed == 1
    assert comparison.left_out[uid].cause is Cause.DETECTOR and "exposure" in comparison.left_out[uid].reason
    failures = comparison.studies.failures
    assert failures.study_uids == (uid,) and np.isfinite(failures.probabilities["a"]).all()
    assert comparison.worst_case is not None and comparison.worst_case.studies == 6
    assert [cause for cause, _ in comparison.flow] == [Cause.DETECTOR]


def test_images_that_cannot_be_read_are_failures_without_any_probability(cohort: Path) -> None:
    uid = compare_rois(cohort, cohort / "readers.csv", fake(), QUICK).studies.study_uids[0]
    table = pd.read_csv(cohort / "cohort.csv").set_index("study_uid")
    folder = cohort / str(table.loc[uid, "patient_id"])
    for path in folder.glob("*.dcm"):
        dataset = pydicom.dcmread(path)
        dataset.PixelData = pydicom.encaps.encapsulate([b"no image"])
        dataset.save_as(path)
    comparison = compare_rois(cohort, cohort / "readers.csv", fake(), QUICK)
    assert comparison.count == 5 and comparison.failed == 1
    assert comparison.left_out[uid].cause is Cause.DETECTOR and "cannot be read" in comparison.left_out[uid].reason
    assert np.isnan(comparison.studies.failures.probabilities["b"]).all()


def test_every_study_is_counted_once(cohort: Path) -> None:
    table = pd.read_csv(cohort / "cohort.csv")
    for name in ("t_score", "bmd_g_cm2", *(f"t_score_L{k}" for k in range(1, 5))):
        table.loc[0, name] = np.nan
    table.loc[1, "age_years"] = 30
    table.to_csv(cohort / "cohort.csv", index=False)
    comparison = compare_rois(cohort, cohort / "readers.csv", fake(), QUICK)
    assert {cause: count for (cause, _), count in comparison.flow.items()} == {Cause.INELIGIBLE: 1, Cause.REFERENCE: 1}
    flow = comparison.tables["flow"]
    assert list(flow["studies"]) == [6, 1, 1, 4]


def test_boxes_of_another_image_are_the_readers_fault(cohort: Path) -> None:
    table = pd.read_csv(cohort / "readers.csv")
    first = table["study_uid"].iloc[0]
    table.loc[(table["study_uid"] == first) & (table["reader"] == "a"), ["x0", "x1"]] += 5000
    table.to_csv(cohort / "readers.csv", index=False)
    comparison = compare_rois(cohort, cohort / "readers.csv", fake(), QUICK)
    assert comparison.count == 5 and comparison.left_out[first].cause is Cause.READERS
    assert "outside its image" in comparison.left_out[first].reason
