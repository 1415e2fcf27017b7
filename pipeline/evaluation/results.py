"""Saved predictions read from an output folder, and joined with DXA, covariates and manual ROIs of a cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cohort.bmd import BMD_CLASSES, DxaResult
from cohort.eligibility import NO_T_SCORE, EligibilityCriteria, exclusions
from cohort.io.annotations import Rois, read_rois
from cohort.io.folder import site_names
from cohort.io.tables.cohort_tables import CohortRow, read_cohort_csv
from cohort.spine import TARGET_LEVELS, VertebraBox, View
from cohort.study import Study
from osteolens.documents.json_document import quoted
from osteolens.documents.text import visible
from osteolens.errors import ReadError
from pipeline.evaluation.classification import EvaluatedCases
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
    """

    predictions: tuple[Prediction, ...]
    failed: tuple[Prediction, ...] = ()
    damaged: tuple[str, ...] = ()
    damaged_names: tuple[ResultName, ...] = ()

    @property
    def names(self) -> tuple[ResultName, ...]:
        """Every study of the folder: screened, rejected, failed or with a damaged file."""
        readable = (ResultName(p.study_uid, p.patient_id) for p in (*self.predictions, *self.failed))
        return (*readable, *self.damaged_names)


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
    return SavedResults(
        predictions=tuple(p for p in predictions if p.status is not Status.FAILED),
        failed=tuple(p for p in predictions if p.status is Status.FAILED),
        damaged=tuple(damaged),
        damaged_names=tuple(names),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """Reference data of the patients of a cohort folder.

    Attributes:
        rows: of cohort.csv, by study_uid and by patient_id; empty without the table.
        rois: manual ROIs by study and view; empty without rois.csv.
        unreadable_lines: what is wrong with lines of cohort.csv that were left out.
    """

    rows: Mapping[str, CohortRow] = field(default_factory=dict)
    rois: Rois = field(default_factory=dict)
    unreadable_lines: tuple[str, ...] = ()

    def row(self, prediction: Prediction) -> CohortRow | None:
        """The line of cohort.csv of a result, by study or by patient."""
        return self.rows.get(prediction.study_uid) or self.rows.get(prediction.patient_id)

    def of_sites(self, sites: str) -> Mapping[str, CohortRow]:
        """The rows of some sites, separated by commas."""
        return {key: row for key, row in self.rows.items() if row.site in site_names(sites)}


def read_references(cohort: Path) -> References:
    """cohort.csv and rois.csv of a folder; a line that cannot be read is named and left out.

    Raises:
        ReadError: neither table is there, or one cannot be read at all.
    """
    rois, table = cohort / "rois.csv", cohort / "cohort.csv"
    if not rois.is_file() and not table.is_file():
        raise ReadError(f"{cohort}: neither rois.csv nor cohort.csv; nothing to compare with")
    wrong: list[str] = []
    return References(
        rows=read_cohort_csv(table, wrong) if table.is_file() else {},
        rois=read_rois(rois, []) if rois.is_file() else {},
        unreadable_lines=tuple(wrong),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedStudy:
    """A result with the reference data of its patient.

    Attributes:
        prediction: the result.
        row: the patient's line of cohort.csv, or None.
        rois: manual ROIs of L1-L4 by view, of the views that have a table of them.
        exclusions: criteria of eligibility that it misses; a study without a T-score is evaluated on its boxes.
    """

    prediction: Prediction
    row: CohortRow | None
    rois: Mapping[View, tuple[VertebraBox, ...]]
    exclusions: tuple[str, ...]

    @property
    def site(self) -> str | None:
        """Hospital, where known."""
        return None if self.row is None else self.row.site

    @property
    def dxa(self) -> DxaResult | None:
        """The reference standard, where known."""
        return None if self.row is None else self.row.dxa

    @property
    def is_rejected(self) -> bool:
        """Whether the study got no class."""
        return self.prediction.rejection is not None


def join(
    predictions: Sequence[Prediction], references: References, criteria: EligibilityCriteria
) -> tuple[EvaluatedStudy, ...]:
    """Results with the reference data of their patients, in the order of the results."""
    return tuple(
        EvaluatedStudy(
            prediction=prediction,
            row=(row := references.row(prediction)),
            rois={
                view: tuple(box for box in boxes if box.level in TARGET_LEVELS)
                for view in View
                if (boxes := references.rois.get((prediction.study_uid, view))) is not None
            },
            exclusions=_exclusions(prediction, row, criteria),
        )
        for prediction in predictions
    )


def _exclusions(prediction: Prediction, row: CohortRow | None, criteria: EligibilityCriteria) -> tuple[str, ...]:
    if row is None:
        return ()
    study = Study(
        study_uid=prediction.study_uid,
        patient_id=prediction.patient_id,
        covariates=row.covariates,
        dxa=row.dxa,
        study_date=row.study_date,
        findings=row.findings,
    )
    return tuple(reason for reason in exclusions(study, criteria) if reason != NO_T_SCORE)


def is_of_sites(study: EvaluatedStudy, sites: str | None) -> bool:
    """Whether a study is of one of some sites, separated by commas; None is every site."""
    return sites is None or (study.row is not None and study.row.site in site_names(sites))


def cases_of(studies: Sequence[EvaluatedStudy], inputs: str | None = None) -> EvaluatedCases | None:
    """The studies that have a class and a T-score by DXA, as arrays; None where there is none.

    Args:
        studies: results with their references.
        inputs: name of one of `classify.inputs.SIX`, for the probabilities from its inputs alone.
    """
    cases = []
    for study in studies:
        prediction = study.prediction
        probabilities = prediction.probabilities if inputs is None else prediction.input_ablation.get(inputs)
        if study.dxa is not None and study.dxa.t_score is not None and probabilities:
            cases.append((prediction, probabilities, study.dxa))
    if not cases:
        return None
    return EvaluatedCases(
        labels=np.array([BMD_CLASSES.index(d.bmd_class) for _, _, d in cases if d.bmd_class is not None], np.int64),
        probabilities=np.array([[by_class[c] for c in BMD_CLASSES] for _, by_class, _ in cases], np.float64),
        t_scores=np.array([d.t_score for _, _, d in cases], np.float64),
        t_estimates=np.array([np.nan if p.t_score is None else p.t_score for p, _, _ in cases], np.float64),
        prediction_sets=[frozenset(p.prediction_set) for p, _, _ in cases],
        decisions=[p.decision for p, _, _ in cases],
    )
