"""Radiographs of a delivery and the identifiers that they hold: in their headers, else in the names of their files."""

from __future__ import annotations

import filecmp
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TypeVar

from cohort.io.annotations import Outlines, Rois, read_outlines, read_readings, read_rois
from cohort.io.dicom.read import read_attributes
from cohort.io.folder import CohortIndex, index_cohort
from cohort.io.radiograph import format_of
from cohort.io.safe_names import part_of_study, safe_name
from cohort.io.tables.words import named_patient
from cohort.io.view_names import study_key
from cohort.mapping.propose import FilmIds
from cohort.spine import View
from cohort.study import Study
from osteolens.documents.text import visible
from osteolens.errors import ReadError

T = TypeVar("T")

LEAST_SIGNS = 3
"""Fewest signs of an identifier that is looked for inside a name; `1` or `AP` stand in too many."""

_PARTS = re.compile(r"[^\w]+|_+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """One study of a delivery.

    Attributes:
        study: as its files give it.
        patient_id: PatientID of its headers, empty without one that names a patient.
        study_uid: StudyInstanceUID of its headers, empty for plain images.
        accession_number: of its headers, empty without one.
    """

    study: Study
    patient_id: str = ""
    study_uid: str = ""
    accession_number: str = ""

    @property
    def is_dicom(self) -> bool:
        """Whether its headers name the study."""
        return bool(self.study_uid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Films:
    """Studies of a delivery, and what was found beside them.

    Attributes:
        films: one a study.
        index: as `index_cohort` gives it, without tables.
    """

    films: tuple[Film, ...]
    index: CohortIndex

    def ids(self) -> FilmIds:
        """Identifiers by column; of plain images every part of their names that could be one."""
        plain = {part for film in self.films if not film.is_dicom for part in names_of(film, self.index.root)}
        return FilmIds(
            patient_id=frozenset({film.patient_id for film in self.films if film.patient_id} | plain),
            study_uid=frozenset(film.study_uid for film in self.films if film.study_uid),
            accession_number=frozenset(film.accession_number for film in self.films if film.accession_number),
        )


def read_films(folder: Path) -> Films:
    """Studies of a folder with the identifiers of their headers.

    Raises:
        ReadError: the folder does not exist.
    """
    index = index_cohort(folder, with_tables=False)
    return Films(films=tuple(_film(study) for study in index.studies), index=index)


def _film(study: Study) -> Film:
    for _, path in study.images:
        try:
            if format_of(path) != "DICOM":
                continue
            header = read_attributes(path)
            uid = header.text("StudyInstanceUID") or ""
            patient = named_patient(header.text("PatientID")) or ""
            film = Film(
                study=study, patient_id=patient, study_uid=uid, accession_number=_text(header.text("AccessionNumber"))
            )
        except (ReadError, OSError):
            continue
        return film
    return Film(study=study)


def _text(value: str | None) -> str:
    return named_patient(value) or ""


def names_of(film: Film, root: Path | None) -> tuple[str, ...]:
    """Names of the folders and files of a study without the words for views, and their parts."""
    names: dict[str, None] = {}
    for _, path in film.study.images:
        relative = path.relative_to(root) if root is not None else PurePath(path.name)
        for part in (*relative.parts[:-1], study_key(PurePath(relative.name), root="")):
            names |= dict.fromkeys([part, *(p for p in _PARTS.split(part) if len(p) >= LEAST_SIGNS)])
    return tuple(name for name in names if name)


def named_in_path(film: Film, root: Path | None, known: Collection[str]) -> tuple[str, ...]:
    """Known identifiers that a study's folders and files name: whole names before parts of names."""
    whole: dict[str, None] = {}
    parts: dict[str, None] = {}
    for name in names_of(film, root):
        if name in known:
            whole[name] = None
    for _, path in film.study.images:
        text = str(path.relative_to(root) if root is not None else path.name)
        for name in (name for name in known if name in text and len(name) >= LEAST_SIGNS and not name.isalpha()):
            if re.search(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", text):
                parts[name] = None
    return tuple(whole) or tuple(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Manual ROIs of a delivery, by the studies of its films: those of cohort folders that lie in it."""

    rois: Rois
    readings: Mapping[str, Rois]
    outlines: Outlines


def read_drawn(films: Films, folders: Sequence[Path], wrong: list[str]) -> Drawn:
    """rois.csv, readers.csv and annotations.json of folders as `cohort import` writes them.

    Args:
        films: of the delivery; folders with ROIs in it count too.
        folders: other folders, whose ROIs are of the radiographs that are the same byte for byte.
        wrong: gets what cannot be read, and what is of no radiograph.

    Raises:
        ReadError: a folder does not exist.
    """
    paths = [path for film in films.films for _, path in film.study.images]
    owners = {path: film.study.study_uid for film in films.films for _, path in film.study.images}
    by_size: dict[int, list[Path]] = {}
    for path in paths:
        by_size.setdefault(path.stat().st_size, []).append(path)
    rois: Rois = {}
    readings: dict[str, Rois] = {}
    outlines: Outlines = {}
    for folder in (*_folders_with_rois(films.index), *folders):
        studies = index_cohort(folder, with_tables=False).studies
        names = {study.study_uid: _owner(study, owners, by_size) for study in studies}
        try:
            if (path := folder / "rois.csv").is_file():
                _add(rois, read_rois(path, wrong), names, path, wrong)
            if (path := folder / "readers.csv").is_file():
                for reader, boxes in read_readings(path, wrong).items():
                    _add(readings.setdefault(reader, {}), boxes, names, path, wrong)
            if (path := folder / "annotations.json").is_file():
                _add(outlines, read_outlines(path, studies), names, path, wrong)
        except ReadError as error:
            wrong.append(str(error))
    return Drawn(rois=rois, readings=readings, outlines=outlines)


def _folders_with_rois(index: CohortIndex) -> list[Path]:
    names = ("rois.csv", "readers.csv", "annotations.json")
    return sorted({item.path.parent for item in index.skipped if item.path.name in names})


def _owner(study: Study, owners: Mapping[Path, str], by_size: Mapping[int, Sequence[Path]]) -> str:
    """The study of the delivery that has the images of another folder's study; empty for none, or for several."""
    found = {owners[path] for _, path in study.images if path in owners}
    for _, path in study.images if not found else ():
        same = (other for other in by_size.get(path.stat().st_size, ()) if filecmp.cmp(path, other, shallow=False))
        found |= {owners[other] for other in same}
    return found.pop() if len(found) == 1 else ""


def _add(
    into: dict[tuple[str, View], T],
    drawn: Mapping[tuple[str, View], T],
    names: Mapping[str, str],
    path: Path,
    wrong: list[str],
) -> None:
    """What a file of a folder holds, under the studies of the delivery; of two folders the later one counts."""
    for (uid, view), found in drawn.items():
        where = f"{path.parent.name}/{path.name}: {visible(uid)} {view}"
        owner = names.get(uid) or names.get(safe_name(uid))
        if not owner:
            wrong.append(f"{where} is of no radiograph, or of several alike")
            continue
        if (owner, view) in into and repr(into[owner, view]) != repr(found):
            wrong.append(f"{where} is drawn otherwise in another folder too; this one is taken")
        into[owner, view] = found


def key_of(film: Film, films: Sequence[Film]) -> str:
    """StudyInstanceUID, with the patient where it stands for several; empty for plain images."""
    same = {other.patient_id for other in films if other.study_uid == film.study_uid}
    return part_of_study(film.study_uid, film.patient_id) if film.is_dicom and len(same) > 1 else film.study_uid
