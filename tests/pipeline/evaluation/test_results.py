"""Results, label files and tables that are damaged or say too little: named, counted, and the rest judged."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from cli.main import app
from cohort.bmd import BMD_CLASSES, classify_t_score
from cohort.spine import LEVELS, View
from osteolens.errors import ReadError
from osteolens.json_document import json_ready, parse_json, read_json
from pipeline.evaluation import results as results_module
from pipeline.evaluation.detection import evaluate_detector
from pipeline.evaluation.evaluate import evaluate_results
from pipeline.evaluation.report.write import file_names, report_results
from pipeline.evaluation.results import BODIES, read_results
from pipeline.evaluation.unlabelled_bodies import evaluate_bodies

NAMES = [c.value for c in BMD_CLASSES]
runner = CliRunner()


def result(uid: str, t_score: float, sharpness: float = 0.6) -> dict[str, Any]:
    """One screened study whose most probable class is that of a T-score."""
    k = NAMES.index(classify_t_score(t_score).value)
    shares = [(1 - sharpness) / 2] * 3
    shares[k] = sharpness
    boxes = [
        {"level": f"L{n + 1}", "x0": 10.0, "y0": 60.0 * n, "x1": 70.0, "y1": 60.0 * n + 50, "confidence": 0.9}
        for n in range(4)
    ]
    view = {"image": "AP.png", "rows": 400, "columns": 300, "pixel_spacing_mm": [0.5, 0.5], "boxes": boxes}
    return {
        "study_uid": uid,
        "patient_id": f"p-{uid}",
        "status": "screened",
        "bmd_class": NAMES[k],
        "probabilities": dict(zip(NAMES, shares, strict=True)),
        "t_score_estimate": t_score + 0.3,
        "prediction_set": [NAMES[k]],
        "decision": "undecided",
        "views": {"AP": view},
        "covariates": {"age_years": 66.0, "sex": "F", "bmi_kg_m2": None},
        "warnings": [],
        "rejection": None,
    }


Folders = tuple[Path, Path]
T_SCORES = (-0.2, -0.5, 0.4, -1.5, -1.8, -2.1, -2.7, -3.1, -3.6, -2.9)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Folders]:
    def build(t_scores: tuple[float, ...] = T_SCORES, rois: bool = False, site: str = "a") -> Folders:
        out, cohort = tmp_path / "out", tmp_path / "cohort"
        (out / "studies").mkdir(parents=True)
        cohort.mkdir()
        rows, drawn = [], []
        for k, t in enumerate(t_scores):
            document = result(f"s{k}", t)
            (out / "studies" / f"s{k}.json").write_text(json.dumps(document))
            rows.append({"study_uid": f"s{k}", "patient_id": f"p-s{k}", "t_score": t, "site": site})
            drawn += [{"study_uid": f"s{k}", "view": "AP", **b} for b in document["views"]["AP"]["boxes"]]
        pd.DataFrame(rows).to_csv(cohort / "cohort.csv", index=False)
        if rois:
            pd.DataFrame(drawn).drop(columns="confidence").to_csv(cohort / "rois.csv", index=False)
        return out, cohort

    return build


def changed(path: list[str | int], value: Any) -> str:
    """The text of a result with one field replaced, or removed where the value is `...`."""
    document: Any = result("s0", T_SCORES[0])
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
    "level twice": (changed(["views", "AP", "boxes", 1, "level"], "L1"), "views.AP.boxes hold L1 twice"),
    "level": (changed(["views", "AP", "boxes", 0, "level"], "C2"), "views.AP.boxes[0].level is 'C2'"),
    "view": (changed(["views", "OBLIQUE"], {}), "views.OBLIQUE"),
    "spacing": (changed(["views", "AP", "pixel_spacing_mm"], [0.5]), "views.AP.pixel_spacing_mm is [0.5]"),
    "schema": (changed(["schema_version"], 99), "schema_version is 99, expected 1"),
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
    assert [d["study_uid"] for d in found.documents] == [f"s{k}" for k in range(1, len(T_SCORES))]
    assert len(found.damaged) == 1
    assert found.damaged[0].startswith("s0.json") and words in found.damaged[0]
    assert "\n" not in found.damaged[0] and len(found.damaged[0]) < 300


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
    (folder / "s4.json").write_text(json.dumps(result("s5", -2.1)))
    monkeypatch.setattr("osteolens.json_document.MOST_BYTES", 10)
    assert read_json.__defaults__ == (16 * 2**20, False)
    with (folder / "s6.json").open("r+b") as stream:
        stream.truncate(16 * 2**20 + 1)
    found = read_results(out)
    assert [line.partition(":")[0] for line in found.damaged] == [f"s{k}.json" for k in (0, 1, 2, 3, 5, 6)]
    for line, words in zip(
        found.damaged,
        ("byte 0 is no utf-8", "is no file", "is no file", "is no file", "also stands in s4.json", "16,777,217 bytes"),
        strict=True,
    ):
        assert words in line


def test_results_in_utf_16_or_with_a_byte_order_mark_are_read(make: Callable[..., Folders]) -> None:
    out, _ = make()
    for k, encoding in enumerate(("utf-16", "utf-8-sig", "utf-32")):
        (out / "studies" / f"s{k}.json").write_text(json.dumps(result(f"s{k}", -1)), encoding)
    assert len(read_results(out).documents) == len(T_SCORES)


def test_nothing_left_is_one_clear_error(make: Callable[..., Folders], tmp_path: Path) -> None:
    out, cohort = make()
    for path in (out / "studies").glob("*.json"):
        path.write_text("{")
    with pytest.raises(ReadError, match=r"none of 10 results can be judged, 10 are damaged: s0\.json line 1"):
        read_results(out)
    done = runner.invoke(app, ["evaluate", str(out), str(cohort)])
    assert done.exit_code == 1 and "10 are damaged" in done.stderr and "Traceback" not in done.output
    for path in (out / "studies").glob("*.json"):
        path.write_text(json.dumps({"study_uid": path.stem, "status": "failed", "failure": "no image"}))
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
    done = runner.invoke(app, ["evaluate", str(out), str(cohort), "--json"])
    figures = json.loads(done.stdout)
    assert figures["studies"] == 8 and figures["damaged_results"]["count"] == 2
    assert figures["damaged_results"]["names"][1].startswith("s9.json line 1")
    whole = json.loads((report / "evaluation.json").read_text())
    assert whole["not_judged"]["damaged_results"] == figures["damaged_results"]
    page = (report / "report.html").read_text()
    assert "2 results are damaged and were left out (s0.json: probabilities.normal is NaN" in page
    boxes = evaluate_detector(out, cohort)
    assert boxes["damaged_results"]["count"] == 2 and boxes["eligible"]["studies"] == 8
    done = runner.invoke(app, ["evaluate", "detector", str(out), str(cohort)])
    assert done.exit_code == 0 and "2 damaged results" in done.stderr


def test_probabilities_that_nobody_needs_do_not_cost_the_boxes(make: Callable[..., Folders]) -> None:
    out, cohort = make(rois=True)
    (out / "studies" / "s0.json").write_text(changed(["probabilities"], None))
    assert evaluate_detector(out, cohort)["eligible"]["studies"] == 10
    assert evaluate_results(out, cohort)["damaged_results"]["count"] == 1


def test_what_the_tables_lack_is_told_beside_the_figures(make: Callable[..., Folders]) -> None:
    out, cohort = make(rois=True)
    table = pd.read_csv(cohort / "cohort.csv")
    ghost = table.iloc[[0]].assign(study_uid="ghost", patient_id="ghost")
    pd.concat([table, ghost]).to_csv(cohort / "cohort.csv", index=False)
    (cohort / "rois.csv").write_text((cohort / "rois.csv").read_text() + "s1,AP,L1,a,b,c,d\n")
    (out / "studies" / "s0.json").write_text("{")
    figures = evaluate_results(out, cohort)
    assert figures["mean_iou"] == 1 and figures["studies"] == 9
    notes = " ".join(figures["table_notes"])
    assert "1 x line of cohort.csv without radiographs: ghost" in notes, "a damaged study is not one without a film"
    assert "1 x ROIs that cannot be read" in notes
    done = runner.invoke(app, ["evaluate", str(out), str(cohort)])
    assert "without radiographs: ghost" in done.stderr and "1 damaged result left out" in done.stderr
    boxes = evaluate_detector(out, cohort)
    assert boxes["table_notes"] == figures["table_notes"] and boxes["eligible"]["mean_iou"] == 1


def test_damaged_results_on_drawn_rois_are_told_apart(make: Callable[..., Folders], tmp_path: Path) -> None:
    out, cohort = make()
    (tmp_path / "by-hand" / "studies").mkdir(parents=True)
    for k, t in enumerate(T_SCORES):
        (tmp_path / "by-hand" / "studies" / f"s{k}.json").write_text(json.dumps(result(f"s{k}", t)) if k else "{")
    found = report_results(out, cohort, None, drawn=tmp_path / "by-hand")
    assert found["not_judged"]["damaged_results"]["names"][0].startswith("--drawn: s0.json line 1")
    assert found["stages"]["a"]["drawn"]["studies"] == 9


def strict(text: str) -> Any:
    def rejected(name: str) -> Any:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=rejected)


def nulls_without_a_word(document: Any) -> list[str]:
    """Keys of figures that are null where no word under `not_estimable` says why."""
    found = []
    if isinstance(document, dict):
        words = document.get("not_estimable", {})
        for key, value in document.items():
            lacks = value is None or (isinstance(value, list) and len(value) == 3 and None in value)
            if lacks and key not in words and f"{key}_interval" not in words and key != "auc_paper_interval":
                found.append(key)
            found += nulls_without_a_word(value)
    if isinstance(document, list):
        for value in document:
            found += nulls_without_a_word(value)
    return found


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
    figures = strict(done.stdout)
    whole = strict((tmp_path / "r" / "evaluation.json").read_text())
    assert not nulls_without_a_word(figures) and not nulls_without_a_word(whole["datasets"])
    assert all(word.startswith("not estimable: ") for word in figures["not_estimable"].values())
    tables = "".join(path.read_text() for path in (tmp_path / "r" / "tables").glob("*.csv"))
    done = runner.invoke(app, ["evaluate", str(out), str(cohort)])
    assert "nan" not in tables.lower() and "nan" not in done.stdout.lower()
    assert "not estimable" in tables and "not estimable" in done.stdout


def test_the_areas_that_exist_are_shown_and_a_word_says_which_do_not(make: Callable[..., Folders]) -> None:
    figures = evaluate_results(*make(COHORTS["none normal"]))
    assert figures["auc_osteoporosis"] == figures["auc_osteopenia"] == 1
    assert figures["auc_normal"] is None and figures["macro_auc"] is None
    assert figures["not_estimable"]["auc_normal"] == "not estimable: no study is normal"
    assert figures["not_estimable"]["macro_auc"] == "not estimable: no study is normal"


def test_one_osteoporotic_patient_has_an_area_without_an_interval(make: Callable[..., Folders], tmp_path: Path) -> None:
    out, cohort = make(COHORTS["one osteoporotic"])
    figures = evaluate_results(out, cohort)
    assert figures["auc_osteoporosis"] == 1 and figures["macro_auc"] == 1
    assert figures["auc_osteoporosis_low"] is None
    assert figures["not_estimable"]["auc_osteoporosis_low"] == "not estimable: 1 case"
    report_results(out, cohort, tmp_path / "r")
    page = (tmp_path / "r" / "report.html").read_text()
    assert "1.000 (interval not estimable: 1 case)" in page and "nan" not in page.partition("<svg")[0].lower()


def test_one_class_only_is_said(make: Callable[..., Folders]) -> None:
    words = evaluate_results(*make(COHORTS["everyone osteoporotic"]))["not_estimable"]
    expected = {"macro_auc", "auc_normal", "auc_osteoporosis", "kappa", "osteoporosis_specificity"}
    assert expected <= set(words) and {words[name] for name in expected} == {"not estimable: one class only"}


def test_markup_escapes_and_formulas_of_a_table_are_text(make: Callable[..., Folders], tmp_path: Path) -> None:
    site = '=cmd|"/c x"!A1<script>alert(1)</script>[/x]$\\frac$'
    out, cohort = make(rois=True, site=site)
    rejected = {**result("s0", 0.0), "probabilities": None, "bmd_class": None}
    rejected["rejection"] = {"code": "\x1b[31m[/y]", "reason": "metal"}
    (out / "studies" / "s0.json").write_text(json.dumps(rejected))
    done = runner.invoke(app, ["evaluate", str(out), str(cohort), "--out", str(tmp_path / "r"), "--paper"])
    assert done.exit_code == 0, done.output
    assert "[/x]" in done.stdout.replace("\n", "")
    page = (tmp_path / "r" / "report.html").read_text()
    assert "<script" not in page and "&lt;script&gt;" in page
    for path in (p for p in (tmp_path / "r" / "tables").glob("*.csv") if p.read_text().strip()):
        cells = pd.read_csv(path, header=None, dtype=str, keep_default_na=False).to_numpy().ravel()
        assert not [cell for cell in cells if cell.startswith("=")], path.name
    done = runner.invoke(app, ["evaluate", "detector", str(out), str(cohort)])
    assert done.exit_code == 0 and "\x1b" not in done.stdout
    assert "[/x]" in done.stdout and "rejected: \\x1b[31m[/y]" in done.stdout


def test_files_of_datasets_have_short_names_of_their_own() -> None:
    found = file_names(["a b", "a_b", "A_B", "../" + "x" * 300, "all"])
    assert found["a b"] == "a_b" and found["a_b"] == "a_b_2" and found["A_B"] == "A_B_3" and found["all"] == "all"
    assert found["../" + "x" * 300] == "___" + "x" * 37


def test_a_folder_that_cannot_be_written_is_said(make: Callable[..., Folders], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = runner.invoke(app, ["evaluate", *map(str, make()), "--out", str(tmp_path / "file")])
    assert done.exit_code == 1 and "cannot be written" in done.stderr and "choose another --out" in done.stderr


def test_damaged_label_files_are_named_and_the_rest_judged(make: Callable[..., Folders], tmp_path: Path) -> None:
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
    assert found["all"]["films"] == 1 and found["damaged_labels"]["count"] == 4
    assert found["damaged_labels"]["names"][0].startswith("bytes.txt: cannot be read as UTF-8")
    assert all("expected class, x, y" in line for line in found["damaged_labels"]["names"][1:])
    done = runner.invoke(app, ["evaluate", "bodies", str(out), str(labels)])
    assert done.exit_code == 0 and "4 damaged label files left out" in done.stderr
    (labels / "AP.txt").unlink()
    with pytest.raises(ReadError, match=r"none of 4 label files can be read: bytes\.txt"):
        evaluate_bodies(out, labels)


def test_bodies_need_no_class(make: Callable[..., Folders]) -> None:
    out, _ = make()
    (out / "studies" / "s0.json").write_text(json.dumps({"study_uid": "s0", "views": {}}))
    assert len(read_results(out, BODIES).documents) == 10 and len(read_results(out).documents) == 9


def test_every_level_and_view_of_the_project_can_stand_in_a_result() -> None:
    assert results_module.LevelName.__args__ == tuple(level.value for level in LEVELS)
    assert results_module.ViewName.__args__ == tuple(view.value for view in View)
    assert results_module.BmdName.__args__ == tuple(NAMES)


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
    ready["d"].encode("utf-8")


def test_a_field_is_named_by_its_path() -> None:
    for text, words in (
        ('{"a": {"b": [1, NaN]}}', r"x\.json: a\.b\[1\] is NaN"),
        ("-Infinity", r"x\.json: the document is -Infinity"),
        ('{"a\\u001b": NaN}', r"x\.json: a\\x1b is NaN"),
    ):
        with pytest.raises(ReadError, match=words):
            parse_json(text.encode(), "x.json")
    assert parse_json(b'{"a": NaN}', "x.json", nan_is_null=True) == {"a": None}
