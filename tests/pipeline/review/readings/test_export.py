"""Exports are what was drawn."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from cohort.io.annotations import read_rois
from cohort.io.tables.join import read_cohort_tables
from cohort.spine import TARGET_LEVELS, View
from cohort.study import Study
from osteolens.documents.json_document import read_json, write_json
from tests.pipeline.review.pages import Page, drawn, open_page


def exported(page: Page, name: str, folder: Path) -> Path:
    path = folder / name
    path.write_bytes(page.client.get(f"/api/export/{name}").content)
    return path


def save_moved(page: Page, by: float) -> dict[tuple[str, str], Any]:
    """Boxes of every study moved to the right, as they were sent."""
    sent = {}
    for uid in page.uids:
        views = drawn(page.get(f"/api/study/{uid}"))
        for view, shown in views.items():
            shown["boxes"] = [{**box, "x0": box["x0"] + by, "x1": box["x1"] + by} for box in shown["boxes"]]
            sent[uid, view] = shown["boxes"]
        page.post(f"/api/study/{uid}/corrections", {"views": views, "seconds": 12.3})
    return sent


def test_exported_rois_are_those_drawn_to_half_a_pixel(results: Path, tmp_path: Path) -> None:
    with open_page(results) as page:
        sent = save_moved(page, 3.337)
        rois = read_rois(exported(page, "rois.csv", tmp_path))
    assert {(uid, str(view)) for uid, view in rois} == set(sent)
    for (uid, view), boxes in rois.items():
        assert len(boxes) == len(sent[uid, view])
        for box, one in zip(boxes, sent[uid, view], strict=True):
            assert box.level == one["level"]
            assert box.corners == pytest.approx([one[name] for name in ("x0", "y0", "x1", "y1")], abs=0.5)


def test_a_view_that_was_not_sent_stays_as_predicted_unless_predictions_were_hidden(
    results: Path, tmp_path: Path
) -> None:
    with open_page(results) as page:
        uid = page.uids[0]
        views = drawn(page.get(f"/api/study/{uid}"))
        page.post(f"/api/study/{uid}/corrections", {"views": {"AP": views["AP"]}})
        rois = read_rois(exported(page, "rois.csv", tmp_path))
        assert len(rois[uid, View.LATERAL]) == len(views["LATERAL"]["boxes"])
    with open_page(results, reader="study", reader_study=True) as page:
        page.post(f"/api/study/{uid}/corrections", {"views": {"AP": views["AP"]}})
        assert set(read_rois(exported(page, "rois.csv", tmp_path))) == {(uid, View.AP)}


def test_findings_are_columns_of_a_cohort(results: Path, tmp_path: Path) -> None:
    with open_page(results) as page:
        fractured, unfit, metal = page.uids[:3]
        page.post(f"/api/study/{fractured}/corrections", {"views": {}, "fracture_grades": {"L2": 1, "L3": 2}})
        page.post(f"/api/study/{unfit}/corrections", {"views": {}, "not_evaluable": '=HYPERLINK("x")'})
        views = drawn(page.get(f"/api/study/{metal}"))
        views["AP"]["left_out"] = {"L1": "metal"}
        page.post(f"/api/study/{metal}/corrections", {"views": views})
        path = exported(page, "findings.csv", tmp_path)
        assert not any(uid == unfit for uid, _ in read_rois(exported(page, "rois.csv", tmp_path)))
    rows = {row["study_uid"]: row for row in csv.DictReader(io.StringIO(path.read_text("utf-8")))}
    assert rows[fractured]["fracture_grades"] == "L2:1 L3:2" and rows[metal]["left_out"] == "AP L1: metal"
    assert rows[unfit]["not_evaluable"].startswith("'=")
    path.rename(tmp_path / "cohort.csv")
    wrong: list[str] = []
    tables = read_cohort_tables(tmp_path, wrong)
    found = {uid: tables.joined(Study(study_uid=uid, patient_id=uid)).findings for uid in page.review.worklist.entries}
    assert wrong == [] and found[fractured].fracture_grade == 2
    assert found[unfit].exposure_adequate is False and found[metal].implant is True


def test_exports_of_nothing_are_empty_tables(results: Path) -> None:
    with open_page(results) as page:
        assert page.client.get("/api/export/rois.csv").text == "study_uid,view,level,x0,y0,x1,y1\n"
        assert page.client.get("/api/export/readers.csv").text.startswith("reader,study_uid")
        assert page.get("/api/export/corrected.json")["studies"] == []


def test_the_corrected_result_is_exported_with_the_reading(results: Path) -> None:
    with open_page(results) as page:
        uid = page.uids[0]
        views = drawn(page.get(f"/api/study/{uid}"))
        page.post(f"/api/study/{uid}/classify", {"views": views})
        page.post(f"/api/study/{uid}/corrections", {"views": views, "seconds": 4})
        (study,) = page.get("/api/export/corrected.json")["studies"]
    assert study["study_uid"] == uid and study["reading"]["seconds"] == 4
    assert study["result"]["corrected"]["probabilities"] == study["result"]["predicted"]["probabilities"]


def test_a_study_that_was_screened_again_is_classified_again_on_the_boxes(results: Path) -> None:
    def class_on_boxes() -> dict[str, float]:
        (study,) = page.get("/api/export/corrected.json")["studies"]
        return dict(study["result"]["corrected"]["probabilities"])

    with open_page(results) as page:
        uid = page.uids[0]
        views = drawn(page.get(f"/api/study/{uid}"))
        for shown in views.values():
            shown["boxes"] = [{**box, "x0": box["x0"] + 3} for box in shown["boxes"]]
        page.post(f"/api/study/{uid}/corrections", {"views": views})
        before = class_on_boxes()
        path = results / "studies" / f"{uid}.json"
        document = read_json(path)
        document["covariates"] = {**document["covariates"], "age_years": 40.0}
        write_json(path, document)
        assert class_on_boxes() != before


def test_levels_keep_the_order_of_the_spine(results: Path, tmp_path: Path) -> None:
    with open_page(results) as page:
        uid = page.uids[0]
        views = drawn(page.get(f"/api/study/{uid}"))
        views["AP"]["boxes"].reverse()
        page.post(f"/api/study/{uid}/corrections", {"views": views})
        rois = read_rois(exported(page, "rois.csv", tmp_path))
    levels = [box.level for box in rois[uid, View.AP] if box.level in TARGET_LEVELS]
    assert levels == list(TARGET_LEVELS)
