"""Manual against automatic ROIs, with a detector and a classifier whose faults are known."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from classify.calibration import Decision
from classify.classifier import Classified
from cli.main import app
from cohort.bmd import BMD_CLASSES, BmdClass
from cohort.io.annotations import read_readings, read_rois
from cohort.spine import SpineDetection, VertebraBox, View
from cohort.study import Radiograph
from osteolens.errors import ReadError
from pipeline.roi_comparison.agreement import summarise
from pipeline.roi_comparison.compare import AUTOMATIC, Comparison, compare_rois
from pipeline.roi_comparison.report import comparison_tables, verdict, write_comparison
from tests import EXAMPLES


def moved(boxes: tuple[VertebraBox, ...], dx: float) -> tuple[VertebraBox, ...]:
    return tuple(replace(b, x0=b.x0 + dx, x1=b.x1 + dx) for b in boxes)


class FakeScreener:
    """Finds the true boxes moved by some pixels, and tells osteoporosis from the boxes' left edge."""

    def __init__(self, dx: float = 2.0, blind_to: View | None = None) -> None:
        self.dx, self.blind_to = dx, blind_to
        self.truth = read_rois(EXAMPLES / "rois.csv")
        self.uids = {p.parent.name: p for p in EXAMPLES.glob("*/AP.dcm")}

    def detect(self, radiographs: Sequence[Radiograph]) -> list[SpineDetection | None]:
        return [self._find(radiograph) for radiograph in radiographs]

    def _find(self, radiograph: Radiograph) -> SpineDetection | None:
        import pydicom

        uid = str(pydicom.dcmread(radiograph.path, stop_before_pixels=True).StudyInstanceUID)
        assert radiograph.view is not None
        if radiograph.view is self.blind_to:
            return None
        return SpineDetection(radiograph.view, moved(self.truth[uid, radiograph.view], self.dx), (1, 1))

    def classify_boxes(self, radiographs: Any, detections: dict[View, SpineDetection], covariates: Any) -> Classified:
        edge = detections[View.AP].boxes[0].x0 % 1.0
        shares = dict(zip(BMD_CLASSES, (0.4 - 0.4 * edge, 0.6 - 0.6 * edge, edge), strict=True))
        return Classified(shares, -1.0, (BmdClass.NORMAL,), Decision.UNDECIDED)


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """The examples with two readers: one draws the truth, the other half a pixel further left."""
    folder = tmp_path / "cohort"
    shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    table = pd.read_csv(folder / "rois.csv")
    other = table.copy()
    other[["x0", "x1"]] -= 0.5
    pd.concat([table.assign(reader="a"), other.assign(reader="b")]).to_csv(folder / "readers.csv", index=False)
    return folder


def test_readings_are_read_by_reader(cohort: Path) -> None:
    readings = read_readings(cohort / "readers.csv")
    assert set(readings) == {"a", "b"} and readings["a"] == read_rois(cohort / "rois.csv")
    assert set(read_readings(cohort / "rois.csv")) == {"manual"}
    (cohort / "readers.csv").write_text("reader,study_uid,view\na,1,AP\n")
    with pytest.raises(ReadError, match="columns level"):
        read_readings(cohort / "readers.csv")


def test_overlap_and_edges_are_those_drawn(cohort: Path) -> None:
    found = compare_rois(cohort, cohort / "readers.csv", FakeScreener(2.0))  # type: ignore[arg-type]
    figures = summarise(found, draws=20)
    assert figures["studies"] == 6 and figures["readers"] == ["a", "b"]
    assert figures["overlap_between_readers"]["all"] > figures["overlap_with_detector"]["all"] > 0.9
    assert set(figures["overlap_between_readers"]) == {
        "all",
        "AP",
        "LATERAL",
        *(f"{v} L{k}" for v in View for k in range(1, 5)),
    }
    spacing = np.array(found.spacing_mm[View.AP])
    left = figures["differences_mm"]["AP left"]
    assert left["bias"] == pytest.approx(float(np.mean(2.25 * spacing)), rel=1e-6)
    assert figures["differences_mm"]["AP top"]["bias"] == pytest.approx(0, abs=1e-9)
    assert figures["detect_seconds_median"] >= 0 and figures["seconds_saved"] is None
    assert figures["differences_mm"]["AP centre across"]["bias"] == pytest.approx(left["bias"])
    assert set(figures["overlap_by_pair"]) == {"a / b", "a / detector", "b / detector"}
    assert summarise(found, draws=5, manual_seconds=60)["seconds_saved"] > 0


def test_studies_that_cannot_be_compared_are_counted(cohort: Path) -> None:
    table = pd.read_csv(cohort / "readers.csv")
    first = table["study_uid"].iloc[0]
    gone = (table["study_uid"] == first) & (table["level"] == "L2") & (table["reader"] == "b")
    table[~gone].to_csv(cohort / "readers.csv", index=False)
    found = compare_rois(cohort, cohort / "readers.csv", FakeScreener())  # type: ignore[arg-type]
    assert len(found.labels) == 5 and "by b" in found.left_out[first]
    with pytest.raises(ReadError, match="did not find L1-L4"):
        compare_rois(cohort, cohort / "readers.csv", FakeScreener(blind_to=View.AP))  # type: ignore[arg-type]


def test_lines_of_rois_that_cannot_be_read_are_named_and_the_rest_compared(cohort: Path) -> None:
    path = cohort / "readers.csv"
    path.write_text(path.read_text() + "1.2.3,AP,L1,x,2,3,4,a\n")
    found = compare_rois(cohort, path, FakeScreener())  # type: ignore[arg-type]
    figures = summarise(found, draws=5)
    assert figures["studies"] == 6 and figures["unreadable_rois"]["count"] == 1
    assert "readers.csv line" in figures["unreadable_rois"]["names"][0]
    path.write_text("study_uid,view,level,x0,y0,x1,y1,reader\n1.2.3,AP,L1,x,2,3,4,a\n")
    with pytest.raises(ReadError, match=r"no hand-drawn ROI can be read: readers\.csv line 2"):
        compare_rois(cohort, path, FakeScreener())  # type: ignore[arg-type]


