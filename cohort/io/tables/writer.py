"""cohort.csv from what is known of each study, in the columns and words that the reader takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from cohort.bmd import DxaResult
from cohort.io.tables.columns import COHORT_COLUMNS, KEY_COLUMNS, LEVEL_T_SCORE_COLUMNS
from cohort.io.tables.rows import CohortRow
from cohort.study import Findings
from osteolens.atomic import write_csv

Cell = str | int | float | None


def write_cohort_csv(path: Path, rows: Mapping[str, CohortRow]) -> None:
    """cohort.csv, one line a study; columns in which nothing is known are left out.

    Args:
        path: the table.
        rows: what is known of a study, by study_uid.

    Raises:
        OutputError: the table cannot be written.
    """
    table = pd.DataFrame([study_cells(uid, row) for uid, row in rows.items()], columns=list(COHORT_COLUMNS))
    known = [name for name in COHORT_COLUMNS if name in KEY_COLUMNS or bool(table[name].notna().any())]
    write_csv(path, table[known])


def study_cells(uid: str, row: CohortRow) -> dict[str, Cell]:
    """Cells of one line of cohort.csv."""
    covariates = row.covariates
    return {
        "study_uid": uid,
        "patient_id": row.patient_id,
        "age_years": covariates.age_years,
        "sex": None if covariates.sex is None else covariates.sex.value,
        "height_cm": covariates.height_cm,
        "weight_kg": covariates.weight_kg,
        "bmi_kg_m2": covariates.bmi_given,
        "site": row.site,
        "split": None if row.split is None else row.split.value,
        "machine": row.machine,
        "study_date": None if row.study_date is None else row.study_date.isoformat(),
        "pixel_spacing_mm": row.pixel_spacing_mm,
        **({} if row.dxa is None else dxa_cells(row.dxa)),
        **_finding_cells(row.findings),
    }


def dxa_cells(dxa: DxaResult) -> dict[str, Cell]:
    """Cells of one scan, as in dxa.csv."""
    return {
        "t_score": dxa.t_score,
        "bmd_g_cm2": dxa.bmd_g_cm2,
        **{LEVEL_T_SCORE_COLUMNS[level]: value for level, value in dxa.t_score_by_level.items()},
        "dxa_date": None if dxa.scan_date is None else dxa.scan_date.isoformat(),
        "dxa_reference": dxa.reference,
    }


def _finding_cells(findings: Findings) -> dict[str, Cell]:
    losses = findings.height_loss or {}
    return {
        "menopause_age_years": findings.menopause_age_years,
        "implant": None if findings.implant is None else "yes" if findings.implant else "no",
        "fracture_grade": findings.fracture_grade,
        "fractures": " ".join(f"{level}:compression:{loss:g}" for level, loss in losses.items()) or None,
        "cobb_deg": findings.cobb_deg,
        "exposure": None if findings.exposure_adequate is None else "good" if findings.exposure_adequate else "poor",
        "lumbar_count": findings.lumbar_count,
    }
