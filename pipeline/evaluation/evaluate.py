"""Saved results against DXA and manual ROIs: one evaluation for the terminal, JSON, tables and report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from cohort.bmd import BMD_CLASSES, BmdClass
from cohort.covariates import Covariates
from cohort.io.tables.cohort_tables import CohortRow
from cohort.io.tables.notes import table_notes
from cohort.splits import is_test_site
from osteolens.errors import ReadError
from pipeline.evaluation.classification.cases import cases_of
from pipeline.evaluation.classification.input_ablation import InputComparison, ablation_cases, compare_inputs
from pipeline.evaluation.classification.intention_to_diagnose import IntentionToDiagnose, intention_to_diagnose
from pipeline.evaluation.classification.metrics import (
    ClassificationMetrics,
    ClassMetrics,
    class_metrics,
    classification_metrics,
)
from pipeline.evaluation.classification.operating_points import OperatingPoint, operating_points
from pipeline.evaluation.classification.stage_attribution import StageAttribution, stage_attribution
from pipeline.evaluation.classification.subgroups import Subgroup, subgroups
from pipeline.evaluation.config import DEFAULT_EVALUATION, EvaluationConfig
from pipeline.evaluation.detection.detection import Detection, detection
from pipeline.evaluation.estimable import result_json
from pipeline.evaluation.studies.joined import EvaluatedStudy, References, is_of_sites, join, read_references
from pipeline.evaluation.studies.population import Population, population, population_tests
from pipeline.evaluation.studies.results import ResultName, SavedResults, read_results
from pipeline.evaluation.tables.classification import class_table, classification_table, confusion_table
from pipeline.evaluation.tables.detection import detection_tables
from pipeline.evaluation.tables.osteoporosis import input_table, operating_point_table, stage_table, subgroup_table
from pipeline.evaluation.tables.population import population_table
from pipeline.prediction import stored_covariates

ALL = "all"
"""Name of all datasets together."""

NAMED = 5
"""Studies named where more are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetEvaluation:
    """The evaluated studies of one site, or of all.

    Attributes:
        studies: evaluated ones.
        rejected: of them.
        population: who they are.
        classification: None where no study has a class and DXA.
        operating_points: of osteoporosis; empty likewise.
        intention_to_diagnose: None where no study has DXA.
        input_ablation: osteoporosis from each part of the inputs; empty where results hold none.
        input_comparisons: of two such parts.
        stage_attribution: None without results on manual ROIs.
    """

    studies: int
    rejected: int
    population: Population
    classification: ClassificationMetrics | None
    operating_points: tuple[OperatingPoint, ...]
    intention_to_diagnose: IntentionToDiagnose | None
    input_ablation: Mapping[str, ClassMetrics]
    input_comparisons: tuple[InputComparison, ...]
    stage_attribution: StageAttribution | None


