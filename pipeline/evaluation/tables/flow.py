"""The flow of studies, as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from pipeline.evaluation.studies.flow import Flow


def flow_table(flows: Mapping[str, Flow]) -> pd.DataFrame:
    """What became of every study, one column a data set; each is counted once.

    Source: STARD 2015, item 19.
    """
    columns = {name: dict(_lines(flow)) for name, flow in flows.items()}
    lines = list(dict.fromkeys(line for own in columns.values() for line in own))
    order = list(dict.fromkeys(what for what, _ in lines))
    lines.sort(key=lambda line: order.index(line[0]))
    return pd.DataFrame(
        {
            "studies": [what for what, _ in lines],
            "reason or class": [reason for _, reason in lines],
            **{name: [own.get(line, 0) for line in lines] for name, own in columns.items()},
        }
    )


def _lines(flow: Flow) -> Iterator[tuple[tuple[str, str], int]]:
    yield ("in the results and the tables", ""), flow.studies
    yield ("patients of these studies", ""), flow.patients
    for what, counted in (("ineligible", flow.ineligible), ("failed", flow.failed), ("rejected", flow.rejected)):
        if what == "failed":
            yield ("without reference standard", ""), flow.without_reference
            yield ("not processed", ""), flow.not_processed
        yield (what, "all"), sum(counted.values())
        for reason, count in counted.items():
            yield (what, reason.replace("_", " ")), count
    yield ("evaluated", "all"), flow.evaluated
    for bmd_class, count in flow.classes.items():
        yield ("evaluated", bmd_class.value), count
