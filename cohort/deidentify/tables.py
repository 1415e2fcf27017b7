"""cohort.csv, dxa.csv, rois.csv and readers.csv with the pseudonyms and the shifts of the images beside them.

Only values that the readers of the tables understand are written again; free text and unknown columns are not.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import pandas as pd
from pydicom.uid import UID

from cohort.bmd import DxaResult, reference_of
from cohort.covariates import Covariates, Sex
from cohort.deidentify.dataset import OLDEST_YEARS
from cohort.deidentify.pseudonyms import Pseudonyms
from cohort.in_silico import SIMULATED, notice_of
from cohort.io.annotations import Rois, read_readings, read_rois, write_readings, write_rois
from cohort.io.safe_names import part_of_study, safe_name
from cohort.io.tables.cohort_tables import CohortTable, ScanTable
from cohort.io.tables.columns import COHORT_COLUMNS, DXA_COLUMNS, KEY_COLUMNS
from cohort.io.tables.join import CohortTables
from cohort.io.tables.rows import CohortRow
from cohort.io.tables.writer import Cell, dxa_cells, study_cells
from cohort.splits import split_of_site
from osteolens.atomic import write_whole
from osteolens.errors import OutputError

TABLES = ("cohort.csv", "dxa.csv", "rois.csv", "readers.csv")


@dataclass(slots=True, kw_only=True)
class Names:
    """New names of studies and patients.

    Attributes:
        pseudonyms: what stands in place of identifiers.
        keeps_dates: whether dates are shifted; else they are removed.
        studies: new identifier of each study, by every spelling that a table may use.
        patients: patient of each study, by the same spellings.
    """

    pseudonyms: Pseudonyms
    keeps_dates: bool
    studies: dict[str, str] = field(default_factory=dict)
    patients: dict[str, str] = field(default_factory=dict)

    def learn(self, study_uid: str, header_patient: str, patient_id: str) -> None:
        """Take up a study of which there is an image."""
        new, patient = self.pseudonyms.uid(study_uid), self.pseudonyms.patient(patient_id)
        for old, name in (
            (study_uid, new),
            (safe_name(study_uid), new),
            (part_of_study(study_uid, header_patient), part_of_study(new, patient)),
        ):
            self.studies[old], self.patients[old] = name, patient_id

    def study(self, uid: str) -> str:
        """New identifier of a study."""
        if uid in self.studies:
            return self.studies[uid]
        return self.pseudonyms.uid(uid) if UID(uid).is_valid and "." in uid else self.pseudonyms.patient(uid)

    def day(self, day: date | None, patient_id: str) -> date | None:
        """A day moved by its patient's shift, None where dates are removed."""
        return None if day is None or not self.keeps_dates else self.pseudonyms.shifted(day, patient_id)


def patient_of(tables: CohortTables, study_uid: str, patient_id: str) -> str:
    """Patient of an image by the tables, else by its header, else its study alone."""
    for key in dict.fromkeys((part_of_study(study_uid, patient_id), study_uid, safe_name(study_uid))):
        for line in () if tables.cohort is None else tables.cohort.lines:
            if key and line.study_uid == key and line.patient_id:
                return line.patient_id
    return patient_id or study_uid


def write_tables(source: Path, out: Path, tables: CohortTables, names: Names, wrong: list[str]) -> tuple[str, ...]:
    """Write each table that stands beside the images; returns their names.

    Args:
        source: folder of the images.
        out: folder to write into.
        tables: cohort.csv and dxa.csv as read.
        names: new names.
        wrong: gets what is wrong with lines of rois.csv and readers.csv, which are left out.

    Raises:
        ReadError: a table that cannot be read at all.
        OutputError: a table cannot be written, or another has its place.
    """
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        if tables.cohort is not None:
            _write(made / "cohort.csv", _cohort(tables.cohort, names), COHORT_COLUMNS, bool(notice_of(source)))
        if tables.scans is not None:
            _write(made / "dxa.csv", _scans(tables.scans, names), ("patient_id", *DXA_COLUMNS))
        if (source / "rois.csv").is_file():
            write_rois(made / "rois.csv", _rois(read_rois(source / "rois.csv", wrong), names))
        if (source / "readers.csv").is_file():
            readings = read_readings(source / "readers.csv", wrong)
            renamed = {names.pseudonyms.name("reader", reader): _rois(rois, names) for reader, rois in readings.items()}
            write_readings(made / "readers.csv", renamed)
        written = [table for table in TABLES if (made / table).is_file()]
        contents = {table: (made / table).read_bytes() for table in written}
    for table, content in contents.items():
        path = out / table
        if path.is_symlink() or (path.exists() and path.read_bytes() != content):
            raise OutputError(f"{path}: is there already with another content; nothing is overwritten")
    for table, content in contents.items():
        if not (out / table).exists():
            write_whole(out / table, content)
    return tuple(written)


def _write(path: Path, rows: Iterable[Mapping[str, Cell]], columns: Iterable[str], simulated: bool = False) -> None:
    """A table of the columns in which something is known; that of a simulation stays marked as one."""
    table = pd.DataFrame(list(rows), columns=list(columns))
    known = [name for name in table if name in KEY_COLUMNS or bool(table[name].notna().any())]
    if simulated:
        table, known = table.assign(**{SIMULATED: None}), [*known, SIMULATED]
    write_whole(path, table[known].to_csv(index=False, lineterminator="\n"))


def _cohort(table: CohortTable, names: Names) -> list[dict[str, Cell]]:
    rows = []
    for line in table.lines:
        patient = line.patient_id or names.patients.get(line.study_uid) or line.study_uid
        cells = study_cells(names.study(line.study_uid) if line.study_uid else "", _row(line.row, patient, names))
        rows.append(cells | {"patient_id": names.pseudonyms.patient(patient) if patient else None})
    return rows


def _row(row: CohortRow, patient: str, names: Names) -> CohortRow:
    """A line without names: sites and machines under pseudonyms; what a site's name says of the split is spelt out."""
    return replace(
        row,
        covariates=_covariates(row.covariates),
        dxa=None if row.dxa is None else _scan(row.dxa, patient, names),
        site=None if row.site is None else names.pseudonyms.name("site", row.site),
        split=row.split or split_of_site(row.site),
        machine=None if row.machine is None else names.pseudonyms.name("machine", row.machine),
        study_date=names.day(row.study_date, patient),
    )


def _covariates(covariates: Covariates) -> Covariates:
    age = covariates.age_years
    return covariates if age is None else replace(covariates, age_years=min(age, float(OLDEST_YEARS)))


def _scans(table: ScanTable, names: Names) -> list[dict[str, Cell]]:
    return [
        {"patient_id": names.pseudonyms.patient(patient), **dxa_cells(_scan(scan, patient, names))}
        for patient, scans in table.scans.items()
        for scan in scans
    ]


def _scan(scan: DxaResult, patient: str, names: Names) -> DxaResult:
    name = scan.reference
    known = name is None or any(reference_of(name, sex) is not None for sex in Sex)
    reference = name if known else names.pseudonyms.name("reference", str(name))
    return replace(scan, scan_date=names.day(scan.scan_date, patient), reference=reference)


def _rois(rois: Rois, names: Names) -> Rois:
    return {(names.study(uid), view): boxes for (uid, view), boxes in rois.items()}
