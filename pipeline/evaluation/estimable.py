"""Metrics that a group of studies cannot give are NaN in memory and null in JSON; a word says why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cohort.bmd import BMD_CLASSES
from pipeline.evaluation.statistics.intervals import Estimate

NOT_ESTIMABLE = "not estimable: "
"""How every such word begins."""

ONE_CLASS = f"{NOT_ESTIMABLE}one class only"


def class_words(labels: npt.NDArray[np.int64], predicted: npt.NDArray[np.bool_], k: int) -> dict[str, str]:
    """Why metrics of one class against the rest cannot be given, by metric; empty where all can.

    Args:
        labels: (n,) index into BMD_CLASSES by DXA.
        predicted: (n,) whether this class is predicted.
        k: index of the class.
    """
    name, cases, others = BMD_CLASSES[k].value, int((labels == k).sum()), int((labels != k).sum())
    words = {}
    absent = ONE_CLASS if len(set(labels.tolist())) == 1 else f"{NOT_ESTIMABLE}no study is {name}"
    if not cases or not others:
        words["auc"] = absent
    elif min(cases, others) == 1:
        words["auc_interval"] = NOT_ESTIMABLE + ("1 case" if cases == 1 else "1 study of other classes")
    return {**words, **metric_words(labels == k, predicted, name), **({"sensitivity": absent} if not cases else {})}


def metric_words(
    positive: npt.NDArray[np.bool_], predicted: npt.NDArray[np.bool_], name: str = "osteoporosis"
) -> dict[str, str]:
    """Why metrics of predictions (n,) against truth (n,) cannot be given, by metric; empty where all can."""
    lacking = {
        "sensitivity": (not positive.any(), f"no study is {name}"),
        "specificity": (bool(positive.all()), "one class only"),
        "ppv": (not predicted.any(), f"no study is predicted {name}"),
        "npv": (bool(predicted.all()), f"every study is predicted {name}"),
    }
    return {metric: NOT_ESTIMABLE + word for metric, (is_so, word) in lacking.items() if is_so}


def macro_auc_word(labels: npt.NDArray[np.int64]) -> str | None:
    """Why the mean of the three AUCs cannot be given, or None."""
    present = set(labels.tolist())
    lacking = [c.value for k, c in enumerate(BMD_CLASSES) if k not in present]
    if not lacking:
        return None
    return ONE_CLASS if len(present) == 1 else f"{NOT_ESTIMABLE}no study is {' or '.join(lacking)}"


def gap_word(positive: npt.NDArray[np.bool_]) -> str | None:
    """Why a difference of AUCs has no interval, or None."""
    cases = int(positive.sum())
    if not cases or cases == len(positive):
        return ONE_CLASS
    return f"{NOT_ESTIMABLE}1 {'case' if cases == 1 else 'other'}" if min(cases, len(positive) - cases) == 1 else None


def auc_words(positive: npt.NDArray[np.bool_]) -> dict[str, str]:
    """Why an AUC, or its interval, cannot be given; empty where both can."""
    word = gap_word(positive)
    return {} if word is None else {"auc" if word == ONE_CLASS else "auc_interval": word}


def with_words(metrics: Mapping[str, Any], word: str) -> dict[str, Any]:
    """The metrics and, under `not_estimable`, one word for each that is NaN."""
    lacking = {key: NOT_ESTIMABLE + word for key, value in metrics.items() if is_nan(value)}
    return {**metrics, "not_estimable": lacking} if lacking else dict(metrics)


def is_nan(value: object) -> bool:
    """Whether this is a float that is NaN or infinite."""
    return isinstance(value, float) and not math.isfinite(value)


def result_json(result: object) -> Any:
    """A result for JSON: dataclasses by their fields, without fields that are None and an empty `not_estimable`."""
    if is_dataclass(result) and not isinstance(result, type):
        named = {field.name: getattr(result, field.name) for field in fields(result) if field.repr}
        return {
            name: result_json(value)
            for name, value in named.items()
            if value is not None and (name != "not_estimable" or value)
        }
    if isinstance(result, Mapping):
        return {str(key): result_json(value) for key, value in result.items()}
    if isinstance(result, (list, tuple)):
        return [result_json(value) for value in result]
    return result


def told(value: object, word: str | None = None, digits: int = 3) -> str:
    """A number for a table; where it is NaN or None, the word for it, or a dash."""
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.{digits}f}"
    if value is None or is_nan(value):
        return as_cell(word)
    return str(value)


def interval_text(estimate: Estimate | None, scale: float = 1.0, digits: int = 3, word: str | None = None) -> str:
    """A value with its interval for a table; where either cannot be given, the word for it, or a dash.

    Args:
        estimate: the value; None is a dash.
        scale: factor, 100 for percent.
        digits: decimals.
        word: why the value or its interval cannot be given.
    """
    if estimate is None or not math.isfinite(estimate.value):
        return as_cell(word)
    value, low, high = (f"{scale * v:.{digits}f}" for v in (estimate.value, estimate.low, estimate.high))
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return f"{value} (interval {word or 'not estimable'})"
    return f"{value} ({low}-{high})"


def gap_text(difference: Estimate | None, word: str | None = None) -> str:
    """A difference with its interval for a table; empty where there is no such difference."""
    if difference is None:
        return ""
    if not math.isfinite(difference.value):
        return as_cell(word)
    if not (math.isfinite(difference.low) and math.isfinite(difference.high)):
        return f"{difference.value:+.3f} (interval {word or 'not estimable'})"
    return f"{difference.value:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})"


def as_cell(word: str | None) -> str:
    """A word as a table shows it; a dash where there is none."""
    return f"not estimable ({word.removeprefix(NOT_ESTIMABLE)})" if word else "-"
