"""A word for every metric that a group of studies cannot give; its number is null in JSON and NaN in memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cohort.bmd import BMD_CLASSES

NOT_ESTIMABLE = "not estimable: "
"""How every such word begins."""

ONE_CLASS = f"{NOT_ESTIMABLE}one class only"


def class_words(labels: npt.NDArray[np.int64], called: npt.NDArray[np.bool_], k: int) -> dict[str, str]:
    """Why metrics of one class against the rest cannot be given, by metric; empty where all can.

    Args:
        labels: (n,) index into BMD_CLASSES by DXA.
        called: (n,) whether the study is called of this class.
        k: index of the class.
    """
    name, cases, others = BMD_CLASSES[k].value, int((labels == k).sum()), int((labels != k).sum())
    found = {}
    absent = ONE_CLASS if len(set(labels.tolist())) == 1 else f"{NOT_ESTIMABLE}no study is {name}"
    if not cases or not others:
        found["auc"] = absent
    elif min(cases, others) == 1:
        found["auc_interval"] = NOT_ESTIMABLE + ("1 case" if cases == 1 else "1 study of other classes")
    return {**found, **metric_words(labels == k, called, name), **({"sensitivity": absent} if not cases else {})}


def metric_words(
    positive: npt.NDArray[np.bool_], called: npt.NDArray[np.bool_], name: str = "osteoporosis"
) -> dict[str, str]:
    """Why shares of calls (n,) against truth (n,) cannot be given, by metric; empty where all can."""
    lacking = {
        "sensitivity": (not positive.any(), f"no study is {name}"),
        "specificity": (bool(positive.all()), "one class only"),
        "ppv": (not called.any(), f"no study is called {name}"),
        "npv": (bool(called.all()), f"every study is called {name}"),
    }
    return {metric: NOT_ESTIMABLE + word for metric, (is_so, word) in lacking.items() if is_so}


def area_word(labels: npt.NDArray[np.int64]) -> str | None:
    """Why the mean of the three areas cannot be given, or None."""
    present = set(labels.tolist())
    lacking = [c.value for k, c in enumerate(BMD_CLASSES) if k not in present]
    if not lacking:
        return None
    return ONE_CLASS if len(present) == 1 else f"{NOT_ESTIMABLE}no study is {' or '.join(lacking)}"


def gap_word(positive: npt.NDArray[np.bool_]) -> str | None:
    """Why a difference of areas has no interval, or None."""
    cases = int(positive.sum())
    if not cases or cases == len(positive):
        return ONE_CLASS
    return f"{NOT_ESTIMABLE}1 {'case' if cases == 1 else 'other'}" if min(cases, len(positive) - cases) == 1 else None


def with_words(metrics: Mapping[str, Any], word: str) -> dict[str, Any]:
    """The metrics and, under `not_estimable`, one word for each that is NaN."""
    lacking = {key: NOT_ESTIMABLE + word for key, value in metrics.items() if is_nan(value)}
    return {**metrics, "not_estimable": lacking} if lacking else dict(metrics)


def is_nan(value: Any) -> bool:
    """Whether this is a number that is none."""
    return isinstance(value, float) and not math.isfinite(value)


def told(value: Any, word: str | None = None, digits: int = 3) -> str:
    """A number for a table; where it is none, the word for it, or a dash."""
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.{digits}f}"
    if value is None or is_nan(value):
        return as_cell(word)
    return str(value)


def interval_text(values: Sequence[float] | None, scale: float = 1.0, digits: int = 3, word: str | None = None) -> str:
    """A value with its interval for a table; where either is none, the word for it, or a dash."""
    if values is None or not math.isfinite(values[0]):
        return as_cell(word)
    value, low, high = (f"{scale * v:.{digits}f}" for v in values)
    if not np.isfinite(values).all():
        return f"{value} (interval {word or 'not estimable'})"
    return f"{value} ({low}-{high})"


def gap_text(values: Sequence[float] | None, word: str | None = None) -> str:
    """A difference with its interval for a table; empty where there is no such difference."""
    if values is None:
        return ""
    if not np.isfinite(values).all():
        return f"{values[0]:+.3f} (interval {word or 'not estimable'})" if math.isfinite(values[0]) else as_cell(word)
    return "{:+.3f} ({:+.3f} to {:+.3f})".format(*values)


def as_cell(word: str | None) -> str:
    """A word as a table shows it; a dash where there is none."""
    return f"not estimable ({word.removeprefix(NOT_ESTIMABLE)})" if word else "-"
