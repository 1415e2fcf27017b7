"""The paper's Tables 2 and 4 from the predictions of the six models, and paired comparisons of their AUCs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from classify.inputs import PAIRS, SIX, InputSet
from cohort.bmd import BMD_CLASSES, OSTEOPOROSIS_INDEX, BmdClass
from osteolens.errors import ReadError
from pipeline.evaluation.classification.cases import EvaluatedCases
from pipeline.evaluation.classification.metrics import ClassificationMetrics, ClassMetrics, classification_metrics
from pipeline.evaluation.estimable import result_json
from pipeline.evaluation.statistics.roc import PairedAuc, delong_test

COLUMNS = tuple(f"p_{bmd_class}" for bmd_class in BMD_CLASSES)
"""Columns of predictions.csv that hold the probabilities."""

PREDICTIONS = "predictions.csv"


class Network(StrEnum):
    """Which network made a model's predictions."""

    DEDICATED = "dedicated"
    """One that was trained for the inputs of this model."""
    JOINT = "joint"
    """The one network of all inputs, with those that the model lacks hidden."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    """One model on one dataset.

    Attributes:
        network: that made the predictions.
        model: of the paper.
        dataset: the validation studies, or a test site.
        metrics: of its predictions.
    """

    network: Network
    model: InputSet
    dataset: str
    metrics: ClassificationMetrics

    @property
    def osteoporosis(self) -> ClassMetrics:
        """Osteoporosis against the rest, as the paper's tables."""
        return self.metrics.classes[BmdClass.OSTEOPOROSIS]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelComparison:
    """AUCs of osteoporosis of two models on the studies that both predicted.

    Attributes:
        dataset: the validation studies, or a test site.
        first: name of a model.
        second: of another, or of the joint network.
        studies: that both predicted.
        auc: second minus first; None where osteoporosis or the rest is absent.
    """

    dataset: str
    first: str
    second: str
    studies: int
    auc: PairedAuc | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproductionTables:
    """Tables of a reproduction."""

    rows: tuple[ModelRow, ...]
    comparisons: tuple[ModelComparison, ...]

    def table(self, number: int) -> pd.DataFrame:
        """Table 2 (images alone) or 4 (with covariates) of the paper: osteoporosis against the rest."""
        return pd.DataFrame([_line(row) for row in self.rows if row.model.table == number])

    def comparison_table(self) -> pd.DataFrame:
        """Differences of AUCs, second minus first."""
        return pd.DataFrame([_comparison_line(comparison) for comparison in self.comparisons])

    def as_json(self) -> dict[str, object]:
        """As it stands in tables.json."""
        return {
            "rows": [
                {
                    "network": row.network.value,
                    "table": row.model.table,
                    "dataset": row.dataset,
                    "projection": row.model.projection,
                    "metrics": result_json(row.metrics),
                }
                for row in self.rows
            ],
            "comparisons": [result_json(comparison) for comparison in self.comparisons],
        }


def tabulate(out: Path, datasets: Iterable[str], models: Iterable[InputSet] = SIX) -> ReproductionTables:
    """Tables from the predictions below a run folder.

    Args:
        out: run folder with one folder a model, and `joint/` with those of the joint network.
        datasets: that were predicted.
        models: of the paper.

    Raises:
        ReadError: a model's predictions are missing, or do not tell patients apart.
    """
    rows: list[ModelRow] = []
    comparisons: list[ModelComparison] = []
    models = tuple(models)
    for dataset in datasets:
        dedicated = {model.name: _read(out / model.name / PREDICTIONS, dataset) for model in models}
        for model in models:
            table = dedicated[model.name]
            rows.append(_row(Network.DEDICATED, model, dataset, table))
            path = out / Network.JOINT / model.name / PREDICTIONS
            if path.is_file():
                joint = _read(path, dataset)
                rows.append(_row(Network.JOINT, model, dataset, joint))
                name = f"{model.name}: {Network.DEDICATED}"
                comparisons.append(_compare(dataset, {name: table, Network.JOINT.value: joint}))
        pairs = (pair for pair in PAIRS if set(pair) <= set(dedicated))
        comparisons += [_compare(dataset, {name: dedicated[name] for name in pair}) for pair in pairs]
    return ReproductionTables(rows=tuple(rows), comparisons=tuple(comparisons))


