"""A folder with its tables: the same patients, dates and boxes under other names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cohort.deidentify.film import Ending
from cohort.deidentify.folder import REPORT, DeidentifyOptions, deidentify_folder
from cohort.deidentify.pseudonyms import Pseudonyms
from cohort.in_silico import notice_of
from cohort.io.annotations import read_rois
from cohort.io.digest import sha256_of
from cohort.io.folder import index_cohort
from osteolens.errors import ConfigError, OutputError
from tests import ROOT
from tests.cohort.deidentify.stuffed import film, save

KEY = b"k" * 32


def options(**more: object) -> DeidentifyOptions:
    return DeidentifyOptions(pseudonyms=Pseudonyms(KEY), **more)  # type: ignore[arg-type]


def test_the_examples_keep_all_that_counts(tmp_path: Path) -> None:
    before = {path: sha256_of(path) for path in (ROOT / "examples").rglob("*") if path.is_file()}
    report = deidentify_folder(ROOT / "examples", tmp_path / "out", options())
    assert (report.count(Ending.WRITTEN), report.count(Ending.REFUSED)) == (12, 0)
    assert before == {path: sha256_of(path) for path in before}
    old, new = index_cohort(ROOT / "examples").studies, index_cohort(tmp_path / "out").studies
    names = Pseudonyms(KEY)
    of_patient = {study.patient_id: study for study in new}
    assert len(new) == len(old) == 6
    for study in old:
        other = of_patient[names.patient(study.patient_id)]
        assert [view for view, _ in other.images] == [view for view, _ in study.images]
        assert other.covariates == study.covariates
        assert other.dxa is not None
        assert study.dxa is not None
        assert other.dxa.t_score == study.dxa.t_score
        if study.study_date and study.dxa.scan_date and other.study_date and other.dxa.scan_date:
            assert other.dxa.scan_date - other.study_date == study.dxa.scan_date - study.study_date
            assert other.study_date != study.study_date
    assert notice_of(tmp_path / "out") == notice_of(ROOT / "examples") != ""
    rois = read_rois(tmp_path / "out" / "rois.csv")
    assert {uid for uid, _ in rois} == {study.study_uid for study in new}
    text = "".join(path.read_text("utf-8") for path in (tmp_path / "out").glob("*.csv")) + (
        tmp_path / "out" / REPORT
    ).read_text("utf-8")
    for study in old:
        assert study.patient_id not in text
        assert study.study_uid not in text


def test_a_second_run_with_the_key_changes_nothing(tmp_path: Path) -> None:
    source = tmp_path / "in"
    save(film(), source / "a.dcm")
    deidentify_folder(source, tmp_path / "out", options())
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.dcm")}
    report = deidentify_folder(source, tmp_path / "out", options())
    assert report.count(Ending.THERE) == 1
    assert before == {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.dcm")}


def test_dates_can_go(tmp_path: Path) -> None:
    deidentify_folder(ROOT / "examples", tmp_path / "out", options(keeps_dates=False))
    studies = index_cohort(tmp_path / "out").studies
    assert [study.study_date for study in studies] == [None] * 6
    assert all(study.dxa is not None and study.dxa.scan_date is None for study in studies)


def test_the_tables_lose_free_text(tmp_path: Path) -> None:
    source = tmp_path / "in"
    save(film(), source / "a.dcm")
    (source / "cohort.csv").write_text(
        "patient_id,age_years,site,implant,t_score,dxa_date,study_date,surname\n"
        "MRN4711,95,external Miller Hospital,screws by Dr Miller,-2.6,2020-03-01,2020-03-10,Miller\n"
    )
    (source / "dxa.csv").write_text("patient_id,t_score,dxa_date\nMRN4711,-2.5,2019-01-01\nMRN0815,-1.0,2019-01-02\n")
    deidentify_folder(source, tmp_path / "out", options())
    text = (tmp_path / "out" / "cohort.csv").read_text()
    assert "Miller" not in text
    assert "MRN4711" not in text + (tmp_path / "out" / "dxa.csv").read_text()
    (study,) = index_cohort(tmp_path / "out").studies
    assert study.patient_id == Pseudonyms(KEY).patient("MRN4711")
    assert study.covariates.age_years == 90
    assert study.split == "test"
    assert study.dxa is not None
    assert study.study_date is not None
    assert study.dxa.scan_date is not None
    assert (study.study_date - study.dxa.scan_date).days == 9


def test_what_is_no_dicom_is_refused_or_left_out_and_not_named(tmp_path: Path) -> None:
    source = tmp_path / "in"
    save(film(), source / "a.dcm")
    (source / "Jane Miller.png").write_bytes(b"x" * 200)
    (source / "Jane Miller.txt").write_text("x")
    links = tmp_path / "links.json"
    report = deidentify_folder(source, tmp_path / "out", options(links=links))
    assert (report.count(Ending.REFUSED), report.left_out) == (1, {"no image": 1})
    assert "Miller" not in (tmp_path / "out" / REPORT).read_text()
    assert "Jane Miller.png" in {entry["input"] for entry in json.loads(links.read_text())["files"]}


def test_one_image_twice_is_refused(tmp_path: Path) -> None:
    save(film(), tmp_path / "in" / "a.dcm")
    save(film(), tmp_path / "in" / "b.dcm")
    report = deidentify_folder(tmp_path / "in", tmp_path / "out", options())
    assert (report.count(Ending.WRITTEN), report.count(Ending.REFUSED)) == (1, 1)


def test_folders_lie_apart(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(ConfigError, match="within each other"):
        deidentify_folder(tmp_path / "in", tmp_path / "in" / "out", options())
    with pytest.raises(ConfigError, match="no folder"):
        deidentify_folder(tmp_path / "not", tmp_path / "out", options())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x").write_text("mine")
    with pytest.raises(ConfigError, match="not empty"):
        deidentify_folder(tmp_path / "in", tmp_path / "out", DeidentifyOptions(pseudonyms=Pseudonyms()))
    with pytest.raises(ConfigError, match="links are to lie outside"):
        deidentify_folder(tmp_path / "in", tmp_path / "out", options(links=tmp_path / "out" / "l.json"))


def test_tables_are_not_overwritten(tmp_path: Path) -> None:
    source = tmp_path / "in"
    shutil.copytree(ROOT / "examples" / "SIM0011-00002", source / "SIM0011-00002")
    shutil.copy(ROOT / "examples" / "cohort.csv", source)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "cohort.csv").write_text("mine")
    with pytest.raises(OutputError, match="nothing is overwritten"):
        deidentify_folder(source, tmp_path / "out", options())
    assert (tmp_path / "out" / "cohort.csv").read_text() == "mine"
