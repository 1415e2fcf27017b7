"""The cohort folder of a delivery: its radiographs by study, cohort.csv, dxa.csv, and the ROIs that came with them."""

from __future__ import annotations

import filecmp
import json
import shutil
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import pandas as pd

from cohort.bmd import DxaResult
from cohort.delivery.films import Drawn, Films, read_drawn, read_films
from cohort.delivery.match import Partner, match_films, studies_of_accessions
from cohort.io.annotations import write_outlines, write_readings, write_rois
from cohort.io.radiograph import read_radiograph
from cohort.io.safe_names import safe_name
from cohort.io.tables.columns import DXA_COLUMNS
from cohort.io.tables.join import CohortTables, read_cohort_tables
from cohort.io.tables.rows import CohortRow
from cohort.io.tables.writer import dxa_cells, write_cohort_csv
from cohort.mapping.columns_file import COLUMNS_FILE, Holds, read_columns, tables_that_hold
from cohort.mapping.folder import open_choices, propose_columns
from cohort.spine import View
from osteolens.atomic import make_folder, whole_file, write_csv, write_whole
from osteolens.documents.json_document import read_json
from osteolens.errors import ConfigError, ReadError
from osteolens.progress import Progress, silent

T = TypeVar("T")

RECORD = "assembled.json"
"""Lists what was written into the folder, so that a rerun changes and removes nothing else."""

