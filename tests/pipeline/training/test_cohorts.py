"""Who is trained on: test sites never, the validation site is held out, no patient stands on both sides."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from cohort.eligibility import EligibilityCriteria
from cohort.splits import is_test_site, split_by_patient
from cohort.study import Study
from osteolens.errors import ConfigError, ReadError
from pipeline.training.cohorts import training_cohorts
from pipeline.training.run import TrainingOptions
from tests import EXAMPLES


def cohort_with(tmp_path: Path, **columns: Sequence[str | int]) -> Path:
    folder = tmp_path / "cohort"
    shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    table = pd.read_csv(folder / "cohort.csv")
    for name, values in columns.items():
        table[name] = list(values)
    table.to_csv(folder / "cohort.csv", index=False)
    return folder


@pytest.mark.parametrize(("name", "answer"), [("test1", True), ("Test-B", True), ("training", False), (None, False)])
def test_test_sites_are_told_by_name(name: str | None, answer: bool) -> None:
    assert is_test_site(name) is answer


def test_test_sites_never_train_and_the_validation_site_is_held_out(tmp_path: Path) -> None:
    sites = ["training", "training", "training", "validation", "test1", "test2"]
    found = training_cohorts(cohort_with(tmp_path, site=sites), tmp_path / "out", 0.3, TrainingOptions())
    assert {s.site for s in found.training} == {"training"} and len(found.training) == 3
    assert {s.site for s in found.held_out} == {"validation"}
    assert found.left_out == {"test site": 2}
    split = pd.read_csv(tmp_path / "out" / "split.csv")
    assert sorted(split["split"]) == ["training"] * 3 + ["validation"]


def test_only_eligible_studies_train_a_classifier(tmp_path: Path) -> None:
    implants = ["screws", "none", "none", "none", "none", "none"]
    folder = cohort_with(tmp_path, site=["training"] * 6, implant=implants, cobb_deg=[0, 44, 0, 0, 0, 0])
    everyone = training_cohorts(folder, tmp_path / "a", 0.3, TrainingOptions())
    chosen = training_cohorts(folder, tmp_path / "b", 0.3, TrainingOptions(), EligibilityCriteria())
    assert len(everyone.training) + len(everyone.held_out) == 6
    assert len(chosen.training) + len(chosen.held_out) == 4
    assert chosen.left_out == {"implant or cement at L1-L4": 1, "scoliosis above 20 degrees": 1}
    curved = training_cohorts(folder, tmp_path / "c", 0.3, TrainingOptions(), EligibilityCriteria(max_cobb_deg=60))
    assert curved.left_out == {"implant or cement at L1-L4": 1}, "criteria are settings"


def test_a_cohort_of_test_sites_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="nothing is left to train on: test site 6"):
        training_cohorts(cohort_with(tmp_path, site=["test1"] * 6), tmp_path / "out", 0.3, TrainingOptions())


def test_a_split_never_parts_a_patient() -> None:
    studies = [Study(study_uid=f"s{k}", patient_id=f"p{k // 3}") for k in range(30)]
    training, held_out = split_by_patient(studies, 0.3, 1)
    assert not {s.patient_id for s in training} & {s.patient_id for s in held_out}
    assert len(held_out) == 9
    assert split_by_patient(studies, 0.3, 1) == (training, held_out)
    with pytest.raises(ConfigError, match="at least 2"):
        split_by_patient(studies[:2], 0.3, 1)


def test_training_without_rois_is_explained(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "in", ignore=shutil.ignore_patterns("rois.csv"))
    with pytest.raises(ReadError, match=r"rois\.csv is missing"):
        training_cohorts(tmp_path / "in", tmp_path / "out", 0.3, TrainingOptions())


def test_a_patient_on_both_sides_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="2 patients stand in both training and"):
        training_cohorts([EXAMPLES], tmp_path, 0.3, TrainingOptions(validation=EXAMPLES))
