"""Predictions joined with the reference data of their patients: covariates, DXA and manual ROIs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cohort.bmd import DxaResult
from cohort.eligibility import NO_T_SCORE, EligibilityCriteria, exclusions
from cohort.io.annotations import Rois, read_rois
from cohort.io.folder import site_names
from cohort.io.tables.cohort_tables import CohortRow, read_cohort_csv
from cohort.spine import TARGET_LEVELS, VertebraBox, View
from cohort.study import Study
from osteolens.errors import ReadError
from pipeline.prediction import Prediction


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
