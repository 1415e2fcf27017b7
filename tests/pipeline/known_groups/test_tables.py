"""Known groups as people read them."""

from __future__ import annotations

from pathlib import Path

from pipeline.evaluation.statistics.intervals import UNKNOWN, Estimate
from pipeline.known_groups.groups import known_groups
from pipeline.known_groups.tables import known_group_tables, verdict
from tests.predictions import save, screened


def test_the_interval_decides_what_is_shown() -> None:
    assert verdict(Estimate(-0.4, -0.6, -0.1), below=True) == "shown"
    assert verdict(Estimate(-0.4, -0.6, 0.1), below=True) == "not shown"
    assert verdict(Estimate(0.4, 0.1, 0.6), below=True) == "the opposite"
    assert verdict(UNKNOWN, below=True) == "-"


def test_a_folder_that_tells_nothing_says_why(tmp_path: Path) -> None:
    tables = known_group_tables(known_groups(save(tmp_path, [screened("a", -1.0)])))
    assert tables["age"].empty and "input_ablation=true" in tables["counts"]["what"][1]
