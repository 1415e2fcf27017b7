"""Items of the guidelines point at tables and figures that the report has, or at the authors."""

from __future__ import annotations

import re

from pipeline.evaluation.report.checklist import AUTHORS, ITEMS, checklist_table
from pipeline.evaluation.tables.evaluation import BY_NAME

LAST = {"stard": 30, "stard_ai": 40, "tripod_ai": 27, "claim": 44}
"""Number of the last item of each guideline."""


def numbers(text: str) -> set[int]:
    """Numbers of items such as "16a-16c, 20": 16 and 20."""
    found: set[int] = set()
    for part in re.findall(r"\d+[a-z]?(?:-\d+[a-z]?)?", text):
        ends = [int(re.sub(r"[a-z]", "", end)) for end in part.split("-")]
        found |= set(range(ends[0], ends[-1] + 1))
    return found


def test_item_numbers_exist() -> None:
    for name, last in LAST.items():
        for item in ITEMS:
            assert all(1 <= number <= last for number in numbers(getattr(item, name))), item.topic


def test_every_item_of_stard_2015_and_claim_2024_is_listed() -> None:
    for name in ("stard", "claim"):
        listed = set().union(*(numbers(getattr(item, name)) for item in ITEMS))
        assert listed == set(range(1, LAST[name] + 1)), name


def test_every_item_of_tripod_ai_is_listed_but_those_of_development() -> None:
    listed = set().union(*(numbers(item.tripod_ai) for item in ITEMS))
    development = {9, 13, 18, 24}
    assert set(range(1, 28)) - listed <= development


def test_places_are_tables_or_figures_of_the_report() -> None:
    figures = {"flow", "roc", "t_score", "calibration", "decision", "subgroups"}
    for item in ITEMS:
        assert set(item.places) <= set(BY_NAME) | figures, item.topic


def test_labels_are_those_of_the_report_and_what_is_absent_is_the_authors() -> None:
    figures = {"flow": "Figure 1", "roc_test1": "Figure 2", "roc_all": "Figure 3"}
    table = checklist_table({"population": "Table 1", "osteoporosis": "Table 4"}, figures).set_index("topic")["where"]
    assert table["Flow of participants, with a diagram"] == "Figure 1"
    assert table["Estimates of accuracy with their precision"] == "Table 4; Figure 2 to 3"
    assert table["Sample size"] == AUTHORS == table["Adverse events"]
