"""Levels and studies from the words of labels and names."""

from __future__ import annotations

from pathlib import Path

import pytest

from cohort.importers.drawn import study_of
from cohort.importers.level_names import level_of
from cohort.spine import VertebralLevel


@pytest.mark.parametrize(
    ("text", "level"), [("L1", "L1"), ("AP_L4", "L4"), ("t12 body", "T12"), ("S1", "S1"), ("L12", None), ("LAT", None)]
)
def test_levels_are_read_from_names(text: str, level: str | None) -> None:
    assert level_of(text) == (VertebralLevel(level) if level else None)


def test_a_study_is_its_name_without_the_view() -> None:
    assert study_of(Path("p7_AP.png")) == "p7" and study_of(Path("images/train/9 LAT.png")) == "9"
    assert study_of(Path("patient3/AP.png")) == "patient3"


@pytest.mark.parametrize("text", ["L1-L2", "L1/2", "L1L2", "disc L1", "L4-5 disk", "T12/L1", "L1 L2", "IVD_L3"])
def test_discs_and_pairs_are_no_level(text: str) -> None:
    assert level_of(text) is None
