"""Output to the terminal: tables, progress, errors. The only module that uses rich.

What came from a file is shown as text: no markup and no control character of it is obeyed.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import typer

if TYPE_CHECKING:
    from osteolens.progress import Progress as LoopProgress
    from osteolens.training.watch import EpochStep

NAMED = 20
"""Damaged files that the terminal names."""

MOST_TURNED = 8
"""Rows of a table that become columns where it is too wide; with more it is printed in parts."""

LONGEST_WORD = 24
"""Characters of a word that are kept on one line; what is longer, such as a UID, is folded."""

INTERVAL = re.compile(r"[<>+-]?\d[\d.]* \([^()\s]+(?: to [^()\s]+)?\)")
"""A value with its interval, which is kept on one line."""

Part = tuple[str, Sequence[str], Sequence[Sequence[str]]]
"""Title, columns and rows of a table that is printed."""

DAMAGED = (
    ("damaged_results", "result", "results"),
    ("damaged_labels", "label file", "label files"),
    ("unreadable_rois", "line of ROIs", "lines of ROIs"),
)
"""What may be left out of an evaluation: its key, and its name for one and for several."""


def shown(text: object) -> str:
    """Text of a file as a terminal may show it: on one line, control characters written out, nothing obeyed.

    `print_table` and `say` do this themselves; rich markup is never read, so brackets stay as they are.
    """
    from osteolens.documents.text import visible

    return visible(text)


class _ShownFormatter(logging.Formatter):
    """Log lines without control characters but their own line breaks."""

    def format(self, record: logging.LogRecord) -> str:
        return _shown_lines(super().format(record))


def _shown_lines(text: str) -> str:
    return "\n".join(shown(line) for line in text.split("\n"))


def set_verbosity(verbose: int, quiet: bool) -> None:
    """Log level of the libraries: warnings by default, -v info, -vv debug, -q errors alone; never of results."""
    level = logging.ERROR if quiet else {0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG)
    logging.basicConfig(level=level, stream=sys.stderr, force=True)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_ShownFormatter("%(levelname)s %(name)s: %(message)s"))
    if level > logging.INFO:  # pydicom tells of every odd value in a header, and may quote it
        warnings.filterwarnings("ignore", module="pydicom")
        for handler in logging.getLogger().handlers:
            handler.addFilter(lambda record: not record.name.startswith("pydicom"))


@contextmanager
def errors_as_exit_codes() -> Iterator[None]:
    """OsteoLens errors become one line on stderr and exit code 1."""
    from osteolens.errors import OsteoLensError

    try:
        yield
    except OsteoLensError as error:
        line = " ".join(part.strip() for part in str(error).splitlines())
        typer.secho(_fitting(f"error: {shown(line)}", sys.stderr), fg=typer.colors.RED, err=True)
        raise typer.Exit(1) from error


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar with time left on stderr; nothing where stderr is no terminal."""
    if not sys.stderr.isatty() or total <= 0:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=total)
        yield lambda now: bar.update(task, completed=now)


@contextmanager
def training_progress(label: str) -> Iterator[tuple[LoopProgress, Callable[[EpochStep], None] | None]]:
    """A bar for what comes before the epochs, then one for each epoch with images/s and the time left.

    Where stderr is no terminal the first tells nothing, and None stands for lines every half minute.
    """
    if not sys.stderr.isatty():
        yield lambda done, total: None, None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"))
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=None, speed="")

        def step(now: EpochStep) -> None:
            name = f"epoch {now.epoch} of {now.epochs}"
            bar.update(task, description=name, completed=now.done, total=now.total, speed=now.speed)

        yield lambda done, total: bar.update(task, completed=done, total=total), step


