"""Bounds, and what is measured against them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.audit.checks import Check, CheckKind, bone_checks, population_checks, reader_overlap, shortcut_checks
from pipeline.audit.populations import PUBLISHED, site_populations, site_tests
from pipeline.audit.shortcut_learning import FeatureGroup
from pipeline.evaluation.studies.population import MeanSd
from tests.pipeline.audit.made_up import YOUNG, patients


def check(value: float) -> Check:
    return Check(kind=CheckKind.BONE, name="x", value=value, low=0.5, high=0.6, source="")


def test_a_check_holds_its_bounds() -> None:
    assert check(0.5).passed and check(0.6).passed and not check(0.61).passed and not check(float("nan")).passed


def test_the_papers_own_population_passes() -> None:
    total = PUBLISHED["total"]
    checks = population_checks({"total": total}, {"age_years": 0.5})
    assert len(checks) == 10 and all(check.passed for check in checks)
    younger = replace(total, age_years=MeanSd(50.0, 9.3))
    assert [c.name for c in population_checks({"total": younger}, {}) if not c.passed] == ["mean age, years"]
    unknown = replace(total, age_years=None)
    failed = [c.name for c in population_checks({"total": unknown}, {}) if not c.passed]
    assert failed == ["mean age, years", "SD of age, years"]


def test_sites_that_differ_are_found() -> None:
    alike = patients()
    assert min(site_tests(alike).values()) > 0.01
    older = [
        replace(study, covariates=replace(study.covariates, age_years=(study.covariates.age_years or 0) + 10))
        if study.site == "test1"
        else study
        for study in alike.studies
    ]
    tests = site_tests(replace(alike, studies=tuple(older)))
    assert tests["age_years"] < 1e-6 and tests["t_score"] == pytest.approx(site_tests(alike)["t_score"])
    assert site_tests(patients(sites=("training",))) == {}


def test_table_1_counts_every_patient_once() -> None:
    sites = site_populations(patients(sites=("test2", "elsewhere", "training")))
    assert list(sites) == ["training", "test2", "elsewhere", "total"]
    total = sites["total"]
    assert total.studies == 240 == sum(sites[name].studies for name in ("training", "test2", "elsewhere"))
    assert sum(total.classes.values()) == 240 and 0.2 < total.men / 240 < 0.4


def test_bones_of_the_young_are_held_against_the_reference() -> None:
    names = {check.name: check for check in bone_checks(patients(), YOUNG)}
    assert names["young women: mean areal BMD, g/cm2"].value == pytest.approx(0.990)
    assert names["young men: SD of areal BMD, g/cm2"].passed
    denser = [replace(adult, bmd_g_cm2=1.2) for adult in YOUNG]
    assert not {check.name: check for check in bone_checks(patients(), denser)}[
        "young men: mean areal BMD, g/cm2"
    ].passed


def test_single_numbers_may_exceed_the_covariates_by_little() -> None:
    simulated = patients()
    by_covariates = shortcut_checks(simulated, {})[0].value
    aucs = {FeatureGroup.SIZE: by_covariates + 0.04, FeatureGroup.HEADER: by_covariates + 0.06}
    assert [check.passed for check in shortcut_checks(simulated, aucs)[1:]] == [True, False]
    assert shortcut_checks(simulated, {FeatureGroup.NAME: 0.81})[1].high <= 0.80


def test_overlap_of_two_readers_is_intersection_over_union(tmp_path: Path) -> None:
    lines = [f"reader{r},1.2,{view},L1,10,4,{38 + r},18" for r in range(2) for view in ("AP", "LATERAL")]
    table = tmp_path / "readers.csv"
    table.write_text("\n".join(["reader,study_uid,view,level,x0,y0,x1,y1", *lines, "reader1,1.2,AP,L2,10,20,38,40"]))
    assert reader_overlap(table) == pytest.approx(28 / 29)
    assert np.isnan(reader_overlap(tmp_path / "none.csv"))
    table.write_text("\n".join(["reader,study_uid,view,level,x0,y0,x1,y1", lines[0]]))
    assert np.isnan(reader_overlap(table))
