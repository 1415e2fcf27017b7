"""Table 1 from studies and rows of cohort.csv."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from cohort.bmd import BmdClass, DxaResult
from cohort.covariates import Covariates, Sex
from cohort.io.tables.cohort_tables import CohortRow
from cohort.study import Findings, Study
from pipeline.evaluation.studies.population import (
    Described,
    GroupTest,
    Method,
    Missing,
    evaluated_or_not,
    population,
    population_tests,
)
from pipeline.evaluation.tables.population import evaluated_or_not_table, population_table


def row(age: float | None, sex: Sex | None, t_score: float | None, bmi: float | None = 24.0) -> CohortRow:
    dxa = None if t_score is None else DxaResult(t_score=t_score)
    covariates = Covariates(age_years=age, sex=sex, bmi_given=bmi)
    return CohortRow(covariates=covariates, dxa=dxa, site="a", findings=Findings(), study_date=None)


def study(number: int, patient: str, age: float | None, t_score: float | None = -2.0) -> Study:
    known = row(age, Sex.FEMALE, t_score)
    return Study(study_uid=f"s{number}", patient_id=patient, covariates=known.covariates, dxa=known.dxa)


ROWS = [row(60, Sex.FEMALE, -3.0), row(70, Sex.MALE, -0.5, 30.0), row(None, None, None, None)]


def test_a_column_of_table_1_is_counted_from_rows() -> None:
    found = population(ROWS)
    assert (found.studies, found.patients, found.men, found.women) == (3, 3, 1, 1)
    assert found.age_years is not None and found.age_years.mean == 65 and found.age_years.sd == pytest.approx(50**0.5)
    assert found.bmi_kg_m2 is not None and found.bmi_kg_m2.mean == 27
    assert found.t_score is not None and found.t_score.mean == -1.75
    assert found.classes == {BmdClass.NORMAL: 1, BmdClass.OSTEOPENIA: 0, BmdClass.OSTEOPOROSIS: 1}
    assert set(found.missing.values()) == {Missing(1, 1)}


def test_a_single_value_has_no_spread() -> None:
    found = population(ROWS[:1])
    assert found.studies == 1 and found.age_years is None and found.t_score is None


def test_medians_and_quartiles_are_those_of_r() -> None:
    found = population([row(age, None, None) for age in (61.2, 70.5, 66.1, 58.4, 73.9, 64.0)])
    # R 4.2.2: quantile(c(61.2, 70.5, 66.1, 58.4, 73.9, 64), c(.25, .5, .75))
    assert found.age_years is not None and found.age_years.quartiles == pytest.approx((61.9, 69.4))
    assert found.age_years.median == pytest.approx(65.05)


def test_patients_and_what_is_unknown_of_them_are_counted_beside_studies() -> None:
    visits = [study(0, "p", None), study(1, "p", 60.0), study(2, "q", None, None), study(3, "q", None, None)]
    found = population(visits)
    assert (found.studies, found.patients) == (4, 2)
    assert found.missing["age_years"] == Missing(3, 1) and found.missing["t_score"] == Missing(2, 1)
    assert found.missing["sex"] == Missing(0, 0)


def test_sites_that_differ_have_small_p_and_what_cannot_be_told_is_left_out() -> None:
    rng = np.random.default_rng(0)
    young = [row(float(rng.normal(55, 3)), Sex.FEMALE, -3.0) for _ in range(30)]
    old = [row(float(rng.normal(75, 3)), (Sex.FEMALE, Sex.MALE)[k % 2], -3.0) for k in range(30)]
    tests = population_tests([young, old])
    assert tests["age_years"].p < 1e-6 and tests["sex"].p < 1e-3
    assert tests["age_years"].test is Method.ANALYSIS_OF_VARIANCE and tests["sex"].test is Method.CHI_SQUARED
    assert set(tests) == {"age_years", "sex"}, "no one is normal, and no BMI and no T-score varies"
    assert population_tests([young]) == {}


def of_counts(*groups: tuple[int, int, int]) -> list[list[Described]]:
    return [
        [row(None, None, t, None) for t, n in zip((0.0, -2.0, -3.0), counts, strict=True) for _ in range(n)]
        for counts in groups
    ]


def of_sexes(*groups: tuple[int, int]) -> list[list[Described]]:
    return [
        [row(None, sex, None, None) for sex, n in zip(Sex, counts, strict=True) for _ in range(n)] for counts in groups
    ]


def of_ages(*groups: Sequence[float]) -> list[list[Described]]:
    return [[row(age, None, None, None) for age in ages] for ages in groups]


SMALL = ((61.2, 70.5, 66.1, 58.4, 73.9, 64.0), (55.1, 59.7, 52.2, 60.3, 57.8), (66.0, 71.4, 80.2, 69.1))


X = range(1, 21)


@pytest.mark.parametrize(
    ("groups", "name", "method", "p", "within"),
    [
        (of_ages(*SMALL), "age_years", Method.KRUSKAL_WALLIS, 0.01168830317, 1e-9),
        (of_sexes((2, 9), (7, 2)), "sex", Method.FISHER, 0.02155275065, 1e-8),
        (of_counts((3, 1, 6), (2, 6, 4), (9, 1, 1)), "bmd_class", Method.MONTE_CARLO, 0.002546, 0.0015),
        (of_sexes((30, 20), (18, 33)), "sex", Method.CHI_SQUARED, 0.02222063181, 1e-9),
        (
            of_ages([60.0 + k for k in X], [62 + k**1.1 for k in X]),
            "age_years",
            Method.ANALYSIS_OF_VARIANCE,
            0.03154907736,
            1e-9,
        ),
    ],
)
def test_each_test_gives_what_r_gives(
    groups: list[list[Described]], name: str, method: Method, p: float, within: float
) -> None:
    """R 4.2.2, package stats: kruskal.test, fisher.test, chisq.test (Monte Carlo: B = 1e6), oneway.test."""
    found = population_tests(groups)[name]
    assert found.test is method and found.p == pytest.approx(p, abs=within)


def test_copies_of_a_patients_studies_make_no_difference_significant() -> None:
    rng = np.random.default_rng(3)
    ages = [float(age) for age in rng.normal(66, 8, 40)]
    once = [[study(k, f"p{k}", ages[k] + shift) for k in part] for part, shift in ((range(20), 0), (range(20, 40), 3))]
    five = [[copy for one in group for copy in [one] * 5] for group in once]
    assert population_tests(five) == population_tests(once) and population_tests(once)["age_years"].p > 0.05


def test_table_1_has_percentages_medians_missing_counts_and_the_tests() -> None:
    populations = {"a": population(ROWS), "b": population([study(0, "p", 60.0), study(1, "p", 62.0)])}
    tests = {"age_years": GroupTest(0.2, Method.KRUSKAL_WALLIS), "sex": GroupTest(0.0001, Method.FISHER)}
    table = population_table(populations, tests).set_index("characteristic")
    cells = {name: tuple(table.loc[name, ["a", "b"]]) for name in table.index}
    assert cells["studies"] == ("3", "2") and cells["patients"] == ("3", "1")
    assert cells["age, years, mean (SD)"] == ("65.00 (7.07)", "61.00 (1.41)")
    assert cells["age, years, median (IQR)"] == ("65.00 (62.50 to 67.50)", "61.00 (60.50 to 61.50)")
    assert cells["age unknown, studies (patients)"] == ("1 (1)", "0")
    assert cells["men"] == ("1 (50.0 %)", "0 (0.0 %)") and cells["women"] == ("1 (50.0 %)", "2 (100.0 %)")
    assert (
        cells["osteoporosis"] == ("1 (50.0 %)", "0 (0.0 %)")
        and cells["T-score unknown, studies (patients)"][0] == "1 (1)"
    )
    assert tuple(table.loc["age, years, mean (SD)", ["p", "test"]]) == ("0.200", "Kruskal-Wallis")
    assert tuple(table.loc["men", ["p", "test"]]) == ("< 0.001", "Fisher's exact") and table.loc["normal", "p"] == ""
    lines = sum(name.endswith("unknown, studies (patients)") for name in cells)
    assert lines == 4, "every characteristic has its line of unknown values; classes have that of the T-score"


def test_evaluated_studies_stand_beside_the_others_of_their_data_set() -> None:
    evaluated = [study(k, f"p{k}", 60.0 + k) for k in range(6)]
    others = [study(9 + k, f"q{k}", 80.0 + k) for k in range(6)]
    both = evaluated_or_not(evaluated, others)
    assert both is not None and (both.evaluated.studies, both.not_evaluated.studies) == (6, 6)
    assert both.tests["age_years"].p < 0.01 and both.tests["age_years"].test is Method.KRUSKAL_WALLIS
    assert evaluated_or_not(evaluated, []) is None and evaluated_or_not([], others) is None
    table = evaluated_or_not_table({"a": both, "b": None})
    assert set(table["dataset"]) == {"a"} and {"evaluated", "not evaluated", "p", "test"} <= set(table.columns)
    assert evaluated_or_not_table({"b": None}).empty
