"""Studies with a class and DXA that tests make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from classify.calibration import Decision
from classify.inputs import PAIRS
from cohort.bmd import BMD_CLASSES, DxaResult
from cohort.covariates import Covariates, Sex
from cohort.study import Study
from pipeline.evaluation.classification.cases import EvaluatedCases
from pipeline.evaluation.studies.joined import EvaluatedStudy
from tests.predictions import screened


def binary_cases(
    positive: Sequence[int] | np.ndarray,
    probabilities: Sequence[float] | np.ndarray,
    patients: Sequence[int] | np.ndarray | None = None,
) -> EvaluatedCases:
    """Osteoporosis (1) or normal (0) by DXA, with a probability of osteoporosis; the rest is that of normal."""
    truth, of_osteoporosis = np.asarray(positive, bool), np.asarray(probabilities, np.float64)
    n = len(truth)
    return EvaluatedCases(
        labels=np.where(truth, 2, 0).astype(np.int64),
        probabilities=np.column_stack((1 - of_osteoporosis, np.zeros(n), of_osteoporosis)),
        t_scores=np.where(truth, -3.0, 0.5),
        t_estimates=np.full(n, np.nan),
        prediction_sets=[frozenset()] * n,
        decisions=[None] * n,
        patients=np.arange(n) if patients is None else np.asarray(patients, np.int64),
    )


def random_cases(patients: int, studies_each: int = 1, seed: int = 0) -> EvaluatedCases:
    """Three classes whose probabilities lean to the truth; studies of a patient resemble each other."""
    rng = np.random.default_rng(seed)
    own = rng.normal(-1.8, 1.4, patients)
    lean = rng.normal(0, 1, (patients, 3))
    n = patients * studies_each
    t_scores = np.repeat(own, studies_each)
    labels = np.where(t_scores <= -2.5, 2, np.where(t_scores < -1, 1, 0)).astype(np.int64)
    logits = np.repeat(lean, studies_each, 0) + 0.3 * rng.normal(size=(n, 3)) + 1.5 * np.eye(3)[labels]
    unnormalised = np.exp(logits)
    probabilities = unnormalised / unnormalised.sum(1, keepdims=True)
    osteoporosis = probabilities[:, 2]
    return EvaluatedCases(
        labels=labels,
        probabilities=probabilities,
        t_scores=t_scores,
        t_estimates=t_scores + rng.normal(0, 0.5, n),
        prediction_sets=[frozenset({BMD_CLASSES[k]}) for k in probabilities.argmax(1)],
        decisions=[
            Decision.RULED_IN if p > 0.7 else Decision.RULED_OUT if p < 0.1 else Decision.INDETERMINATE
            for p in osteoporosis
        ],
        patients=np.repeat(np.arange(patients), studies_each),
    )


def evaluated(uid: str, t_score: float, estimate: float, sex: Sex, **known: str | float) -> EvaluatedStudy:
    """One study whose most probable class is that of the estimate.

    Args:
        uid: of the study.
        t_score: by DXA.
        estimate: of the classifier.
        sex: of the patient.
        known: `system`, `site`, `patient_id` and `probability` of the predicted class.
    """
    prediction = screened(uid, estimate, float(known.get("probability", 0.6)))
    study = Study(
        study_uid=uid,
        patient_id=str(known.get("patient_id", f"p-{uid}")),
        covariates=Covariates(age_years=float(known.get("age_years", 66.0)), sex=sex),
        dxa=DxaResult(t_score=t_score),
        site=str(known["site"]) if "site" in known else None,
        system=str(known["system"]) if "system" in known else None,
    )
    return EvaluatedStudy(
        prediction=replace(prediction, patient_id=study.patient_id), study=study, rois={}, exclusions=()
    )


def input_studies(seed: int, copies: int = 1) -> list[EvaluatedStudy]:
    """Forty patients, half with osteoporosis, with probabilities by chance and copies of each study."""
    rng = np.random.default_rng(seed)
    made = []
    for k in range(40):
        t_score = -3.0 if k % 2 else 0.0
        own = rng.dirichlet([1, 1, 2 if k % 2 else 1], 3)
        for copy in range(copies):
            study = evaluated(f"s{k}-{copy}", t_score, t_score, Sex.FEMALE, patient_id=f"p{k}")
            full, first, second = ({c: float(p) for c, p in zip(BMD_CLASSES, row, strict=True)} for row in own)
            ablation = {PAIRS[0][0]: first, PAIRS[0][1]: second}
            prediction = replace(study.prediction, probabilities=full, input_ablation=ablation)
            made.append(replace(study, prediction=prediction))
    return made
