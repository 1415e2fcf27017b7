"""Who is trained on: test sites never, the validation site is held out, no patient stands on both sides."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from classify.training.config import ClassifierTraining
from cohort.check import CheckConfig
from cohort.eligibility import EligibilityCriteria
from cohort.splits import SiteSplits, split_by_patient
from cohort.study import Study
from detect.training.config import DetectorTraining, SegmenterTraining
from osteolens.config import StrictConfig, load_config
from osteolens.errors import ConfigError, ReadError
from pipeline.training.cohorts import training_cohorts, yaml_list
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
    expected = (
        "nothing is left to train on: test site 6; .*; 6 studies of test sites are not trained on: test1; to train on "
        r"them give --set 'sites\.training=\[test1\]', or column split in cohort\.csv"
    )
    with pytest.raises(ReadError, match=expected):
        training_cohorts(cohort_with(tmp_path, site=["test1"] * 6), tmp_path / "out", 0.3, TrainingOptions())


SITES = ["training", "training", "training", "external", "external", "Hold-out"]


def test_external_and_holdout_sites_do_not_train_without_being_told(tmp_path: Path) -> None:
    folder = cohort_with(tmp_path, site=SITES)
    found = training_cohorts(folder, tmp_path / "a", 0.3, TrainingOptions())
    assert found.left_out == {"test site": 3}
    assert {s.site for s in (*found.training, *found.held_out)} == {"training"}
    lines: list[str] = []
    found.describe(SiteSplits(), lines.append)
    assert (
        "3 studies of test sites are not trained on: Hold-out, external; to train on them give --set "
        "'sites.training=[Hold-out, external]', or column split in cohort.csv"
    ) in lines
    told = SiteSplits(training=("external",), test=("training",))
    other = training_cohorts(folder, tmp_path / "b", 0.3, TrainingOptions(), sites=told)
    assert {s.site for s in (*other.training, *other.held_out)} == {"external"} and len(other.training) == 1


def test_column_split_rules_over_names_and_setting(tmp_path: Path) -> None:
    splits = ["train", "train", "test", "dev", "train", "val"]
    folder = cohort_with(tmp_path, site=SITES, split=splits)
    sites = SiteSplits(test=("training",))
    found = training_cohorts(folder, tmp_path / "a", 0.3, TrainingOptions(), sites=sites)
    assert sorted(str(s.site) for s in found.training) == ["external", "training", "training"]
    assert sorted(str(s.site) for s in found.held_out) == ["Hold-out", "external"]
    assert found.left_out == {"test site": 1}
    assert "1 studies are not trained on, since column split of cohort.csv says test" in found.notes


def same_patient(folder: Path, *lines: int, patient: str = "SAME") -> Path:
    table = pd.read_csv(folder / "cohort.csv", dtype=str)
    table.loc[list(lines), "patient_id"] = patient
    table.to_csv(folder / "cohort.csv", index=False)
    return folder


def test_a_patient_of_a_test_site_never_trains(tmp_path: Path) -> None:
    sites = ["test1", "training", "training", "training", "validation", "validation"]
    folder = same_patient(same_patient(cohort_with(tmp_path, site=sites), 0, 1), 0, 4)
    table = pd.read_csv(folder / "cohort.csv", dtype=str)
    assert list(table.patient_id).count("SAME") == 3
    found = training_cohorts(folder, tmp_path / "out", 0.3, TrainingOptions())
    assert not any(s.patient_id == "SAME" for s in (*found.training, *found.held_out))
    assert len(found.training) == 2 and len(found.held_out) == 1
    assert found.left_out == {"test site": 1, "patient of a test site": 2}
    assert "2 studies are not trained on, since their patients also have studies at a test site: SAME" in found.notes


def test_a_patient_of_a_test_site_in_another_cohort_never_trains(tmp_path: Path) -> None:
    first = same_patient(cohort_with(tmp_path / "1", site=["training"] * 6), 3)
    second = same_patient(cohort_with(tmp_path / "2", site=["external"] + ["north"] * 5), 0)
    for given in ([first, second], [second, first]):
        found = training_cohorts(given, tmp_path / "out", 0.3, TrainingOptions())
        assert not any(s.patient_id == "SAME" for s in (*found.training, *found.held_out))
        assert found.left_out["test site"] == 1 and found.left_out["patient of a test site"] >= 1
    with pytest.raises(ReadError, match="4 patients stand in both"):
        training_cohorts(first, tmp_path / "out", 0.3, TrainingOptions(validation=second))


def test_a_patient_of_validation_does_not_train(tmp_path: Path) -> None:
    sites = ["validation", "training", "training", "training", "training", "training"]
    folder = same_patient(cohort_with(tmp_path, site=sites), 0, 1)
    found = training_cohorts(folder, tmp_path / "out", 0.3, TrainingOptions())
    assert [s.site for s in found.held_out] == ["validation"] and len(found.training) == 4
    assert found.left_out == {"patient of validation": 1}
    assert "1 studies are not trained on, since their patients also have studies for validation: SAME" in found.notes


def test_studies_of_validation_do_not_train_beside_a_cohort_for_it(tmp_path: Path) -> None:
    folder = cohort_with(tmp_path / "1", site=["validation"] + ["training"] * 5)
    table = pd.read_csv(folder / "cohort.csv", dtype=str)
    other = cohort_with(tmp_path / "2", site=["anything"] * 6, patient_id=[f"other{k}" for k in range(6)])
    found = training_cohorts(folder, tmp_path / "out", 0.3, TrainingOptions(validation=other))
    assert {s.patient_id for s in found.training} == set(table.patient_id[1:]) and len(found.held_out) == 6
    assert found.left_out == {"of validation, beside another cohort for validation": 1}


def test_sites_of_validation_alone_are_split_by_patient_and_that_is_told(tmp_path: Path) -> None:
    folder = cohort_with(tmp_path, site=["validation"] * 6)
    found = training_cohorts(folder, tmp_path / "out", 0.3, TrainingOptions())
    assert (len(found.training), len(found.held_out)) == (4, 2)
    assert "no study but those of validation is left, so these are trained on" in found.notes
    table = pd.read_csv(folder / "cohort.csv", dtype=str)
    table.assign(split="val").to_csv(folder / "cohort.csv", index=False)
    with pytest.raises(ReadError, match="nothing is left to train on: held out for validation 6"):
        training_cohorts(folder, tmp_path / "out", 0.3, TrainingOptions())


def test_sites_called_all_and_detector_train(tmp_path: Path) -> None:
    folder = cohort_with(tmp_path, site=["all", "detector", "all", "detector", "all", "all"])
    found = training_cohorts(folder, tmp_path / "out", 0.3, TrainingOptions())
    assert len(found.training) + len(found.held_out) == 6 and found.left_out == {}


def test_plain_images_of_two_visits_are_split_by_patient_id(tmp_path: Path) -> None:
    """The patient is told by cohort.csv alone, not by the names of the images."""
    rows, boxes = [], []
    for patient in range(20):
        for visit in (1, 2):
            uid = f"pat{patient:02d}_visit{visit}"
            for view in ("AP", "LAT"):
                Image.new("L", (200, 400), 128).save(tmp_path / f"{uid}_{view}.png")
            rows.append({"study_uid": uid, "patient_id": f"P{patient:02d}", "age_years": 66, "t_score": -1.8})
            corners = {"x0": 60, "y0": 60, "x1": 130, "y1": 115}
            boxes += [{"study_uid": uid, "view": view, "level": "L1", **corners} for view in ("AP", "LATERAL")]
    pd.DataFrame(rows).to_csv(tmp_path / "cohort.csv", index=False)
    pd.DataFrame(boxes).to_csv(tmp_path / "rois.csv", index=False)
    found = training_cohorts(tmp_path, tmp_path / "out", 0.25, TrainingOptions())
    training, held_out = ({s.study_uid.split("_")[0] for s in side} for side in (found.training, found.held_out))
    assert not training & held_out and len(training) == 15 and len(held_out) == 5
    assert {s.patient_id for s in found.training} <= {f"P{k:02d}" for k in range(20)}


@pytest.mark.parametrize("kind", [DetectorTraining, SegmenterTraining, ClassifierTraining, CheckConfig])
def test_every_training_and_the_check_take_sites(kind: type[StrictConfig]) -> None:
    config = load_config(kind, overrides=["sites.training=[external, test two]"])
    assert config.model_dump()["sites"]["training"] == ("external", "test two")


def test_names_of_sites_are_written_as_yaml_reads_them() -> None:
    names = ("external", "test two", "A, B", "x: y", "no]", "1")
    assert load_config(SiteSplits, overrides=[f"training={yaml_list(names)}"]).training == names


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


def plain_cohort(folder: Path, patients: dict[str, str], top: int = 60, **columns: Sequence[str]) -> Path:
    """A cohort of plain images: patient_id by study_uid, and boxes whose L1 begins at a row."""
    folder.mkdir()
    boxes = []
    for uid in patients:
        for view in ("AP", "LAT"):
            Image.new("L", (200, 400), 128).save(folder / f"{uid}_{view}.png")
        boxes += [[uid, view, "L1", 60, top, 130, 115] for view in ("AP", "LATERAL")]
    pd.DataFrame(boxes, columns=["study_uid", "view", "level", "x0", "y0", "x1", "y1"]).to_csv(
        folder / "rois.csv", index=False
    )
    table = pd.DataFrame({"study_uid": list(patients), "patient_id": list(patients.values())}).assign(**columns)
    table.to_csv(folder / "cohort.csv", index=False)
    return folder


def test_a_name_that_two_cohorts_give_to_different_studies_never_mixes_their_boxes(tmp_path: Path) -> None:
    first = plain_cohort(tmp_path / "1", {"a": "p1", "b": "p2", "c": "p3"})
    second = plain_cohort(tmp_path / "2", {"a": "q1", "d": "q2"}, top=70)
    for given in ([first, second], [second, first]):
        with pytest.raises(ReadError, match=r"study_uid a has different ROIs in .*; expected names that tell studies"):
            training_cohorts(given, tmp_path / "out", 0.3, TrainingOptions())
    with pytest.raises(ReadError, match="study_uid a has different ROIs"):
        training_cohorts(first, tmp_path / "out", 0.3, TrainingOptions(validation=second))


def test_boxes_of_studies_that_a_cohort_does_not_have_are_not_used(tmp_path: Path) -> None:
    first = plain_cohort(tmp_path / "1", {"a": "p1", "b": "p2"})
    second = plain_cohort(tmp_path / "2", {"a": "p1", "d": "q2"}, top=70)
    for view in ("AP", "LAT"):
        (second / f"a_{view}.png").unlink()
    found = training_cohorts([first, second], tmp_path / "out", 0.3, TrainingOptions())
    assert {boxes[0].y0 for (uid, _), boxes in found.rois.items() if uid == "a"} == {60}


def test_a_study_of_two_cohorts_is_trained_on_once(tmp_path: Path) -> None:
    first = plain_cohort(tmp_path / "1", {"a": "p1", "b": "p2", "c": "p3"})
    second = plain_cohort(tmp_path / "2", {"a": "p1", "b": "p2", "d": "p4"})
    found = training_cohorts([first, second], tmp_path / "out", 0.3, TrainingOptions())
    assert sorted(s.study_uid for s in (*found.training, *found.held_out)) == ["a", "b", "c", "d"]
    assert found.left_out == {"of another cohort too, where it is taken from": 2}


def test_a_patient_whose_test_study_stands_in_the_table_alone_never_trains(tmp_path: Path) -> None:
    folder = plain_cohort(tmp_path / "1", {"a": "p1", "b": "p2", "c": "p3", "x": "p1"}, site=["n", "n", "n", "test1"])
    for view in ("AP", "LAT"):
        (folder / f"x_{view}.png").unlink()
    found = training_cohorts(folder, tmp_path / "out", 0.3, TrainingOptions())
    assert {s.study_uid for s in (*found.training, *found.held_out)} == {"b", "c"}
    assert found.left_out == {"patient of a test site": 1}


def test_settings_for_sites_that_no_study_is_of_are_told(tmp_path: Path) -> None:
    folder = plain_cohort(tmp_path / "1", {"a": "p1", "b": "p2"}, site=["North", "North"])
    found = training_cohorts(folder, tmp_path / "out", 0.3, TrainingOptions(), sites=SiteSplits(test=("north",)))
    assert "the settings sites name north, which no study is of; found North" in found.notes
