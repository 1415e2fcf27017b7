"""Pixel spacing of plain images, from a table."""

from __future__ import annotations

from pathlib import Path

from cohort.io.tables.cells import number
from cohort.io.tables.reader import columns_text, lines_of, read_table
from cohort.io.tables.rows import LIMITS
from osteolens.documents.text import visible
from osteolens.errors import ReadError

IMAGE, SPACING = "image", "pixel_spacing_mm"


def read_spacings(path: Path) -> dict[str, tuple[float, float]]:
    """Spacing in mm by the image's name or its stem, in lower case, from a CSV with columns image, pixel_spacing_mm.

    Raises:
        ReadError: a column is missing, a line holds no spacing, or an image stands twice with different ones.
    """
    table = read_table(path)
    if missing := [name for name in (IMAGE, SPACING) if name not in table]:
        raise ReadError(
            f"{visible(path.name)}: columns {', '.join(missing)} are missing; expected {IMAGE}, {SPACING}, found "
            f"{columns_text(table)}"
        )
    by_name: dict[str, tuple[float, float]] = {}
    for line, cells in lines_of(table):
        where = f"{visible(path.name)} line {line}"
        name = cells[IMAGE].strip().casefold()
        value = number(cells[SPACING], where, SPACING, LIMITS[SPACING])
        if not name or value is None:
            raise ReadError(f"{where}: expected the name of an image and its spacing in mm")
        if by_name.setdefault(name, (value, value)) != (value, value):
            raise ReadError(f"{where}: {visible(name)} stands twice with different spacings")
    return by_name
