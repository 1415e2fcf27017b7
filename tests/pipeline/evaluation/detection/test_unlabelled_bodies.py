"""Detected boxes against bodies without levels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from cohort.covariates import Covariates
from cohort.rejection_codes import RejectionCode
from cohort.spine import LEVELS, SpineDetection, VertebraBox, View
from osteolens.errors import ReadError
from pipeline.evaluation.detection.unlabelled_bodies import evaluate_bodies, read_bodies
from pipeline.prediction import Prediction, Rejection, ViewResult
from tests.predictions import MODEL, save


def radiograph(folder: Path, labels: Path, name: str, detected: int) -> None:
    """A radiograph of 100 x 200 px with six bodies, of which the lowest ones have a box."""
    tops = [20 + 25 * k for k in range(6)]
    lines = [f"0 0.5 {(top + 10) / 200} 0.3 0.1" for top in reversed(tops)]
    (labels / f"{name}.txt").write_text("\n".join(lines) + "\n")
    boxes = tuple(VertebraBox(LEVELS[k], 36, top + 1, 65, top + 20) for k, top in enumerate(tops) if k >= 6 - detected)
    view = ViewResult(image=f"{name}.jpg", detection=SpineDetection(View.AP, boxes, (200, 100)))
    study = Prediction(
        study_uid=name,
        patient_id=name,
        model=MODEL,
        covariates=Covariates(),
        views={View.AP: view} if detected else {},
        rejection=Rejection(RejectionCode.AMBIGUOUS_LEVELS, "whole spine"),
    )
    save(folder, [study])


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    results, labels = tmp_path / "out", tmp_path / "labels"
    labels.mkdir()
    for name, found in (("a", 5), ("b", 3), ("c", 0), ("d", 2)):
        radiograph(results, labels, name, found)
    return results, labels


def test_the_lowest_bodies_are_counted_and_every_third_radiograph_apart(folders: tuple[Path, Path]) -> None:
    found = evaluate_bodies(*folders)
    assert (found.all.radiographs, found.all.with_boxes, found.all.bodies) == (4, 3, 20)
    assert (found.held_back.radiographs, found.held_back.with_boxes, found.held_back.bodies) == (2, 2, 10)
    assert (found.all.recall, found.held_back.recall) == pytest.approx((10 / 20, 0.7))
    assert evaluate_bodies(*folders, lowest=2).all.recall == pytest.approx(6 / 8)


def test_the_command_prints_both_groups(folders: tuple[Path, Path]) -> None:
    done = CliRunner().invoke(app, ["evaluate-bodies", *map(str, folders)])
    assert done.exit_code == 0 and "held back" in done.stdout and "0.500" in done.stdout
    done = CliRunner().invoke(app, ["evaluate-bodies", *map(str, folders), "--json", "--lowest", "2"])
    assert json.loads(done.stdout)["all"]["bodies"] == 8


def test_labels_that_fit_nothing_or_are_none_are_said(folders: tuple[Path, Path], tmp_path: Path) -> None:
    results, labels = folders
    (labels / "a.txt").write_text("0 0.1 0.2 0.3 0.2 0.3 0.4 0.1 0.4\n")
    assert read_bodies(labels / "a.txt") == [(0.1, 0.2, 0.3, 0.4)]
    (labels / "a.txt").write_text("0 0.5 0.5\n")
    with pytest.raises(ReadError, match=r"a\.txt line 1"):
        read_bodies(labels / "a.txt")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    with pytest.raises(ReadError, match="no label file fits"):
        evaluate_bodies(results, tmp_path / "other")
    with pytest.raises(ReadError, match="expected a folder"):
        evaluate_bodies(results, tmp_path / "none")
