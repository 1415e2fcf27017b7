"""A comparison of ROIs for JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from cohort.bmd import BMD_CLASSES
from pipeline.evaluation.estimable import NOT_ESTIMABLE, ONE_CLASS, with_words
from pipeline.evaluation.statistics.agreement import BlandAltman
from pipeline.roi_comparison.agreement import EdgeDifference, Overlap, Overlaps, Reliability
from pipeline.roi_comparison.classification import ClassComparison, Compared, Metrics, Reclassification
from pipeline.roi_comparison.failures import Performance
from pipeline.roi_comparison.read import Cause
from pipeline.roi_comparison.studies import DetectorFailures

Document = dict[str, object]


def flow_json(flow: Mapping[tuple[Cause, str], int], compared: int) -> Document:
    """Every study once: compared, or left out by cause and reason."""
    causes: dict[str, dict[str, int]] = {}
    for (cause, reason), count in flow.items():
        causes.setdefault(cause.value, {})[reason] = count
    return {"studies": compared + sum(flow.values()), "compared": compared, "left_out": causes}


def overlap_json(
    between: Overlaps, detector: Overlaps, pairs: Mapping[tuple[str, str], Overlap], readers: Mapping[str, Overlap]
) -> Document:
    """Mean IoU and Dice, with the number of pairs of boxes."""
    return {
        "between_readers": {key: asdict(overlap) for key, overlap in between.items()},
        "with_detector": {key: asdict(overlap) for key, overlap in detector.items()},
        "by_pair": [{"readers": list(pair), **asdict(overlap)} for pair, overlap in pairs.items()],
        "by_reader": {name: asdict(overlap) for name, overlap in readers.items()},
    }


def reliability_json(reliability: Sequence[Reliability]) -> list[Document]:
    """ICC(2,1) by view, level and measure."""
    return [
        {
            "view": one.view.value,
            "level": one.level.value,
            "measure": one.measure,
            "studies": one.studies,
            "readers": None if one.readers is None else asdict(one.readers),
            "readers_and_detector": asdict(one.with_detector),
        }
        for one in reliability
    ]


def differences_json(differences: Sequence[EdgeDifference]) -> Document:
    """Bias and limits of agreement in mm."""
    return {difference.name: asdict(difference.mm) for difference in differences}


def class_json(comparison: ClassComparison) -> Document:
    """One class against the rest."""
    return {
        "cases": comparison.cases,
        "auc": compared_json(comparison.auc),
        "auc_difference_bootstrap": None if comparison.bootstrap is None else asdict(comparison.bootstrap),
        "sensitivity": compared_json(comparison.sensitivity),
        "specificity": compared_json(comparison.specificity),
        "p_mcnemar": comparison.p_mcnemar,
        "readers": {name: _metrics_json(metrics) for name, metrics in comparison.readers.items()},
        "mean_of_readers": _metrics_json(comparison.mean_of_readers),
        "automatic": _metrics_json(comparison.automatic),
        "not_estimable": {
            **comparison.not_estimable,
            **({"auc": ONE_CLASS} if comparison.auc is None else {}),
            **({"sensitivity": f"{NOT_ESTIMABLE}no study of the class"} if comparison.sensitivity is None else {}),
            **({"specificity": ONE_CLASS} if comparison.specificity is None else {}),
        },
    }


def compared_json(compared: Compared | None) -> Document | None:
    """The detector against the mean of the readers; degrees of freedom are null where the distribution is normal."""
    if compared is None:
        return None
    freedom = compared.degrees_of_freedom
    return {
        "mean_of_reader_values": asdict(compared.readers),
        "automatic": asdict(compared.automatic),
        "difference": asdict(compared.difference),
        "degrees_of_freedom": freedom if np.isfinite(freedom) else None,
        "p_difference": compared.p_difference,
        "p_noninferiority": compared.p_noninferiority,
        "noninferior": compared.noninferior,
        "not_estimable": dict(compared.not_estimable),
    }


def failures_json(failures: DetectorFailures, complete: Performance, worst: Performance | None) -> Document:
    """Studies on which the detector failed, and osteoporosis without them and with them counted against it."""
    return {
        "count": len(failures.study_uids),
        "studies": dict(zip(failures.study_uids, failures.reasons, strict=True)),
        "complete_cases": _performance_json(complete),
        "worst_case": None if worst is None else _performance_json(worst),
    }


def _performance_json(performance: Performance) -> Document:
    return {
        "studies": performance.studies,
        "cases": performance.cases,
        "auc": compared_json(performance.auc),
        "sensitivity": compared_json(performance.sensitivity),
        "specificity": compared_json(performance.specificity),
    }


def kappa_json(kappas: Mapping[str, float]) -> Document:
    """Cohen's kappa of each reader and the detector."""
    same = f"{NOT_ESTIMABLE}every study is given the same class"
    words = {name: same for name, kappa in kappas.items() if np.isnan(kappa)}
    return {"by_reader": dict(kappas), **({"not_estimable": words} if words else {})}


def bland_altman_json(agreement: BlandAltman, studies: int) -> Document:
    """Agreement of the probabilities of osteoporosis."""
    return with_words(asdict(agreement), "1 study" if studies == 1 else "the probabilities do not vary")


def _metrics_json(metrics: Metrics) -> Document:
    values = {name: asdict(estimate) for name, estimate in metrics.values.items()}
    return {**values, **({"not_estimable": dict(metrics.not_estimable)} if metrics.not_estimable else {})}


def reclassification_json(reclassification: Reclassification) -> dict[str, int]:
    """Readings that change class, by both classes."""
    names = [c.value for c in BMD_CLASSES]
    return {
        f"{names[row]} to {names[column]}": int(reclassification.counts[row, column])
        for row in range(len(names))
        for column in range(len(names))
        if row != column
    }
