"""Every study is counted once: screened, rejected, failed, not processed, without reference or ineligible."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cohort.bmd import BmdClass
from cohort.rejection_codes import RejectionCode
from pipeline.evaluation.config import EvaluationConfig
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.studies.flow import Flow
from pipeline.prediction import Rejection
from tests.predictions import MODEL, save, screened

QUICK = EvaluationConfig(bootstrap_draws=20)
T_SCORES = (-3.0, -3.1, -3.2, -3.3, -2.0, -1.9, -1.8, 0.1, 0.2, 0.3)


def cohort(folder: Path, **columns: list[int] | list[str]) -> Path:
    folder.mkdir()
    uids = [f"s{k}" for k in range(len(T_SCORES))]
    table = pd.DataFrame({"study_uid": uids, "patient_id": [f"p-{uid}" for uid in uids], "t_score": T_SCORES})
    table.assign(**columns).to_csv(folder / "cohort.csv", index=False)
    return folder


def total(flow: Flow) -> int:
    parts = (flow.ineligible, flow.failed, flow.rejected)
    return sum(sum(counts.values()) for counts in parts) + flow.without_reference + flow.not_processed + flow.evaluated


def test_every_way_is_counted_once_and_both_bounds_hold(tmp_path: Path) -> None:
    """s0 is not processed, s1 failed, s2 is damaged, s3 rejected, s4 too young; one result has no reference."""
    ages = [66] * 4 + [40] + [66] * 5
    source = cohort(tmp_path / "cohort", age_years=ages)
    results = [screened(f"s{k}", t) for k, t in enumerate(T_SCORES)]
    results[1] = replace(
        results[1], bmd_class=None, probabilities={}, prediction_set=(), decision=None, t_score=None,
        views={}, failure="DecodeError: no image",
    )  # fmt: skip
    results[3] = replace(
        results[3], bmd_class=None, probabilities={}, prediction_set=(), decision=None, t_score=None,
        rejection=Rejection(RejectionCode.EXPOSURE, "too dark"),
    )  # fmt: skip
    out = save(tmp_path / "out", [*results[1:], screened("stranger", -1.5)])
    (out / "studies" / "s2.json").write_text('{"study_uid": "s2')
    evaluation = evaluate(out, source, QUICK)
    flow = evaluation.overall.flow
    assert flow.studies == total(flow) == 11 and flow.patients == 11
    assert flow.ineligible == {"younger than 50 years": 1} and flow.without_reference == 1
    assert flow.failed == {"could not be screened": 1, "its result cannot be read": 1} and flow.not_processed == 1
    assert flow.rejected == {RejectionCode.EXPOSURE.value: 1} and flow.evaluated == 5
    assert flow.classes == {BmdClass.NORMAL: 3, BmdClass.OSTEOPENIA: 2, BmdClass.OSTEOPOROSIS: 0}
    intended = evaluation.overall.intention_to_diagnose
    assert intended is not None
    assert (intended.studies, intended.evaluated, intended.rejected) == (9, 5, 1)
    assert (intended.failed, intended.not_processed, intended.osteoporosis_without_class) == (2, 1, 4)
    assert intended.not_called.sensitivity.value == 0 and intended.not_called.specificity.value == 1
    assert intended.referred.sensitivity.value == 1 and intended.referred.specificity.value == 1
    assert evaluation.not_evaluated.dxa_without_prediction.count == 3
    assert set(evaluation.not_evaluated.dxa_without_prediction.first) == {"s0", "s1", "s2"}
    everyone = evaluate(out, source, QUICK, include_ineligible=True).overall.flow
    assert not everyone.ineligible and everyone.evaluated == 6 and total(everyone) == 11


def test_studies_that_a_table_of_results_calls_failed_are_failed(tmp_path: Path) -> None:
    """Versions before format 2 wrote no JSON of a failed study, only its line in predictions.csv."""
    source = cohort(tmp_path / "cohort")
    out = save(tmp_path / "out", [screened(f"s{k}", t) for k, t in enumerate(T_SCORES) if k % 2])
    rows = [(f"s{k}", f"p-s{k}", "screened" if k % 2 else "failed") for k in range(len(T_SCORES) - 2)]
    pd.DataFrame(rows, columns=["study_uid", "patient_id", "status"]).to_csv(out / "predictions.csv", index=False)
    flow = evaluate(out, source, QUICK).overall.flow
    assert flow.failed == {"could not be screened": 4} and flow.not_processed == 1 and flow.evaluated == 5
    intended = evaluate(out, source, QUICK).overall.intention_to_diagnose
    assert intended is not None and intended.not_called.sensitivity.value == pytest.approx(2 / 4)
    assert intended.referred.sensitivity.value == 1 and intended.referred.specificity.value == pytest.approx(3 / 6)


def test_scans_stand_in_dxa_csv_and_are_joined_by_date(tmp_path: Path) -> None:
    uids = [f"s{k}" for k in range(len(T_SCORES))]
    source = tmp_path / "cohort"
    source.mkdir()
    pd.DataFrame({"study_uid": uids, "patient_id": uids, "study_date": "2024-01-10", "site": "a"}).to_csv(
        source / "cohort.csv", index=False
    )
    scans = [
        line
        for uid, t in zip(uids, T_SCORES, strict=True)
        for line in ((uid, "2024-01-05", t), (uid, "2019-01-05", 0.5))
    ]
    pd.DataFrame(scans, columns=["patient_id", "dxa_date", "t_score"]).to_csv(source / "dxa.csv", index=False)
    out = save(tmp_path / "out", [screened(f"s{k}", t, patient_id=f"s{k}") for k, t in enumerate(T_SCORES)])
    flow = evaluate(out, source, QUICK).overall.flow
    assert flow.evaluated == 10 and flow.classes[BmdClass.OSTEOPOROSIS] == 4
    far = [(uid, "2019-01-05", t) for uid, t in zip(uids, T_SCORES, strict=True)]
    pd.DataFrame(far, columns=["patient_id", "dxa_date", "t_score"]).to_csv(source / "dxa.csv", index=False)
    with_old = evaluate(out, source, QUICK).overall.flow
    assert with_old.evaluated == 0 and with_old.ineligible == {"DXA more than 90 days away": 10}


def test_dates_of_the_films_come_with_the_results(tmp_path: Path) -> None:
    """cohort.csv lacks study_date; the result says when the film was taken."""
    source = tmp_path / "cohort"
    source.mkdir()
    pd.DataFrame({"patient_id": ["p-s0"], "t_score": [-3.0], "dxa_date": ["2019-01-01"]}).to_csv(
        source / "cohort.csv", index=False
    )
    old = replace(screened("s0", -3.0), study_date=date(2024, 1, 1))
    out = save(tmp_path / "out", [old, screened("s1", -1.0)])
    assert evaluate(out, source, QUICK).overall.flow.ineligible == {"DXA more than 90 days away": 1}
    assert MODEL.version == "test"


@pytest.mark.parametrize("by", ["predictions.csv", "text"])
def test_a_damaged_result_is_counted_once_where_the_table_names_patients_alone(tmp_path: Path, by: str) -> None:
    source = cohort(tmp_path / "cohort")
    pd.read_csv(source / "cohort.csv").drop(columns="study_uid").to_csv(source / "cohort.csv", index=False)
    out = save(tmp_path / "out", [screened(f"s{k}", t) for k, t in enumerate(T_SCORES)])
    text = (out / "studies" / "s2.json").read_text()
    if by == "text":
        (out / "studies" / "s2.json").write_text(text.replace("0.6", "NaN", 1))
    else:
        (out / "studies" / "s2.json").write_text("{")
        (out / "predictions.csv").write_text("study_uid,patient_id,status\ns2,p-s2,screened\n")
    evaluation = evaluate(out, source, QUICK)
    flow = evaluation.overall.flow
    assert len(evaluation.datasets) == 1 and flow.studies == total(flow) == flow.patients == len(T_SCORES)
    assert flow.failed == {"its result cannot be read": 1} and flow.without_reference == flow.not_processed == 0
    assert evaluation.table_notes == ()


def test_a_copy_of_a_result_is_no_second_study_and_the_original_is_taken(tmp_path: Path) -> None:
    source = cohort(tmp_path / "cohort")
    out = save(tmp_path / "out", [screened(f"s{k}", t) for k, t in enumerate(T_SCORES)])
    (out / "studies" / "s0 (1).json").write_text(json.dumps(screened("s0", 0.5).as_json()))
    evaluation = evaluate(out, source, QUICK)
    flow = evaluation.overall.flow
    assert flow.studies == total(flow) == flow.evaluated == len(T_SCORES)
    assert evaluation.damaged_results == (
        "s0 (1).json: study_uid 's0' also stands in s0.json; expected each study once",
    )
    taken = {s.prediction.study_uid: s.prediction.bmd_class for s in evaluation.studies}
    assert taken["s0"] is BmdClass.OSTEOPOROSIS


def test_studies_of_one_patient_have_a_word_where_a_fraction_has_no_interval(tmp_path: Path) -> None:
    source = cohort(tmp_path / "cohort", patient_id=["p"] * len(T_SCORES))
    out = save(tmp_path / "out", [screened(f"s{k}", t, patient_id="p") for k, t in enumerate(T_SCORES)])
    intended = evaluate(out, source, QUICK).overall.intention_to_diagnose
    assert intended is not None and np.isnan(intended.without_class.low)
    assert intended.not_estimable == {"without_class_interval": "not estimable: all are of one patient"}


def test_lines_that_the_day_of_the_film_tells_apart_are_not_called_missing(tmp_path: Path) -> None:
    source = tmp_path / "cohort"
    source.mkdir()
    days = date(2020, 1, 1), date(2022, 1, 1)
    pd.DataFrame({"patient_id": "p", "study_date": days, "t_score": (-3.0, -1.5)}).to_csv(
        source / "cohort.csv", index=False
    )
    visits = [
        replace(screened(f"s{k}", t, patient_id="p"), study_date=day)
        for k, (t, day) in enumerate(zip((-3.0, -1.5), days, strict=True))
    ]
    evaluation = evaluate(save(tmp_path / "out", visits), source, QUICK)
    assert evaluation.overall.flow.evaluated == 2 and evaluation.table_notes == ()


def test_scans_none_of_which_is_the_nearest_are_told(tmp_path: Path) -> None:
    source = tmp_path / "cohort"
    source.mkdir()
    (source / "dxa.csv").write_text("patient_id,dxa_date,t_score\np-s0,2020-01-01,-3\np-s0,2022-01-01,-1\np-s1,,-2\n")
    notes = evaluate(save(tmp_path / "out", [screened("s0", -3.0), screened("s1", -2.0)]), source, QUICK).table_notes
    assert len(notes) == 1 and "several DXA scans, none of which can be told to be the nearest: p-s0" in notes[0]


def test_results_on_manual_rois_of_other_studies_are_told(tmp_path: Path) -> None:
    source = cohort(tmp_path / "cohort")
    out = save(tmp_path / "out", [screened(f"s{k}", t) for k, t in enumerate(T_SCORES)])
    other = save(tmp_path / "manual", [screened("other", -3.0)])
    notes = evaluate(out, source, QUICK, manual_results=other).table_notes
    assert len(notes) == 1 and "hold none of the evaluated studies; expected results of the same studies" in notes[0]
    assert evaluate(out, source, QUICK, manual_results=out).table_notes == ()
