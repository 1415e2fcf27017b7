"""Files of a run beside its studies: the table of results, what was skipped, the record of the run, and a lock."""

from __future__ import annotations

import csv
import io
import json
import os
import platform
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

from cohort.io.walk import MARKER, Skipped
from cohort.spine import View
from osteolens.atomic import cannot_write, write_whole
from osteolens.documents.text import csv_cell, visible
from osteolens.errors import OutputError
from osteolens.inference.choices import Device
from pipeline.dicom_objects.write import FOLDER, object_names
from pipeline.fhir.write import resources_path
from pipeline.screening.assessment import told_path
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.output.rows import COLUMNS, PredictionRow

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # systems without POSIX locks go without
    fcntl = None


EXPLAINED = "_explained"
"""End of the name of a picture of where the classifier looked."""


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Hold a folder of results for one run; its marker says that it is one, and who writes into it.

    Raises:
        OutputError: another run holds it, or it cannot be written.
    """
    marker = out / MARKER
    try:
        descriptor = os.open(marker, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
    except OSError as error:
        raise cannot_write(marker, error) from error
    with os.fdopen(descriptor, "r+", encoding="utf-8", errors="replace") as stream:
        if fcntl is not None:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                other = stream.read(400).strip()
                raise OutputError(
                    f"{out}: another run is writing here ({other}); wait for it, or choose another --out"
                ) from error
        stream.truncate(0)
        stream.write(json.dumps({"process": os.getpid(), "since": datetime.now().isoformat(timespec="seconds")}))
        stream.flush()
        yield


class RowWriter:
    """predictions.csv as the run goes, so that an interrupted one has it."""

    def __init__(self, out: Path) -> None:
        """Start the table anew."""
        self._path = out / "predictions.csv"
        write_whole(self._path, table_text(COLUMNS, []))

    def __call__(self, row: PredictionRow) -> None:
        """Add a study."""
        try:
            with self._path.open("a", encoding="utf-8", newline="", errors="backslashreplace") as stream:
                stream.write(_lines(COLUMNS, [row.as_cells()]))
        except OSError as error:
            raise cannot_write(self._path, error) from error


def earlier_seconds(out: Path) -> dict[str, float]:
    """Seconds of each study in predictions.csv of an earlier run, by study_uid; empty where it cannot be read."""
    try:
        with (out / "predictions.csv").open(encoding="utf-8", newline="") as stream:
            return {row["study_uid"]: float(row["seconds"]) for row in csv.DictReader(stream) if _has_seconds(row)}
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return {}


def _has_seconds(row: Mapping[str, str | None]) -> bool:
    return re.fullmatch(r"\d{1,9}(\.\d{1,9})?", row["seconds"] or "", re.ASCII) is not None


def table_text(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> str:
    """A CSV whose cells a spreadsheet does not run."""
    return ",".join(columns) + "\n" + _lines(columns, rows)


def _lines(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([csv_cell(row[name]) for name in columns] for row in rows)
    return text.getvalue()


def picture_names(study_uid: str) -> tuple[str, ...]:
    """Every file that the pictures of a study can have in `overlays`."""
    return tuple(f"{study_uid}_{view}{kind}.png" for view in View for kind in ("", EXPLAINED))


def study_files(study_uid: str, out: Path) -> tuple[Path, ...]:
    """Every file that a study can have in a folder of results."""
    pictures = [out / "overlays" / name for name in picture_names(study_uid)]
    objects = [out / FOLDER / name for name in object_names(study_uid)]
    return (out / "studies" / f"{study_uid}.json", *pictures, *objects, resources_path(study_uid, out))


def set_former_aside(out: Path, present: Set[str]) -> int:
    """Move results of studies that the folder does not hold any more into `former/`, so that they are not evaluated.

    Args:
        out: folder of results.
        present: study_uid of every study of the run.

    Returns:
        how many studies were moved.
    """
    gone = [path for path in (out / "studies").glob("*.json") if path.stem not in present]
    for path in gone:
        for one in (file for file in study_files(path.stem, out) if file.is_file()):
            target = out / "former" / one.parent.name / one.name
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                one.replace(target)
            except OSError as error:
                raise cannot_write(target, error) from error
    return len(gone)


def skipped_rows(skipped: Sequence[Skipped], root: Path | None) -> list[dict[str, str]]:
    """Lines of skipped.csv."""
    return [{"file": told_path(item.path, root), "reason": item.reason} for item in skipped]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCounts:
    """Numbers of studies and files of a run, by outcome.

    Attributes:
        screened: studies with a class.
        rejected: studies without one, by quality control.
        failed: studies that could not be read or screened.
        resumed: studies whose result of an earlier run was kept.
        skipped_files: files that became part of no study.
        former_studies: studies of an earlier run that the folder does not hold any more.
        not_reached: studies that a stopped run did not come to.
    """

    screened: int
    rejected: int
    failed: int
    resumed: int
    skipped_files: int
    former_studies: int
    not_reached: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """What run.json holds.

    Attributes:
        settings: of the screening.
        weights: version and hashes.
        counts: of studies and files.
        seconds: time by stage.
        processes: that screened side by side; 0 where nothing was left to screen.
        devices: that networks ran on, by network; empty where nothing was left to screen.
        objects: what became of DICOM objects and FHIR resources, where they were asked for.
        source: the folder that was screened, from which paths of images are told, or its address; None for a manifest.
    """

    settings: ScreeningConfig
    weights: Mapping[str, str]
    counts: RunCounts
    seconds: Mapping[str, float]
    processes: int
    devices: Mapping[str, Device]
    objects: Mapping[str, object] = field(default_factory=dict)
    source: Path | str | None = None

    def as_json(self) -> dict[str, object]:
        """With the versions of what ran."""
        counts = asdict(self.counts)
        return {
            "osteolens": version("osteolens"),
            "python": platform.python_version(),
            "onnxruntime": version("onnxruntime"),
            "engine": self.settings.engine,
            "processes": self.processes,
            "devices": dict(self.devices),
            "source": visible(self.source.resolve()) if isinstance(self.source, Path) else self.source,
            "config": self.settings.model_dump(),
            "weights": dict(self.weights),
            "counts": {name: n for name, n in counts.items() if n or name != "not_reached"},
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
            **self.objects,
        }
