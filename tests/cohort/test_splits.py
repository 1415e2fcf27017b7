"""Which studies train, which are held out, and how that is written down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cohort.bmd import BMD_CLASSES, DxaResult
from cohort.covariates import Covariates, Sex
from cohort.splits import (
    SiteSplits,
    Split,
    fold_patients,
    is_test_site,
    split_by_patient,
    split_of,
    split_of_site,
    unknown_sites,
    write_split,
)
from cohort.study import Study
from osteolens.config import load_config
from osteolens.errors import ConfigError

STUDIES = [Study(study_uid=f"s{k}", patient_id=f"p{k // 3}") for k in range(30)]


@pytest.mark.parametrize(
    ("site", "split"),
    [
        ("test1", Split.TEST),
        ("Test-B", Split.TEST),
        ("TEST-x", Split.TEST),
        ("Testville general", Split.TEST),
        ("external", Split.TEST),
        ("External_2", Split.TEST),
        ("clinic b (external)", Split.TEST),
        ("holdout", Split.TEST),
        ("Hold-out", Split.TEST),
        ("hold_out", Split.TEST),
        ("held-out B", Split.TEST),
        ("prospective", Split.TEST),
        ("unseen3", Split.TEST),
        ("external validation", Split.TEST),
        ("internal test", Split.TEST),
        ("my_test_2", Split.TEST),
        ("temporal validation", Split.VALIDATION),
        ("Contest clinic", None),
        ("validation", Split.VALIDATION),
        ("Validation2", Split.VALIDATION),
        ("training", Split.TRAINING),
        ("Train-2", Split.TRAINING),
        ("Hospital of Testville", None),
        ("externality clinic", None),
        ("all", None),
        ("detector", None),
        ("", None),
        (None, None),
    ],
)
def test_a_sites_name_tells_what_its_studies_are_for(site: str | None, split: Split | None) -> None:
    assert split_of_site(site) is split
    assert split_of(Study(study_uid="s", patient_id="p", site=site)) is split
    assert is_test_site(site) is (split is Split.TEST)


def test_column_rules_over_setting_and_setting_over_name() -> None:
    sites = SiteSplits(training=("external", "all"), validation=("north",), test=("detector",))
    assert split_of_site("external", sites) is Split.TRAINING and split_of_site("north", sites) is Split.VALIDATION
    assert is_test_site("detector", sites) and split_of_site("all", sites) is Split.TRAINING
    assert split_of_site("External", sites) is Split.TEST, "names of a setting are whole"
    study = Study(study_uid="s", patient_id="p", site="external", split=Split.VALIDATION)
    assert split_of(study, sites) is Split.VALIDATION
    assert split_of(replace(study, split=None), sites) is Split.TRAINING


def test_a_site_has_one_purpose() -> None:
    with pytest.raises(ConfigError, match="north stands in several of training, validation and test; expected one"):
        load_config(SiteSplits, overrides=["training=[north]", "test=[north]"])
    assert load_config(SiteSplits, overrides=["test=[all, detector]"]).test == ("all", "detector")


def test_all_studies_of_a_patient_fall_on_one_side() -> None:
    training, held_out = split_by_patient(STUDIES, 0.3, 1)
    sides = [{study.patient_id for study in side} for side in (training, held_out)]
    assert len(sides[0]) == 7 and len(sides[1]) == 3 and not sides[0] & sides[1]
    assert len(training) + len(held_out) == len(STUDIES)


def test_the_seed_decides_and_not_the_order_of_the_studies() -> None:
    def held_out(studies: Sequence[Study], seed: int) -> set[str]:
        return {study.patient_id for study in split_by_patient(studies, 0.3, seed)[1]}

    assert held_out(STUDIES, 1) == held_out(STUDIES[::-1], 1) != held_out(STUDIES, 2)


def mixed(count: int) -> list[Study]:
    """Patients of every class, sex and site, most of them of one class, two studies of each."""
    scores, sexes, sites = (-3.0, -1.8, -0.2, -0.1), (Sex.FEMALE, Sex.MALE, Sex.FEMALE), ("north", "south")
    return [
        Study(
            study_uid=f"s{k}-{visit}",
            patient_id=f"p{k}",
            site=sites[k % 2],
            covariates=Covariates(sex=sexes[k % 3]),
            dxa=DxaResult(t_score=scores[k % 4]),
        )
        for k in range(count)
        for visit in range(2)
    ]


def counts(studies: Sequence[Study]) -> Counter[object]:
    """Patients by class, by sex and by site."""
    patients = {study.patient_id: study for study in studies}.values()
    classes = [study.dxa.bmd_class for study in patients if study.dxa is not None]
    return Counter([*classes, *(study.covariates.sex for study in patients), *(study.site for study in patients)])


@pytest.mark.parametrize("seed", range(3))
def test_splits_and_folds_hold_the_mixture_of_classes_sexes_and_sites(seed: int) -> None:
    studies = mixed(60)
    everyone = counts(studies)
    _, held_out = split_by_patient(studies, 0.2, seed)
    folds = fold_patients(studies, 5, seed)
    assert len(folds) == 5 and sorted(p for fold in folds for p in fold) == sorted({s.patient_id for s in studies})
    for side in (held_out, *([s for s in studies if s.patient_id in fold] for fold in folds)):
        found = counts(side)
        apart = {what: abs(found[what] - number / 5) for what, number in everyone.items()}
        assert all(gap < (1 if what in BMD_CLASSES else 3) for what, gap in apart.items()), apart


def test_folds_follow_the_seed_and_need_patients() -> None:
    studies = mixed(12)
    assert fold_patients(studies, 3, 0) == fold_patients(studies[::-1], 3, 0) != fold_patients(studies, 3, 1)
    with pytest.raises(ConfigError, match="13 folds of 12 patients; expected 2 folds or more, and 13 patients"):
        fold_patients(studies, 13, 0)
    with pytest.raises(ConfigError, match="2 folds of 2 patients; expected 2 folds or more, and 3 patients"):
        fold_patients(mixed(2), 2, 0)


def test_one_patient_cannot_be_split() -> None:
    with pytest.raises(ConfigError, match="1 patient found; a split needs at least 2"):
        split_by_patient(STUDIES[:2], 0.3, 1)


def test_the_split_is_written_down(tmp_path: Path) -> None:
    write_split(STUDIES[:1], STUDIES[3:4], tmp_path / "split.csv")
    expected = "study_uid,patient_id,split\ns0,p0,training\ns3,p1,validation\n"
    assert (tmp_path / "split.csv").read_text() == expected


def test_settings_for_sites_that_nobody_has_are_told() -> None:
    studies = [Study(study_uid=f"s{k}", patient_id="p", site=site) for k, site in enumerate(("North", "south", None))]
    assert unknown_sites(SiteSplits(test=("North",)), studies) == ()
    assert unknown_sites(SiteSplits(test=("north",), training=("south",)), studies) == (
        "the settings sites name north, which no study is of; found North, south",
    )
