"""Which study of a delivery is of which line of its tables: by identifiers alone, never by likeness."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cohort.delivery.films import Film, Films, key_of, named_in_path
from cohort.io.safe_names import safe_name
from cohort.io.tables.join import CohortTables
from cohort.io.tables.notes import hint_of
from cohort.study import Study
from osteolens.documents.text import visible


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """A study that the tables know.

    Attributes:
        film: its radiographs.
        key: what the tables call the study: StudyInstanceUID, or a name of its files.
        study_uid: identifier in the cohort folder, by which its folder is called.
        study: joined to the tables.
    """

    film: Film
    key: str
    study_uid: str
    study: Study


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Studies with a partner in the tables, and what has none on either side, with the reason."""

    partners: tuple[Partner, ...]
    films_alone: tuple[str, ...]
    lines_alone: tuple[str, ...]
    notes: tuple[str, ...]


def studies_of_accessions(films: Films) -> Mapping[str, str]:
    """StudyInstanceUID by AccessionNumber, where it stands for one study alone."""
    count = Counter(film.accession_number for film in films.films)
    return {f.accession_number: key_of(f, films.films) for f in films.films if count[f.accession_number] == 1}


def match_films(films: Films, tables: CohortTables) -> Match:
    """Every study of a delivery with its line and its scans.

    Args:
        films: of the delivery.
        tables: with accession numbers replaced by the studies that have them.
    """
    known = _identifiers(tables)
    partners: list[Partner] = []
    alone: list[str] = []
    notes: list[str] = []
    for film in films.films:
        key, patient, why = _named(film, films, tables, known)
        if why:
            alone.append(f"{_name(film, films)} ({why})")
            continue
        study = replace(film.study, patient_id=patient)
        joined = tables.joined(study, key)
        if film.patient_id and joined.patient_id != film.patient_id:
            notes.append(
                f"{_name(film, films)}: its line is of patient {visible(joined.patient_id)}, its header names another"
            )
        partners.append(Partner(film=film, key=key, study_uid="", study=joined))
    count = Counter(partner.study.patient_id for partner in partners if not partner.film.is_dicom)
    named = [replace(partner, study_uid=_uid(partner, count)) for partner in partners]
    return Match(
        partners=tuple(named),
        films_alone=tuple(alone),
        lines_alone=_lines_alone(named, tables, films),
        notes=tuple(notes),
    )


def _identifiers(tables: CohortTables) -> Mapping[str, str]:
    """Patient, as the tables call him, by every identifier in them; an empty one where an identifier is of several."""
    patients: dict[str, str] = {}
    for line in () if tables.cohort is None else tables.cohort.lines:
        patient = line.patient_id or line.study_uid
        for name in filter(None, (line.study_uid, patient)):
            patients[name] = patient if patients.get(name, patient) == patient else ""
    for patient in () if tables.scans is None else tables.scans.scans:
        patients.setdefault(patient, patient)
    return patients


def _named(film: Film, films: Films, tables: CohortTables, known: Mapping[str, str]) -> tuple[str, str, str]:
    """Key and patient of a study, or why there is none."""
    key = key_of(film, films.films)
    if key in known:
        return key, known[key] or film.patient_id, ""
    if film.patient_id:
        found = film.patient_id in known
        return key or film.patient_id, film.patient_id, "" if found else "its PatientID stands in no table"
    named = named_in_path(film, films.index.root, known)
    patients = list(dict.fromkeys(known[name] for name in named))
    if len(patients) != 1 or not patients[0]:
        what = "no identifier of the tables" if not named else f"several patients: {visible(', '.join(patients[:3]))}"
        return "", "", f"its files name {what}"
    studies = [name for name in named if name != patients[0]]
    return key or (studies[0] if len(studies) == 1 else film.study.study_uid), patients[0], ""


def _uid(partner: Partner, count: Mapping[str, int]) -> str:
    """StudyInstanceUID; of plain images the patient, or where he has several studies the names of their files."""
    if partner.film.is_dicom:
        return partner.key
    patient = partner.study.patient_id
    return safe_name(patient if count[patient] == 1 else partner.film.study.study_uid)


def _lines_alone(partners: Sequence[Partner], tables: CohortTables, films: Films) -> tuple[str, ...]:
    """Lines of the tables without radiographs, with a word where they nearly have some."""
    met = {line.number for p in partners for line in tables.lines_of_visit(p.study, p.key)}
    patients = {partner.study.patient_id for partner in partners}
    ids = films.ids()
    names = ids.patient_id | ids.study_uid | ids.accession_number
    lines = []
    for line in () if tables.cohort is None else tables.cohort.lines:
        if line.number not in met and tables.cohort is not None:
            who = line.study_uid or line.patient_id or "no identifier"
            of_patient = "the patient has radiographs of another study or day" if line.patient_id in patients else ""
            hint = of_patient or hint_of(line.study_uid, names) or hint_of(line.patient_id, names)
            where = f"{visible(tables.cohort.name)} line {line.number}"
            lines.append(f"{visible(who)} ({'; '.join(filter(None, [where, hint]))})")
    lines += () if tables.cohort is None else tables.cohort.unmatched
    for patient, number in {} if tables.scans is None else tables.scans.lines.items():
        if patient not in patients and tables.scans is not None:
            where = f"{visible(tables.scans.name)} line {number}"
            lines.append(f"{visible(patient)} ({'; '.join(filter(None, [where, hint_of(patient, names)]))})")
    return tuple(lines)


def _name(film: Film, films: Films) -> str:
    """The first file of a study, from the folder of the delivery."""
    path = film.study.images[0][1] if film.study.images else None
    root = films.index.root
    return visible(path.relative_to(root) if path is not None and root is not None else film.study.study_uid)
