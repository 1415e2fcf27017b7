"""Everything that people see on a terminal: tables, progress, errors. The only place that uses rich."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer


def set_verbosity(verbose: int, quiet: bool) -> None:
    """Log level of the libraries: warnings by default, -v info, -vv debug, -q errors alone."""
    level = logging.ERROR if quiet else {0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG)
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr, force=True)
    if level > logging.INFO:  # pydicom tells of every odd value in a header, and may quote it
        warnings.filterwarnings("ignore", module="pydicom")
        for handler in logging.getLogger().handlers:
            handler.addFilter(lambda record: not record.name.startswith("pydicom"))


@contextmanager
def errors_as_exit_codes() -> Iterator[None]:
    """OsteoLens errors become one line on stderr and exit code 1."""
    from cohort.errors import OsteoLensError

    try:
        yield
    except OsteoLensError as error:
        typer.secho(f"error: {error}", fg=typer.colors.RED, err=True)
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
    """A table on stdout."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold")
    for k, name in enumerate(columns):
        table.add_column(name, overflow="fold", justify="right" if k and _numeric(rows, k) else "left")
    for row in rows:
        table.add_row(*["" if cell is None else str(cell) for cell in row])
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def _numeric(rows: Sequence[Sequence[Any]], column: int) -> bool:
    return all(isinstance(row[column], (int, float)) or str(row[column]).replace(".", "", 1).isdigit() for row in rows)


def print_json(document: Any) -> None:
    """A JSON document on stdout."""
    print(json.dumps(document, indent=1, ensure_ascii=False))


def say(text: str) -> None:
    """A line for people, on stderr."""
    print(text, file=sys.stderr)
