"""What a reader said is on the disk when the page is told so, only ever added to, and one server's alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from osteolens.errors import ConfigError, OutputError, ReadError
from pipeline.review.options import ReviewOptions
from pipeline.review.readings.corrections import CorrectionRequest
from pipeline.review.readings.log import all_readings, opened, read_readings_file
from tests.pipeline.review.pages import drawn, open_page

ANNA = ReviewOptions(reader="anna")


def request(grade: int) -> CorrectionRequest:
    return CorrectionRequest.model_validate({"views": {}, "fracture_grades": {"L2": grade}, "seconds": 1.5})


def test_corrections_are_added_line_by_line_with_what_was_before(tmp_path: Path) -> None:
    with opened(tmp_path, ANNA) as log:
        log.save("s1", request(1))
        log.save("s1", request(2))
    first, second = (json.loads(line) for line in (tmp_path / "anna.jsonl").read_text("utf-8").splitlines())
    assert first["before"] is None and first["state"]["fracture_grades"] == {"L2": 1}
    assert second["before"] == first["state"] and second["state"]["fracture_grades"] == {"L2": 2}
    assert (second["reader"], second["round"], second["seconds"]) == ("anna", 1, 1.5)
    assert second["time"] >= first["time"]


def test_a_second_server_for_the_same_reader_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path, ANNA):
        with pytest.raises(OutputError, match="another server writes for the reader anna"), opened(tmp_path, ANNA):
            pass
        with opened(tmp_path, ReviewOptions(reader="ben")), opened(tmp_path, ReviewOptions(reader="anna", round=2)):
            pass
    with opened(tmp_path, ANNA):
        pass


def test_a_line_that_a_power_cut_tore_is_left_out_and_the_next_one_stands_alone(tmp_path: Path) -> None:
    path = tmp_path / "anna.jsonl"
    with opened(tmp_path, ANNA) as log:
        log.save("s1", request(1))
        log.save("s2", request(1))
    path.write_bytes(path.read_bytes()[:-40])
    with opened(tmp_path, ANNA) as log:
        assert set(log.states) == {"s1"}
        log.save("s3", request(3))
    assert set(read_readings_file(path).last) == {"s1", "s3"}


def test_a_file_that_is_no_readers_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "anna.jsonl"
    path.write_text("a list of something else\n", "utf-8")
    with pytest.raises(ReadError, match="none of 1 lines"), opened(tmp_path, ANNA):
        pass
    assert path.read_text("utf-8") == "a list of something else\n"


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.jsonl").write_text("", "utf-8")
    (tmp_path / "anna.jsonl").symlink_to(tmp_path / "elsewhere.jsonl")
    with pytest.raises(OutputError, match=r"anna\.jsonl"), opened(tmp_path, ANNA):
        pass


@pytest.mark.parametrize("name", ["", "../anna", "a/b", "anna.2", ".anna", "-anna", "anna ", "x" * 41, "änna", "a\0b"])
def test_a_readers_name_is_a_plain_word(name: str) -> None:
    with pytest.raises(ConfigError, match="reader is"):
        ReviewOptions(reader=name)


def test_corrections_survive_a_restart_of_the_server(results: Path) -> None:
    with open_page(results, reader="anna") as page:
        uid = page.uids[0]
        views = drawn(page.get(f"/api/study/{uid}"))
        views["AP"]["boxes"][3]["x0"] += 7.25
        answer = page.post(f"/api/study/{uid}/corrections", {"views": views, "not_evaluable": "motion"})
        assert answer["state"]["views"]["AP"]["boxes"] == views["AP"]["boxes"]
    with open_page(results, reader="anna") as page:
        study = page.get(f"/api/study/{uid}")
        assert study["corrections"] == answer["state"] and study["saved"] == answer["saved"]
        assert [row["reviewed"] for row in page.get("/api/worklist")["studies"]].count(True) == 1
        assert study["views"]["AP"]["boxes"][3]["x0"] + 7.25 == views["AP"]["boxes"][3]["x0"]


def test_readers_do_not_see_each_other(results: Path) -> None:
    with open_page(results, reader="anna") as page:
        uid = page.uids[0]
        page.post(f"/api/study/{uid}/corrections", {"views": drawn(page.get(f"/api/study/{uid}"))})
    with open_page(results, reader="ben", blind=True) as page:
        assert page.get(f"/api/study/{uid}")["corrections"] is None
        assert not any(row["reviewed"] for row in page.get("/api/worklist")["studies"])
        for name in ("readers.csv", "rois.csv", "findings.csv", "corrected.json"):
            assert uid not in page.client.get(f"/api/export/{name}").text
    with open_page(results, reader="ben") as page:
        assert "anna" in page.client.get("/api/export/readers.csv").text
    with open_page(results, reader="anna", round=2) as page:
        assert page.get(f"/api/study/{uid}")["corrections"] is None


def test_readings_of_a_folder_are_those_of_readers_files(tmp_path: Path) -> None:
    with opened(tmp_path, ANNA) as log, opened(tmp_path, ReviewOptions(reader="anna", round=2)) as second:
        log.save("s1", request(1))
        second.save("s2", request(1))
    (tmp_path / "a b.jsonl").write_text("x\n", "utf-8")
    assert {name: set(found.last) for name, found in all_readings(tmp_path).items()} == {
        "anna": {"s1"},
        "anna.2": {"s2"},
    }
