"""Subgroups, and tests of whether they differ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cohort.covariates import Sex
from cohort.spine import View
from osteolens.documents.json_document import write_json
from pipeline.evaluation.classification.subgroups import MEASURES, Interaction, Subgroup, interactions, subgroups
from pipeline.evaluation.estimable import result_json
from pipeline.evaluation.statistics.comparisons import heterogeneity_p, holm, logit_auc
from pipeline.evaluation.statistics.intervals import proportion
from pipeline.evaluation.studies.joined import EvaluatedStudy
from pipeline.evaluation.tables.osteoporosis import interaction_table, subgroup_table
from tests.pipeline.evaluation.classification.made_up import evaluated
from tests.predictions import view_result

FEWEST = 10


def sexes(women_right: int, men_right: int, **known: str | float) -> list[EvaluatedStudy]:
    """Forty women and forty men, half osteoporotic; so many of each twenty osteoporotic ones are recognised."""
    studies = []
    for sex, right in ((Sex.FEMALE, women_right), (Sex.MALE, men_right)):
        for k in range(40):
            t_score = -3.0 if k < 20 else 0.0
            estimate = t_score if k >= 20 or k < right else 0.0
            probability = 0.55 + 0.01 * (k % 20)
            studies.append(evaluated(f"{sex}{k}", t_score, estimate, sex, probability=probability, **known))
    return studies


def by_name(groups: tuple[Subgroup, ...]) -> dict[str, Subgroup]:
    return {group.group: group for group in groups}


def of(tests: tuple[Interaction, ...], kind: str, measure: str) -> Interaction:
    return next(test for test in tests if (test.kind, test.measure) == (kind, measure))


def test_groups_count_as_by_hand() -> None:
    groups = by_name(subgroups(sexes(18, 10), FEWEST))
    women, men = groups["women"], groups["men"]
    assert (women.studies, women.patients, women.cases, men.cases) == (40, 40, 20, 20)
    assert women.sensitivity == proportion(18, 20) and men.sensitivity == proportion(10, 20)
    assert women.specificity == men.specificity == proportion(20, 20)
    assert women.accuracy == proportion(38, 40)
    assert women.auc is not None and men.auc is not None and women.auc.value > men.auc.value
    assert women.observed_expected is not None and women.slope is not None


def test_a_difference_of_sensitivity_is_found_and_adjusted() -> None:
    groups = subgroups(sexes(20, 4), FEWEST)
    tests = interactions(groups)
    found = of(tests, "sex", "sensitivity")
    # half a case added: logits of 20.5 of 21 and of 4.5 of 21
    logits, variances = (np.log(20.5 / 0.5), np.log(4.5 / 16.5)), (1 / 20.5 + 1 / 0.5, 1 / 4.5 + 1 / 16.5)
    assert found.groups == ("women", "men")
    assert found.p == pytest.approx(heterogeneity_p(logits, variances)) and found.p < 0.01
    assert of(tests, "sex", "specificity").p == pytest.approx(1)
    assert [test.p_holm for test in tests] == pytest.approx(holm([test.p for test in tests]), nan_ok=True)
    assert found.p_holm > found.p


def test_equal_groups_do_not_differ() -> None:
    tests = interactions(subgroups(sexes(14, 14), FEWEST))
    assert {test.measure for test in tests} == set(MEASURES)
    assert [test.p for test in tests] == pytest.approx([1] * 4, abs=1e-6) and not any(t.not_estimable for t in tests)


def test_the_auc_is_compared_on_the_logit_scale() -> None:
    studies = sexes(18, 8)
    tests = interactions(subgroups(studies, FEWEST))
    pairs = []
    for sex in (Sex.FEMALE, Sex.MALE):
        own = [study for study in studies if study.study.covariates.sex is sex]
        positive = np.array([study.dxa is not None and study.dxa.t_score == -3 for study in own])
        scores = np.array([list(study.prediction.probabilities.values())[2] for study in own])
        pairs.append(logit_auc(positive, scores))
    values, variances = zip(*pairs, strict=True)
    assert of(tests, "sex", "AUC").p == pytest.approx(heterogeneity_p(values, variances))


def test_too_few_cases_are_said() -> None:
    studies = [study for study in sexes(18, 10) if study.study.covariates.sex is Sex.FEMALE or "M1" in
               study.prediction.study_uid.upper()]  # fmt: skip
    groups = by_name(subgroups(studies, 15))
    men = groups["men"]
    assert men.auc is None and men.observed_expected is None and men.slope is None
    assert men.not_estimable["auc"] == "not estimable: fewer than 15 cases or others"
    test = of(interactions(tuple(groups.values())), "sex", "AUC")
    assert (
        np.isnan(test.p)
        and test.not_estimable["p"] == "not estimable: fewer than two groups have enough cases and others"
    )
    none = subgroups(studies, 1000)
    assert of(interactions(none), "sex", "AUC").not_estimable["p"].startswith("not estimable: fewer than two")
    table = interaction_table(interactions(none))
    assert table.loc[0, "p"] == "not estimable (fewer than two groups have enough cases and others)"


def test_systems_sites_and_views_are_groups_where_there_are_several() -> None:
    studies = [*sexes(15, 15, system="A", site="north"), *(
        replace(study, prediction=replace(study.prediction, views={View.AP: view_result(), View.LATERAL:
                view_result(View.LATERAL)}), study=replace(study.study, system="B", site="south"))
        for study in sexes(15, 15)
    )]  # fmt: skip
    groups = {(group.kind, group.group): group.studies for group in subgroups(studies, FEWEST)}
    for pair in (("radiography system", "A"), ("radiography system", "B"), ("site", "north"), ("site", "south"),
                 ("views", "1 view"), ("views", "2 views")):  # fmt: skip
        assert groups[pair] == 80
    alone = {group.kind for group in subgroups(sexes(15, 15, system="A", site="north"), FEWEST)}
    assert alone == {"sex", "age"}


def test_studies_of_a_patient_widen_the_intervals_of_groups() -> None:
    studies = sexes(14, 14)
    paired = [replace(s, study=replace(s.study, patient_id=f"{s.study.covariates.sex}{k % 40 // 4}"))
              for k, s in enumerate(studies)]  # fmt: skip
    one, several = by_name(subgroups(studies, FEWEST))["women"], by_name(subgroups(paired, FEWEST))["women"]
    assert (several.studies, several.patients) == (40, 10)
    assert one.auc is not None and several.auc is not None and one.auc.value == several.auc.value
    assert several.sensitivity.high - several.sensitivity.low > one.sensitivity.high - one.sensitivity.low
    assert several.auc.low < one.auc.low
    assert "AUC (95 %, DeLong, logit scale, by patient)" in subgroup_table([several]).columns


def test_studies_without_dxa_belong_to_no_group_and_json_has_no_nan(tmp_path: Path) -> None:
    studies = [replace(study, study=replace(study.study, dxa=None)) for study in sexes(10, 10)]
    assert subgroups(studies, FEWEST) == () and interactions(()) == ()
    groups = subgroups(sexes(20, 2), 15)
    write_json(tmp_path / "groups.json", [*result_json(groups), *result_json(interactions(groups))])
    written = (tmp_path / "groups.json").read_text()
    assert "NaN" not in written and "tested" not in written and '"p_holm"' in written
    assert len(subgroup_table(groups)) == len(groups) and subgroup_table(()).empty and interaction_table(()).empty


def test_studies_of_one_patient_have_a_word_for_every_interval_that_is_null() -> None:
    group = by_name(subgroups([replace(s, study=replace(s.study, patient_id="p")) for s in sexes(18, 10)], FEWEST))[
        "men"
    ]
    assert group.auc is not None and group.observed_expected is not None
    assert np.isnan(group.auc.low) and np.isnan(group.observed_expected.low)
    assert {"auc_interval", "slope", "observed_expected", "sensitivity_interval"} <= set(group.not_estimable)


def test_patients_younger_than_fifty_are_a_group_where_the_criteria_admit_them() -> None:
    assert by_name(subgroups(sexes(18, 10, age_years=45.0), FEWEST))["under 50"].studies == 80
