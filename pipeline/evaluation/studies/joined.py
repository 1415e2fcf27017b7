"""Predictions joined with the reference data of their patients: covariates, DXA and manual ROIs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cohort.bmd import DxaResult
from cohort.eligibility import EligibilityCriteria, exclusions
from cohort.io.annotations import Rois, read_rois
from cohort.io.folder import site_names
from cohort.io.tables.join import CohortTables, read_cohort_tables
from cohort.mapping.columns_file import table_files
from cohort.spine import TARGET_LEVELS, VertebraBox, View
from cohort.study import Study
from osteolens.errors import ReadError
from pipeline.prediction import Prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """Reference data of a cohort folder.

    Attributes:
        tables: cohort.csv and dxa.csv, as every command joins them.
        rois: manual ROIs by study and view; empty without rois.csv.
        unreadable_lines: what is wrong with lines of cohort.csv and dxa.csv that were left out.
    """

    tables: CohortTables
    rois: Rois = field(default_factory=dict)
    unreadable_lines: tuple[str, ...] = ()

    def study_of(self, prediction: Prediction) -> Study:
        """The study of a result: what was known when it was screened, and what the tables say."""
        screened = Study(
            study_uid=prediction.study_uid,
            patient_id=prediction.patient_id or prediction.study_uid,
            covariates=prediction.covariates,
            study_date=prediction.study_date,
            system=prediction.system,
        )
        return self.tables.joined(screened)


def read_references(cohort: Path) -> References:
    """cohort.csv, dxa.csv and rois.csv of a folder, or the tables that columns.yaml names in place of the first two.

    A line that cannot be read is named and left out.

    Raises:
        ReadError: none of these tables is there, or one cannot be read at all.
    """
    tables = ("cohort.csv", "dxa.csv", "rois.csv")
    if cohort.is_file():
        raise ReadError(f"{cohort}: is a file; expected the folder that holds {', '.join(tables)}")
    if not table_files(cohort):
        raise ReadError(f"{cohort}: neither {', '.join(tables[:-1])} nor {tables[-1]}; nothing to compare with")
    wrong: list[str] = []
    rois = cohort / "rois.csv"
    return References(
        tables=read_cohort_tables(cohort, wrong),
        rois=read_rois(rois, []) if rois.is_file() else {},
        unreadable_lines=tuple(wrong),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedStudy:
    """A result with the reference data of its patient.

    Attributes:
        prediction: the result.
        study: what headers and tables say of it.
        rois: manual ROIs of L1-L4 by view, of the views that have a table of them.
        exclusions: criteria of eligibility that it misses, a missing T-score among them.
    """

    prediction: Prediction
    study: Study
    rois: Mapping[View, tuple[VertebraBox, ...]]
    exclusions: tuple[str, ...]

    @property
    def site(self) -> str | None:
        """Hospital, where known."""
        return self.study.site

    @property
    def patient_id(self) -> str:
        """Patient, by cohort.csv where it says."""
        return self.study.patient_id

    @property
    def dxa(self) -> DxaResult | None:
        """The reference standard, where known."""
        return self.study.dxa

    @property
    def is_rejected(self) -> bool:
        """Whether the study got no class."""
        return self.prediction.rejection is not None


def join(
    predictions: Sequence[Prediction], references: References, criteria: EligibilityCriteria
) -> tuple[EvaluatedStudy, ...]:
    """Results with the reference data of their patients, in the order of the results."""
    return tuple(_joined(prediction, references, criteria) for prediction in predictions)


def _joined(prediction: Prediction, references: References, criteria: EligibilityCriteria) -> EvaluatedStudy:
    study = references.study_of(prediction)
    return EvaluatedStudy(
        prediction=prediction,
        study=study,
        rois={
            view: tuple(box for box in boxes if box.level in TARGET_LEVELS)
            for view in View
            if (boxes := references.rois.get((prediction.study_uid, view))) is not None
        },
        exclusions=exclusions(study, criteria),
    )


def is_of_sites(study: Study, sites: str | None) -> bool:
    """Whether a study is of one of some sites, separated by commas; None is every site."""
    return sites is None or study.site in site_names(sites)
