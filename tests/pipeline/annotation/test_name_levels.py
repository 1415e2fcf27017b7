"""Bodies without a level are named by the detected ones and by their order; what is doubtful is not named."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cohort.check import check_cohort
from cohort.importers.confirm import confirm_levels
from cohort.importers.convert import import_cohort
from cohort.importers.geometry import Polygon
from cohort.importers.options import ImportOptions
from cohort.importers.report import ImportFormat
from cohort.io.annotations import read_outlines, read_readings, read_rois, write_rois
from cohort.io.folder import index_cohort
from cohort.io.radiograph import read_radiograph
from cohort.spine import LEVELS, VertebraBox, VertebralLevel, View
from osteolens.errors import ReadError
from pipeline.annotation.name_levels import DetectorNames, levels_by_order
from pipeline.screening.screener import Screener
from pipeline.training.cohorts import training_cohorts
from pipeline.training.run import TrainingOptions
from tests import EXAMPLES


def body(number: int) -> Polygon:
    return np.array([[20.0, 10.0 + 30 * number], [60.0, 34.0 + 30 * number]])


BODIES = [body(k) for k in range(9)]
"""Nine bodies from the head downwards."""


def detected(first: VertebralLevel, places: range) -> list[VertebraBox]:
    """Boxes as detected: a little larger than the bodies."""
    start = LEVELS.index(first) - places.start
    return [VertebraBox(LEVELS[start + k], 18, 7 + 30 * k, 62, 37 + 30 * k) for k in places]


def test_bodies_above_and_below_the_detected_ones_are_named_by_their_order() -> None:
    shuffled = [BODIES[k] for k in (4, 0, 8, 2, 6, 1, 3, 7, 5)]
    named = levels_by_order(shuffled, detected(VertebralLevel.L1, range(4, 7)))
    assert named.levels == ["L1", None, "L5", "T11", "L3", "T10", "T12", "L4", "L2"]


def test_a_gap_ends_the_count() -> None:
    named = levels_by_order([*BODIES[:2], *BODIES[3:]], detected(VertebralLevel.L1, range(4, 7)))
    assert named.levels == [None, None, "T12", "L1", "L2", "L3", "L4", "L5"]


def test_levels_that_contradict_the_order_name_nothing() -> None:
    boxes = detected(VertebralLevel.L1, range(4, 6)) + detected(VertebralLevel.L4, range(6, 7))
    named = levels_by_order(BODIES, boxes)
    assert set(named.levels) == {None} and "contradict" in named.reason


def test_too_few_detected_bodies_name_nothing() -> None:
    named = levels_by_order(BODIES, detected(VertebralLevel.L1, range(4, 5)))
    assert set(named.levels) == {None} and "fewer than 2" in named.reason
    assert set(levels_by_order(BODIES, []).levels) == {None}


@pytest.fixture(scope="module")
def unnamed(tmp_path_factory: pytest.TempPathFactory, screener: Screener) -> Path:
    """An in-silico film with one class of bodies, imported with the levels that the detector proposes."""
    tmp_path = tmp_path_factory.mktemp("unnamed")
    (uid,) = [s.study_uid for s in index_cohort(EXAMPLES).studies if s.patient_id == "SIM0011-00003"]
    film = EXAMPLES / "SIM0011-00003" / "AP.dcm"
    pixels = read_radiograph(film).pixels
    (tmp_path / "in" / "images").mkdir(parents=True)
    (tmp_path / "in" / "labels").mkdir()
    Image.fromarray(np.round(pixels * 255).astype(np.uint8)).save(tmp_path / "in" / "images" / "p7_AP.png")
    size = np.array(pixels.shape[::-1])
    lines = []
    for box in read_rois(EXAMPLES / "rois.csv")[uid, View.AP]:
        x0, y0, x1, y1 = box.corners
        shape = np.array([[x0, y0 + 3], [x1, y0], [x1, y1], [x0, y1]]) / size
        lines.append(f"0 {' '.join(f'{v:.6f}' for v in shape.ravel())}\n")
    (tmp_path / "in" / "labels" / "p7_AP.txt").write_text("".join(reversed(lines)))
    options = ImportOptions(name_levels=DetectorNames(screener))
    report = import_cohort(ImportFormat.YOLO, tmp_path / "in", tmp_path / "out", options)
    assert report.to_confirm == len(lines) and report.rois == 0 and report.outlines == len(lines)
    assert any("to be confirmed by a reader" in note for note in report.notes)
    return tmp_path / "out"


def test_what_the_detector_names_is_no_roi_before_a_reader_confirms_it(unnamed: Path, tmp_path: Path) -> None:
    assert not (unnamed / "rois.csv").exists() and not (unnamed / "annotations.json").exists()
    (uid,) = [s.study_uid for s in index_cohort(EXAMPLES).studies if s.patient_id == "SIM0011-00003"]
    truth = read_rois(EXAMPLES / "rois.csv")[uid, View.AP]
    proposed = read_rois(unnamed / "rois-to-confirm.csv")["p7", View.AP]
    assert [box.level for box in proposed] == [box.level for box in truth]
    with pytest.raises(ReadError, match=r"rois.csv is missing; .*rois-to-confirm.csv: its boxes wait for a reader"):
        training_cohorts(unnamed, tmp_path / "run", 0.2, TrainingOptions())
    assert any("rois-to-confirm.csv" in line for line in check_cohort(unnamed).problems)


def test_a_reader_shifts_all_levels_and_outlines_follow(unnamed: Path, tmp_path: Path) -> None:
    cohort = tmp_path / "cohort"
    shutil.copytree(unnamed, cohort)
    proposed = read_rois(cohort / "rois-to-confirm.csv")["p7", View.AP]
    shifted = tuple(
        VertebraBox(LEVELS[LEVELS.index(box.level) - 1], *box.corners) for box in proposed if box.level != LEVELS[0]
    )
    write_rois(tmp_path / "reviewed.csv", {("p7", View.AP): shifted})
    confirmed = confirm_levels(cohort, "dr-x", tmp_path / "reviewed.csv")
    assert (confirmed.images, confirmed.waiting, confirmed.changed) == (1, 0, len(shifted))
    assert read_readings(cohort / "readers.csv")["dr-x"] == read_rois(cohort / "rois.csv")
    studies = index_cohort(cohort).studies
    outlines = read_outlines(cohort / "annotations.json", studies)["p7", View.AP]
    for box in shifted:
        middle = outlines[box.level].mean(0)
        assert box.x0 < middle[0] < box.x1 and box.y0 < middle[1] < box.y1
    assert not list(cohort.glob("*to-confirm*"))
    with pytest.raises(ReadError, match="nothing is to be confirmed"):
        confirm_levels(cohort, "dr-x")


def test_a_table_of_other_images_confirms_nothing(unnamed: Path, tmp_path: Path) -> None:
    write_rois(tmp_path / "other.csv", {("p9", View.AP): (VertebraBox(VertebralLevel.L1, 0, 0, 9, 9),)})
    with pytest.raises(ReadError, match="names no image that is to be confirmed"):
        confirm_levels(unnamed, "dr-x", tmp_path / "other.csv")
    assert (unnamed / "rois-to-confirm.csv").is_file()
