"""cohort.csv and dxa.csv joined to studies by the same rules everywhere: who, which visit, which DXA."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from pathlib import Path
from typing import TypeVar

from cohort.bmd import DxaResult
from cohort.covariates import Covariates
from cohort.io.safe_names import part_of_study, safe_name
from cohort.io.tables.cohort_tables import (
    CohortLine,
    CohortTable,
    ScanTable,
    cohort_table,
    collect_or_raise,
    nearest_scan,
    scan_table,
)
from cohort.io.tables.findings import NAME, read_findings
from cohort.io.tables.rows import CohortRow, age_on
from cohort.mapping.columns_file import Holds, tables_that_hold
from cohort.study import Findings, Study
from osteolens.errors import ReadError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortTables:
    """cohort.csv and dxa.csv of a folder, ready to be joined to its studies.

    A line of cohort.csv that names a study is of that study. Any other line of its patient is of the same visit when
    the line names no study and its date is the study's or one of both is unknown, or when it names another study of
    the same known date. A line of another visit gives no covariates, findings, DXA or date: only what is constant in
    a patient (patient_id and sex; site and split where the study has no line of its own, since a patient may come to
    several sites), and its dated DXA as one more scan.

    Attributes:
        cohort: cohort.csv, None without it.
        scans: dxa.csv, None without it.
        read: findings.csv by study: what a reader found counts before the findings of cohort.csv.
    """

    cohort: CohortTable | None = None
    scans: ScanTable | None = None
    read: Mapping[str, Findings] = field(default_factory=dict)
    _by_study: Mapping[str, CohortLine] = field(default_factory=dict, repr=False)
    _by_patient: Mapping[str, tuple[CohortLine, ...]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls, cohort: CohortTable | None, scans: ScanTable | None, read: Mapping[str, Findings] | None = None
    ) -> CohortTables:
        """Both tables with their lines found by study and by patient."""
        by_study: dict[str, CohortLine] = {}
        by_patient: dict[str, list[CohortLine]] = {}
        lines = () if cohort is None else cohort.lines
        for line in lines:
            if line.study_uid:
                by_study.setdefault(line.study_uid, line)
            if patient := line.patient_id or line.study_uid:
                by_patient.setdefault(patient, []).append(line)
        for line in lines:
            if line.study_uid:
                by_study.setdefault(safe_name(line.study_uid), line)
        return cls(
            cohort=cohort,
            scans=scans,
            read=read or {},
            _by_study=by_study,
            _by_patient={patient: tuple(found) for patient, found in by_patient.items()},
        )

    def joined(self, study: Study, key: str | None = None) -> Study:
        """A study with covariates, DXA, site, split, system, date, findings and patient_id by the tables.

        DXA is the one of its own line or visit, else the scan of the patient nearest to the study among dxa.csv and
        the dated lines of other visits; a study without a date has none, unless dxa.csv holds the patient's only one.

        Args:
            study: as its files give it.
            key: the study's identifier as given, where `study_uid` is a safe form of it.
        """
        line, patient = self._line_and_patient(study, key)
        others = [other for other in self._by_patient.get(patient, ()) if other is not line]
        covariates, findings, dxa = study.covariates, study.findings, study.dxa
        patient_id, day, system = patient, study.study_date, study.system
        site, split = study.site, study.split
        if line is not None:
            row = line.row
            covariates = covariates.overridden_by(row.covariates)
            findings = _filled(row.findings, findings)
            dxa, day = row.dxa or dxa, row.study_date or day
            site, split, system = row.site or site, row.split or split, row.machine or system
            if row.covariates.age_years is None and (age := _age(row, day)) is not None:
                covariates = replace(covariates, age_years=age)
        for name in dict.fromkeys((key or study.study_uid, study.study_uid)):
            findings = _filled(self.read.get(name, findings), findings)
        if covariates.sex is None and (sex := _agreed(other.row.covariates.sex for other in others)) is not None:
            covariates = covariates.overridden_by(Covariates(sex=sex))
        return replace(
            study,
            patient_id=patient_id,
            covariates=covariates,
            findings=findings,
            dxa=dxa or self._nearest(patient, others, day),
            site=site if line is not None else site or _agreed(other.row.site for other in others),
            split=split if line is not None else split or _agreed(other.row.split for other in others),
            study_date=day,
            system=system,
            plain_spacing_mm=(None if line is None else line.row.pixel_spacing_mm) or study.plain_spacing_mm,
        )

    def line_of(self, study: Study, key: str | None = None) -> CohortLine | None:
        """The line of cohort.csv that is of a study or of its visit; None where there is none, or none can be told."""
        return self._line_and_patient(study, key)[0]

    def lines_of_visit(self, study: Study, key: str | None = None) -> tuple[CohortLine, ...]:
        """Every line that is or could be of a study: its own, and those of its patient without another study or day."""
        line, patient = self._line_and_patient(study, key)
        day = (None if line is None else line.row.study_date) or study.study_date
        lines = self._by_patient.get(patient, ())
        could_be = [o for o in lines if o is not line and _names_patient(o, patient) and _same_visit(o, patient, day)]
        return (*(() if line is None else (line,)), *could_be)

    def matched_lines(self, studies: Iterable[Study]) -> set[int]:
        """Numbers of the lines of cohort.csv that are, or could be, of one of the studies."""
        return {line.number for study in studies for line in self.lines_of_visit(study)}

    def scans_of(self, study: Study) -> tuple[DxaResult, ...]:
        """Scans of the patient of a joined study that could be nearest to it; its own line's is none of them."""
        line = self.line_of(study)
        others = [other for other in self._by_patient.get(study.patient_id, ()) if other is not line]
        return self._scans(study.patient_id, others)

    def unprocessed(self, studies: Iterable[Study]) -> tuple[Study, ...]:
        """Studies and patients that the tables name and none of the given is, joined, without images.

        One for each line of cohort.csv that is none of the given studies, by study or, without study_uid, by patient
        and visit; then one for each patient who stands in dxa.csv alone.
        """
        done: set[int] = set()
        patients: set[str] = set()
        taken: set[str] = set()
        for study in studies:
            done |= self.matched_lines([study])
            patients |= {study.patient_id, self._line_and_patient(study, None)[1]}
            taken.add(study.study_uid)
        return (*self._lines_left(done, taken), *self._patients_left(patients, taken))

    def _lines_left(self, done: set[int], taken: set[str]) -> Iterator[Study]:
        for line in () if self.cohort is None else self.cohort.lines:
            patient = line.patient_id or line.study_uid
            if line.number in done or not patient:
                continue
            uid = safe_name(line.study_uid or patient)
            if uid in taken:
                uid = safe_name(f"{patient} {line.row.study_date or f'line {line.number}'}")
            taken.add(uid)
            study = Study(study_uid=uid, patient_id=patient, study_date=line.row.study_date)
            yield self.joined(study, line.study_uid or None)

    def _patients_left(self, patients: set[str], taken: set[str]) -> Iterator[Study]:
        for patient in {} if self.scans is None else self.scans.scans:
            uid = safe_name(patient)
            if patient not in patients and uid not in taken and patient not in self._by_patient:
                yield self.joined(Study(study_uid=uid, patient_id=patient))

    def _line_and_patient(self, study: Study, key: str | None) -> tuple[CohortLine | None, str]:
        """The line of a study's visit, and its patient by that line, else by the study."""
        names = dict.fromkeys((key or study.study_uid, study.study_uid))
        for name in names:
            if (line := self._by_study.get(name)) is not None:
                return line, line.patient_id or study.patient_id
        for patient in dict.fromkeys((study.patient_id, *names)):
            if patient and patient in self._by_patient:
                lines = self._by_patient[patient]
                parted = [line for line in lines if part_of_study(line.study_uid, patient) in names]
                return parted[0] if parted else _of_visit(lines, patient, study.study_date), patient
        return None, study.patient_id

    def _nearest(self, patient: str, others: Sequence[CohortLine], day: date | None) -> DxaResult | None:
        """The nearest scan; without a day none, unless dxa.csv holds the only one that is known of the patient."""
        scans = self._scans(patient, others)
        if day is None and len(scans) > len(self._scans(patient, ())):
            return None
        return nearest_scan(scans, day)

    def _scans(self, patient: str, others: Sequence[CohortLine]) -> tuple[DxaResult, ...]:
        scans = [] if self.scans is None else list(self.scans.scans.get(patient, ()))
        for line in others:
            dxa = line.row.dxa
            if dxa is not None and dxa.scan_date is not None and dxa not in scans:
                scans.append(dxa)
        return tuple(scans)


