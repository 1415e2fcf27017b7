"""rois.csv and readers.csv as people write them, and outlines whose document is damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cohort.io.annotations import Rois, read_outlines, read_readings, read_rois, write_readings, write_rois
from cohort.spine import VertebraBox, VertebralLevel, View
from cohort.study import Study
from osteolens.errors import ReadError

HEAD = "study_uid,view,level,x0,y0,x1,y1\n"


def rois(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "rois.csv"
    path.write_bytes(text.encode(encoding))
    return path


def corners(tmp_path: Path, text: str, encoding: str = "utf-8") -> tuple[float, ...]:
    ((box,),) = read_rois(rois(tmp_path, text, encoding)).values()
    return box.corners


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (HEAD + "s1,AP,L1,1.5,2.5,30.25,40\n", "utf-8"),
        (HEAD + "s1,AP,L1,1.5,2.5,30.25,40,\n", "utf-8"),
        (HEAD.replace(",", ";") + "s1;AP;L1;1,5;2,5;30,25;40\n", "utf-8"),
        (HEAD.replace(",", "\t") + "s1\tAP\tL1\t1,5\t2,5\t30,25\t40\n", "utf-16"),
        ("Study UID;View;Level;X0;Y0;X1;Y1\ns1;ap;l1;1,5;2,5;30,25;40\n", "utf-8-sig"),
        (HEAD + 's1,frontal,L1,"1,5","2,5","30,25",40\n', "utf-8"),
    ],
)
def test_boxes_are_read_from_any_spreadsheet(tmp_path: Path, text: str, encoding: str) -> None:
    assert corners(tmp_path, text, encoding) == (1.5, 2.5, 30.25, 40.0)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("s1,AP,L1,a,2,30,40", r"rois\.csv line 2: x0 is 'a', expected a number"),
        ("s1,AP,L1,NA,2,30,40", "line 2: x0 is 'NA', expected a number of pixels"),
        ("s1,AP,L1,nan,2,30,40", "line 2: x0 is 'nan', expected a number of pixels"),
        ("s1,AP,L1,inf,2,30,40", "line 2: x0 is 'inf', expected a number"),
        ("s1,AP,L1,1e300,2,30,40", "line 2: x0 is 1e300, expected -1e.06 to 1e.06"),
        ("s1,AP,L1,12 px,2,30,40", "line 2: x0 is '12 px', expected a number alone"),
        ("s1,AP,L1,30,2,10,40", "line 2: box of L1: expected x0 < x1"),
        ("s1,AP,L9,1,2,30,40", "line 2: level is 'L9', expected one of T10"),
        ("s1,oblique,L1,1,2,30,40", "line 2: view is 'oblique', expected AP or LATERAL"),
        (",AP,L1,1,2,30,40", "line 2: study_uid is empty"),
        ("s1,AP,L1,1,5,2,5,30,25,40", "line 2: 10 cells, the header has 7"),
        ("s1,AP,L1,1,2,30", "line 2: 6 cells, the header has 7"),
    ],
)
def test_a_line_that_holds_no_box_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = rois(tmp_path, HEAD + line + "\ns2,AP,L2,1,2,30,40\n")
    with pytest.raises(ReadError, match=message):
        read_rois(path)
    wrong: list[str] = []
    assert list(read_rois(path, wrong)) == [("s2", View.AP)] and len(wrong) == 1


def test_three_decimals_are_told_from_thousands_by_the_table(tmp_path: Path) -> None:
    head = HEAD.replace(",", ";")
    assert corners(tmp_path, head + "s1;AP;L1;1,125;2,250;152,334;40\n") == (1.125, 2.25, 152.334, 40.0)
    assert corners(tmp_path, head + "s1;AP;L1;1,125;2,5;30,250;40\n") == (1.125, 2.5, 30.25, 40.0)
    with pytest.raises(ReadError, match="x0 is '1,125', which may hold a decimal sign or a thousands separator"):
        read_rois(rois(tmp_path, head + "s1;AP;L1;1,125;2,250;30,125;40\n"))


def test_a_level_drawn_twice_names_both_lines(tmp_path: Path) -> None:
    text = HEAD + "s1,AP,L1,1,2,30,40\n\ns1,AP,L1,1,2,30,41\n"
    with pytest.raises(ReadError, match=r"rois\.csv lines 2 and 4: study s1 has a second AP box of L1"):
        read_rois(rois(tmp_path, text))


def test_every_line_of_readers_has_its_reader(tmp_path: Path) -> None:
    path = rois(tmp_path, "reader," + HEAD + "b,s1,AP,L1,1,2,30,40\na,s1,AP,L1,1,2,30,41\n,s1,AP,L1,1,2,30,41\n")
    with pytest.raises(ReadError, match="line 4: reader is empty"):
        read_readings(path)
    wrong: list[str] = []
    assert list(read_readings(path, wrong)) == ["a", "b"] and len(wrong) == 1


TRIANGLE = [0, 0, 10, 0, 10, 10]


def document(**changed: Any) -> dict[str, Any]:
    whole = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": 1, "name": "L1"}],
        "annotations": [{"image_id": 1, "category_id": 1, "segmentation": [TRIANGLE]}],
    }
    return {**whole, **changed}


def drawn(segmentation: Any, **changed: Any) -> dict[str, Any]:
    return document(annotations=[{"image_id": 1, "category_id": 1, "segmentation": segmentation, **changed}])


def outlines(tmp_path: Path, content: Any) -> dict[VertebralLevel, np.ndarray]:
    (tmp_path / "a.png").touch()
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    (tmp_path / "annotations.json").write_bytes(raw)
    found = read_outlines(tmp_path / "annotations.json", [Study(study_uid="s", patient_id="p", ap=tmp_path / "a.png")])
    return found.get(("s", View.AP), {})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "no COCO document of vertebral levels .*EOF"),
        (b"[" * 100_000, "recursion limit exceeded"),
        (b'{"images":' * 100_000, "recursion limit exceeded"),
        (b"\xff\xfe{", "no COCO document"),
        ([], "no COCO document of vertebral levels .the whole: Input should be an object"),
        (document(images=5), r"images: Input should be a valid array, found 5"),
        (document(images=[{"id": 1}]), r"images\[0\]\.file_name: Field required"),
        (document(images=[{"id": 1, "file_name": 7}]), r"images\[0\]\.file_name: Input should be a valid string"),
        (document(images=[{"id": 1, "file_name": "a.png"}] * 2), "images: id 1 stands twice"),
        (document(categories=[{"id": 1, "name": "tumour"}]), r"categories\[0\]\.name is 'tumour'"),
        (drawn([[0, 0, 1, 0, 1, float("nan")]]), r"annotations\[0\]\.segmentation: .*finite number, found nan"),
        (drawn([[0, 0, 1, 0, 1, float("-inf")]]), r"annotations\[0\]\.segmentation: .*finite number, found -inf"),
        (drawn([[0, 0, 1, 0, 1, 10**400]]), r"annotations\[0\]\.segmentation: .*finite number"),
        (drawn([[0, 0, 1, 0, 1, 1e300]]), r"annotations\[0\]\.segmentation: .*less than or equal to 1000000"),
        (drawn("x"), r"annotations\[0\]\.segmentation: Input should be a valid array, found 'x'"),
        (drawn([["a"]]), r"annotations\[0\]\.segmentation: "),
        (drawn([[0, 0, 1, 0, 1]]), r"annotations\[0\]\.segmentation\[0\] has 5 numbers, expected x and y of three"),
        (drawn([[0, 0, 1, 1]]), r"annotations\[0\]\.segmentation\[0\] has 4 numbers"),
        (drawn({"counts": "x", "size": [1, 2]}), r"annotations\[0\]\.segmentation holds run lengths \(RLE\)"),
        (drawn([TRIANGLE], category_id=7), r"annotations\[0\]\.category_id is 7"),
        (drawn([TRIANGLE], image_id=[1]), r"annotations\[0\]\.image_id: "),
        (document(annotations=drawn([TRIANGLE])["annotations"] * 2), r"annotations\[1\]: a second outline of L1"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_damaged_outlines_name_the_file_and_the_field(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(ReadError, match=rf"annotations\.json: .*{message}"):
        outlines(tmp_path, content)


def test_outlines_of_other_images_are_left_out(tmp_path: Path) -> None:
    assert outlines(tmp_path, drawn([TRIANGLE], image_id=99)) == {}
    assert outlines(tmp_path, drawn([TRIANGLE], image_id="one")) == {}
    assert outlines(tmp_path, document(images=[{"id": 1, "file_name": "a\0.png"}])) == {}
    assert outlines(tmp_path, drawn([])) == {}


def test_flat_lists_and_several_parts_are_one_outline(tmp_path: Path) -> None:
    assert outlines(tmp_path, drawn(TRIANGLE))[VertebralLevel.L1].tolist() == [[0, 0], [10, 0], [10, 10]]
    parts = outlines(tmp_path, drawn([TRIANGLE, [20, 0, 22, 0, 22, 4]]))[VertebralLevel.L1]
    assert parts.min(0).tolist() == [0, 0] and parts.max(0).tolist() == [22, 10]


def test_boxes_that_are_written_are_read_as_they_were(tmp_path: Path) -> None:
    boxes = (VertebraBox(VertebralLevel.L1, 1.5, 2, 30.25, 40), VertebraBox(VertebralLevel.L2, 1 / 3, 42, 30, 80))
    written: Rois = {("s1", View.AP): boxes, ("s2, second", View.LATERAL): boxes[1:]}
    write_rois(tmp_path / "rois.csv", written)
    assert read_rois(tmp_path / "rois.csv") == written
    write_rois(tmp_path / "rounded.csv", written, decimals=1)
    assert read_rois(tmp_path / "rounded.csv")["s1", View.AP][1].x0 == 0.3
    readings: dict[str, Rois] = {"a": written, "b": {("s1", View.AP): boxes[:1]}}
    write_readings(tmp_path / "readers.csv", readings)
    assert read_readings(tmp_path / "readers.csv") == readings
    assert [line.split(",")[0] for line in (tmp_path / "readers.csv").read_text().splitlines()] == [
        "reader", "a", "a", "b", "a",
    ]  # fmt: skip
