"""The table of the flow names every reason once, in the order of the flow."""

from __future__ import annotations

from cohort.bmd import BmdClass
from pipeline.evaluation.studies.flow import Flow
from pipeline.evaluation.tables.flow import flow_table

CLASSES = {BmdClass.NORMAL: 1, BmdClass.OSTEOPENIA: 2, BmdClass.OSTEOPOROSIS: 1}


def flow(ineligible: dict[str, int], rejected: dict[str, int]) -> Flow:
    left = sum(ineligible.values()) + sum(rejected.values())
    return Flow(
        studies=4 + left + 3,
        patients=6,
        ineligible=ineligible,
        without_reference=1,
        not_processed=2,
        failed={},
        rejected=rejected,
        evaluated=4,
        classes=CLASSES,
    )


def test_reasons_of_all_data_sets_stand_in_one_table() -> None:
    table = flow_table({"test1": flow({"age": 2}, {"too_few_levels": 1}), "all": flow({"age": 2, "implant": 1}, {})})
    counted = {(row[0], row[1]): row[2:] for row in table.to_numpy().tolist()}
    assert counted["ineligible", "all"] == [2, 3] and counted["ineligible", "implant"] == [0, 1]
    assert counted["rejected", "too few levels"] == [1, 0]
    assert list(dict.fromkeys(table["studies"]))[2:] == [
        "ineligible",
        "without reference standard",
        "not processed",
        "failed",
        "rejected",
        "evaluated",
    ]
    for name in ("test1", "all"):
        single = table[table["reason or class"].isin(["", "all"])].set_index("studies")[name]
        assert single["in the results and the tables"] == single.iloc[2:].sum()
