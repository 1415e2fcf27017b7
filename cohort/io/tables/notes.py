"""Notes on the tables that a command joins to studies: doubled, unmatched and unreadable lines, by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cohort.io.annotations import Rois, read_readings, read_rois
from cohort.io.safe_names import safe_name
from cohort.io.tables.cohort_tables import CohortTable, ScanTable, cohort_table, scan_table
from cohort.io.tables.encodings import GUESSED
from cohort.io.tables.findings import NAME as FINDINGS
from cohort.io.tables.findings import read_findings
from cohort.io.tables.join import CohortTables
from cohort.mapping.columns_file import COLUMNS_FILE, Holds, read_columns, tables_that_hold
from cohort.study import Study
from osteolens.documents.text import visible
from osteolens.errors import ReadError

MOST_NAMES = 3
"""Identifiers named with a problem; the others are counted."""

_ROUNDED = re.compile(r"\d([.,]\d+)?e\+?\d+", re.IGNORECASE)


class NamedStudy(Protocol):
    """Anything with a study's two names: a study, or a result of one."""

    @property
    def study_uid(self) -> str:
        """Identifier that is safe as a file name."""

    @property
    def patient_id(self) -> str:
        """Identifier of the patient, as given."""


@dataclass(slots=True)
class Kinds:
    """Problems by kind with the identifiers that have them."""

    identifiers: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, *who: str) -> None:
        """More identifiers with one problem."""
        if who:
            self.identifiers.setdefault(kind, []).extend(who)

    def lines(self) -> tuple[str, ...]:
        """One line a kind: how many, and the first few names."""
        lines = []
        for kind, who in self.identifiers.items():
            more = f" and {len(who) - MOST_NAMES} more" if len(who) > MOST_NAMES else ""
            lines.append(f"{len(who)} x {kind}: {', '.join(who[:MOST_NAMES])}{more}")
        return tuple(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableNotes:
    """What the tables of a folder lack, each a plain line with a count and at most three names.

    Attributes:
        doubled: lines that repeat another line, and were counted once.
        unmatched: lines that match no study, and studies that no line of cohort.csv matches.
        unreadable: lines or tables that cannot be read or contradict another, and were left out.
        encodings: the encoding of cohort.csv, where no mark gives it and one that fits was taken.
    """

    doubled: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    encodings: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """All of them, worst first."""
        return (*self.unreadable, *self.unmatched, *self.doubled, *self.encodings)


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderTables:
    """The tables of a cohort folder, each None or empty where it is missing or cannot be read.

    Attributes:
        cohort: cohort.csv.
        scans: dxa.csv.
        rois: rois.csv.
        readings: study_uid of every box of readers.csv.
        wrong: by table, what is wrong with its lines or with the table.
        open_columns: columns that columns.yaml leaves open, so that they are not read.
    """

    cohort: CohortTable | None
    scans: ScanTable | None
    rois: Rois
    readings: tuple[str, ...]
    wrong: dict[str, list[str]]
    open_columns: tuple[str, ...] = ()


def table_notes(folder: Path, studies: Iterable[NamedStudy]) -> tuple[str, ...]:
    """Lines to print beside what a command made of a cohort folder; none for a single image or a manifest.

    Args:
        folder: cohort folder with cohort.csv, dxa.csv, rois.csv or readers.csv.
        studies: all studies of the folder, before any choice of site or criterion.
    """
    return notes_of(read_tables(folder), studies).lines


def read_tables(folder: Path) -> FolderTables:
    """The tables of a folder, with everything that is wrong with them."""
    wrong: dict[str, list[str]] = {}
    cohort, scans, rois, readings = None, None, {}, {}
    for name in ("cohort.csv", "dxa.csv", FINDINGS, "rois.csv", "readers.csv"):
        path, messages = folder / name, wrong.setdefault(name, [])
        try:
            if name == "cohort.csv":
                tables = tables_that_hold(folder, Holds.COHORT)
                cohort = cohort_table(*tables) if tables else None
                messages.extend(() if cohort is None else cohort.wrong)
            elif name == "dxa.csv":
                tables = tables_that_hold(folder, Holds.DXA)
                scans = scan_table(*tables) if tables else None
                messages.extend(() if scans is None else scans.wrong)
            elif not path.is_file():
                continue
            elif name == FINDINGS:
                read_findings(path, messages)
            elif name == "rois.csv":
                rois = read_rois(path, messages)
            else:
                readings = read_readings(path, messages)
        except ReadError as error:
            messages.append(str(error))
    read = dict.fromkeys(uid for boxes in readings.values() for uid, _ in boxes)
    return FolderTables(
        cohort=cohort, scans=scans, rois=rois, readings=tuple(read), wrong=wrong, open_columns=_open_columns(folder)
    )


def _open_columns(folder: Path) -> tuple[str, ...]:
    try:
        columns = read_columns(folder)
    except ReadError:
        return ()
    tables = () if columns is None else columns.tables.values()
    return tuple(
        f"{visible(c)} of {visible(t.file)}" for t in tables if t.holds is not Holds.NOTHING for c in t.open_columns
    )


def notes_of(tables: FolderTables, studies: Iterable[NamedStudy]) -> TableNotes:
    """Doubled, unmatched and unreadable lines of the tables, given all studies of their folder."""
    study_list = list(studies)
    joined, as_studies = CohortTables.of(tables.cohort, tables.scans), [_as_study(study) for study in study_list]
    doubled, missing, wrong, encodings = Kinds(), Kinds(), Kinds(), []
    for name in ("cohort.csv", "dxa.csv", FINDINGS):
        wrong.add("line that cannot be read", *tables.wrong.get(name, ()))
    wrong.add(f"column that {COLUMNS_FILE} leaves open and nobody reads", *tables.open_columns)
    wrong.add("ROIs that cannot be read", *tables.wrong.get("rois.csv", ()), *tables.wrong.get("readers.csv", ()))
    if tables.cohort is not None:
        name = tables.cohort.name
        doubled.add(f"line of {name} that stands twice, counted once", *tables.cohort.doubled)
        missing.add(f"line of {name} without radiographs", *_lines_without_study(joined, as_studies))
        missing.add(f"study without a line in {name}", *_studies_without_line(joined, as_studies))
        missing.add("line without a day that was joined to several studies", *_lines_of_several(joined, as_studies))
        missing.add(f"line of another table without one in {name}", *tables.cohort.unmatched)
    missing.add(
        "study of a patient with several DXA scans, none of which can be told to be the nearest",
        *_studies_of_several_scans(joined, study_list),
    )
    if tables.scans is not None:
        doubled.add(f"line of {tables.scans.name} that stands twice, counted once", *tables.scans.doubled)
        missing.add(f"patient of {tables.scans.name} without radiographs", *unmatched(tables.scans.lines, study_list))
    rois = dict.fromkeys((uid for uid, _ in tables.rois), 0)
    missing.add("study of rois.csv without radiographs", *unmatched(rois, study_list))
    missing.add("study of readers.csv without radiographs", *unmatched(dict.fromkeys(tables.readings, 0), study_list))
    if tables.cohort is not None and tables.cohort.encoding in GUESSED:
        sites = [line.row.site for line in tables.cohort.lines if line.row.site and not line.row.site.isascii()]
        example = f", e.g. site {visible(sites[0])}" if sites else ""
        kind = GUESSED[tables.cohort.encoding]
        encodings.append(
            f"{tables.cohort.name} was read as {kind}{example}; save it as 'CSV UTF-8' if a name looks wrong"
        )
    return TableNotes(
        doubled=doubled.lines(), unmatched=missing.lines(), unreadable=wrong.lines(), encodings=tuple(encodings)
    )


def unmatched(keys: Mapping[str, int], studies: Iterable[NamedStudy]) -> tuple[str, ...]:
    """Keys of a table that no study has, with their line, and a word where they would match if written otherwise.

    Args:
        keys: line of the file by study_uid or patient_id, 0 where it is not known.
        studies: all studies that the table could be of.
    """
    names = _names(studies)
    loose = {_loose(name): name for name in sorted(names, reverse=True)}
    return tuple(
        _named(key, line, _hint(key, loose))
        for key, line in keys.items()
        if key not in names and safe_name(key) not in names
    )


def hint_of(key: str, names: Iterable[str]) -> str:
    """How an identifier that matches nobody would match one of others if it were written otherwise; empty for none."""
    return _hint(key, {_loose(name): name for name in sorted(names, reverse=True)})


def _names(studies: Iterable[NamedStudy]) -> set[str]:
    return {name for study in studies for name in (study.study_uid, study.patient_id)}


def _lines_without_study(tables: CohortTables, studies: list[Study]) -> tuple[str, ...]:
    """Lines of cohort.csv that are of no study and no visit of the folder."""
    names = _names(studies)
    loose = {_loose(name): name for name in sorted(names, reverse=True)}
    matched = tables.matched_lines(studies)
    lines = []
    for line in () if tables.cohort is None else tables.cohort.lines:
        if line.number in matched:
            continue
        if not line.study_uid and not line.patient_id:
            lines.append(f"line {line.number} (no study_uid or patient_id)")
            continue
        hint = _hint(line.study_uid, loose) or _hint(line.patient_id, loose)
        if not hint and line.patient_id in names:
            what = "study_uid is of none of them" if line.study_uid else "study_date is of none of them"
            hint = f"patient {visible(line.patient_id)} has radiographs, but this {what}"
        lines.append(_named(line.study_uid or line.patient_id, line.number, hint))
    return tuple(lines)


def _studies_without_line(tables: CohortTables, studies: list[Study]) -> tuple[str, ...]:
    without = []
    for study in studies:
        if tables.line_of(study) is None:
            several = tables.lines_of_visit(study)
            why = f"lines {', '.join(str(line.number) for line in several)} could be its own" if several else ""
            without.append(_named(study.patient_id or study.study_uid, 0, why))
    return tuple(without)


def _lines_of_several(tables: CohortTables, studies: list[Study]) -> tuple[str, ...]:
    """Lines of patients with several studies, where no study_date tells which of them they are of."""
    found: dict[int, list[Study]] = {}
    lines = {}
    for study in studies:
        line = tables.line_of(study)
        if line is not None and safe_name(line.study_uid) != study.study_uid:
            lines[line.number] = line
            found.setdefault(line.number, []).append(study)
    return tuple(
        _named(lines[number].patient_id or lines[number].study_uid, number, f"{len(of_line)} studies")
        for number, of_line in found.items()
        if len(of_line) > 1 and lines[number].row.study_date is None
    )


def _studies_of_several_scans(tables: CohortTables, studies: Iterable[NamedStudy]) -> tuple[str, ...]:
    return tuple(
        visible(study.patient_id)
        for study in studies
        if isinstance(study, Study) and study.dxa is None and len(tables.scans_of(study)) > 1
    )


def _as_study(named: NamedStudy) -> Study:
    """A study for the join; a result of one has the date that it was screened with."""
    if isinstance(named, Study):
        return named
    day = getattr(named, "study_date", None)
    return Study(study_uid=named.study_uid, patient_id=named.patient_id, study_date=day)


def _named(key: str, line: int, hint: str) -> str:
    inside = "; ".join(part for part in (f"line {line}" if line else "", hint) if part)
    return f"{visible(key)} ({inside})" if inside else visible(key)


def _loose(key: str) -> str:
    """An identifier without what spreadsheets and people change: case, blanks, leading zeros, `.0` at the end."""
    text = "".join(key.casefold().split())
    return re.sub(r"[.,]0+$", "", text).lstrip("0") if re.fullmatch(r"\d+([.,]0+)?", text) else text


def _hint(key: str, loose: Mapping[str, str]) -> str:
    other = loose.get(_loose(key)) if key else None
    if other is not None and other != key:
        zeros = key.strip().isdigit() and other.strip().isdigit()
        how = "without leading zeros" if zeros else "but for case, blanks or a decimal"
        return f"matches {visible(other)} {how}; keep the column as text"
    return "a spreadsheet rounded it; keep the column as text" if _ROUNDED.fullmatch(key) else ""