def read_cohort_tables(
    folder: Path,
    wrong: list[str] | None = None,
    with_cohort: bool = True,
    studies_of: Mapping[str, str] | None = None,
) -> CohortTables:
    """cohort.csv and dxa.csv of a folder, or the tables that columns.yaml names; without one of them its part is empty.

    Args:
        folder: cohort folder.
        wrong: gets what is wrong with every line that cannot be read or contradicts another, and such lines are left
            out; without it the first one is an error.
        with_cohort: whether cohort.csv is read.
        studies_of: study_uid by accession number, for tables that have one.

    Raises:
        ReadError: a table that cannot be read at all, or a line as above.
    """
    cohort, scans = tables_that_hold(folder, Holds.COHORT), tables_that_hold(folder, Holds.DXA)
    rows = cohort_table(*cohort, studies_of=studies_of) if with_cohort and cohort else None
    if rows is not None:
        collect_or_raise(rows.wrong, wrong)
    results = scan_table(*scans) if scans else None
    if results is not None:
        collect_or_raise(results.wrong, wrong)
    of_reader: list[str] = []
    read = read_findings(folder / NAME, of_reader) if (folder / NAME).is_file() else {}
    collect_or_raise(of_reader, wrong)
    return CohortTables.of(rows, results, read)


def _age(row: CohortRow, day: date | None) -> float | None:
    """Age on the day of the radiographs by a line's birth_date; None where the two give no human age."""
    try:
        return age_on(day, row.birth_date, "birth_date")
    except ReadError:
        return None


