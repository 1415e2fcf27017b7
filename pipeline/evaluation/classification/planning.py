"""Studies that a planned evaluation needs, where it performs as this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite

from cohort.bmd import BmdClass
from pipeline.evaluation.classification.metrics import ClassificationMetrics
from pipeline.evaluation.config import EvaluationConfig
from pipeline.evaluation.estimable import NOT_ESTIMABLE
from pipeline.evaluation.statistics.sample_size import (
    studies_for_auc,
    studies_for_noninferiority,
    studies_for_sensitivity,
    studies_for_specificity,
)

POWER = 0.8
"""Probability that a planned study shows non-inferiority, where both methods are equally good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSize:
    """Studies, each of another patient and with DXA, that one aim of a planned evaluation takes.

    Attributes:
        aim: in words.
        expected: value of this evaluation; NaN where it has none.
        prevalence: of osteoporosis in the planned study.
        studies: needed; None where this evaluation's figures cannot tell.
        cases: with osteoporosis, of these; likewise.
        not_estimable: a word where they cannot.
    """

    aim: str
    expected: float
    prevalence: float
    studies: int | None
    cases: int | None
    not_estimable: Mapping[str, str]


def sample_sizes(metrics: ClassificationMetrics, config: EvaluationConfig) -> tuple[SampleSize, ...]:
    """Studies for the intervals of sensitivity, specificity and AUC of osteoporosis, and for non-inferiority.

    Args:
        metrics: of this evaluation.
        config: widths, margin and correlation; `prevalence`, without which it is that of these studies.

    Source: see `pipeline.evaluation.statistics.sample_size`.
    """
    own = metrics.classes[BmdClass.OSTEOPOROSIS]
    prevalence = own.cases / own.studies if config.prevalence is None else config.prevalence
    width, auc_width, margin = config.planned_half_width, config.planned_auc_half_width, config.planned_margin
    correlation = config.planned_correlation
    aims: tuple[tuple[str, str, Callable[[float], int]], ...] = (
        (
            f"sensitivity with an interval of +/- {100 * width:g} %",
            "sensitivity",
            lambda value: studies_for_sensitivity(value, width, prevalence),
        ),
        (
            f"specificity with an interval of +/- {100 * width:g} %",
            "specificity",
            lambda value: studies_for_specificity(value, width, prevalence),
        ),
        (
            f"AUC with an interval of +/- {auc_width:g}",
            "auc",
            lambda value: studies_for_auc(value, auc_width, prevalence),
        ),
        (
            f"AUC of another method not inferior by {margin:g}; {100 * POWER:g} % power, correlation {correlation:g}",
            "auc",
            lambda value: studies_for_noninferiority(value, margin, correlation, prevalence, power=POWER),
        ),
    )
    return tuple(
        _sample_size(aim, getattr(own, name).value, prevalence, needed, own.not_estimable.get(name))
        for aim, name, needed in aims
    )


def _sample_size(
    aim: str, expected: float, prevalence: float, needed: Callable[[float], int], word: str | None
) -> SampleSize:
    if word is None and not 0 < prevalence < 1:
        word = f"{NOT_ESTIMABLE}osteoporosis has a prevalence of {prevalence:g} here; give the setting prevalence"
    if word is None and not 0 < expected < 1:
        word = f"{NOT_ESTIMABLE}{expected:g} here, and a plan needs a value between 0 and 1"
    studies = needed(expected) if word is None else None
    return SampleSize(
        aim=aim,
        expected=expected,
        prevalence=prevalence,
        studies=studies,
        cases=None if studies is None else round(studies * prevalence),
        not_estimable={} if word is None else {"studies": word, **({} if isfinite(expected) else {"expected": word})},
    )
