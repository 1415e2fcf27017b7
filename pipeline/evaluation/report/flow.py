"""The flow of an evaluation's studies as a figure, from those found to those evaluated, with reasons."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from cohort.bmd import BMD_CLASSES
from pipeline.evaluation.evaluation import DatasetEvaluation
from pipeline.evaluation.report.patient_flow import FlowBox, flow_figure

MOST_REASONS = 8
"""Reasons of one kind that a box names; the rest are counted together."""


def evaluation_flow(dataset: DatasetEvaluation) -> Figure:
    """Every study of a data set, counted once.

    Source: STARD 2015, item 19.
    """
    flow = dataset.flow
    eligible = flow.studies - sum(flow.ineligible.values())
    with_reference = eligible - flow.without_reference
    boxes = [
        FlowBox(
            f"{flow.studies} studies of {flow.patients} patients in the results and the tables",
            _leaving("ineligible", flow.ineligible),
        ),
        FlowBox(f"{eligible} eligible", _leaving("without a T-score by DXA", flow.without_reference)),
        FlowBox(
            f"{with_reference} with reference standard (intention to diagnose)",
            (
                *_leaving("not processed: no result", flow.not_processed),
                *_leaving("failed", flow.failed),
                *_leaving("rejected by quality control", flow.rejected),
            ),
        ),
        FlowBox(f"{flow.evaluated} evaluated"),
    ]
    return flow_figure(boxes, _classes(dataset))


def _leaving(what: str, counted: int | Mapping[str, int]) -> tuple[str, ...]:
    """Lines about studies that leave, with their reasons, most frequent first; none where no study does."""
    if isinstance(counted, int):
        return (f"{counted} {what}",) if counted else ()
    ordered = sorted(counted.items(), key=lambda item: -item[1])
    rest = sum(count for _, count in ordered[MOST_REASONS:])
    lines = [f"   {count} {reason.replace('_', ' ')}" for reason, count in ordered[:MOST_REASONS]]
    more = [f"   {rest} for other reasons"] if rest else []
    return (f"{sum(counted.values())} {what}:", *lines, *more) if counted else ()


def _classes(dataset: DatasetEvaluation) -> list[str]:
    """What the evaluated studies are by DXA, and how they are predicted."""
    found = dataset.classification
    if found is None:
        return []
    return [
        "\n".join(
            (
                f"{truth.value} by DXA: {sum(counted)}",
                *(f"predicted {c.value}: {count}" for c, count in zip(BMD_CLASSES, counted, strict=True)),
            )
        )
        for truth, counted in zip(BMD_CLASSES, found.confusion, strict=True)
    ]
