"""Whether a cohort folder is simulated, and the notice on everything made from it."""

from __future__ import annotations

from pathlib import Path

from cohort.io.tables.reader import read_as_written
from cohort.mapping.columns_file import Holds, tables_that_hold

IN_SILICO_NOTICE = "In-silico: simulated radiographs and DXA. No patient, no clinical evidence."
"""Notice on every image, table and page of simulated data."""

SIMULATED = "vbmd_mg_cm3"
"""Column of cohort.csv that only a simulation has."""


def notice_of(cohort: Path) -> str:
    """The notice for the top of a page about a cohort folder; empty where the folder is not simulated."""
    tables = tables_that_hold(cohort, Holds.COHORT)
    simulated = (cohort / "simulation.json").is_file() or any(SIMULATED in read_as_written(path, []) for path in tables)
    return IN_SILICO_NOTICE if simulated else ""
