"""Reruns of a finished folder: what is not read again, and each change that goes the long way with its outcome."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest

from cohort.io import image_files
from osteolens import file_state
from osteolens.documents.json_document import read_json
from pipeline.bundle.load import Bundle
from pipeline.screening import stored_study
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.folder import RunSummary, ScreeningOptions, screen_folder
from pipeline.screening.rerun import digests, record
from tests import EXAMPLES

pytestmark = pytest.mark.skipif(os.name != "posix", reason="times of the last change are those of POSIX")

ONE, OTHER = "SIM0011-00003", "SIM0011-00005"


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files written a moment ago count as old."""
    monkeypatch.setattr(file_state, "SETTLED_NS", -1_000_000_000)


@pytest.fixture(scope="module")
def finished(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `films` of two patients and its results in `out`."""
    place = tmp_path_factory.mktemp("finished")
    for patient in (ONE, OTHER):
        shutil.copytree(EXAMPLES / patient, place / "films" / patient)
    table = "patient_id,age_years\n" + "".join(f"{patient},70\n" for patient in (ONE, OTHER))
    (place / "films" / "cohort.csv").write_text(table)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_state, "SETTLED_NS", -1_000_000_000)
        assert rerun(place, bundle).resumed == 0
    return place


@pytest.fixture
def place(finished: Path, tmp_path: Path, bundle: Bundle, calls: list[str]) -> Path:
    """A copy of it, whose files have new states and are known again."""
    shutil.copytree(finished, tmp_path / "place")
    assert rerun(tmp_path / "place", bundle).resumed == 2
    calls.clear()
    return tmp_path / "place"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files that are read: headers, images for their digests, and results."""
    names: list[str] = []

    def count(module: object, name: str) -> None:
        function: Callable[..., object] = getattr(module, name)

        def counted(path: Path, *rest: object) -> object:
            names.append(f"{name} {path.parent.name}/{path.name}")
            return function(path, *rest)

        monkeypatch.setattr(module, name, counted)

    count(image_files, "read_header")
    count(digests, "digest_of")
    count(stored_study, "read_json")
    return names


def rerun(place: Path, bundle: Bundle, **settings: object) -> RunSummary:
    options = ScreeningOptions(config=ScreeningConfig.model_validate({"jobs": 1, **settings}))
    return screen_folder(place / "films", place / "out", bundle, options)


def result_of(place: Path, patient: str) -> Path:
    return next(p for p in (place / "out" / "studies").glob("*.json") if read_json(p)["patient_id"] == patient)


def forget(place: Path) -> None:
    """Remove the records."""
    for path in (place / "out").glob("known_*.jsonl"):
        path.unlink()


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after), "utf-8")


def written(place: Path) -> dict[str, str]:
    """Tables, pages and record of a run, times aside."""
    run = read_json(place / "out" / "run.json")
    del run["seconds"]
    page = re.sub(r"[\d.]+ s\.", "T s.", (place / "out" / "report.html").read_text("utf-8"))
    table = (place / "out" / "predictions.csv").read_text("utf-8")
    return {"run.json": json.dumps(run), "report.html": page, "predictions.csv": table}


def test_a_rerun_reads_no_header_no_film_and_no_result(place: Path, bundle: Bundle, calls: list[str]) -> None:
    assert rerun(place, bundle).resumed == 2
    assert not calls


def test_what_was_just_screened_is_known_to_the_next_run(bundle: Bundle, tmp_path: Path, calls: list[str]) -> None:
    shutil.copytree(EXAMPLES / ONE, tmp_path / "films" / ONE)
    assert rerun(tmp_path, bundle).resumed == 0
    calls.clear()
    assert rerun(tmp_path, bundle).resumed == 1 and not calls


def test_both_ways_write_the_same(place: Path, bundle: Bundle, calls: list[str]) -> None:
    rerun(place, bundle)
    assert not calls
    short = written(place)
    forget(place)
    rerun(place, bundle)
    assert len(calls) == 10 and written(place) == short


def test_a_touched_film_is_read_for_its_study_alone(place: Path, bundle: Bundle, calls: list[str]) -> None:
    film = place / "films" / ONE / "AP.dcm"
    os.utime(film)
    assert rerun(place, bundle).resumed == 2, "its bytes are the same"
    assert calls == [f"read_header {ONE}/AP.dcm", f"digest_of {ONE}/AP.dcm"]


