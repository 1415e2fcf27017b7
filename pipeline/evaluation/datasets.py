"""Everything that a report on results says, by dataset: classes, confusion, operating points, rejections, subgroups."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_curve

from cohort.bmd import BMD_CLASSES, OSTEOPOROSIS_INDEX
from cohort.covariates import Sex
from cohort.io.tables.cohort_tables import CohortRow
from cohort.splits import is_test_site
from pipeline.evaluation.classification import EvaluatedCases, classification_metrics, not_estimable
from pipeline.evaluation.estimable import class_words, metric_words
from pipeline.evaluation.evaluate import evaluated_cases, row_of_document
from pipeline.evaluation.input_ablation import ablation_cases, compare_inputs
from pipeline.evaluation.population import population, population_tests
from pipeline.evaluation.stage_attribution import stage_attribution
from pipeline.evaluation.statistics import (
    Estimate,
    area,
    auc,
    bootstrap,
    counts,
    net_benefit,
    paper_auc,
    proportion,
    threshold_for_sensitivity,
)

Document = dict[str, Any]
Rows = Mapping[str, CohortRow]

ALL = "all"
"""Name of all datasets together."""

AGE_BANDS = ((50, 60), (60, 70), (70, 80), (80, 120))
BMI_BANDS = ((0.0, 18.5), (18.5, 24.0), (24.0, 28.0), (28.0, 99.0))
"""Underweight, normal, overweight, obese by the Chinese criteria (WS/T 428-2013)."""

SENSITIVITY = 0.90
"""Sensitivity of the second operating point."""

NAMED = 5
"""Studies named where more are counted."""

FEWEST = 10
"""Cases of each kind below which a subgroup's area is not given."""


def evaluate_datasets(
    everyone: Sequence[Document],
    rows: Rows,
    documents: Sequence[Document],
    draws: int = 2000,
    seed: int = 0,
    drawn: Sequence[Document] = (),
) -> dict[str, Any]:
    """Figures by site and over all sites.

    Args:
        everyone: all results.
        rows: of cohort.csv.
        documents: results of eligible studies, rejected ones among them.
        draws: of the bootstrap that gives the macro AUC its interval.
        seed: of the bootstrap.
        drawn: results of the same studies on hand-drawn ROIs, where there are any.
    """
    known = {site for d in documents if (site := site_of(d, rows)) is not None}
    sites = sorted(known, key=lambda site: (is_test_site(site), site))
    groups = {site: [d for d in documents if site_of(d, rows) == site] for site in sites}
    if len(sites) != 1:
        groups[ALL] = list(documents)
    datasets = {name: _dataset(own, rows, draws, seed) for name, own in groups.items()}
    return {
        "datasets": datasets,
        "population": {name: population(own, rows) for name, own in groups.items()},
        "population_p": population_tests([groups[site] for site in sites], rows) if len(sites) > 1 else {},
        "subgroups": _subgroups(documents, rows),
        "stages": {name: stage_attribution(own, _same(drawn, own), rows) for name, own in groups.items()}
        if drawn
        else {},
        "not_judged": _not_judged(everyone, rows),
        "excluded": len(everyone) - len(documents),
        "paper_table": 4 if any(any(d["covariates"].values()) for d in documents) else 2,
    }


def _same(drawn: Sequence[Document], documents: Sequence[Document]) -> list[Document]:
    wanted = {d["study_uid"] for d in documents}
    return [d for d in drawn if d["study_uid"] in wanted]


def site_of(document: Document, rows: Rows) -> str | None:
    """Site of a result by cohort.csv, or None."""
    row = row_of_document(document, rows)
    return None if row is None else row.site