@dataclass(frozen=True, slots=True)
class Counted:
    """A number of studies, patients or lines, and the first few by name."""

    count: int
    first: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotEvaluated:
    """Studies that cannot be evaluated or are not independent.

    Attributes:
        predictions_without_dxa: results whose patient has no DXA.
        dxa_without_prediction: patients with DXA who have no result.
        patients_of_several_sites: whose datasets are not independent.
        classes_absent: that no patient has.
        unreadable_lines: of cohort.csv.
    """

    predictions_without_dxa: Counted
    dxa_without_prediction: Counted
    patients_of_several_sites: Counted
    classes_absent: tuple[BmdClass, ...]
    unreadable_lines: Counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Every metric of some results.

    Attributes:
        studies: that were evaluated.
        excluded: by the criteria of eligibility.
        datasets: by site, and `all` where there are several.
        population_p: whether sites differ, by characteristic.
        subgroups: of all evaluated studies.
        detection: None without manual ROIs.
        not_evaluated: results without DXA, DXA without a result, and the like.
        damaged_results: files that were left out, with the reason.
        table_notes: what the cohort's tables lack.
        config: settings.
        has_covariates: whether any class was made with age, sex or BMI.
    """

    studies: tuple[EvaluatedStudy, ...] = field(repr=False)
    excluded: int
    datasets: Mapping[str, DatasetEvaluation]
    population_p: Mapping[str, float]
    subgroups: tuple[Subgroup, ...]
    detection: Detection | None
    not_evaluated: NotEvaluated
    damaged_results: tuple[str, ...]
    table_notes: tuple[str, ...]
    config: EvaluationConfig
    has_covariates: bool

    @property
    def overall(self) -> DatasetEvaluation:
        """All evaluated studies."""
        return self.datasets[ALL] if ALL in self.datasets else next(iter(self.datasets.values()))

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table by name, as people read it; a table that these studies cannot fill is empty."""
        datasets = self.datasets.items()
        known = {name: metrics for name, dataset in datasets if (metrics := dataset.classification) is not None}
        rejected = {name: dataset.rejected for name, dataset in datasets}
        attributed = {name: stages for name, dataset in datasets if (stages := dataset.stage_attribution) is not None}
        return {
            "population": population_table({name: dataset.population for name, dataset in datasets}, self.population_p),
            "classification": classification_table(known, rejected),
            **{
                c.value: class_table({name: metrics.classes[c] for name, metrics in known.items()}) for c in BMD_CLASSES
            },
            "confusion": confusion_table({name: metrics.confusion for name, metrics in known.items()}),
            "operating_points": operating_point_table(
                {name: dataset.operating_points for name, dataset in datasets},
                {name: dataset.intention_to_diagnose for name, dataset in datasets},
            ),
            "input_ablation": input_table({name: dataset.input_comparisons for name, dataset in datasets}),
            "stage_attribution": stage_table(attributed),
            "subgroups": subgroup_table(self.subgroups),
            **detection_tables(self.detection),
        }

    def as_json(self) -> dict[str, object]:
        """Every metric, unrounded; where the studies cannot give one, a word for it stands under `not_estimable`."""
        damaged = {"count": len(self.damaged_results), "names": list(self.damaged_results)}
        return {
            "studies": len(self.studies),
            "excluded": self.excluded,
            "rejected": sum(study.is_rejected for study in self.studies),
            "datasets": result_json(self.datasets),
            "population_p": dict(self.population_p),
            "subgroups": result_json(self.subgroups),
            **({} if self.detection is None else {"detection": result_json(self.detection)}),
            "not_evaluated": result_json(self.not_evaluated),
            "damaged_results": damaged,
            "table_notes": list(self.table_notes),
            "config": self.config.model_dump(mode="json"),
        }


def evaluate(
    results: Path | str,
    cohort: Path | str,
    config: EvaluationConfig = DEFAULT_EVALUATION,
    site: str | None = None,
    include_ineligible: bool = False,
    manual_results: Path | str | None = None,
) -> Evaluation:
    """Evaluate saved results; runs no model.

    Args:
        results: output folder of `screen_folder` or `osteolens process`.
        cohort: folder with cohort.csv (covariates, DXA), rois.csv (manual ROIs) or both.
        config: who is evaluated, and how.
        site: only studies of these sites, separated by commas.
        include_ineligible: patients whom the criteria exclude, too.
        manual_results: output folder of the same studies on manual ROIs; splits the loss of AUC between the stages.

    Raises:
        ReadError: no result, neither cohort.csv nor rois.csv, or no study of the site.
    """
    results, cohort = Path(results), Path(cohort)
    read, references = read_results(results), read_references(cohort)
    manual_read = SavedResults(predictions=()) if manual_results is None else read_results(Path(manual_results))
    studies = [study for study in join(read.predictions, references, config.criteria) if is_of_sites(study, site)]
    if not studies:
        raise ReadError(f"{results}: no study is of site {site!r} in {cohort / 'cohort.csv'}")
    evaluated = [study for study in studies if include_ineligible or not study.exclusions]
    manual = None if manual_results is None else join(manual_read.predictions, references, config.criteria)
    groups = _groups(evaluated)
    sites = [name for name in groups if name != ALL]
    damaged = (*read.damaged, *(f"manual results: {line}" for line in manual_read.damaged))
    return Evaluation(
        studies=tuple(evaluated),
        excluded=len(studies) - len(evaluated),
        datasets={name: _dataset(group, manual, config) for name, group in groups.items()},
        population_p=population_tests([_rows(groups[name]) for name in sites]) if len(sites) > 1 else {},
        subgroups=subgroups(evaluated, config.fewest_cases),
        detection=detection(studies, evaluated),
        not_evaluated=_not_evaluated(studies, references, site),
        damaged_results=damaged,
        table_notes=table_notes(cohort, (*read.names, *_of_other_sites(references, site))),
        config=config,
        has_covariates=any(stored_covariates(s.prediction.covariates) != Covariates() for s in evaluated),
    )


