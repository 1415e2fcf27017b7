"""Results, label files and tables that are damaged or say too little: named, counted, and the rest evaluated."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from cli.main import app
from cohort.bmd import BMD_CLASSES
from cohort.rejection_codes import RejectionCode
from osteolens.documents.json_document import json_ready, parse_json, read_json
from osteolens.errors import ReadError
from pipeline.evaluation.classification.metrics import ClassificationMetrics
from pipeline.evaluation.config import EvaluationConfig
from pipeline.evaluation.detection.unlabelled_bodies import evaluate_bodies
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.evaluation import Evaluation
from pipeline.evaluation.report.figures import file_names
from pipeline.evaluation.report.page import write_evaluation
from pipeline.evaluation.studies.results import load_predictions, read_results
from pipeline.prediction import Prediction, Rejection
from tests.predictions import boxes, save, screened

runner = CliRunner()
NORMAL, OSTEOPENIA, OSTEOPOROSIS = BMD_CLASSES

Folders = tuple[Path, Path]
T_SCORES = (-0.2, -0.5, 0.4, -1.5, -1.8, -2.1, -2.7, -3.1, -3.6, -2.9)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Folders]:
    def build(t_scores: tuple[float, ...] = T_SCORES, rois: bool = False, site: str = "a") -> Folders:
        out = save(tmp_path / "out", (screened(f"s{k}", t) for k, t in enumerate(t_scores)))
        cohort = tmp_path / "cohort"
        cohort.mkdir()
        uids = [f"s{k}" for k in range(len(t_scores))]
        table = pd.DataFrame({"study_uid": uids, "patient_id": [f"p-{uid}" for uid in uids]})
        table.assign(t_score=t_scores, site=site).to_csv(cohort / "cohort.csv", index=False)
        if rois:
            rows = [[uid, "AP", str(box.level), *box.corners] for uid in uids for box in boxes()]
            columns = ["study_uid", "view", "level", "x0", "y0", "x1", "y1"]
            pd.DataFrame(rows, columns=columns).to_csv(cohort / "rois.csv", index=False)
        return out, cohort

    return build


def changed(path: list[str | int], value: Any) -> str:
    """The text of a result with one field replaced, or removed where the value is `...`."""
    document: Any = screened("s0", T_SCORES[0]).as_json()
    part = document
    for key in path[:-1]:
        part = part[key]
    if value is ...:
        del part[path[-1]]
    else:
        part[path[-1]] = value
    return json.dumps(document)


DAMAGE = {
    "NaN": (
        changed(["probabilities", "normal"], float("nan")),
        "probabilities.normal is NaN, expected a finite number",
    ),
    "infinite": (changed(["t_score_estimate"], float("inf")), "t_score_estimate is Infinity"),
    "overflow": (changed(["probabilities", "normal"], 0.5).replace("0.5", "1e999", 1), "1e999, beyond every number"),
    "huge integer": (changed(["views", "AP", "rows"], 10**30), "views.AP.rows is an integer of 31 digits"),
    "absurd integer": ('{"study_uid": ' + "9" * 5000 + "}", "study_uid is an integer of 5000 digits"),
    "class missing": (changed(["probabilities", "osteopenia"], ...), "probabilities.osteopenia is missing"),
    "unknown class": (changed(["probabilities", "osteoprosis"], 0.0), "probabilities.osteoprosis is unknown"),
    "negative": (changed(["probabilities", "normal"], -0.2), "probabilities.normal is -0.2, expected greater"),
    "above one": (
        changed(["probabilities", "normal"], 1.2),
        "probabilities.normal is 1.2, expected less than or equal",
    ),
    "sum": (changed(["probabilities", "osteopenia"], 0.9), "probabilities: they sum to 1.7, expected 1"),
    "text for a number": (
        changed(["probabilities", "normal"], "0.6"),
        "probabilities.normal is '0.6', expected a valid",
    ),
    "true for a number": (changed(["probabilities", "normal"], True), "probabilities.normal is True, expected a valid"),
    "list for an object": (changed(["probabilities"], [0.6, 0.2, 0.2]), "probabilities is [0.6, 0.2, 0.2]"),
    "number for a name": (changed(["patient_id"], 4711), "patient_id is 4711, expected a valid string"),
    "class of no name": (changed(["bmd_class"], "fine"), "bmd_class is 'fine', expected 'normal'"),
    "another class": (changed(["bmd_class"], "osteoporosis"), "bmd_class is osteoporosis, but normal is the most"),
    "no class": (changed(["bmd_class"], None), "bmd_class is null beside probabilities"),
    "neither": (changed(["probabilities"], None), "probabilities and rejection are both null"),
    "key missing": (changed(["rejection"], ...), "rejection is missing"),
    "decision": (changed(["decision"], "perhaps"), "decision is 'perhaps'"),
    "set": (changed(["prediction_set"], ["normal", 3]), "prediction_set[1] is 3"),
    "box": (changed(["views", "AP", "boxes", 1, "x1"], -5), "views.AP.boxes[1]"),
    "level twice": (changed(["views", "AP", "boxes", 1, "level"], "L1"), "views.AP: boxes hold L1 twice"),
    "level": (changed(["views", "AP", "boxes", 0, "level"], "C2"), "views.AP.boxes[0].level is 'C2'"),
    "view": (changed(["views", "OBLIQUE"], {}), "views.OBLIQUE"),
    "spacing": (changed(["views", "AP", "pixel_spacing_mm"], [0.5]), "views.AP.pixel_spacing_mm is [0.5]"),
    "format": (changed(["format"], 99), "format is 99, expected 2 or 1 (without the key)"),
    "unknown key": (changed(["schema_version"], 99), "schema_version is unknown"),
    "status": (changed(["status"], "done"), "status is 'done'"),
    "truncated": ('{"study_uid": "s0', "line 1 column 15: no complete JSON"),
    "empty": ("", "line 1 column 1: no complete JSON"),
    "deep": ("[" * 100_000, "nested too deeply"),
    "less deep": ("[" * 200 + "]" * 200, "nested too deeply"),
    "key twice": ('{"study_uid": "s0", "study_uid": "s1"}', "the key 'study_uid' stands twice"),
    "a list": ("[]", "found list, expected the object of one study"),
    "a number": ("3", "found int"),
    "null": ("null", "found NoneType"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_result_is_named_with_its_field_and_the_rest_read(make: Callable[..., Folders], kind: str) -> None:
    text, words = DAMAGE[kind]
    out, _ = make()
    (out / "studies" / "s0.json").write_text(text)
    found = read_results(out)
    assert [p.study_uid for p in found.predictions] == [f"s{k}" for k in range(1, len(T_SCORES))]
    assert len(found.damaged) == 1
    assert found.damaged[0].startswith("s0.json") and words in found.damaged[0]
    assert "\n" not in found.damaged[0] and len(found.damaged[0]) < 300
    with pytest.raises(ReadError, match="screen this study anew"):
        load_predictions(out)


def test_what_is_no_text_no_file_or_too_large_is_named(make: Callable[..., Folders], monkeypatch: Any) -> None:
    out, _ = make()
    folder = out / "studies"
    (folder / "s0.json").write_bytes(b"\x80\x81\x82\x83")
    (folder / "s1.json").unlink()
    (folder / "s1.json").mkdir()
    (folder / "s2.json").unlink()
    os.mkfifo(folder / "s2.json")
    (folder / "s3.json").unlink()
    (folder / "s3.json").symlink_to(out / "nowhere")
    (folder / "s4.json").write_text(json.dumps(screened("s5", -2.1).as_json()))
    monkeypatch.setattr("osteolens.documents.json_document.MOST_BYTES", 10)
    assert read_json.__defaults__ == (16 * 2**20, False)
    with (folder / "s6.json").open("r+b") as stream:
        stream.truncate(16 * 2**20 + 1)
    found = read_results(out)
    assert [line.partition(":")[0] for line in found.damaged] == [f"s{k}.json" for k in (0, 1, 2, 3, 4, 6)]
    for line, words in zip(
        found.damaged,
        ("byte 0 is no utf-8", "is no file", "is no file", "is no file", "also stands in s5.json", "16,777,217 bytes"),
        strict=True,
    ):
        assert words in line


def test_results_in_utf_16_or_with_a_byte_order_mark_are_read(make: Callable[..., Folders]) -> None:
    out, _ = make()
    for k, encoding in enumerate(("utf-16", "utf-8-sig", "utf-32")):
        (out / "studies" / f"s{k}.json").write_text(json.dumps(screened(f"s{k}", -1).as_json()), encoding)
    assert len(read_results(out).predictions) == len(T_SCORES)


def test_nothing_left_is_one_clear_error(make: Callable[..., Folders], tmp_path: Path) -> None:
    out, cohort = make()
    for path in (out / "studies").glob("*.json"):
        path.write_text("{")
    with pytest.raises(ReadError, match=r"none of 10 results can be evaluated, 10 are damaged: s0\.json line 1"):
        read_results(out)
    done = runner.invoke(app, ["evaluate", str(out), str(cohort)])
    assert done.exit_code == 1 and "10 are damaged" in done.stderr and "Traceback" not in done.output
    for path in (out / "studies").glob("*.json"):
        path.unlink()
    save(out, (failed(f"s{k}") for k in range(10)))
    assert [p.failure for p in load_predictions(out)] == ["no image"] * 10
    with pytest.raises(ReadError, match="all 10 studies failed"):
        read_results(out)
    with pytest.raises(ReadError, match=r"no studies/\*\.json"):
        read_results(tmp_path / "none")


def test_count_and_names_stand_in_terminal_json_and_report(make: Callable[..., Folders], tmp_path: Path) -> None:
    out, cohort = make(rois=True)
    (out / "studies" / "s0.json").write_text(DAMAGE["NaN"][0])
    (out / "studies" / "s9.json").write_text("{")
    report = tmp_path / "r"
    done = runner.invoke(app, ["evaluate", str(out), str(cohort), "--out", str(report)])
    assert done.exit_code == 0, done.output
    assert "2 damaged results left out:" in done.stderr and "s0.json: probabilities.normal is NaN" in done.stderr
    assert "8 studies evaluated, 0 excluded by the criteria, 0 rejected" in done.stderr
    done = runner.invoke(app, ["evaluate", str(out), str(cohort), "--json"])
    found = json.loads(done.stdout)
    assert found["studies"] == 8 and found["damaged_results"]["count"] == 2
    assert found["damaged_results"]["names"][1].startswith("s9.json line 1")
    stored = json.loads((report / "evaluation.json").read_text())
    del stored["notice"]
    assert stored.pop("provenance")["results"] == found.pop("provenance")["results"] == 8
    assert stored == found, "JSON and report hold the same"
    assert found["detection"]["both_views"]["studies"] == 8
    page = (report / "report.html").read_text()
    assert "2 results are damaged and were left out (s0.json: probabilities.normal is NaN" in page


def failed(uid: str) -> Prediction:
    return replace(without_class(uid), views={}, failure="no image")


def without_class(uid: str, rejection: Rejection | None = None) -> Prediction:
    plain = replace(screened(uid, -1), bmd_class=None, probabilities={}, prediction_set=())
    return replace(plain, t_score=None, decision=None, rejection=rejection)


def test_a_damaged_field_costs_the_study_in_every_metric_alike(make: Callable[..., Folders]) -> None:
    out, cohort = make(rois=True)
    (out / "studies" / "s0.json").write_text(changed(["probabilities"], None))
    found = evaluate(out, cohort)
    assert found.detection is not None and found.detection.both_views.studies == len(found.studies) == 9
    assert len(found.damaged_results) == 1


def test_what_the_tables_lack_is_told_beside_the_metrics(make: Callable[..., Folders]) -> None:
    out, cohort = make(rois=True)
    table = pd.read_csv(cohort / "cohort.csv")
    ghost = table.iloc[[0]].assign(study_uid="ghost", patient_id="ghost")
    pd.concat([table, ghost]).to_csv(cohort / "cohort.csv", index=False)
    (cohort / "rois.csv").write_text((cohort / "rois.csv").read_text() + "s1,AP,L1,a,b,c,d\n")
    (out / "studies" / "s0.json").write_text("{")
    found = evaluate(out, cohort)
    assert found.detection is not None and found.detection.both_views.mean_iou == 1 and len(found.studies) == 9
    notes = " ".join(found.table_notes)
    assert "1 x line of cohort.csv without radiographs: ghost" in notes, "a damaged study is not one without a film"
    assert "1 x ROIs that cannot be read" in notes
    done = runner.invoke(app, ["evaluate", str(out), str(cohort)])
    assert "without radiographs: ghost" in done.stderr and "1 damaged result left out" in done.stderr


def test_damaged_results_on_manual_rois_are_told_apart(make: Callable[..., Folders], tmp_path: Path) -> None:
    out, cohort = make()
    manual = save(tmp_path / "manual", (screened(f"s{k}", t) for k, t in enumerate(T_SCORES)))
    (manual / "studies" / "s0.json").write_text("{")
    found = evaluate(out, cohort, manual_results=manual)
    assert found.damaged_results[0].startswith("manual results: s0.json line 1")
    attributed = found.datasets["a"].stage_attribution
    assert attributed is not None and attributed.manual.studies == 9


def test_a_folder_that_holds_neither_table_is_refused(make: Callable[..., Folders], tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"neither cohort\.csv, dxa\.csv nor rois\.csv"):
        evaluate(make()[0], tmp_path)
    with pytest.raises(ReadError, match=r"cohort\.csv: is a file; expected the folder that holds"):
        evaluate(tmp_path / "out", tmp_path / "cohort" / "cohort.csv")


def test_boxes_are_evaluated_without_dxa(make: Callable[..., Folders]) -> None:
    out, cohort = make(rois=True)
    (cohort / "cohort.csv").unlink()
    found = evaluate(out, cohort)
    assert found.detection is not None and found.detection.both_views.mean_iou == 1
    assert found.overall.classification is None and found.tables["osteoporosis"].empty


def test_criteria_are_settings(make: Callable[..., Folders]) -> None:
    out, cohort = make()
    table = pd.read_csv(cohort / "cohort.csv")
    table.assign(age_years=[45.0] * 3 + [60.0] * 7).to_csv(cohort / "cohort.csv", index=False)
    assert (evaluate(out, cohort).excluded, len(evaluate(out, cohort).studies)) == (3, 7)
    assert len(evaluate(out, cohort, include_ineligible=True).studies) == 10
    younger = EvaluationConfig.model_validate({"criteria": {"min_age_years": 40}})
    assert evaluate(out, cohort, younger).excluded == 0
    done = runner.invoke(app, ["evaluate", str(out), str(cohort), "--set", "criteria.min_age_years=40", "--json"])
    assert json.loads(done.stdout)["excluded"] == 0


def test_a_results_folder_may_have_any_name(make: Callable[..., Folders], tmp_path: Path) -> None:
    out, cohort = make()
    out.rename(tmp_path / "detector")
    done = runner.invoke(app, ["evaluate", str(tmp_path / "detector"), str(cohort), "--json"])
    assert done.exit_code == 0 and json.loads(done.stdout)["studies"] == 10


def strict(text: str) -> Any:
    def rejected(name: str) -> Any:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=rejected)


def nulls_without_a_word(value: Any, names: tuple[str, ...] = (), words: frozenset[str] = frozenset()) -> list[str]:
    """Metrics that are null where no word under `not_estimable` says why."""
    if value is None:
        told = any(name in words or f"{name}_interval" in words or name == "auc_paper_interval" for name in names)
        return [] if told else [".".join(names)]
    if isinstance(value, dict):
        words |= set(value.get("not_estimable", {}))
        return [line for name, part in value.items() for line in nulls_without_a_word(part, (*names, name), words)]
    return (
        [line for part in value for line in nulls_without_a_word(part, names, words)] if isinstance(value, list) else []
    )


COHORTS = {
    "everyone osteoporotic": (-3.0, -2.6, -3.3, -2.8, -4.0, -2.5),
    "everyone normal": (0.0, 0.4, -0.3, 0.9),
    "one osteoporotic": (-0.2, -0.5, 0.3, -1.4, -1.8, -2.2, -3.0),
    "none normal": (-1.5, -1.8, -2.2, -2.7, -3.0, -3.3),
    "one study": (-3.0,),
    "two studies": (-3.0, 0.5),
}


@pytest.mark.parametrize("kind", COHORTS)
def test_what_a_cohort_cannot_tell_is_null_with_a_word(make: Callable[..., Folders], tmp_path: Path, kind: str) -> None:
    out, cohort = make(COHORTS[kind], rois=True)
    done = runner.invoke(app, ["evaluate", str(out), str(cohort), "--json", "--out", str(tmp_path / "r")])
    assert done.exit_code == 0, done.output
    assert "Warning" not in done.stderr
    found = strict(done.stdout)
    assert not nulls_without_a_word(found["datasets"]) and not nulls_without_a_word(found["detection"])
    tables = "".join(path.read_text() for path in (tmp_path / "r" / "tables").glob("*.csv"))
    done = runner.invoke(app, ["evaluate", str(out), str(cohort)])
    assert not re.search(r"\bnan\b", tables + done.stdout, re.IGNORECASE)
    assert "not estimable" in tables and "not estimable" in done.stdout


def of(evaluation: Evaluation) -> ClassificationMetrics:
    assert evaluation.overall.classification is not None
    return evaluation.overall.classification


def test_the_aucs_that_exist_are_shown_and_a_word_says_which_do_not(make: Callable[..., Folders]) -> None:
    found = of(evaluate(*make(COHORTS["none normal"])))
    assert found.classes[OSTEOPOROSIS].auc.value == found.classes[OSTEOPENIA].auc.value == 1
    assert math.isnan(found.classes[NORMAL].auc.value) and math.isnan(found.macro_auc.value)
    assert found.classes[NORMAL].not_estimable["auc"] == "not estimable: no study is normal"
    assert found.not_estimable["macro_auc"] == "not estimable: no study is normal"


def test_one_osteoporotic_patient_has_an_auc_without_an_interval(make: Callable[..., Folders], tmp_path: Path) -> None:
    out, cohort = make(COHORTS["one osteoporotic"])
    evaluation = evaluate(out, cohort)
    found = of(evaluation).classes[OSTEOPOROSIS]
    assert found.auc.value == 1 and math.isnan(found.auc.low) and of(evaluation).macro_auc.value == 1
    assert found.not_estimable["auc_interval"] == "not estimable: 1 case"
    write_evaluation(tmp_path / "r", evaluation, "made up")
    page = (tmp_path / "r" / "report.html").read_text()
    assert "1.000 (interval not estimable: 1 case)" in page
    assert not re.search(r"\bnan\b", page.partition("<svg")[0], re.IGNORECASE)


def test_one_class_only_is_said(make: Callable[..., Folders]) -> None:
    found = of(evaluate(*make(COHORTS["everyone osteoporotic"])))
    words = {**found.not_estimable, **found.classes[OSTEOPOROSIS].not_estimable}
    expected = {"macro_auc", "auc", "kappa", "kappa_quadratic", "specificity"}
    assert expected <= set(words) and {words[name] for name in expected} == {"not estimable: one class only"}


def test_markup_escapes_and_formulas_of_a_table_are_text(make: Callable[..., Folders], tmp_path: Path) -> None:
    site = '=cmd|"/c x"!A1<script>alert(1)</script>[/x]$\\frac$'
    out, cohort = make(rois=True, site=site)
    reason = Rejection(RejectionCode.TOO_FEW_LEVELS, "\x1b[31m[/y]")
    save(out, [without_class("s0", reason)])
    done = runner.invoke(app, ["evaluate", str(out), str(cohort), "--out", str(tmp_path / "r"), "--published"])
    assert done.exit_code == 0, done.output
    assert "[/x]" in done.stdout.replace("\n", "")
    page = (tmp_path / "r" / "report.html").read_text()
    assert "<script" not in page and "&lt;script&gt;" in page
    for path in (p for p in (tmp_path / "r" / "tables").glob("*.csv") if p.read_text().strip()):
        cells = pd.read_csv(path, header=None, dtype=str, keep_default_na=False).to_numpy().ravel()
        assert not [cell for cell in cells if cell.startswith("=")], path.name
    done = runner.invoke(app, ["evaluate", str(out), str(cohort)])
    assert done.exit_code == 0 and "\x1b" not in done.stdout and "too_few_levels" in done.stdout


def test_files_of_datasets_have_short_names_of_their_own() -> None:
    found = file_names(["a b", "a_b", "A_B", "../" + "x" * 300, "all"])
    assert found["a b"] == "a_b" and found["a_b"] == "a_b_2" and found["A_B"] == "A_B_3" and found["all"] == "all"
    assert found["../" + "x" * 300] == "___" + "x" * 37


def test_a_folder_that_cannot_be_written_is_said(make: Callable[..., Folders], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = runner.invoke(app, ["evaluate", *map(str, make()), "--out", str(tmp_path / "file")])
    assert done.exit_code == 1 and "cannot be written" in done.stderr and "choose another --out" in done.stderr


def test_damaged_label_files_are_named_and_the_rest_evaluated(make: Callable[..., Folders], tmp_path: Path) -> None:
    out, _ = make()
    labels = tmp_path / "labels"
    labels.mkdir()
    (labels / "AP.txt").write_text("0 0.13 0.06 0.2 0.125\n")
    for name, content in (
        ("nan.txt", b"0 nan 0.5 0.1 0.1\n"),
        ("far.txt", b"0 0.5 0.5 1e300 0.1\n"),
        ("bytes.txt", b"\xff\xfe\x00\x81"),
        ("short.txt", b"0 0.5\n"),
    ):
        (labels / name).write_bytes(content)
    found = evaluate_bodies(out, labels)
    assert found.all.radiographs == 1 and len(found.damaged_labels) == 4
    assert found.damaged_labels[0].startswith("bytes.txt: cannot be read as UTF-8")
    assert all("expected class, x, y" in line for line in found.damaged_labels[1:])
    done = runner.invoke(app, ["evaluate-bodies", str(out), str(labels)])
    assert done.exit_code == 0 and "4 damaged label files left out" in done.stderr
    (labels / "AP.txt").unlink()
    with pytest.raises(ReadError, match=r"none of 4 label files can be read: bytes\.txt"):
        evaluate_bodies(out, labels)


def test_json_of_ours_is_json() -> None:
    document = {
        "a": [1.5, float("nan"), np.float64("inf")],
        "b": {"c": -float("inf")},
        "d": "x\ud800\u00e9",
        "e": (1, None),
    }
    ready = json_ready(document)
    assert strict(json.dumps(ready, allow_nan=False)) == {
        "a": [1.5, None, None],
        "b": {"c": None},
        "d": "x\\ud800\u00e9",
        "e": [1, None],
    }
    assert json.dumps(ready, ensure_ascii=False).encode("utf-8")


def test_a_field_is_named_by_its_path() -> None:
    for text, words in (
        ('{"a": {"b": [1, NaN]}}', r"x\.json: a\.b\[1\] is NaN"),
        ("-Infinity", r"x\.json: the document is -Infinity"),
        ('{"a\\u001b": NaN}', r"x\.json: a\\x1b is NaN"),
    ):
        with pytest.raises(ReadError, match=words):
            parse_json(text.encode(), "x.json")
    assert parse_json(b'{"a": NaN}', "x.json", nan_is_null=True) == {"a": None}