def _dataset(documents: Sequence[Document], rows: Rows, draws: int, seed: int) -> dict[str, Any]:
    rejected = [d for d in documents if d["rejection"] is not None]
    found: dict[str, Any] = {"studies": len(documents), "rejected": len(rejected)}
    judged = evaluated_cases(documents, rows)
    if judged is None:
        return found
    labels, shares = judged.labels, judged.shares
    called = shares.argmax(1)
    words = not_estimable(judged)
    found["figures"] = {**classification_metrics(judged), **dict.fromkeys(words), "not_estimable": words}
    found["confusion"] = [[int(((labels == i) & (called == j)).sum()) for j in range(3)] for i in range(3)]
    found["classes"] = {c.value: _one_class(judged, k) for k, c in enumerate(BMD_CLASSES)}
    if all((labels == k).any() for k in range(3)):
        found["macro_auc"] = _values(
            bootstrap(lambda cases: _macro(labels[cases], shares[cases]), len(labels), draws, seed)
        )
    parts = ablation_cases(documents, rows)
    found["input_ablation"] = {
        name: {"studies": len(own.labels), **_one_class(own, OSTEOPOROSIS_INDEX)} for name, own in parts.items()
    }
    found["comparisons"] = compare_inputs(documents, rows)
    found["operating_points"] = _operating_points(judged)
    found["intention_to_diagnose"] = _intention_to_diagnose(documents, rows)
    return found


def _values(found: Estimate) -> list[float]:
    return [found.value, found.low, found.high]


def _one_class(judged: EvaluatedCases, k: int) -> dict[str, Any]:
    """One class against the rest, as the paper's tables: AUC by DeLong and by the paper's interval, four metrics."""
    truth, called = judged.labels == k, judged.shares.argmax(1) == k
    row: dict[str, Any] = {"cases": int(truth.sum()), "not_estimable": class_words(judged.labels, called, k)}
    if 0 < truth.sum() < len(truth):
        found = auc(truth, judged.shares[:, k])
        row["auc"], row["auc_paper_interval"] = _values(found), _values(paper_auc(found.value, len(truth)))
    for name, value in counts(truth, called).metrics().items():
        if name != "accuracy":
            row[name] = _values(value)
    return row


def _macro(labels: npt.NDArray[np.int64], shares: npt.NDArray[np.float64]) -> float:
    return float(np.mean([area(labels == k, shares[:, k]) for k in range(shares.shape[1])]))


def _operating_points(judged: EvaluatedCases) -> dict[str, Any]:
    """Osteoporosis called at the most probable class, and at a chosen sensitivity."""
    positive, share = judged.labels == OSTEOPOROSIS_INDEX, judged.shares[:, OSTEOPOROSIS_INDEX]
    points: dict[str, Any] = {"most probable class": _metrics(positive, judged.shares.argmax(1) == OSTEOPOROSIS_INDEX)}
    if positive.any():
        threshold = threshold_for_sensitivity(positive, share, SENSITIVITY)
        point = _metrics(positive, share >= threshold)
        points[f"sensitivity {SENSITIVITY:.0%} (threshold {threshold:.3f}, of this dataset)"] = point
    return points


def _metrics(positive: npt.NDArray[np.bool_], called: npt.NDArray[np.bool_]) -> dict[str, Any]:
    found = {name: _values(value) for name, value in counts(positive, called).metrics().items()}
    return {**found, "not_estimable": metric_words(positive, called)}


def _intention_to_diagnose(documents: Sequence[Document], rows: Rows) -> dict[str, Any]:
    """Every study with DXA counts: a rejected one was not called, and is told apart."""
    known = [(d, row.dxa.bmd_class) for d in documents if (row := row_of_document(d, rows)) and row.dxa]
    positive = np.array([bmd_class is BMD_CLASSES[OSTEOPOROSIS_INDEX] for _, bmd_class in known])
    called = np.array([d["bmd_class"] == BMD_CLASSES[OSTEOPOROSIS_INDEX].value for d, _ in known])
    rejected = np.array([d["rejection"] is not None for d, _ in known])
    if not known:
        return {}
    return {
        **_metrics(positive, called),
        "rejected": _values(proportion(int(rejected.sum()), len(rejected))),
        "osteoporosis_among_refused": int((positive & rejected).sum()),
    }