def test_another_film_under_the_name_is_screened(place: Path, bundle: Bundle, calls: list[str]) -> None:
    film = place / "films" / ONE / "AP.dcm"
    dataset = pydicom.dcmread(film)
    dataset.InstitutionName = "X"
    dataset.save_as(film)
    assert rerun(place, bundle).resumed == 1
    assert not any(OTHER in call for call in calls)


def test_an_edited_result_is_read_and_tells_what_it_holds(place: Path, bundle: Bundle, calls: list[str]) -> None:
    path = result_of(place, ONE)
    edit(path, '"patient_id": "SIM0011-00003"', '"patient_id": "SIM0011-00003x"')
    calls.clear()
    assert rerun(place, bundle).resumed == 1, "it is of another patient"
    assert {call for call in calls if "json" in call} == {f"read_json studies/{path.name}"}, "that study's alone"


def test_an_edited_class_stands_as_it_did(place: Path, bundle: Bundle, calls: list[str]) -> None:
    path = result_of(place, ONE)
    estimate = read_json(path)["t_score_estimate"]
    edit(path, f'"t_score_estimate": {estimate}', '"t_score_estimate": -9.75')
    row = next(row for row in rerun(place, bundle).rows if row.patient_id == ONE)
    forget(place)
    assert row == next(row for row in rerun(place, bundle).rows if row.patient_id == ONE)


def test_a_deleted_result_is_screened(place: Path, bundle: Bundle) -> None:
    result_of(place, ONE).unlink()
    assert rerun(place, bundle).resumed == 1
    assert result_of(place, ONE).is_file()


def test_other_settings_screen_all(place: Path, bundle: Bundle) -> None:
    assert rerun(place, bundle, detection={"min_score": 0.09}).resumed == 0


def test_other_covariates_screen_their_study(place: Path, bundle: Bundle) -> None:
    edit(place / "films" / "cohort.csv", f"{ONE},70", f"{ONE},71")
    summary = rerun(place, bundle)
    assert summary.resumed == 1
    assert {row.patient_id: row.age_years for row in summary.rows} == {ONE: 71, OTHER: 70}


def test_another_day_is_brought_up_to_date_and_known_then(place: Path, bundle: Bundle, calls: list[str]) -> None:
    uid = result_of(place, ONE).stem
    table = f"study_uid,patient_id,age_years,study_date\n{uid},{ONE},70,2020-05-01\n,{OTHER},70,\n"
    (place / "films" / "cohort.csv").write_text(table)
    for read in (1, 1, 0):
        calls.clear()
        assert rerun(place, bundle).resumed == 2
        assert len(calls) == read, "read and written, read and known, known"
    assert read_json(result_of(place, ONE))["study_date"] == "2020-05-01"


def test_objects_are_made_of_results_that_are_read(place: Path, bundle: Bundle, calls: list[str]) -> None:
    pytest.importorskip("fhir.resources")
    assert rerun(place, bundle, fhir=True).resumed == 2
    assert len(calls) == 2 and len(list((place / "out" / "fhir").iterdir())) == 2
    calls.clear()
    assert rerun(place, bundle).resumed == 2 and not calls


@pytest.mark.parametrize("name", ["headers", "digests", "results"])
def test_a_damaged_record_costs_time_alone(place: Path, bundle: Bundle, calls: list[str], name: str) -> None:
    rerun(place, bundle)
    before = written(place)
    path = record.record_path(place / "out", name)
    path.write_bytes(path.read_bytes()[:-30])
    assert rerun(place, bundle).resumed == 2 and written(place) == before
    assert len(calls) == (2 if name == "results" else 4)
    calls.clear()
    assert rerun(place, bundle).resumed == 2 and not calls


def test_a_record_of_another_format_is_not_used(
    place: Path, bundle: Bundle, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "FORMAT", record.FORMAT + 1)
    assert rerun(place, bundle).resumed == 2 and len(calls) == 10


def test_a_stopped_run_keeps_the_record(place: Path, bundle: Bundle, calls: list[str]) -> None:
    def stop(done: int, total: int) -> None:
        signal.raise_signal(signal.SIGTERM)

    options = ScreeningOptions(config=ScreeningConfig(jobs=1))
    summary = screen_folder(place / "films", place / "out", bundle, options, progress=stop)
    assert summary.stopped and len(summary.rows) == 1
    assert rerun(place, bundle).resumed == 2 and not calls
