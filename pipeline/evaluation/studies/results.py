"""Saved predictions read from an output folder, and joined with DXA, covariates and manual ROIs of a cohort."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cohort.io.tables.reader import lines_of, read_table
from osteolens.documents.json_document import MOST_BYTES, quoted
from osteolens.documents.text import visible
from osteolens.errors import ReadError
from pipeline.prediction import Prediction, Status, read_prediction


@dataclass(frozen=True, slots=True)
class ResultName:
    """A study's two names; of a damaged file its name, for the patient too where nothing else tells him."""

    study_uid: str
    patient_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedResults:
    """Results of an output folder.

    Attributes:
        predictions: of every study that was screened, rejected ones among them.
        failed: of every study that could not be screened.
        damaged: one line for each file that cannot be used: its name, the field, what was found and expected.
        damaged_names: studies of these files, as far as the file's name tells; a copy of another file is none.
        failed_names: studies that predictions.csv calls failed and that have no file; format 1 wrote none for them.
    """

    predictions: tuple[Prediction, ...]
    failed: tuple[Prediction, ...] = ()
    damaged: tuple[str, ...] = ()
    damaged_names: tuple[ResultName, ...] = ()
    failed_names: tuple[ResultName, ...] = ()

    @property
    def names(self) -> tuple[ResultName, ...]:
        """Every study of the folder: screened, rejected, failed or with a damaged file."""
        readable = (ResultName(p.study_uid, p.patient_id) for p in (*self.predictions, *self.failed))
        return (*readable, *self.damaged_names, *self.failed_names)


def load_predictions(results: Path | str) -> tuple[Prediction, ...]:
    """Every study of an output folder, in the order of their names, failed ones among them.

    Args:
        results: output folder of `screen_folder` or `osteolens process`.

    Raises:
        ReadError: no result, or a file that cannot be read; the message names file and field.
    """
    read = _read_folder(Path(results))
    if read.damaged:
        raise ReadError(f"{results}: {read.damaged[0]}; screen this study anew")
    return tuple(sorted((*read.predictions, *read.failed), key=lambda p: p.study_uid))


def read_results(results: Path) -> SavedResults:
    """Every study of an output folder; what is damaged is named and left out.

    Raises:
        ReadError: no result, or none that can be evaluated.
    """
    read = _read_folder(results)
    if read.predictions:
        return read
    if read.damaged:
        first = "; ".join(read.damaged[:3])
        raise ReadError(
            f"{results}: none of {len(read.damaged) + len(read.failed)} results can be evaluated, {len(read.damaged)} "
            f"are damaged: {first}{'; ...' if len(read.damaged) > 3 else ''}; screen these studies anew"
        )
    raise ReadError(
        f"{results}: all {len(read.failed)} studies failed; expected one that was screened; see its predictions.csv"
    )


def _read_folder(results: Path) -> SavedResults:
    paths = sorted((results / "studies").glob("*.json"))
    if not paths:
        raise ReadError(f"{results}: no studies/*.json; expected an output folder of `osteolens process`")
    read = [_read_file(path) for path in paths]
    places: dict[str, Path] = {}
    for path, found in zip(paths, read, strict=True):
        if isinstance(found, Prediction) and (found.study_uid not in places or path.stem == found.study_uid):
            places[found.study_uid] = path
    damaged: list[str] = []
    rows = _rows(results, damaged)
    predictions: list[Prediction] = []
    names: list[ResultName] = []
    for path, found in zip(paths, read, strict=True):
        if isinstance(found, str):
            damaged.append(found)
        elif (place := places[found.study_uid]) == path:
            predictions.append(found)
        else:
            damaged.append(
                f"{visible(path.name)}: study_uid {quoted(found.study_uid)} also stands in {visible(place.name)}; "
                "expected each study once"
            )
        is_a_study = isinstance(found, str) or (path.stem in rows and places[found.study_uid] != path)
        if is_a_study and path.stem not in places:
            names.append(ResultName(path.stem, _patient_of(path, rows)))
    have_file = {*places, *(name.study_uid for name in names)}
    return SavedResults(
        predictions=tuple(p for p in predictions if p.status is not Status.FAILED),
        failed=tuple(p for p in predictions if p.status is Status.FAILED),
        damaged=tuple(damaged),
        damaged_names=tuple(names),
        failed_names=tuple(
            ResultName(uid, cells.get("patient_id") or uid)
            for uid, cells in rows.items()
            if cells.get("status") == Status.FAILED and uid not in have_file
        ),
    )


def _read_file(path: Path) -> Prediction | str:
    """The result in a file, or what is wrong with it."""
    try:
        return read_prediction(path)
    except ReadError as error:
        return str(error)


def _rows(results: Path, damaged: list[str]) -> dict[str, dict[str, str]]:
    """Cells of predictions.csv by study_uid; empty where there is none, or none that can be read."""
    path = results / "predictions.csv"
    if not path.is_file():
        return {}
    try:
        return {uid: cells for _, cells in lines_of(read_table(path)) if (uid := cells.get("study_uid", ""))}
    except ReadError as error:
        damaged.append(str(error))
        return {}


def _patient_of(path: Path, rows: Mapping[str, Mapping[str, str]]) -> str:
    """The patient of a damaged file: by predictions.csv, else as its text says, else the name of the file."""
    if patient := rows.get(path.stem, {}).get("patient_id"):
        return patient
    if not path.is_file():
        return path.stem
    try:
        with path.open("rb") as stream:
            written = _PATIENT_ID.search(stream.read(MOST_BYTES))
        return str(json.loads(written[1])) or path.stem if written is not None else path.stem
    except (OSError, ValueError):
        return path.stem


_PATIENT_ID = re.compile(rb'"patient_id"\s*:\s*("(?:[^"\\]|\\.)*")')
"""The patient in the text of a result that cannot be read."""
