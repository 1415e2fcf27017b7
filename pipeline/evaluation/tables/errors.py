"""The misclassified studies, as people read them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from pipeline.evaluation.classification.errors import ClassificationError
from pipeline.evaluation.estimable import told


def errors_table(errors: Sequence[ClassificationError]) -> pd.DataFrame:
    """One line a study, the worst first; empty where every study is classed as by DXA."""
    return pd.DataFrame([_row(error) for error in errors])


def _row(error: ClassificationError) -> dict[str, object]:
    held = {None: "-", True: "yes", False: "no"}[error.in_prediction_set]
    return {
        "study": error.study_uid,
        "patient": error.patient_id,
        "site": error.site or "-",
        "DXA": error.true_class.value,
        "T-score": told(error.t_score, digits=2),
        "predicted": error.predicted_class.value,
        "T-score estimate": told(error.t_score_estimate, digits=2),
        "probability of the DXA class": told(error.probability_of_truth, digits=2),
        "probability of the predicted class": told(error.probabilities[error.predicted_class], digits=2),
        "classes apart": error.steps,
        "T-score beyond the predicted class": told(error.missed_by, digits=2),
        "prediction set holds the DXA class": held,
        "decision": "-" if error.decision is None else error.decision.value,
        "reasons to doubt": "; ".join(error.reasons_to_doubt) or "none known",
    }
