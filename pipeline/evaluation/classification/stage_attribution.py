"""Stage attribution: AUC of the same studies on manual ROIs, and through the detector and quality control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.classification.cases import EvaluatedCases, cases_of
from pipeline.evaluation.estimable import auc_words, gap_word
from pipeline.evaluation.statistics.intervals import UNKNOWN, Estimate, clustered_proportion
from pipeline.evaluation.statistics.roc import auc, delong_test
from pipeline.evaluation.studies.joined import EvaluatedStudy


@dataclass(frozen=True, slots=True, kw_only=True)
class StageMetrics:
    """Classification of some studies of some patients on one kind of ROI: AUC of osteoporosis, and accuracy."""

    studies: int
    patients: int
    accuracy: Estimate
    auc: Estimate
    not_estimable: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageAttribution:
    """AUC on manual ROIs and on the detector's ROIs, and how much the detector and quality control lose.

    Attributes:
        manual: on manual ROIs, every study that has them.
        manual_passed: on manual ROIs, the studies that pass quality control.
        detected: on the detector's ROIs, the same studies.
        reclassified: studies of the last two whose class differs.
        difference: AUC of the detector's ROIs minus that of manual ones on the same studies, with DeLong's interval by
            patient.
        p: two-sided, of no difference.
        not_estimable: a word where difference and p cannot be given.
    """

    manual: StageMetrics
    manual_passed: StageMetrics
    detected: StageMetrics
    reclassified: int
    difference: Estimate
    p: float
    not_estimable: Mapping[str, str]


def stage_attribution(detected: Sequence[EvaluatedStudy], manual: Sequence[EvaluatedStudy]) -> StageAttribution | None:
    """Metrics of one dataset after each stage; None where no study has both results.

    Args:
        detected: results through the whole pipeline.
        manual: results of the same studies on manual ROIs (`osteolens process --manual-rois`).
    """
    passed = {study.prediction.study_uid for study in detected if study.prediction.probabilities}
    same = {
        s.prediction.study_uid: s for s in manual if s.prediction.study_uid in passed and s.prediction.probabilities
    }
    every_manual, manual_passed = cases_of(manual), cases_of([same[uid] for uid in sorted(same)])
    paired_studies = {study.prediction.study_uid: study for study in detected if study.prediction.study_uid in same}
    automatic = cases_of([paired_studies[uid] for uid in sorted(paired_studies)])
    if every_manual is None or manual_passed is None or automatic is None:
        return None
    positive = automatic.positive
    word = gap_word(positive, automatic.patients)
    paired = None
    if 0 < positive.sum() < len(positive):
        paired = delong_test(
            positive, manual_passed.p_osteoporosis, automatic.p_osteoporosis, clusters=automatic.patients
        )
    return StageAttribution(
        manual=_metrics(every_manual),
        manual_passed=_metrics(manual_passed),
        detected=_metrics(automatic),
        reclassified=int((manual_passed.predicted != automatic.predicted).sum()),
        difference=UNKNOWN if paired is None else paired.difference,
        p=float("nan") if paired is None else paired.p,
        not_estimable={"difference": word, "p": word} if word else {},
    )


def _metrics(cases: EvaluatedCases) -> StageMetrics:
    positive = cases.positive
    return StageMetrics(
        studies=len(positive),
        patients=len(np.unique(cases.patients)),
        accuracy=clustered_proportion(cases.predicted == cases.labels, cases.patients),
        auc=auc(positive, cases.p_osteoporosis, clusters=cases.patients)
        if 0 < positive.sum() < len(positive)
        else UNKNOWN,
        not_estimable=auc_words(positive, cases.patients),
    )