WRITTEN_TABLES = ("cohort.csv", "dxa.csv", "rois.csv", "readers.csv", "annotations.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """What became of a delivery.

    Attributes:
        studies: with radiographs and a line or scans.
        patients: of these studies.
        images: copied or linked.
        scans: lines of dxa.csv.
        rois: manual ROIs.
        films_alone: studies whose identifiers stand in no table, with the reason.
        lines_alone: lines of the tables without radiographs.
        wrong: lines that cannot be read.
        notes: what else to look at.
    """

    studies: int
    patients: int
    images: int
    scans: int
    rois: int
    films_alone: tuple[str, ...]
    lines_alone: tuple[str, ...]
    wrong: tuple[str, ...]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)


def assemble_cohort(
    tables: Path,
    films: Path,
    out: Path,
    *,
    rois: Sequence[Path] = (),
    link: bool = False,
    dry_run: bool = False,
    progress: Progress = silent,
) -> Assembled:
    """Make a cohort folder of a delivery: studies that a table knows, under their identifiers, with canonical tables.

    Radiographs are of a line by StudyInstanceUID, AccessionNumber or PatientID of their headers, and where these name
    nobody by an identifier of the tables in the names of their folders and files. What has no partner stays out and is
    listed. A rerun brings the folder up to date and touches no file that it did not write.

    Args:
        tables: folder of the delivered tables; columns.yaml is proposed in it where it has none.
        films: folder of radiographs, among them folders of `cohort import` with their ROIs.
        out: cohort folder.
        rois: cohort folders of `cohort import`, whose ROIs are of the radiographs that are the same byte for byte.
        link: link the radiographs in place of copies.
        dry_run: write nothing but columns.yaml.
        progress: called after every image.

    Raises:
        ConfigError: columns wait for a choice, or `out` holds files that no earlier run wrote.
        ReadError: a table cannot be read, or no study has a partner.
    """
    found = read_films(films)
    of_tables = _settle_columns(tables, found)
    before = _record(out, films)
    wrong: list[str] = []
    read = read_cohort_tables(tables, wrong, studies_of=studies_of_accessions(found))
    match = match_films(found, read)
    if not match.partners:
        alone = "; ".join(match.films_alone[:3])
        raise ReadError(f"no radiograph of {films} is of a line in {tables}: {alone}; nothing is written")
    targets = _targets(match.partners)
    images = _images(match.partners, targets)
    drawn = _of_partners(read_drawn(found, rois, wrong), match.partners, images)
    scans = _scans(match.partners, read)
    held = (True, scans, drawn.rois, drawn.readings, drawn.outlines)
    written = {*map(str, targets), *(name for name, rows in zip(WRITTEN_TABLES, held, strict=True) if rows)}
    if others := sorted(name for name in written - set(before) if (out / name).exists()):
        raise ConfigError(f"{out}: holds {others[0]}, which no earlier run wrote; move it away, or name a new folder")
    if not dry_run:
        make_folder(out)
        write_whole(out / RECORD, json.dumps({"files": sorted({*before, *written})}, ensure_ascii=False))
        for number, (target, path) in enumerate(targets.items(), start=1):
            _put(path, out / target, link)
            progress(number, len(targets))
        write_cohort_csv(out / "cohort.csv", {p.study_uid: _row(p, read) for p in match.partners})
        _write_scans(out, scans)
        _write_drawn(out, drawn, images)
        _remove(out, set(before) - written)
        write_whole(out / RECORD, json.dumps({"files": sorted(written)}, ensure_ascii=False))
    return Assembled(
        studies=len(match.partners),
        patients=len({partner.study.patient_id for partner in match.partners}),
        images=len(targets),
        scans=len(scans),
        rois=sum(map(len, drawn.rois.values())),
        films_alone=match.films_alone,
        lines_alone=match.lines_alone,
        wrong=tuple(wrong),
        notes=(*of_tables, *match.notes),
    )


def _settle_columns(tables: Path, films: Films) -> tuple[str, ...]:
    """columns.yaml of the tables, proposed where there is none; and tables that are not read, with the reason.

    Raises:
        ConfigError: columns wait for a choice.
        ReadError: no table is there.
    """
    if not tables.is_dir():
        raise ReadError(f"{tables}: no such folder; expected the folder of the delivered tables")
    proposal = propose_columns(tables, films.ids)
    columns = read_columns(tables)
    choices = () if columns is None else open_choices(tuple(columns.tables.values()))
    if choices:
        raise ConfigError(
            f"{tables / COLUMNS_FILE}: {len(choices)} columns wait for a choice; nothing is written. "
            + "; ".join(choices)
        )
    if not tables_that_hold(tables, Holds.COHORT) and not tables_that_hold(tables, Holds.DXA):
        raise ReadError(f"{tables}: no table of patients or scans; expected CSV or xlsx tables in this folder")
    return proposal.notes


def _record(out: Path, films: Path) -> tuple[str, ...]:
    """Files that an earlier run wrote.

    Raises:
        ConfigError: the folder holds files that no earlier run wrote, or lies among the radiographs.
    """
    if out.resolve() == films.resolve() or films.resolve() in out.resolve().parents:
        raise ConfigError(f"{out}: lies in the folder of radiographs; name a folder outside {films}")
    if not out.is_dir() or not any(out.iterdir()):
        return ()
    path = out / RECORD
    document = read_json(path) if path.is_file() else None
    names = document.get("files") if isinstance(document, dict) else None
    if not isinstance(names, list):
        raise ConfigError(f"{out}: holds files that no earlier run wrote; name a new folder")
    return tuple(name for name in names if isinstance(name, str) and _is_inside(name))


def _is_inside(name: str) -> bool:
    return not Path(name).is_absolute() and ".." not in Path(name).parts and name not in ("", ".")


def _targets(partners: Sequence[Partner]) -> dict[Path, Path]:
    """Where each image goes, and where it comes from; names say the view."""
    targets: dict[Path, Path] = {}
    for partner in partners:
        count: dict[str, int] = {}
        for view, path in partner.film.study.images:
            name = "image" if view is None else view.value
            count[name] = count.get(name, 0) + 1
            suffix = ".dcm" if partner.film.is_dicom else path.suffix.lower()
            number = "" if count[name] == 1 else str(count[name])
            targets[Path(safe_name(partner.study_uid)) / f"{name}{number}{suffix}"] = path
    return targets


def _put(path: Path, target: Path, link: bool) -> None:
    """Copy or link an image, unless the same stands there."""
    make_folder(target.parent)
    if target.is_symlink() or target.exists():
        same = target.is_symlink() is link and target.exists() and filecmp.cmp(path, target, shallow=False)
        if same:
            return
        target.unlink()
    if link:
        target.symlink_to(path.resolve())
        return
    with whole_file(target) as unfinished:
        shutil.copyfile(path, unfinished)


def _images(partners: Sequence[Partner], targets: Mapping[Path, Path]) -> dict[tuple[str, View], str]:
    """Where the first image of each view goes, by study and view."""
    places = {path: str(target) for target, path in targets.items()}
    views = [(p.study_uid, view, path) for p in partners for view, path in
             ((View.AP, p.film.study.ap), (View.LATERAL, p.film.study.lateral))]  # fmt: skip
    return {(uid, view): places[path] for uid, view, path in views if path is not None}


def _of_partners(drawn: Drawn, partners: Sequence[Partner], images: Container[tuple[str, View]]) -> Drawn:
    """What is drawn on the studies of the cohort folder, under their identifiers there; outlines of first images."""
    names = {partner.film.study.study_uid: partner.study_uid for partner in partners}

    def kept(found: Mapping[tuple[str, View], T]) -> dict[tuple[str, View], T]:
        return {(names[uid], view): value for (uid, view), value in found.items() if uid in names}

    readings = {reader: boxes for reader, found in drawn.readings.items() if (boxes := kept(found))}
    outlines = {key: levels for key, levels in kept(drawn.outlines).items() if key in images}
    return Drawn(rois=kept(drawn.rois), readings=readings, outlines=outlines)


def _scans(partners: Sequence[Partner], tables: CohortTables) -> list[tuple[str, DxaResult]]:
    """Scans of the patients, each once."""
    found: dict[tuple[str, str], tuple[str, DxaResult]] = {}
    for partner in partners:
        patient = partner.study.patient_id
        for scan in tables.scans_of(partner.study):
            found.setdefault((patient, repr(scan)), (patient, scan))
    return list(found.values())


def _write_scans(out: Path, scans: Sequence[tuple[str, DxaResult]]) -> None:
    if scans:
        rows = [{"patient_id": patient, **dxa_cells(scan)} for patient, scan in scans]
        table = pd.DataFrame(rows, columns=["patient_id", *DXA_COLUMNS])
        write_csv(out / "dxa.csv", table.dropna(axis=1, how="all"))


def _write_drawn(out: Path, drawn: Drawn, images: Mapping[tuple[str, View], str]) -> None:
    """rois.csv, readers.csv and annotations.json, where they hold something."""
    if drawn.rois:
        write_rois(out / "rois.csv", drawn.rois, decimals=2)
    if drawn.readings:
        write_readings(out / "readers.csv", drawn.readings)
    if drawn.outlines:
        outlines = {images[key]: levels for key, levels in drawn.outlines.items()}
        sizes = {name: read_radiograph(out / name).pixels.shape[::-1] for name in outlines}
        write_outlines(out / "annotations.json", outlines, {k: (int(w), int(h)) for k, (w, h) in sizes.items()})


def _row(partner: Partner, tables: CohortTables) -> CohortRow:
    """A line of cohort.csv: what the tables say, and what headers say where they say nothing."""
    study, line = partner.study, tables.line_of(partner.study, partner.key)
    return CohortRow(
        covariates=study.covariates,
        dxa=None if line is None else line.row.dxa,
        site=study.site,
        findings=study.findings,
        study_date=study.study_date,
        machine=study.system,
        patient_id=study.patient_id,
        split=study.split,
        pixel_spacing_mm=study.plain_spacing_mm,
    )


def _remove(out: Path, names: set[str]) -> None:
    """Remove files of an earlier run, and folders that are empty then."""
    for name in sorted(names):
        (out / name).unlink(missing_ok=True)
        folder = (out / name).parent
        if folder != out and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