def _names_patient(line: CohortLine, patient: str) -> bool:
    """Whether a line names a patient alone; a study_uid that only repeats the patient names no study."""
    return not line.study_uid or line.study_uid == patient


def _same_visit(line: CohortLine, patient: str, day: date | None) -> bool:
    if _names_patient(line, patient):
        return line.row.study_date is None or day is None or line.row.study_date == day
    return day is not None and line.row.study_date == day


def _of_visit(lines: Sequence[CohortLine], patient: str, day: date | None) -> CohortLine | None:
    """The line of a patient that is of a visit: of the same day before one without a day; None where several differ."""
    fitting = [line for line in lines if _same_visit(line, patient, day)]
    of_day = [line for line in fitting if day is not None and line.row.study_date == day]
    alone = [line for line in of_day if _names_patient(line, patient)]
    candidates = alone or of_day or fitting
    if not candidates or any(line.row != candidates[0].row for line in candidates):
        return None
    return candidates[0]


def _agreed(values: Iterable[T | None]) -> T | None:
    """The one value that is known, None where there is none or several."""
    known = list(dict.fromkeys(value for value in values if value is not None))
    return known[0] if len(known) == 1 else None


def _filled(given: Findings, others: Findings) -> Findings:
    """Findings, with those that are unknown taken from others."""
    unknown = {f.name: getattr(others, f.name) for f in fields(Findings) if getattr(given, f.name) is None}
    return replace(given, **unknown)
