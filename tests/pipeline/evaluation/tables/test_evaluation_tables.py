"""Every table of an evaluation has a place, a title and a caption."""

from __future__ import annotations

import pandas as pd

from pipeline.evaluation.tables.evaluation import BY_NAME, TABLES, TableGroup, by_group, captions, in_order


def test_names_and_titles_are_given_once_and_groups_stand_together() -> None:
    assert len(BY_NAME) == len(TABLES) == len({table.title for table in TABLES})
    order = [table.group for table in TABLES]
    assert list(dict.fromkeys(order)) == list(TableGroup)
    assert order == sorted(order, key=list(TableGroup).index)


def test_tables_are_ordered_and_one_without_a_place_comes_last() -> None:
    frame = pd.DataFrame({"a": [1]})
    tables = {"unknown_table": frame, "detection": frame, "osteoporosis": frame, "population": pd.DataFrame()}
    assert list(in_order(tables)) == ["population", "osteoporosis", "detection", "unknown_table"]
    assert captions(tables)["unknown_table"].title == "Unknown table"
    assert [group.value for group in by_group(tables)] == ["Classification", "Detection and quality control"]