def _groups(studies: Sequence[EvaluatedStudy]) -> dict[str, list[EvaluatedStudy]]:
    """Studies by site, test sites last, and all of them where there are several sites or none."""
    known = {study.site for study in studies if study.site is not None}
    sites = sorted(known, key=lambda site: (is_test_site(site), site))
    groups = {site: [study for study in studies if study.site == site] for site in sites}
    return groups if len(sites) == 1 else {**groups, ALL: list(studies)}


def _rows(studies: Sequence[EvaluatedStudy]) -> list[CohortRow]:
    return [study.row for study in studies if study.row is not None]


def _dataset(
    studies: Sequence[EvaluatedStudy], manual: Sequence[EvaluatedStudy] | None, config: EvaluationConfig
) -> DatasetEvaluation:
    cases = cases_of(studies)
    uids = {study.prediction.study_uid for study in studies}
    same = None if manual is None else [study for study in manual if study.prediction.study_uid in uids]
    return DatasetEvaluation(
        studies=len(studies),
        rejected=sum(study.is_rejected for study in studies),
        population=population(_rows(studies), len(studies)),
        classification=None if cases is None else classification_metrics(cases, config.bootstrap_draws, config.seed),
        operating_points=() if cases is None else operating_points(cases, config.sensitivity),
        intention_to_diagnose=None if cases is None else intention_to_diagnose(studies),
        input_ablation={name: class_metrics(part) for name, part in ablation_cases(studies).items()},
        input_comparisons=compare_inputs(studies),
        stage_attribution=None if same is None else stage_attribution(studies, same),
    )


def _of_other_sites(references: References, site: str | None) -> tuple[ResultName, ...]:
    """Patients of sites that are not evaluated; nothing is said of them."""
    if site is None:
        return ()
    evaluated = references.of_sites(site)
    return tuple(ResultName(key, key) for key in references.rows if key not in evaluated)


def _not_evaluated(studies: Sequence[EvaluatedStudy], references: References, site: str | None) -> NotEvaluated:
    without = [study.prediction.study_uid for study in studies if study.dxa is None]
    rows = references.rows if site is None else references.of_sites(site)
    present = {id(study.row) for study in studies}
    # a row stands under study_uid and patient_id; the first of both names it
    lacking = {
        id(row): key for key, row in reversed(list(rows.items())) if row.dxa is not None and id(row) not in present
    }
    sites: dict[str, set[str]] = {}
    for study in studies:
        if study.site is not None:
            sites.setdefault(study.prediction.patient_id, set()).add(study.site)
    classes = {study.dxa.bmd_class for study in studies if study.dxa is not None}
    return NotEvaluated(
        predictions_without_dxa=_counted(without),
        dxa_without_prediction=_counted(list(lacking.values())),
        patients_of_several_sites=_counted([patient for patient, names in sites.items() if len(names) > 1]),
        classes_absent=tuple(c for c in BMD_CLASSES if c not in classes),
        unreadable_lines=_counted(references.unreadable_lines),
    )


def _counted(names: Sequence[str]) -> Counted:
    return Counted(len(names), tuple(names[:NAMED]))
