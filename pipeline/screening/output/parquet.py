"""The rows of predictions.csv as a folder of Parquet files, written as the run goes."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from osteolens.atomic import cannot_write, make_folder, write_whole
from osteolens.documents.text import visible
from osteolens.extras import require
from pipeline.screening.output.rows import COLUMNS, PredictionRow

FOLDER = "predictions.parquet"
"""Folder of the parts among the results."""

ROWS_A_PART = 1000
"""Rows of each part but the last. A run that is killed has all full parts, and predictions.csv has the rest."""

NUMBERS = frozenset(field.name for field in fields(PredictionRow) if "float" in str(field.type))
"""Columns of float64; all others are text."""

_PART = re.compile(r"part-\d{6,}\.parquet")


class ParquetWriter:
    """Writes the parts where the settings ask for them, and removes those of an earlier run where they do not.

    At any moment the folder holds each study once: before a part changes, all parts from it on are removed. A part that
    holds the same rows already is left as it is, so a rerun of a finished folder writes nothing.
    """

    def __init__(self, is_asked: bool, out: Path) -> None:
        """Check that the parts can be written.

        Args:
            is_asked: whether the settings ask for them.
            out: folder of results.

        Raises:
            MissingExtra: pyarrow is not installed.
            OutputError: the folder cannot be made, or parts of an earlier run cannot be removed.
        """
        self._is_asked, self._folder = is_asked, out / FOLDER
        self._waiting: list[PredictionRow] = []
        self._full = 0
        if not is_asked:
            self._remove_from(0)
            return
        require("process --set parquet=true", "pyarrow", extra="parquet")
        make_folder(self._folder)

    def __call__(self, row: PredictionRow) -> None:
        """Take a study; its part is written when it is full.

        Raises:
            OutputError: the part cannot be written.
        """
        if not self._is_asked:
            return
        self._waiting.append(row)
        if len(self._waiting) == ROWS_A_PART:
            self._place(self._full, self._waiting)
            self._full, self._waiting = self._full + 1, []

    def finish(self, rows: Sequence[PredictionRow]) -> None:
        """Write all parts in the order of predictions.csv.

        Args:
            rows: every row of the run in that order.

        Raises:
            OutputError: a part cannot be written.
        """
        if not self._is_asked:
            return
        starts = range(0, max(len(rows), 1), ROWS_A_PART)
        for number, start in enumerate(starts):
            self._place(number, rows[start : start + ROWS_A_PART])
        self._remove_from(len(starts))

    def _place(self, number: int, rows: Sequence[PredictionRow]) -> None:
        path, content = self._path(number), part_bytes(rows)
        try:
            if path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content:
                return
        except OSError:  # it is written anew
            pass
        self._remove_from(number)
        write_whole(path, content)

    def _path(self, number: int) -> Path:
        return self._folder / f"part-{number:06d}.parquet"

    def _remove_from(self, number: int) -> None:
        """Remove this part and all after it, the last one first."""
        try:
            parts = [path for path in self._folder.glob("part-*.parquet") if _PART.fullmatch(path.name)]
            for path in sorted(parts, key=_number, reverse=True):
                if _number(path) >= number:
                    path.unlink(missing_ok=True)
            if not self._is_asked and self._folder.is_dir() and not any(self._folder.iterdir()):
                self._folder.rmdir()
        except OSError as error:
            raise cannot_write(self._folder, error) from error


def part_bytes(rows: Sequence[PredictionRow]) -> bytes:
    """A Parquet file of rows: numbers as float64, text as string, an empty cell as null.

    Text is that of predictions.csv without the apostrophe that keeps a spreadsheet from running a cell.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.float64() if name in NUMBERS else pa.string()) for name in COLUMNS])
    columns = [pa.array([_value(row, name) for row in rows], schema.field(name).type) for name in COLUMNS]
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), stream)
    return stream.getvalue()


def _value(row: PredictionRow, name: str) -> float | str | None:
    value = getattr(row, name)
    if value is None or value == "":
        return None
    if name in NUMBERS:
        return float(value) if math.isfinite(value) else None
    return visible(value)


def _number(path: Path) -> int:
    return int(path.stem.removeprefix("part-"))