def print_heading(text: str) -> None:
    """A line above several tables, on stdout."""
    from rich.console import Console
    from rich.text import Text

    Console(width=_width()).print(Text(f"\n{_fitting(shown(text), sys.stdout)}", style="bold underline"))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table on stdout; its cells are text, whatever brackets or control characters they hold.

    An interval stays on one line. A table that is too wide for that is turned, split by its first column, or printed in
    parts that each begin with the first column.
    """
    heads = [_fitting(shown(name), sys.stdout) for name in columns]
    cells = [["" if cell is None else _fitting(shown(cell), sys.stdout) for cell in row] for row in rows]
    for part in _parts(_fitting(shown(title), sys.stdout), heads, cells, _width()):
        _print_part(*part)


def _print_part(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    width = _width()
    table = Table(title=Text(title), title_justify="left", header_style="bold")
    for k, (name, wide) in enumerate(zip(columns, _widths(columns, rows, width), strict=True)):
        justify: Literal["left", "right"] = "right" if k and _numeric(rows, k) else "left"
        table.add_column(Text(name), overflow="fold", justify=justify, width=wide)
    for row in rows:
        table.add_row(*map(Text, row))
    Console(width=width).print(table)


def _width() -> int | None:
    """Columns of the terminal; 140 where stdout is none and COLUMNS does not tell, None where rich shall ask."""
    return None if sys.stdout.isatty() or "COLUMNS" in os.environ else 140


def _parts(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> list[Part]:
    """A table as tables that fit: itself, turned, split by its first column, or some columns at a time."""
    if _fits(columns, rows, width):
        return [(title, columns, rows)]
    firsts = [row[0] for row in rows]
    if len(set(firsts)) < len(firsts) and len(columns) > 2 and not _numeric(rows, 0):
        return [
            part
            for first in dict.fromkeys(firsts)
            for part in _parts(f"{title}, {first}", columns[1:], [row[1:] for row in rows if row[0] == first], width)
        ]
    if len(rows) < MOST_TURNED:
        columns, rows = [columns[0], *firsts], [list(line) for line in zip(columns, *rows, strict=True)][1:]
        if _fits(columns, rows, width):
            return [(title, columns, rows)]
    parts: list[Part] = []
    begin = 1
    while begin < len(columns):
        end = begin + 1
        while end < len(columns) and _fits(*_chosen(columns, rows, begin, end + 1), width):
            end += 1
        parts.append((title, *_chosen(columns, rows, begin, end)))
        begin = end
    return parts or [(title, columns, rows)]


def _chosen(
    columns: Sequence[str], rows: Sequence[Sequence[str]], begin: int, end: int
) -> tuple[list[str], list[list[str]]]:
    """The first column and some others."""
    return [columns[0], *columns[begin:end]], [[row[0], *row[begin:end]] for row in rows]


def _fits(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> bool:
    return sum(_needs(columns, rows)) + 3 * len(columns) + 1 <= _known(width)


def _needs(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """Characters that each column needs so that no interval and no short word is broken."""
    columns_of_cells = [[name, *(row[k] for row in rows)] for k, name in enumerate(columns)]
    return [max(min(LONGEST_WORD, len(w)) for cell in cells for w in _words(cell)) for cells in columns_of_cells]


def _words(cell: str) -> list[str]:
    return [cell] if INTERVAL.fullmatch(cell) else cell.split() or [""]


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> list[int]:
    """Width of each column: what it needs, and of the room that is left as much as its cells can use."""
    needs = _needs(columns, rows)
    wide = [max(len(name), *(len(row[k]) for row in rows)) if rows else len(name) for k, name in enumerate(columns)]
    room = _known(width) - 3 * len(columns) - 1
    if sum(needs) > room:
        needs = [max(1, need * room // sum(needs)) for need in needs]
    left = room - sum(needs)
    for k in sorted(range(len(columns)), key=lambda k: wide[k] - needs[k]):
        more = min(max(0, wide[k] - needs[k]), max(0, left))
        needs[k] += more
        left -= more
    return needs


def _known(width: int | None) -> int:
    from rich.console import Console

    return Console(width=width).width


def _numeric(rows: Sequence[Sequence[str]], column: int) -> bool:
    return all(row[column].replace(".", "", 1).isdigit() for row in rows)


def print_json(document: Any) -> None:
    """A JSON document on stdout; NaN is null."""
    from osteolens.documents.json_document import json_ready

    print(_fitting_json(json_ready(document)))


def say(text: str) -> None:
    """A line for people, on stderr."""
    print(_fitting(_shown_lines(text), sys.stderr), file=sys.stderr)


def say_damaged(document: Mapping[str, Any]) -> None:
    """Files that an evaluation left out as damaged, a few by name, and what the tables lack; on stderr."""
    for key, what, plural in DAMAGED:
        damaged = document.get(key, {"count": 0, "names": []})
        if damaged["count"]:
            say(f"{damaged['count']} damaged {what if damaged['count'] == 1 else plural} left out:")
        for line in damaged["names"][:NAMED]:
            say(f"  {line}")
        if damaged["count"] > NAMED:
            say(f"  ... and {damaged['count'] - NAMED} more; --json names all")
    for line in document.get("table_notes", ()):
        say(line)


def _fitting(text: str, stream: Any) -> str:
    """The text in the characters that a stream takes, others written out."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _fitting_json(document: Any) -> str:
    utf8 = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"
    return json.dumps(document, indent=1, ensure_ascii=not utf8, allow_nan=False)
