"""What the page asks for, and what it cannot ask for."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cohort.io.radiograph import read_radiograph
from tests import EXAMPLES
from tests.pipeline.review.pages import ORIGIN, Page, drawn, open_page

HOSTILE = '<img src=x onerror="alert(1)">"; </script><script>alert(2)</script>'


def decoded(raw: bytes) -> np.ndarray:
    cells = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_UNCHANGED)
    return np.asarray(cells)


@pytest.fixture
def page(results: Path) -> Iterator[Page]:
    with open_page(results) as page:
        yield page


def test_the_worklist_has_every_study_the_most_doubtful_first(page: Page) -> None:
    studies = page.get("/api/worklist")["studies"]
    doubts = [row["doubt"] for row in studies]
    assert len(studies) == 6 and doubts == sorted(doubts, reverse=True)
    assert all(row["views"] == ["AP", "LATERAL"] and row["dxa_class"] and not row["reviewed"] for row in studies)


def test_a_study_has_its_result_its_views_and_no_name_of_its_patient(page: Page) -> None:
    for uid in page.uids:
        study = page.get(f"/api/study/{uid}")
        assert study["prediction"]["study_uid"] == uid and study["corrections"] is None
        assert set(study["views"]) == {"AP", "LATERAL"} and all(view["boxes"] for view in study["views"].values())
        assert "SIM0011" not in json.dumps(study) and "SIM0011" not in json.dumps(page.get("/api/worklist"))


def test_names_are_shown_when_asked_for(results: Path) -> None:
    with open_page(results, show_names=True) as page:
        assert page.get("/api/worklist")["studies"][0]["label"].startswith("SIM0011-")
        assert page.get(f"/api/study/{page.uids[0]}")["prediction"]["images"][0]["path"].startswith("SIM0011-")


def test_an_image_has_the_depth_and_the_grey_range_of_its_file(page: Page) -> None:
    uid = page.uids[0]
    place = page.review.worklist.entries[uid].images
    for view, path in ((view, EXAMPLES / where.path) for view, where in place.items()):
        raw = page.client.get(f"/api/study/{uid}/{view}/image").content
        cells = decoded(raw)
        shown = page.get(f"/api/study/{uid}")["views"][view]
        windowed = np.clip((cells.astype(float) - shown["low"]) / (shown["high"] - shown["low"]), 0, 1)
        assert cells.dtype == np.uint16 and cells.shape == (shown["rows"], shown["columns"])
        assert np.unique(cells).size > 256
        assert float(np.abs(windowed - read_radiograph(path).pixels).mean()) < 0.005


def test_an_image_is_made_smaller_on_demand(page: Page) -> None:
    raw = page.client.get(f"/api/study/{page.uids[0]}/AP/image?max=100").content
    small = decoded(raw)
    assert max(small.shape) == 100 and small.dtype == np.uint16


def test_thumbnails_are_kept_on_the_disk(page: Page) -> None:
    path = f"/api/study/{page.uids[0]}/AP/thumb"
    first = page.client.get(path)
    assert first.headers["content-type"] == "image/jpeg" and first.content[:2] == b"\xff\xd8"
    (kept,) = (page.review.out / "review" / "thumbnails").iterdir()
    assert kept.read_bytes() == page.client.get(path).content


@pytest.mark.parametrize("uid", ["1.2.3", "..%2f..%2fetc%2fpasswd", "%2e%2e", "..", "%00", "a" * 5000])
@pytest.mark.parametrize("rest", ["", "/AP/image", "/AP/thumb", "/AP/heat"])
def test_a_study_outside_the_worklist_is_not_found(page: Page, uid: str, rest: str) -> None:
    answer = page.client.get(f"/api/study/{uid}{rest}")
    assert answer.status_code == 404 and answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("view", ["ap", "..", "%2e%2e%2f", "AP%2f..%2f..", "OBLIQUE", "%00"])
def test_a_view_that_is_none_is_not_found(page: Page, view: str) -> None:
    assert page.client.get(f"/api/study/{page.uids[0]}/{view}/image").status_code == 404


@pytest.mark.parametrize("path", ["/../guard.py", "/%2e%2e/server/app.py", "/..%2fserver%2fapp.py", "//etc/passwd"])
def test_the_page_leads_to_no_other_file(page: Page, path: str) -> None:
    answer = page.client.get(path)
    assert answer.status_code == 404 and "import" not in answer.text


@pytest.mark.parametrize("name", ["secrets.csv", "..%2f..%2frun.json", "readers.csv%00"])
def test_an_export_that_is_none_is_not_found(page: Page, name: str) -> None:
    assert page.client.get(f"/api/export/{name}").status_code == 404


@pytest.mark.parametrize("size", ["0", "-5", "1e9", "999999999", "x"])
def test_a_size_that_is_none_makes_no_image(page: Page, size: str) -> None:
    assert page.client.get(f"/api/study/{page.uids[0]}/AP/image?max={size}").status_code == 404


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "views is missing"),
        ({"views": {"TOP": {"boxes": []}}}, "views.TOP"),
        ({"views": {"AP": {"boxes": [{"level": "L9", "x0": 0, "y0": 0, "x1": 1, "y1": 1}]}}}, "level"),
        ({"views": {"AP": {"boxes": [{"level": "L1", "x0": 5, "y0": 0, "x1": 1, "y1": 1}]}}}, "no extent"),
        ({"views": {"AP": {"boxes": [{"level": "L1", "x0": 9e5, "y0": 0, "x1": 9e5 + 9, "y1": 9}]}}}, "outside"),
        ({"views": {"AP": {"boxes": 2 * [{"level": "L1", "x0": 0, "y0": 0, "x1": 9, "y1": 9}]}}}, "twice"),
        ({"views": {}, "fracture_grades": {"L2": 7}}, "fracture_grades.L2"),
        ({"views": {}, "not_evaluable": "x" * 500}, "not_evaluable"),
        ({"views": {}, "reader": "other"}, "reader is unknown"),
    ],
)
def test_corrections_that_do_not_fit_are_refused_with_their_field(page: Page, document: Any, words: str) -> None:
    answer = page.client.post(f"/api/study/{page.uids[0]}/corrections", json=document, headers=ORIGIN)
    assert answer.status_code == 422 and words in answer.json()["error"]
    assert page.review.log.states == {}


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b'{"views": {}, "views": {}}', b'{"views": {}, "seconds": NaN}', b"\xff"]
)
def test_a_body_that_is_no_such_json_is_refused(page: Page, raw: bytes) -> None:
    headers = {**ORIGIN, "content-type": "application/json"}
    answer = page.client.post(f"/api/study/{page.uids[0]}/corrections", content=raw, headers=headers)
    assert answer.status_code == 422 and answer.json()["error"]


def test_the_class_on_unchanged_boxes_is_the_stored_one(page: Page) -> None:
    for uid in page.uids:
        study = page.get(f"/api/study/{uid}")
        again = page.post(f"/api/study/{uid}/classify", {"views": drawn(study)})
        stored = study["prediction"]
        assert again["probabilities"] == stored["probabilities"] and again["t_score"] == stored["t_score_estimate"]
        assert (again["bmd_class"], again["decision"]) == (stored["bmd_class"], stored["decision"])


def test_the_class_on_boxes_moved_by_next_to_nothing_is_close_to_the_stored_one(page: Page) -> None:
    differs = False
    for uid in page.uids:
        study = page.get(f"/api/study/{uid}")
        views = drawn(study)
        views["AP"]["boxes"] = [{**box, "x0": box["x0"] - 0.3} for box in views["AP"]["boxes"]]
        again = page.post(f"/api/study/{uid}/classify", {"views": views})
        assert again["probabilities"] == pytest.approx(study["prediction"]["probabilities"], abs=0.05)
        differs |= again["probabilities"] != study["prediction"]["probabilities"]
    assert differs


def test_shifted_levels_give_another_result_that_stands_beside_the_first(page: Page) -> None:
    uid = page.uids[0]
    study = page.get(f"/api/study/{uid}")
    views = drawn(study)
    names = {"T11": "T12", "T12": "L1", "L1": "L2", "L2": "L3", "L3": "L4", "L4": "L5", "L5": "S1"}
    for view in views.values():
        view["boxes"] = [{**box, "level": names[box["level"]]} for box in view["boxes"] if box["level"] in names]
    again = page.post(f"/api/study/{uid}/classify", {"views": views})
    stored = json.loads((page.review.corrected / f"{uid}.json").read_text("utf-8"))
    assert again["probabilities"] != stored["predicted"]["probabilities"]
    assert stored["corrected"]["probabilities"] == again["probabilities"]
    assert stored["predicted"]["probabilities"] == study["prediction"]["probabilities"]


def test_levels_that_are_left_out_are_not_classified_on(page: Page) -> None:
    uid = page.uids[0]
    views = drawn(page.get(f"/api/study/{uid}"))
    views["AP"]["left_out"] = {"L1": "metal"}
    assert page.post(f"/api/study/{uid}/classify", {"views": views})["levels"]["AP"] == ["L2", "L3", "L4"]
    for view in views.values():
        view["left_out"] = dict.fromkeys(("L1", "L2", "L3", "L4"), "metal")
    answer = page.client.post(f"/api/study/{uid}/classify", json={"views": views}, headers=ORIGIN)
    assert answer.status_code == 422 and "no view has 2 of L1 to L4" in answer.json()["error"]


def test_a_hostile_patient_id_is_text_of_json_and_of_a_cell(results: Path) -> None:
    path = next((results / "studies").iterdir())
    document = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**document, "patient_id": f"={HOSTILE}", "system": HOSTILE}), "utf-8")
    with open_page(results, cohort=None, show_names=True) as page:
        answer = page.client.get("/api/worklist")
        assert answer.headers["content-type"] == "application/json"
        assert f"={HOSTILE}" in [row["label"] for row in answer.json()["studies"]]
        assert page.get(f"/api/study/{path.stem}")["prediction"]["patient_id"] == f"={HOSTILE}"
    with open_page(results, cohort=None) as page:
        assert "onerror" not in page.client.get("/api/worklist").text


def test_logs_hold_no_identifiers(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pipeline")
    for uid in page.uids:
        page.get(f"/api/study/{uid}")
        page.client.get(f"/api/study/{uid}/AP/heat")
        page.client.post(f"/api/study/{uid}/classify", json={"views": 1}, headers=ORIGIN)
    assert not [record for record in caplog.records if record.name.startswith("pipeline.review")]


def test_a_failure_that_nobody_foresaw_tells_its_kind_alone(
    page: Page, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("SIM0011-00002")

    monkeypatch.setattr("pipeline.review.review.read_prediction", fail)
    answer = page.client.get(f"/api/study/{page.uids[0]}")
    assert (answer.status_code, answer.json()) == (500, {"error": "RuntimeError on the server"})
    assert "SIM0011" not in caplog.text
