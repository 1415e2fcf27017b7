"""Saved predictions read from an output folder, and joined with DXA, covariates and manual ROIs of a cohort."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cohort.io.tables.reader import lines_of, read_table
from osteolens.documents.json_document import quoted
from osteolens.documents.text import visible
from osteolens.errors import ReadError
from pipeline.prediction import Prediction, Status, read_prediction


@dataclass(frozen=True, slots=True)
class ResultName:
    """A study's two names; of a damaged file both are the name of the file."""

    study_uid: str
    patient_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedResults:
    """Results of an output folder.

    Attributes:
        predictions: of every study that was screened, rejected ones among them.
        failed: of every study that could not be screened.
        damaged: one line for each file that cannot be used: its name, the field, what was found and expected.
        damaged_names: studies of these files, as far as the file's name tells.
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
    predictions: list[Prediction] = []
    damaged: list[str] = []
    names: list[ResultName] = []
    places: dict[str, str] = {}
    for path in paths:
        try:
            prediction = read_prediction(path)
            uid = prediction.study_uid
            if uid in places:
                raise ReadError(
                    f"{visible(path.name)}: study_uid {quoted(uid)} also stands in {places[uid]}; "
                    "expected each study once"
                )
        except ReadError as error:
            damaged.append(str(error))
            names.append(ResultName(path.stem, path.stem))
            continue
        places[uid] = visible(path.name)
        predictions.append(prediction)
    have_file = {*(prediction.study_uid for prediction in predictions), *(name.study_uid for name in names)}
    failed_names = tuple(name for name in _failed_rows(results, damaged) if name.study_uid not in have_file)
    return SavedResults(
        predictions=tuple(p for p in predictions if p.status is not Status.FAILED),
        failed=tuple(p for p in predictions if p.status is Status.FAILED),
        damaged=tuple(damaged),
        damaged_names=tuple(names),
        failed_names=failed_names,
    )


def _failed_rows(results: Path, damaged: list[str]) -> tuple[ResultName, ...]:
    """Studies that predictions.csv calls failed."""
    path = results / "predictions.csv"
    if not path.is_file():
        return ()
    try:
        rows = [cells for _, cells in lines_of(read_table(path))]
    except ReadError as error:
        damaged.append(str(error))
        return ()
    return tuple(
        ResultName(uid, cells.get("patient_id") or uid)
        for cells in rows
        if cells.get("status") == Status.FAILED and (uid := cells.get("study_uid", ""))
    )