def _read(path: Path, dataset: str) -> pd.DataFrame:
    """Predictions of one dataset by study."""
    texts: dict[str, type[str]] = dict.fromkeys(("study_uid", "patient_id", "dataset"), str)
    empty: dict[str, list[str]] = {"t_score": [""], "t_score_true": [""]}
    try:
        table = pd.read_csv(path, dtype=texts, keep_default_na=False, na_values=empty)
    except OSError as error:
        raise ReadError(f"{path}: no predictions of this model; run osteolens reproduce again ({error})") from error
    if "patient_id" not in table:
        raise ReadError(f"{path}: has no column patient_id; run osteolens reproduce again, which predicts anew")
    return table[table["dataset"] == dataset].set_index("study_uid")


def _patients(table: pd.DataFrame) -> npt.NDArray[np.int64]:
    """(n,) a number for each patient."""
    return np.unique(table["patient_id"].to_numpy(str), return_inverse=True)[1].astype(np.int64)


def _row(network: Network, model: InputSet, dataset: str, table: pd.DataFrame) -> ModelRow:
    cases = EvaluatedCases(
        labels=table["label"].to_numpy(np.int64),
        probabilities=table[list(COLUMNS)].to_numpy(float),
        t_scores=table["t_score_true"].to_numpy(float),
        t_estimates=table["t_score"].to_numpy(float),
        prediction_sets=[frozenset()] * len(table),
        decisions=[None] * len(table),
        patients=_patients(table),
    )
    return ModelRow(network=network, model=model, dataset=dataset, metrics=classification_metrics(cases))


def _compare(dataset: str, predictions: Mapping[str, pd.DataFrame]) -> ModelComparison:
    """Second minus first of two, on the studies that both predicted."""
    (first, one), (second, other) = predictions.items()
    both = one.index.intersection(other.index)
    positive = one.loc[both, "label"].to_numpy(int) == OSTEOPOROSIS_INDEX
    first_p, second_p = (table.loc[both, COLUMNS[OSTEOPOROSIS_INDEX]].to_numpy(float) for table in (one, other))
    auc = None
    if 0 < positive.sum() < len(positive):
        auc = delong_test(positive, first_p, second_p, clusters=_patients(one.loc[both]))
    return ModelComparison(dataset=dataset, first=first, second=second, studies=len(both), auc=auc)


def _line(row: ModelRow) -> dict[str, object]:
    metrics = row.osteoporosis
    return {
        "network": row.network.value,
        "dataset": row.dataset,
        "projection": row.model.projection,
        "studies": metrics.studies,
        "cases": metrics.cases,
        **dict(_columns(metrics)),
    }


def _columns(metrics: ClassMetrics) -> Iterator[tuple[str, float]]:
    """Numbers with their intervals, a column each."""
    for name in ("auc", "sensitivity", "specificity", "ppv", "npv"):
        estimate = getattr(metrics, name)
        yield name, estimate.value
        yield f"{name}_low", estimate.low
        yield f"{name}_high", estimate.high


def _comparison_line(comparison: ModelComparison) -> dict[str, object]:
    auc = comparison.auc
    nan = float("nan")
    return {
        "dataset": comparison.dataset,
        "first": comparison.first,
        "second": comparison.second,
        "studies": comparison.studies,
        "difference": nan if auc is None else auc.difference.value,
        "difference_low": nan if auc is None else auc.difference.low,
        "difference_high": nan if auc is None else auc.difference.high,
        "p": nan if auc is None else auc.p,
    }
