"""A reader study stays blind: who saw predictions is kept on the disk, refused, or marked."""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from osteolens.errors import ConfigError
from tests.pipeline.review.pages import Page, drawn, open_page


def lines_of(out: Path, name: str) -> list[dict[str, Any]]:
    text = (out / "review" / f"{name}.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def table(page: Page, name: str = "readers.csv") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(page.client.get(f"/api/export/{name}").text)))


def read(page: Page, uid: str, views: dict[str, Any], seconds: float = 5.0) -> None:
    page.get(f"/api/study/{uid}")
    page.post(f"/api/study/{uid}/corrections", {"views": views, "seconds": seconds})


@pytest.fixture
def boxes(results: Path) -> Iterator[dict[str, Any]]:
    """Boxes of each study as another one saw them."""
    with open_page(results, reader="lead") as page:
        yield {uid: drawn(page.get(f"/api/study/{uid}")) for uid in page.uids}


def test_it_is_on_the_disk_once_that_predictions_were_shown(results: Path) -> None:
    with open_page(results, reader="anna") as page:
        assert not (results / "review" / "anna.jsonl").read_bytes(), "a server that nobody asked has shown nothing"
        page.get("/api/worklist")
        page.get("/api/worklist")
    (line,) = lines_of(results, "anna")
    assert line["predictions_shown"] is True and line["reader"] == "anna"
    with open_page(results, reader="ben", reader_study=True) as page:
        page.get(f"/api/study/{page.uids[0]}")
    assert lines_of(results, "ben") == []


@pytest.mark.parametrize("round_", [1, 2])
def test_a_reader_who_saw_predictions_reads_no_reader_study_unless_it_is_marked(
    results: Path, boxes: dict[str, Any], round_: int
) -> None:
    with open_page(results, reader="anna", round=round_) as page:
        uid = page.uids[0]
    with pytest.raises(ConfigError, match=r"shown to anna on 20.*--allow-unblinded"):
        open_page(results, reader="anna", reader_study=True).__enter__()
    with open_page(results, reader="ben", reader_study=True) as page:
        read(page, uid, boxes[uid])
    with open_page(results, reader="anna", reader_study=True, allow_unblinded=True) as page:
        assert "predictions_shown_before" in page.review.notes[0]
        read(page, uid, boxes[uid])
    with open_page(results, reader="lead2") as page:
        marks = {row["reader"]: (row["predictions_hidden"], row["predictions_shown_before"]) for row in table(page)}
    assert marks == {"anna": ("yes", "yes"), "ben": ("yes", "no")}


def test_a_blind_reading_is_kept_when_the_reader_looks_at_predictions_later(
    results: Path, boxes: dict[str, Any]
) -> None:
    with open_page(results, reader="anna", reader_study=True) as page:
        first, second = page.uids[:2]
        read(page, first, boxes[first])
    with open_page(results, reader="anna") as page:
        moved = json.loads(json.dumps(boxes[first]))
        moved["AP"]["boxes"][0]["x0"] += 5
        read(page, first, moved)
        read(page, second, boxes[second])
        rows = [row for row in table(page) if row["reader"] == "anna"]
        blind = {row["study_uid"]: row["predictions_hidden"] for row in rows}
        assert blind == {first: "yes", second: "no"}
        of_first = next(row for row in rows if row["study_uid"] == first and row["view"] == "AP")
        assert float(of_first["x0"]) == boxes[first]["AP"]["boxes"][0]["x0"], "the blind one counts"
        later = next(row for row in table(page, "rois.csv") if row["study_uid"] == first and row["view"] == "AP")
        assert float(later["x0"]) == moved["AP"]["boxes"][0]["x0"], "the corrected one counts"
    with open_page(results, reader="anna", reader_study=True, allow_unblinded=True) as page:
        assert {row["study_uid"] for row in table(page)} == {first}, "the other one was not blind"
        assert page.get(f"/api/study/{second}")["corrections"] is None


def test_readers_csv_tells_round_order_and_seconds_in_all_visits(results: Path, boxes: dict[str, Any]) -> None:
    with open_page(results, reader="anna", reader_study=True) as page:
        late, early = page.uids[3], page.uids[0]
        read(page, late, boxes[late], 10.0)
        page.post(f"/api/study/{late}/corrections", {"views": boxes[late], "seconds": 12.0})
        read(page, early, boxes[early], 4.0)
        read(page, late, boxes[late], 3.0)
        rows = {row["study_uid"]: row for row in table(page)}
    assert (rows[late]["order"], rows[late]["seconds"]) == ("1", "15.0")
    assert (rows[early]["order"], rows[early]["seconds"], rows[early]["round"]) == ("2", "4.0", "1")
    with open_page(results, reader="anna", round=2, reader_study=True) as page:
        read(page, early, boxes[early])
        assert {(row["reader"], row["round"]) for row in table(page)} == {("anna.2", "2")}


@pytest.mark.parametrize(("day", "said"), [(0, True), (13, True), (15, False)])
def test_a_second_round_soon_after_the_first_is_said(
    results: Path, boxes: dict[str, Any], day: int, said: bool
) -> None:
    from datetime import UTC, datetime, timedelta

    with open_page(results, reader="anna", reader_study=True) as page:
        read(page, page.uids[0], boxes[page.uids[0]])
    path = results / "review" / "anna.jsonl"
    (line,) = lines_of(results, "anna")
    line["time"] = (datetime.now(UTC) - timedelta(days=day, minutes=5)).isoformat(timespec="milliseconds")
    path.write_text(json.dumps(line) + "\n", "utf-8")
    with open_page(results, reader="anna", reader_study=True, round=2) as page:
        notes = " ".join(page.review.notes)
    assert (f"round 2 begins {day} days after the last reading of round 1 by anna" in notes) is said


def test_files_of_earlier_versions_are_read(results: Path, boxes: dict[str, Any]) -> None:
    with open_page(results, reader="anna") as page:
        uid = page.uids[0]
        read(page, uid, boxes[uid], 7.0)
    path = results / "review" / "anna.jsonl"
    (line,) = (line for line in lines_of(results, "anna") if "study_uid" in line)
    for name in ("seconds_in_all", "shown_before"):
        del line[name]
    path.write_text(json.dumps(line) + "\n", "utf-8")
    with open_page(results, reader="anna", round=2) as page:
        row = next(row for row in table(page) if row["reader"] == "anna")
    assert (row["seconds"], row["predictions_hidden"]) == ("7.0", "no")
    with pytest.raises(ConfigError, match="shown to anna"):
        open_page(results, reader="anna", reader_study=True).__enter__()


def test_a_line_whose_time_is_none_is_damaged(results: Path, caplog: pytest.LogCaptureFixture) -> None:
    with open_page(results, reader="anna") as page:
        page.get("/api/worklist")
    path = results / "review" / "anna.jsonl"
    wrong = {**lines_of(results, "anna")[0], "time": "yesterday"}
    path.write_text(path.read_text("utf-8") + json.dumps(wrong) + "\n", "utf-8")
    with caplog.at_level(logging.WARNING), open_page(results, reader="anna"):
        assert "1 of 2 lines are damaged" in caplog.text
