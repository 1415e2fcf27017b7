"""The oracle of a cohort whose classes follow from its bones, and of one whose classes do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cohort.bmd import BmdClass
from pipeline.audit.oracle import OracleAuc, OracleInputs, oracle_aucs
from pipeline.audit.tables import oracle_table
from tests.pipeline.audit.made_up import patients


def by_inputs(rows: tuple[OracleAuc, ...], site: str = "test1") -> dict[OracleInputs, OracleAuc]:
    return {row.inputs: row for row in rows if row.site == site}


def test_bones_tell_what_they_cause_and_covariates_do_not() -> None:
    rows = oracle_aucs(patients())
    assert {(row.inputs, row.site) for row in rows} == {(i, s) for i in OracleInputs for s in ("test1", "test2")}
    bones, covariates = by_inputs(rows)[OracleInputs.TRUE_BONES], by_inputs(rows)[OracleInputs.COVARIATES]
    assert min(estimate.value for estimate in bones.auc.values()) > 0.9 and bones.studies == 80
    auc = covariates.auc[BmdClass.OSTEOPOROSIS]
    assert abs(auc.value - 0.5) < 0.25 and auc.low < auc.value < auc.high


def test_noise_lowers_the_upper_bound() -> None:
    bones = by_inputs(oracle_aucs(patients(noise=3.0)))[OracleInputs.TRUE_BONES]
    assert bones.auc[BmdClass.OSTEOPOROSIS].value < 0.85


@pytest.mark.parametrize("sites", [("training",), ("test1",), ("validation", "test1")])
def test_without_training_or_test_patients_there_is_no_oracle(sites: tuple[str, ...]) -> None:
    assert oracle_aucs(patients(sites=sites)) == ()


def test_a_class_that_a_site_lacks_has_a_dash_in_the_table() -> None:
    simulated = patients()
    studies = tuple(
        replace(study, site="training")
        if study.site == "test1" and study.dxa is not None and study.dxa.bmd_class is BmdClass.NORMAL
        else study
        for study in simulated.studies
    )
    rows = oracle_aucs(replace(simulated, studies=studies))
    assert BmdClass.NORMAL not in by_inputs(rows)[OracleInputs.TRUE_BONES].auc
    table = oracle_table(rows)
    normal = table["AUC of normal (95 %, DeLong)"]
    assert set(normal[table["site"] == "test1"]) == {"-"}
    assert normal[table["site"] == "test2"].str.contains(r"\d \(").all()
