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

Labels = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

NOT_ESTIMABLE = "not estimable: "
"""How every such word begins."""

ONE_CLASS = f"{NOT_ESTIMABLE}one class only"
ONE_PATIENT = "all are of one patient"


def class_words(labels: Labels, predicted: Flags, k: int, patients: Labels | None = None) -> dict[str, str]:
    """Why metrics of one class against the rest cannot be given, by metric; empty where all can.

    Args:
        labels: (n,) index into BMD_CLASSES by DXA.
        predicted: (n,) whether this class is predicted.
        k: index of the class.
        patients: (n,) patient of each study; None where every study is a patient of its own.
    """
    name, positive = BMD_CLASSES[k].value, labels == k
    words = {}
    absent = ONE_CLASS if len(set(labels.tolist())) == 1 else f"{NOT_ESTIMABLE}no study is {name}"
    if not positive.any() or positive.all():
        words["auc"] = absent
    elif (lone := _lone_side(positive, patients)) is not None:
        words["auc_interval"] = NOT_ESTIMABLE + lone
    if "auc" in words:
        words["auc_paper_interval"] = words["auc"]
    found = {**words, **metric_words(positive, predicted, name, patients)}
    return {**found, **({"sensitivity": absent} if not positive.any() else {})}


def metric_words(
    positive: Flags, predicted: Flags, name: str = "osteoporosis", patients: Labels | None = None
) -> dict[str, str]:
    """Why metrics of predictions (n,) against truth (n,) cannot be given, by metric; empty where all can.

    A metric whose interval alone cannot be given stands under its name and `_interval`.
    """
    lacking = {
        "sensitivity": (positive, f"no study is {name}"),
        "specificity": (~positive, "one class only"),
        "ppv": (predicted, f"no study is predicted {name}"),
        "npv": (~predicted, f"every study is predicted {name}"),
    }
    words = {metric: NOT_ESTIMABLE + word for metric, (counted, word) in lacking.items() if not counted.any()}
    parts = {**{metric: counted for metric, (counted, _) in lacking.items()}, "accuracy": np.ones_like(positive)}
    words.update(
        {f"{metric}_interval": NOT_ESTIMABLE + ONE_PATIENT for metric, of in parts.items() if is_lone(of, patients)}
    )
    return words


def is_lone(counted: Flags, patients: Labels | None) -> bool:
    """Whether several flagged studies (n,) are all of a single patient, so that a fraction of them has no interval."""
    return patients is not None and counted.sum() > 1 and len(np.unique(patients[counted])) == 1


def _lone_side(positive: Flags, patients: Labels | None) -> str | None:
    """Which class has a single case, or cases of a single patient, so that an AUC has no interval; or None."""
    for side, one, many in ((positive, "1 case", "cases"), (~positive, "1 study of other classes", "other studies")):
        if side.sum() == 1:
            return one
        if is_lone(side, patients):
            return f"all {many} are of one patient"
    return None


def macro_auc_word(labels: Labels) -> str | None:
    """Why the mean of the three AUCs cannot be given, or None."""
    present = set(labels.tolist())
    lacking = [c.value for k, c in enumerate(BMD_CLASSES) if k not in present]
    if not lacking:
        return None
    return ONE_CLASS if len(present) == 1 else f"{NOT_ESTIMABLE}no study is {' or '.join(lacking)}"


def gap_word(positive: Flags, patients: Labels | None = None) -> str | None:
    """Why a difference of AUCs has no interval, or None."""
    if not positive.any() or positive.all():
        return ONE_CLASS
    lone = _lone_side(positive, patients)
    return None if lone is None else NOT_ESTIMABLE + lone.replace("1 study of other classes", "1 other")


def auc_words(positive: Flags, patients: Labels | None = None) -> dict[str, str]:
    """Why an AUC, or its interval, cannot be given; empty where both can."""
    word = gap_word(positive, patients)
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
    return f"{value} ({low} to {high})" if estimate.low < 0 else f"{value} ({low}-{high})"


def gap_text(difference: Estimate | None, word: str | None = None, scale: float = 1.0, digits: int = 3) -> str:
    """A difference, or another number with a sign, with its interval for a table; empty where there is none.

    Args:
        difference: the value; None is an empty cell.
        word: why the value or its interval cannot be given.
        scale: factor, 100 for percent.
        digits: decimals.
    """
    if difference is None:
        return ""
    if not math.isfinite(difference.value):
        return as_cell(word)
    value, low, high = (f"{scale * v:+.{digits}f}" for v in (difference.value, difference.low, difference.high))
    if not (math.isfinite(difference.low) and math.isfinite(difference.high)):
        return f"{value} (interval {word or 'not estimable'})"
    return f"{value} ({low} to {high})"


def metric_text(metrics: object, key: str, words: Mapping[str, str], scale: float = 1.0, digits: int = 3) -> str:
    """One metric of a result with its interval for a table, or the word for what cannot be given.

    Args:
        metrics: with an `Estimate` by the key's name.
        key: name of the metric.
        words: its `not_estimable`.
        scale: factor, 100 for percent.
        digits: decimals.
    """
    return interval_text(getattr(metrics, key), scale, digits, words.get(key, words.get(f"{key}_interval")))


def as_cell(word: str | None) -> str:
    """A word as a table shows it; a dash where there is none."""
    return f"not estimable ({word.removeprefix(NOT_ESTIMABLE)})" if word else "-"