def curves(judged: EvaluatedCases) -> dict[str, Any]:
    """Points of the figures: ROC by class, reliability, decision curve, T-scores; arrays, not for JSON."""
    roc = {}
    for k, c in enumerate(BMD_CLASSES):
        truth = judged.labels == k
        if 0 < truth.sum() < len(truth):
            false, true, _ = roc_curve(truth, judged.shares[:, k])
            roc[c.value] = (false, true)
    positive, share = judged.labels == OSTEOPOROSIS_INDEX, judged.shares[:, OSTEOPOROSIS_INDEX]
    place = np.minimum((share * 10).astype(int), 9)
    bins = [k for k in range(10) if (place == k).any()]
    reliability = [(share[place == k].mean(), positive[place == k].mean(), int((place == k).sum())) for k in bins]
    thresholds = np.linspace(0.01, 0.80, 80)
    benefit = net_benefit(positive, share, thresholds)
    everyone = positive.mean() - (1 - positive.mean()) * thresholds / (1 - thresholds)
    return {"roc": roc, "reliability": np.array(reliability), "decision": (thresholds, benefit, everyone)}


def _subgroups(documents: Sequence[Document], rows: Rows) -> list[dict[str, Any]]:
    """Area of osteoporosis and accuracy by sex, age, BMI and machine."""
    tests: list[tuple[str, str, Callable[[CohortRow], bool]]] = [
        ("sex", "women", lambda r: r.covariates.sex is Sex.FEMALE),
        ("sex", "men", lambda r: r.covariates.sex is Sex.MALE),
    ]
    for low, high in AGE_BANDS:
        tests.append(("age", f"{low}-{high - 1}" if high < 120 else f"{low}+", _within("age_years", low, high)))
    for low_bmi, high_bmi in BMI_BANDS:
        label = f"{low_bmi:g}-{high_bmi:g}" if high_bmi < 99 else f"{low_bmi:g}+"
        tests.append(("BMI", label, _within("bmi_kg_m2", low_bmi, high_bmi)))
    machines = sorted({r.machine for d in documents if (r := row_of_document(d, rows)) and r.machine})
    tests += [("machine", name, lambda r, n=name: r.machine == n) for name in machines]  # type: ignore[misc]
    found = []
    for kind, label, belongs in tests:
        own = [d for d in documents if (r := row_of_document(d, rows)) is not None and belongs(r)]
        judged = evaluated_cases(own, rows)
        if judged is None:
            continue
        positive = judged.labels == OSTEOPOROSIS_INDEX
        right = int((judged.shares.argmax(1) == judged.labels).sum())
        row: dict[str, Any] = {"kind": kind, "group": label, "studies": len(positive), "cases": int(positive.sum())}
        row["accuracy"] = _values(proportion(right, len(positive)))
        if min(positive.sum(), (~positive).sum()) >= FEWEST:
            row["auc"] = _values(auc(positive, judged.shares[:, OSTEOPOROSIS_INDEX]))
        found.append(row)
    return found


def _within(name: str, low: float, high: float) -> Callable[[CohortRow], bool]:
    def belongs(row: CohortRow) -> bool:
        value = getattr(row.covariates, name)
        return value is not None and low <= value < high

    return belongs


def _not_judged(documents: Sequence[Document], rows: Rows) -> dict[str, Any]:
    """What cannot be judged or is not independent, by name and count."""
    owners = [(d, row_of_document(d, rows)) for d in documents]
    without = [d["study_uid"] for d, row in owners if row is None or row.dxa is None]
    seen = {id(row) for _, row in owners}
    lacking = {id(row): key for key, row in reversed(list(rows.items())) if row.dxa is not None and id(row) not in seen}
    sites: dict[str, set[str]] = {}
    for document, row in owners:
        if row is not None and row.site is not None:
            sites.setdefault(document["patient_id"], set()).add(row.site)
    shared = [patient for patient, own in sites.items() if len(own) > 1]
    classes = {row.dxa.bmd_class for _, row in owners if row is not None and row.dxa is not None}
    return {
        "predictions_without_truth": {"count": len(without), "first": without[:NAMED]},
        "truth_without_predictions": {"count": len(lacking), "first": list(lacking.values())[:NAMED]},
        "patients_of_several_sites": {"count": len(shared), "first": shared[:NAMED]},
        "classes_absent": [c.value for c in BMD_CLASSES if c not in classes],
    }
