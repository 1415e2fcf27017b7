"""A folder of radiographs and its tables, de-identified into another folder, with a report of what stayed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import TimeoutError as TooLong
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pebble import ProcessExpired, ProcessPool

from cohort.deidentify.film import Ending, Film, Task, deidentify_film
from cohort.deidentify.pseudonyms import Pseudonyms
from cohort.deidentify.report import Report, report_of
from cohort.deidentify.tables import TABLES, Names, patient_of, write_tables
from cohort.io.dicom.read import DICOM_SUFFIXES, looks_like_dicom, read_header
from cohort.io.radiograph import PLAIN_SUFFIXES
from cohort.io.tables.join import read_cohort_tables
from cohort.io.walk import Skipped, files_below
from osteolens.atomic import make_folder
from osteolens.documents.json_document import write_json
from osteolens.errors import ConfigError, OsteoLensError, ReadError
from osteolens.extras import require
from osteolens.processes import confine, spawn_context
from osteolens.progress import Progress, silent

MEMORY_BYTES = 4 * 2**30
"""Memory that one file may take; the largest image that is read needs about 3."""

REPORT = "deidentification.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeidentifyOptions:
    """What a run does.

    Attributes:
        pseudonyms: what stands in place of identifiers.
        keeps_dates: whether dates are shifted by patient; else they are removed.
        blackens: whether suspected text in the pixels is made black.
        links: file outside the output that tells which input became which output, or None.
        seconds: that one file may take.
    """

    pseudonyms: Pseudonyms
    keeps_dates: bool = True
    blackens: bool = False
    links: Path | None = None
    seconds: float = 60.0


def deidentify_folder(source: Path, out: Path, options: DeidentifyOptions, progress: Progress = silent) -> Report:
    """De-identify every CR, DX and secondary capture image below a folder, and the tables in it.

    Args:
        source: folder, which is read alone.
        out: folder outside it; what is there already is not overwritten.
        options: of the run.
        progress: called with the number of files done and in all.

    Raises:
        MissingExtra: the table of PS3.15 is not installed.
        ConfigError: folders within each other, or a used output folder without a key that was kept.
        ReadError: a table that cannot be read at all.
        OutputError: the output cannot be written.
    """
    require("osteolens deidentify", "dicomanonymizer", extra="dicom")
    _check(source, out, options)
    make_folder(out)
    files, skipped = files_below(source)
    wrong: list[str] = []
    tables = read_cohort_tables(source, wrong)
    names = Names(pseudonyms=options.pseudonyms, keeps_dates=options.keeps_dates)
    films: list[tuple[Path, Film]] = []
    tasks: list[Task] = []
    for path in files:
        if path.parent == source and path.name in TABLES:
            continue
        try:
            if not looks_like_dicom(path):
                if path.suffix.lower() not in (*PLAIN_SUFFIXES, *DICOM_SUFFIXES):
                    skipped.append(Skipped(path, "no image"))
                    continue
                raise ReadError("no DICOM file; an image without attributes is told by its name and pixels alone")
            header = read_header(path)
        except (OsteoLensError, OSError) as error:
            reason = str(error).removeprefix(f"{path.name}: ") if isinstance(error, OsteoLensError) else "unreadable"
            films.append((path, Film(ending=Ending.REFUSED, reason=reason)))
            continue
        study, patient = header.study_uid or "", header.patient_id or ""
        joined = patient_of(tables, study, patient)
        if study:
            names.learn(study, patient, joined)
        tasks.append(
            Task(
                path=path,
                out=out,
                pseudonyms=options.pseudonyms,
                patient_id=joined,
                keeps_dates=options.keeps_dates,
                blackens=options.blackens,
            )
        )
    with _process(options.seconds) as worker:
        taken: set[str] = set()
        for done, task in enumerate(tasks, 1):
            film = worker.film(task)
            if film.output in taken:
                film = Film(ending=Ending.REFUSED, reason="its SOPInstanceUID stands in another file already")
            taken |= {film.output} if film.output else set()
            films.append((task.path, film))
            progress(done, len(tasks))
    written = write_tables(source, out, tables, names, wrong)
    report = report_of([film for _, film in films], skipped, written, wrong, options.keeps_dates)
    write_json(out / REPORT, report.as_json())
    if options.links is not None:
        write_json(options.links, _links(source, films, skipped))
    return report


def _check(source: Path, out: Path, options: DeidentifyOptions) -> None:
    if not source.is_dir():
        raise ConfigError(f"{source}: no folder; expected one of radiographs")
    inside, outside = out.resolve(), source.resolve()
    if inside == outside or outside in inside.parents or inside in outside.parents:
        raise ConfigError(f"{out} and {source} lie within each other; choose an output folder apart from the input")
    if options.links is not None and (inside in options.links.resolve().parents or options.links.exists()):
        raise ConfigError(f"{options.links}: the links are to lie outside {out}, in a file that is not there yet")
    if not options.pseudonyms.is_kept and out.is_dir() and any(out.iterdir()):
        raise ConfigError(
            f"{out} is not empty; without --key each run has its own pseudonyms and needs an empty folder"
        )


class _Worker:
    """A process that does one file after another and is replaced when it has to be stopped."""

    def __init__(self, pool: ProcessPool, seconds: float) -> None:
        self._pool, self._seconds = pool, seconds

    def film(self, task: Task) -> Film:
        """Do one file; a time-out or a dead process is a reason like any other."""
        try:
            film: Film = self._pool.schedule(deidentify_film, args=(task,), timeout=self._seconds).result()
        except TooLong:
            return Film(ending=Ending.REFUSED, reason=f"it took more than {self._seconds:g} s and was stopped")
        except (ProcessExpired, MemoryError):
            return Film(ending=Ending.REFUSED, reason="the process that read it ended; expected a radiograph")
        return film


@contextmanager
def _process(seconds: float) -> Iterator[_Worker]:
    pool = ProcessPool(max_workers=1, initializer=confine, initargs=(MEMORY_BYTES,), context=spawn_context())
    try:
        yield _Worker(pool, seconds)
    finally:
        pool.stop()  # type: ignore[no-untyped-call]
        pool.join()


def _links(source: Path, films: list[tuple[Path, Film]], skipped: list[Skipped]) -> dict[str, object]:
    """Input and output of each file; whoever holds it can tell the patients."""
    told = sorted(films, key=lambda item: item[0])
    return {
        "note": "confidential: tells which patient is which",
        "files": [
            {"input": path.relative_to(source).as_posix(), "output": film.output, "reason": film.reason}
            for path, film in told
        ],
        "left_out": [{"input": item.path.relative_to(source).as_posix(), "reason": item.reason} for item in skipped],
        "endings": dict(Counter(film.ending.value for _, film in films)),
    }
