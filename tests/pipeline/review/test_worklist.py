"""Which studies ask for a look, who is told by which name, and how long thousands of them take."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from cohort.bmd import BmdClass
from osteolens.errors import ReadError
from pipeline.review.options import ReviewOptions
from pipeline.review.summaries import read_summaries
from pipeline.review.worklist import doubt_of, read_worklist
from tests import EXAMPLES
from tests.pipeline.review.pages import open_page
from tests.predictions import former

WORKLIST_SECONDS = 10.0
"""For 5,000 studies; 1.0 s was measured on two free cores, and tests run on busy ones."""


def changed(path: Path, **fields: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **fields}), "utf-8")


def first(results: Path) -> Path:
    return min((results / "studies").iterdir())


def test_doubt_grows_with_each_of_its_parts(results: Path) -> None:
    path = first(results)
    document = json.loads(path.read_text("utf-8"))
    sure = {"normal": 1.0, "osteopenia": 0.0, "osteoporosis": 0.0}
    views = {name: {**view, "labelling_margin": 5.0} for name, view in document["views"].items()}
    findings = {**document["findings"], "suspected_fractures": []}

    def doubt(dxa: BmdClass | None = None, /, **fields: object) -> float:
        plain = {"probabilities": sure, "bmd_class": "normal", "views": views, "findings": findings}
        changed(path, **{**plain, **fields})
        return doubt_of(read_summaries(results).results[path], dxa)

    assert doubt() == pytest.approx(0)
    assert doubt(probabilities={"normal": 0.5, "osteopenia": 0.4, "osteoporosis": 0.1}) == pytest.approx(0.9)
    assert doubt(views={**views, "AP": {**views["AP"], "labelling_margin": 1.1}}) == pytest.approx(0.5)
    assert doubt(BmdClass.NORMAL) == pytest.approx(0)
    assert doubt(BmdClass.OSTEOPENIA) == pytest.approx(1)
    assert doubt(BmdClass.OSTEOPOROSIS) == pytest.approx(2)
    assert doubt(findings={**findings, "suspected_fractures": ["L2"]}) == pytest.approx(1)
    rejected: dict[str, object] = {"rejection": {"code": "no_view", "reason": "none"}, "status": "rejected"}
    assert doubt(**rejected, probabilities=None, bmd_class=None) == pytest.approx(2)
    failed: dict[str, object] = {"failure": "broken", "status": "failed"}
    assert doubt(**failed, probabilities=None, bmd_class=None, views={}) == pytest.approx(3)


def test_dxa_and_site_come_from_the_cohort(results: Path) -> None:
    worklist = read_worklist(results, EXAMPLES, ReviewOptions())
    rows = [entry.as_json() for entry in worklist.entries.values()]
    assert all(row["dxa_class"] and row["site"] and isinstance(row["disagrees"], bool) for row in rows)
    rows = [entry.as_json() for entry in read_worklist(results, None, ReviewOptions()).entries.values()]
    assert all(row["dxa_class"] is None and row["disagrees"] is None for row in rows)


def test_damaged_results_are_named_and_left_out(results: Path) -> None:
    broken, wrong, other = sorted((results / "studies").iterdir())[:3]
    broken.write_text("{", "utf-8")
    changed(wrong, t_score_estimate="low")
    other.rename(other.with_name("another.json"))
    read = read_summaries(results)
    assert len(read.results) == 3 and len(read.damaged) == 3
    told = " ".join(read.damaged)
    assert broken.name in told and "t_score_estimate" in told and "expected the name of the file" in told
    shutil.rmtree(results / "studies")
    with pytest.raises(ReadError, match="output folder"):
        read_summaries(results)


def test_results_of_format_1_are_read(results: Path) -> None:
    path = first(results)
    now = read_summaries(results).results[path]
    path.write_text(json.dumps(former(json.loads(path.read_text("utf-8")))), "utf-8")
    read = read_summaries(results)
    assert read.damaged == () and read.results[path] == now


def test_pseudonyms_stay_and_tell_patients_apart(results: Path, tmp_path: Path, screened: Path) -> None:
    labels = [entry.label for entry in read_worklist(results, EXAMPLES, ReviewOptions()).entries.values()]
    again = [entry.label for entry in read_worklist(results, EXAMPLES, ReviewOptions()).entries.values()]
    assert labels == again and len(set(labels)) == 6 and not any("SIM" in label for label in labels)
    elsewhere = Path(shutil.copytree(screened, tmp_path / "elsewhere"))
    others = [entry.label for entry in read_worklist(elsewhere, EXAMPLES, ReviewOptions()).entries.values()]
    assert not set(labels) & set(others)


def test_earlier_studies_of_a_patient_are_found(results: Path) -> None:
    paths = sorted((results / "studies").iterdir())[:3]
    for path, day in zip(paths, ("2020-01-01", "2022-01-01", "2021-01-01"), strict=True):
        changed(path, patient_id="SAME", study_date=day)
    worklist = read_worklist(results, None, ReviewOptions())
    others = worklist.previous(worklist.entries[paths[0].stem])
    assert [other["study_uid"] for other in others] == [paths[1].stem, paths[2].stem]


def test_a_reader_study_is_in_a_random_order_of_its_reader_and_hides_results(results: Path) -> None:
    orders = {}
    for name in ("anna", "ben", "cleo", "dora"):
        for round_ in (1, 2):
            with open_page(results, reader=name, round=round_, reader_study=True) as page:
                rows = page.get("/api/worklist")["studies"]
                orders[name, round_] = page.uids
                assert page.get("/api/worklist")["mode"]["hidden_predictions"] is True
                assert [row["doubt"] for row in rows] == [6, 5, 4, 3, 2, 1]
                for key in ("bmd_class", "probabilities", "t_score", "decision", "dxa_class", "labelling_margin"):
                    assert {row[key] for row in rows} == {None}
                study = page.get(f"/api/study/{page.uids[0]}")
                assert study["views"]["AP"]["boxes"] == [] and "probabilities" not in study["prediction"]
                assert page.client.get(f"/api/study/{page.uids[0]}/AP/heat").status_code == 404
                answer = page.client.post(
                    f"/api/study/{page.uids[0]}/classify",
                    json={"views": {}},
                    headers={"origin": "http://127.0.0.1:8000"},
                )
                assert answer.status_code == 422 and "hidden" in answer.json()["error"]
    assert len({tuple(order) for order in orders.values()}) > 4
    with open_page(results, reader="anna", reader_study=True) as page:
        assert page.uids == orders["anna", 1]


@pytest.mark.slow
def test_five_thousand_studies_are_ready_in_time(results: Path) -> None:
    documents = [json.loads(path.read_text("utf-8")) for path in (results / "studies").iterdir()]
    for number in range(5000):
        uid = f"1.2.3.{number}"
        text = json.dumps({**documents[number % 6], "study_uid": uid, "patient_id": f"P{number // 2}"})
        (results / "studies" / f"{uid}.json").write_text(text, "utf-8")
    started = time.perf_counter()
    with open_page(results) as page:
        assert len(page.uids) == 5006
        assert time.perf_counter() - started < WORKLIST_SECONDS
