"""Text of files on a terminal and in tables: shown, never obeyed."""

from __future__ import annotations

import io
import json
import logging
import sys

import pytest
import typer

from cli.console import errors_as_exit_codes, print_json, print_table, say, say_damaged, set_verbosity, shown
from osteolens.documents.text import csv_cell, visible
from osteolens.errors import ReadError

ESCAPES = {
    "\x1b[31mred\x1b[0m": "\\x1b[31mred\\x1b[0m",
    "a\rb\nc\td\x00\x7f\x9b": "a\\rb\\nc\\td\\x00\\x7f\\x9b",
    "\ud800": "\\ud800",
    "\u202egnp.exe": "\\u202egnp.exe",
    "a\u2028b": "a\\u2028b",
    "[/x] :warning: \\": "[/x] :warning: \\",
    "Müller 李 é": "Müller 李 é",
}


@pytest.mark.parametrize("text", ESCAPES)
def test_control_characters_are_written_out_once(text: str) -> None:
    assert visible(text) == shown(text) == ESCAPES[text]
    assert visible(visible(text)) == visible(text)


@pytest.mark.parametrize(
    "cell", ["=1+1", "+cmd|' /c x'!A1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1", "--1"]
)
def test_cells_that_a_spreadsheet_would_run_are_defused(cell: str) -> None:
    assert csv_cell(cell) == f"'{visible(cell)}"


@pytest.mark.parametrize(
    "cell",
    [
        "-1.5",
        "+0.25",
        "-1,5",
        "-1e-3",
        "-",
        "+0.012 (-0.010 to +0.034)",
        "-2.1 (-3-4)",
        "-1.74 (1.65)",
        "a=b",
        "12",
        "",
        -1.5,
        3,
        None,
    ],
)
def test_numbers_and_plain_text_stay_as_they_are(cell: object) -> None:
    assert csv_cell(cell) == cell


def test_a_table_shows_brackets_and_escapes_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("[b]t[/b]", ["[/x]", "n"], [["[/x]", 1], ["\x1b]0;title\x07", 2], ["\ud800 :smile: [red]", None]])
    shown_text = capsys.readouterr().out
    assert "[b]t[/b]" in shown_text and "\\ud800 :smile: [red]" in shown_text and "\\x1b]0;title\\x07" in shown_text
    assert shown_text.count("[/x]") == 2 and "\x1b" not in shown_text


def test_lines_logs_and_errors_obey_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    say("one \x1b[2J\nline \ud800")
    set_verbosity(0, False)
    logging.getLogger("cohort.test").warning("a \x1b[2J film")
    with pytest.raises(typer.Exit) as found, errors_as_exit_codes():
        raise ReadError("x.csv: found '\x1b[2J'\nin line 2")
    assert found.value.exit_code == 1
    told = capsys.readouterr().err
    assert "\x1b[2J" not in told and told.count("\\x1b[2J") == 3
    assert "error: x.csv: found '\\x1b[2J' in line 2\n" in told and "line \\ud800\n" in told


def test_json_on_stdout_has_no_nan_and_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for encoding, words in (("utf-8", "李"), ("ascii", "\\u674e")):
        stream = io.TextIOWrapper(io.BytesIO(), encoding)
        monkeypatch.setattr(sys, "stdout", stream)
        print_json({"name": "李 \ud800", "value": float("nan"), "list": [float("inf"), 1]})
        print_table("李", ["name"], [["李"]])
        stream.flush()
        text = stream.buffer.getvalue().decode(encoding)
        document = json.loads(text[: text.index("\n}") + 2])
        assert words in text and document == {"name": "李 \\ud800", "value": None, "list": [None, 1]}


def test_many_damaged_files_are_named_in_part(capsys: pytest.CaptureFixture[str]) -> None:
    say_damaged({"damaged_results": {"count": 23, "names": [f"s{k}.json: wrong" for k in range(23)]}})
    told = capsys.readouterr().err
    assert "23 damaged results left out:" in told and "s19.json" in told and "s20.json" not in told
    assert "... and 3 more; --json names all" in told
    say_damaged({})
    assert not capsys.readouterr().err