def made_up(noise: float, count: int = 400) -> Comparison:
    """Studies whose automatic shares are the manual ones with noise."""
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=count)
    logits = np.eye(3)[labels] * 2 + rng.normal(0, 1, (count, 3))
    manual = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    other = np.exp(logits + rng.normal(0, noise, (count, 3)))
    automatic = other / other.sum(1, keepdims=True)
    found = Comparison(labels=labels.tolist(), shares={"a": manual.tolist(), AUTOMATIC: automatic.tolist()})
    found.detect_seconds = [0.1] * count
    from cohort.spine import TARGET_LEVELS

    for name in ("a", AUTOMATIC):
        for view in View:
            for level in TARGET_LEVELS:
                found.boxes[name, view, level] = [(0.0, 0.0, 10.0, 10.0)] * count
    found.spacing_mm = {view: [0.5] * count for view in View}
    return found


def test_the_same_shares_are_noninferior_and_flip_nothing() -> None:
    figures = summarise(made_up(0.0), draws=50)
    paired = figures["classes"]["osteoporosis"]
    assert paired["difference"] == 0 and paired["noninferior"] and paired["p_equal"] == 1.0
    assert sum(figures["flips"].values()) == 0 and figures["share_of_osteoporosis"]["r"] == pytest.approx(1)


def test_noise_costs_area_and_noninferiority() -> None:
    figures = summarise(made_up(3.0), draws=50)
    paired = figures["classes"]["osteoporosis"]
    assert paired["difference"] < -0.05 and not paired["noninferior"] and paired["p_noninferior"] > 0.5
    assert paired["bootstrap_low"] < paired["difference"] < paired["bootstrap_high"]
    assert sum(figures["flips"].values()) > 50 and paired["mcnemar_p"] < 0.05
    assert figures["by_reader"]["a"] > figures["by_reader"][AUTOMATIC]


def test_the_page_states_non_inferiority_or_its_absence(tmp_path: Path) -> None:
    for noise, words in ((0.05, "are not inferior to"), (3.0, "are not shown to be non-inferior")):
        found = made_up(noise)
        figures = summarise(found, draws=20)
        assert words in verdict(figures)
        write_comparison(tmp_path, found, figures, "")
        assert words in (tmp_path / "report.html").read_text("utf-8")
    assert {p.name for p in (tmp_path / "figures").glob("*.svg")} == {
        "shares.svg", "overlap.svg", "differences.svg", "roc.svg"
    }  # fmt: skip


def test_an_absent_class_is_said() -> None:
    found = made_up(0.1)
    found.labels = [0] * len(found.labels)
    figures = summarise(found, draws=5)
    assert "one class is absent" in figures["classes"]["osteoporosis"]["reason"]
    assert figures["not_estimable"] == {"by_reader": "not estimable: one class only"}
    table = comparison_tables(figures)["readers"]
    assert list(table["AUC"]) == ["not estimable (one class only)"] * 2


@pytest.mark.parametrize("labels", [[2], [2, 0], [2, 0, 0, 0], [2, 2, 2]])
def test_few_or_equal_studies_give_json_and_words(labels: list[int], tmp_path: Path) -> None:
    found = made_up(0.0, len(labels))
    found.labels = labels
    found.shares = {name: [[0.2, 0.3, 0.5]] * len(labels) for name in found.shares}
    figures = summarise(found, draws=5)
    assert figures["not_estimable"]["kappa_between_rois"] == "not estimable: every study is given the same class"
    assert "not_estimable" in figures["share_of_osteoporosis"]
    write_comparison(tmp_path, found, figures, "")

    def rejected(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    written = json.loads((tmp_path / "comparison.json").read_text(), parse_constant=rejected)
    assert written["kappa_between_rois"] is None and written["share_of_osteoporosis"]["r"] is None
    own = written["classes"]["osteoporosis"]
    if labels == [2, 0, 0, 0]:
        assert own["difference_low"] is None and own["not_estimable"]["p_equal"] == "not estimable: 1 case"
        row = comparison_tables(figures)["classes"].set_index("class").loc["osteoporosis"]
        assert row["difference (95 %, DeLong)"] == "+0.000 (interval not estimable: 1 case)"
    page = (tmp_path / "report.html").read_text("utf-8").partition("<svg")[0]
    assert "nan" not in page.lower()


def test_the_command_prints_and_writes(cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.screening.screener.Screener", lambda _: FakeScreener())
    command = ["compare-rois", str(cohort), "--manual", str(cohort / "readers.csv"), "--out", str(tmp_path / "c")]
    done = CliRunner().invoke(app, [*command, "--json", "--margin", "0.05"])
    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout)
    written = json.loads((tmp_path / "c" / "comparison.json").read_text())
    assert written.pop("notice").startswith("In-silico") and figures == written and figures["studies"] == 6
    assert figures["classes"]["osteoporosis"]["noninferior"] is None, "six studies"
    assert verdict(figures).startswith("Too few studies")
    assert "Hand-drawn against automatic ROIs" in (tmp_path / "c" / "report.html").read_text("utf-8")
    assert len(pd.read_csv(tmp_path / "c" / "tables" / "classes.csv")) == 3
    table = CliRunner().invoke(app, command)
    assert table.exit_code == 0 and "reader and detector" in table.stdout
