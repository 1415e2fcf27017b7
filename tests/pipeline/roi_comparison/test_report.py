"""The page of a comparison states what its JSON holds, with its tables and figures beside it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.roi_comparison.comparison import compare_readings
from pipeline.roi_comparison.config import ComparisonConfig
from pipeline.roi_comparison.read import Cause, LeftOut
from pipeline.roi_comparison.report.page import write_comparison
from tests.pipeline.roi_comparison.fakes import failures_of, noisy_studies, studies_of

QUICK = ComparisonConfig(bootstrap_draws=20)


@pytest.mark.parametrize(
    ("noise", "words"), [(0.05, "are not inferior to manual"), (3.0, "are not shown to be non-inferior")]
)
def test_the_page_states_non_inferiority_or_its_absence(noise: float, words: str, tmp_path: Path) -> None:
    comparison = compare_readings(noisy_studies(noise), QUICK)
    assert words in comparison.verdict
    write_comparison(tmp_path, comparison, "Made up.")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert words in page and "Made up." in page and page.count("<svg") == 5
    figures = {path.name for path in (tmp_path / "figures").iterdir()}
    names = ("forest", "roc", "probabilities", "overlap", "differences")
    assert figures == {f"{name}.{ending}" for name in names for ending in ("svg", "pdf", "png")}
    assert "Table 2.</span> AUC on both ROIs" in page and "Figure 1." in page
    assert {path.stem for path in (tmp_path / "tables").iterdir()} == set(comparison.tables)
    assert len(pd.read_csv(tmp_path / "tables" / "classes.csv")) == 3


def test_studies_left_out_are_told_with_their_reasons(tmp_path: Path) -> None:
    why = LeftOut(Cause.READERS, "no manual boxes of <b>")
    left_out = {"s1": why, "s2": why, "s3": LeftOut(Cause.DETECTOR, "AP view lacks L4")}
    studies = failures_of(noisy_studies(0.1, 30), [3])
    comparison = compare_readings(studies, QUICK.model_copy(update={"manual_seconds": 120}), left_out)
    write_comparison(tmp_path, comparison, "")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "no manual boxes of &lt;b&gt;" in page and "3 left out, 1 of them since the detector failed" in page
    assert list(pd.read_csv(tmp_path / "tables" / "flow.csv")["studies"]) == [32, 2, 1, 29]
    assert "it saves 2.0 minutes a study, 58 minutes over all 30 studies" in page
    assert "Failures of the detector as worst case" in page


@pytest.mark.parametrize("labels", [[2], [2, 0], [2, 0, 0, 0], [2, 2, 2]])
def test_few_or_equal_studies_give_a_page_and_json_without_nan(labels: list[int], tmp_path: Path) -> None:
    probabilities = np.array([[0.2, 0.3, 0.5]] * len(labels))
    write_comparison(tmp_path, compare_readings(studies_of(labels, probabilities, probabilities), QUICK), "")

    def not_json(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    json.loads((tmp_path / "comparison.json").read_text(), parse_constant=not_json)
    page = (tmp_path / "report.html").read_text("utf-8").partition("<svg")[0]
    assert "nan" not in page.lower()
