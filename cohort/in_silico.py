"""Whether a cohort folder is simulated, and what is said of it wherever it is shown."""

from __future__ import annotations

from pathlib import Path

from cohort.io.tables.cohort_tables import read_table

IN_SILICO_NOTICE = "In-silico: simulated radiographs and DXA. No patient, no clinical evidence."
"""What every image, table and page of simulated data states."""


def notice_of(cohort: Path) -> str:
    """What kind of data a cohort folder holds, for the top of a page; empty for people's own."""
    simulated = (cohort / "simulation.json").is_file() or "vbmd_mg_cm3" in read_table(cohort / "cohort.csv")
    return IN_SILICO_NOTICE if simulated else ""
