"""Output to the terminal: tables, progress, errors. The only module that uses rich.

What came from a file is shown as text: no markup and no control character of it is obeyed.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import typer

NAMED = 20
"""Damaged files that the terminal names."""

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
    """Log level of the libraries: warnings by default, -v info, -vv debug, -q errors alone."""
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


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table on stdout; its cells are text, whatever brackets or control characters they hold."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    def plain(cell: object) -> Text:
        return Text("" if cell is None else _fitting(shown(cell), sys.stdout))

    table = Table(title=plain(title), title_justify="left", header_style="bold")
    for k, name in enumerate(columns):
        table.add_column(plain(name), overflow="fold", justify="right" if k and _numeric(rows, k) else "left")
    for row in rows:
        table.add_row(*map(plain, row))
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def _numeric(rows: Sequence[Sequence[Any]], column: int) -> bool:
    return all(isinstance(row[column], (int, float)) or str(row[column]).replace(".", "", 1).isdigit() for row in rows)


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
