"""Osteoporosis by sex, age, BMI, radiography system, site and views, and whether these groups differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from scipy import stats

from cohort.bmd import OSTEOPOROSIS_INDEX
from cohort.covariates import Covariates, Sex
from pipeline.evaluation.classification.cases import EvaluatedCases, cases_of
from pipeline.evaluation.estimable import NOT_ESTIMABLE, auc_words, metric_words
from pipeline.evaluation.statistics.calibration import binary_calibration
from pipeline.evaluation.statistics.comparisons import heterogeneity_p, holm, logit_auc, logit_proportion
from pipeline.evaluation.statistics.intervals import Estimate, binary_metrics, clustered_proportion
from pipeline.evaluation.statistics.roc import auc
from pipeline.evaluation.studies.joined import EvaluatedStudy

AGE_BANDS = ((0, 50), (50, 60), (60, 70), (70, 80), (80, 120))
BMI_BANDS = ((0.0, 18.5), (18.5, 24.0), (24.0, 28.0), (28.0, 99.0))
"""Underweight, normal, overweight, obese by the Chinese criteria (WS/T 428-2013)."""

AUC, SENSITIVITY, SPECIFICITY, CALIBRATION = "AUC", "sensitivity", "specificity", "calibration intercept"
MEASURES = (AUC, SENSITIVITY, SPECIFICITY, CALIBRATION)
"""What is tested for a difference between groups."""

TOO_FEW = f"{NOT_ESTIMABLE}fewer than two groups have enough cases and others"

Belongs = Callable[[EvaluatedStudy], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """A measure of one group on the scale on which groups are compared, and its variance."""

    value: float
    variance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Subgroup:
    """One group of studies with a class and DXA; intervals are by patient.

    Attributes:
        kind: by what studies are grouped.
        group: its name.
        studies: with a class and DXA.
        patients: of whom these are.
        cases: of osteoporosis by DXA.
        accuracy: of three classes, at the most probable class.
        sensitivity: of osteoporosis, at the most probable class.
        specificity: likewise.
        auc: of osteoporosis; None with too few cases or others.
        observed_expected: cases over the sum of probabilities; None with the AUC.
        slope: calibration slope of osteoporosis; None with the AUC.
        tested: what enters the tests between groups, by measure; without those that too few studies give.
        not_estimable: a word for each metric that these studies cannot give.
    """

    kind: str
    group: str
    studies: int
    patients: int
    cases: int
    accuracy: Estimate
    sensitivity: Estimate
    specificity: Estimate
    auc: Estimate | None
    observed_expected: Estimate | None
    slope: Estimate | None
    tested: Mapping[str, Tested] = field(repr=False)
    not_estimable: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """Whether one measure differs between the groups of one kind.

    Attributes:
        kind: by what studies are grouped.
        measure: one of `MEASURES`.
        groups: that enter; those with too few studies are left out.
        p: that it is equal in all of them; NaN with fewer than two.
        p_holm: the same, adjusted for all tests together.
        not_estimable: a word where there is no p.
    """

    kind: str
    measure: str
    groups: tuple[str, ...]
    p: float
    p_holm: float
    not_estimable: Mapping[str, str]


def subgroups(studies: Sequence[EvaluatedStudy], fewest_cases: int) -> tuple[Subgroup, ...]:
    """Every group that has a study with a class and DXA; of systems, sites and views where there are several.

    Args:
        studies: evaluated ones.
        fewest_cases: cases, and others, below which a group has no AUC and no calibration and is not tested.
    """
    groups = []
    for kind, group, belongs in _groups(studies):
        cases = cases_of([study for study in studies if belongs(study)])
        if cases is not None:
            groups.append(_subgroup(kind, group, cases, fewest_cases))
    return tuple(groups)


def interactions(groups: Sequence[Subgroup]) -> tuple[Interaction, ...]:
    """Tests of each kind's groups against each other: Cochran's Q, adjusted by Holm over all tests.

    AUCs, sensitivities and specificities are compared on the logit scale, calibration by its intercept. Groups are
    taken as independent; a patient with studies in several of them makes the test conservative.

    Source: Cochran 1954; Holm 1979.
    """
    by_kind: dict[str, list[Subgroup]] = {}
    for group in groups:
        by_kind.setdefault(group.kind, []).append(group)
    tests = [
        (kind, measure, {group.group: group.tested[measure] for group in own if measure in group.tested})
        for kind, own in by_kind.items()
        if len(own) > 1
        for measure in MEASURES
    ]
    p_values = [
        heterogeneity_p([t.value for t in tested.values()], [t.variance for t in tested.values()])
        for _, _, tested in tests
    ]
    return tuple(
        Interaction(
            kind=kind,
            measure=measure,
            groups=tuple(tested),
            p=p,
            p_holm=adjusted,
            not_estimable={} if math.isfinite(p) else dict.fromkeys(("p", "p_holm"), TOO_FEW),
        )
        for (kind, measure, tested), p, adjusted in zip(tests, p_values, holm(p_values), strict=True)
    )


def _subgroup(kind: str, group: str, cases: EvaluatedCases, fewest_cases: int) -> Subgroup:
    positive, predicted = cases.positive, cases.predicted == OSTEOPOROSIS_INDEX
    found = binary_metrics(positive, predicted, cases.patients)
    words = metric_words(positive, predicted, patients=cases.patients)
    few = min(int(positive.sum()), int((~positive).sum())) < fewest_cases
    known = None if few else binary_calibration(positive, cases.p_osteoporosis, cases.patients)
    if few:
        word = f"{NOT_ESTIMABLE}fewer than {fewest_cases} cases or others"
        words["auc"] = word
    elif known is not None:
        words.update(auc_words(positive, cases.patients))
        words.update({name: NOT_ESTIMABLE + word for name, word in known.not_estimable.items()})
    return Subgroup(
        kind=kind,
        group=group,
        studies=len(positive),
        patients=len(set(cases.patients.tolist())),
        cases=int(positive.sum()),
        accuracy=clustered_proportion(cases.predicted == cases.labels, cases.patients),
        sensitivity=found["sensitivity"],
        specificity=found["specificity"],
        auc=None if few else auc(positive, cases.p_osteoporosis, clusters=cases.patients),
        observed_expected=None if known is None else known.observed_expected,
        slope=None if known is None else known.slope,
        tested=_tested(cases, fewest_cases, None if known is None else known.intercept),
        not_estimable={
            name: word
            for name, word in words.items()
            if name.removesuffix("_interval")
            in ("accuracy", "sensitivity", "specificity", "auc", "slope", "observed_expected")
        },
    )


def _tested(cases: EvaluatedCases, fewest_cases: int, intercept: Estimate | None) -> dict[str, Tested]:
    """Measures of one group, of those that enough studies give."""
    positive, predicted = cases.positive, cases.predicted == OSTEOPOROSIS_INDEX
    pairs: dict[str, tuple[float, float]] = {}
    for measure, side in ((SENSITIVITY, positive), (SPECIFICITY, ~positive)):
        if side.sum() >= fewest_cases:
            pairs[measure] = logit_proportion(predicted[side] == positive[side], cases.patients[side])
    if intercept is not None:
        pairs[AUC] = logit_auc(positive, cases.p_osteoporosis, cases.patients)
        spread = (intercept.high - intercept.low) / (2 * float(stats.norm.ppf(0.975)))
        pairs[CALIBRATION] = intercept.value, spread**2
    return {
        measure: Tested(value=value, variance=variance)
        for measure, (value, variance) in pairs.items()
        if math.isfinite(value) and variance > 0
    }


def _groups(studies: Sequence[EvaluatedStudy]) -> Iterator[tuple[str, str, Belongs]]:
    yield "sex", "women", lambda study: study.study.covariates.sex is Sex.FEMALE
    yield "sex", "men", lambda study: study.study.covariates.sex is Sex.MALE
    for low, high in AGE_BANDS:
        name = f"under {high}" if not low else f"{low}-{high - 1}" if high < 120 else f"{low}+"
        yield "age", name, _within(lambda known: known.age_years, low, high)
    for least, most in BMI_BANDS:
        name = f"{least:g}-{most:g}" if most < 99 else f"{least:g}+"
        yield "BMI", name, _within(lambda known: known.bmi_kg_m2, least, most)
    named: tuple[tuple[str, Callable[[EvaluatedStudy], str | None]], ...] = (
        ("radiography system", lambda study: study.study.system),
        ("site", lambda study: study.site),
        ("views", _views_used),
    )
    for kind, name_of in named:
        names = sorted({found for study in studies if (found := name_of(study))})
        for name in names if len(names) > 1 else ():
            yield kind, name, _called(name, name_of)


def _views_used(study: EvaluatedStudy) -> str | None:
    """How many views the class comes from; None where the result holds none."""
    used = sum(bool(view.used) for view in study.prediction.views.values())
    return None if not used else "1 view" if used == 1 else f"{used} views"


def _within(value_of: Callable[[Covariates], float | None], low: float, high: float) -> Belongs:
    def belongs(study: EvaluatedStudy) -> bool:
        value = value_of(study.study.covariates)
        return value is not None and low <= value < high

    return belongs


def _called(name: str, name_of: Callable[[EvaluatedStudy], str | None]) -> Belongs:
    return lambda study: name_of(study) == name
