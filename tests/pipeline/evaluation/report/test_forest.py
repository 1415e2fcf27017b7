"""The forest plot draws every estimate at its place, and nothing without one."""

from __future__ import annotations

import numpy as np

from pipeline.evaluation.classification.subgroups import Subgroup
from pipeline.evaluation.report.forest import forest_figure
from pipeline.evaluation.statistics.intervals import UNKNOWN, Estimate


def subgroup(kind: str, group: str, auc: Estimate | None, sensitivity: Estimate = UNKNOWN) -> Subgroup:
    return Subgroup(
        kind=kind,
        group=group,
        studies=40,
        patients=40,
        cases=12,
        accuracy=UNKNOWN,
        sensitivity=sensitivity,
        specificity=UNKNOWN,
        auc=auc,
        observed_expected=None,
        slope=None,
        tested={},
        not_estimable={},
    )


def test_groups_stand_under_their_kind_with_their_estimates() -> None:
    groups = [
        subgroup("sex", "women", Estimate(0.9, 0.85, 0.94), Estimate(0.8, 0.7, 0.9)),
        subgroup("sex", "men", None, Estimate(0.7, 0.5, 0.9)),
        subgroup("radiography system", "of $5 & more" * 9, Estimate(0.8, float("nan"), float("nan"))),
        subgroup("age", "50-59", None),
    ]
    figure = forest_figure(groups, {"auc": Estimate(0.88, 0.86, 0.9)})
    assert figure is not None
    auc, sensitivity, specificity = figure.axes
    names = [label.get_text() for label in auc.get_yticklabels()]
    assert names[:4] == ["sex", "women (12 of 40)", "men (12 of 40)", "radiography system"] and len(names) == 5
    assert r"\$5" in names[4] and len(names[4]) < 50
    drawn = {tuple(np.round(np.asarray(line.get_xdata(), float), 2)) for line in auc.get_lines()}
    assert {(0.85, 0.94), (0.9,), (0.8,), (0.88, 0.88)} <= drawn
    assert len(sensitivity.get_lines()) == 4 and not specificity.get_lines()


def test_without_estimates_there_is_no_figure() -> None:
    assert forest_figure([subgroup("sex", "women", None)], {}) is None
