"""Table 1 from rows of cohort.csv."""

from __future__ import annotations

import numpy as np
import pytest

from cohort.bmd import BmdClass, DxaResult
from cohort.covariates import Covariates, Sex
from cohort.io.tables.cohort_tables import CohortRow
from cohort.study import Findings
from pipeline.evaluation.studies.population import equal_means_p, population, population_tests


def row(age: float | None, sex: Sex | None, t_score: float | None, bmi: float | None = 24.0) -> CohortRow:
    dxa = None if t_score is None else DxaResult(t_score=t_score)
    covariates = Covariates(age_years=age, sex=sex, bmi_given=bmi)
    return CohortRow(covariates=covariates, dxa=dxa, site="a", findings=Findings(), study_date=None)


ROWS = [row(60, Sex.FEMALE, -3.0), row(70, Sex.MALE, -0.5, 30.0), row(None, None, None, None)]


def test_a_column_of_table_1_is_counted_from_rows() -> None:
    found = population(ROWS)
    assert (found.studies, found.men, found.women) == (3, 1, 1)
    assert found.age_years is not None and found.age_years.mean == 65 and found.age_years.sd == pytest.approx(50**0.5)
    assert found.bmi_kg_m2 is not None and found.bmi_kg_m2.mean == 27
    assert found.t_score is not None and found.t_score.mean == -1.75
    assert found.classes == {BmdClass.NORMAL: 1, BmdClass.OSTEOPENIA: 0, BmdClass.OSTEOPOROSIS: 1}


def test_studies_without_a_row_are_counted_too_and_a_single_value_has_no_spread() -> None:
    found = population(ROWS[:1], studies=5)
    assert found.studies == 5 and found.age_years is None and found.t_score is None


def test_sites_that_differ_have_small_p_and_what_cannot_be_told_is_left_out() -> None:
    rng = np.random.default_rng(0)
    young = [row(float(rng.normal(55, 3)), Sex.FEMALE, -3.0) for _ in range(30)]
    old = [row(float(rng.normal(75, 3)), (Sex.FEMALE, Sex.MALE)[k % 2], -3.0) for k in range(30)]
    p = population_tests([young, old])
    assert p["age_years"] < 1e-6 and p["sex"] < 1e-3
    assert "bmd_class" not in p and "bmi_kg_m2" not in p, "no one is normal, and no BMI varies"
    assert equal_means_p([[1.0], [2.0, 3.0]]) is None
