"""What a manifest keeps of an evaluation on a test cohort: its main figures, without curves and lists."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from osteolens.errors import ConfigError
from pipeline.bundle.manifest import Record

OF_ALL_CLASSES = ("studies", "patients", "accuracy", "macro_auc", "ece", "brier")
OF_A_CLASS = ("cases", "auc", "sensitivity", "specificity")
OF_T_SCORES = ("mae", "r", "bias")
OF_DECISIONS = ("rule_in", "rule_in_ppv", "rule_out", "rule_out_npv", "indeterminate")
"""Keys of `osteolens evaluate --json` that are kept, where it has them."""


def figures_of_test(evaluation: Mapping[str, object], source: Path) -> Record:
    """The main figures of each data set.

    Args:
        evaluation: what `osteolens evaluate --json` printed.
        source: file that it comes from, for the error.

    Returns:
        by data set `split`, `rejected`, and the figures of classes, T-scores, prediction sets and decisions.

    Raises:
        ConfigError: it is no evaluation, or holds no results with a class.
    """
    datasets = evaluation.get("datasets")
    if not isinstance(datasets, dict):
        found = ", ".join(map(str, list(evaluation)[:5])) or "nothing"
        raise ConfigError(f"{source}: found {found}; expected what `osteolens evaluate --json` printed (datasets)")
    figures: Record = {}
    for name, dataset in datasets.items():
        own = _object(dataset)
        if classification := _object(own.get("classification")):
            figures[str(name)] = {**_some(own, ("split", "rejected")), **_of_classification(classification)}
    if not figures:
        raise ConfigError(f"{source}: no data set has a study with a class and DXA; evaluate on a cohort with T-scores")
    return figures


def _of_classification(found: Record) -> Record:
    classes: Record = {
        str(name): _some(_object(one), OF_A_CLASS) for name, one in _object(found.get("classes")).items()
    }
    return {
        **_some(found, OF_ALL_CLASSES),
        "classes": classes,
        "t_score": _some(_object(found.get("t_score")), OF_T_SCORES),
        "prediction_sets": _object(found.get("prediction_sets")),
        "decisions": _some(_object(found.get("decisions")), OF_DECISIONS),
        **_some(found, ("unlike_training",)),
    }


def _some(document: Record, keys: tuple[str, ...]) -> Record:
    return {key: document[key] for key in keys if document.get(key) is not None}


def _object(value: object) -> Record:
    return value if isinstance(value, dict) else {}
