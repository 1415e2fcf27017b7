"""The result of an evaluation: typed metrics of every data set, as JSON and as tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from cohort.bmd import BMD_CLASSES, BmdClass
from cohort.splits import Split
from pipeline.evaluation.classification.errors import ClassificationError
from pipeline.evaluation.classification.input_ablation import InputComparison
from pipeline.evaluation.classification.intention_to_diagnose import IntentionToDiagnose
from pipeline.evaluation.classification.metrics import ClassificationMetrics, ClassMetrics
from pipeline.evaluation.classification.operating_points import OperatingPoint
from pipeline.evaluation.classification.planning import SampleSize
from pipeline.evaluation.classification.stage_attribution import StageAttribution
from pipeline.evaluation.classification.subgroups import Interaction, Subgroup, interactions
from pipeline.evaluation.config import EvaluationConfig
from pipeline.evaluation.detection.detection import Detection
from pipeline.evaluation.estimable import result_json
from pipeline.evaluation.provenance import Provenance
from pipeline.evaluation.studies.flow import Flow
from pipeline.evaluation.studies.joined import EvaluatedStudy
from pipeline.evaluation.studies.population import EvaluatedOrNot, GroupTest, Population
from pipeline.evaluation.tables.calibration import calibration_table, t_score_calibration_table
from pipeline.evaluation.tables.classification import class_table, classification_table, confusion_table
from pipeline.evaluation.tables.detection import detection_tables
from pipeline.evaluation.tables.errors import errors_table
from pipeline.evaluation.tables.evaluation import in_order
from pipeline.evaluation.tables.flow import flow_table
from pipeline.evaluation.tables.osteoporosis import (
    input_table,
    intention_to_diagnose_table,
    interaction_table,
    net_benefit_table,
    operating_point_table,
    predictive_value_table,
    sample_size_table,
    stage_table,
    subgroup_table,
)
from pipeline.evaluation.tables.population import evaluated_or_not_table, population_table
from pipeline.evaluation.tables.provenance import provenance_table

NAMED = 5
"""Studies named where more are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetEvaluation:
    """The evaluated studies of one site, or of all.

    Attributes:
        split: what its studies are for; None where nothing says.
        parts: data sets that are pooled in this one; empty for a single one.
        members: studies with a result that the criteria admit.
        studies: how many these are.
        patients: of these studies.
        rejected: of these studies.
        flow: every study of the data set, counted once.
        population: who the evaluated ones are.
        evaluated_or_not: who got a class and who got none, of the eligible with DXA; None where all or none did.
        classification: None where no study has a class and DXA.
        operating_points: of osteoporosis; empty likewise.
        sample_size: studies that a planned evaluation needs; empty likewise.
        intention_to_diagnose: None where no study has DXA.
        input_ablation: osteoporosis from each part of the inputs; empty where results hold none.
        input_comparisons: of two such parts.
        stage_attribution: None without results on manual ROIs.
    """

    split: Split | None
    parts: tuple[str, ...]
    members: tuple[EvaluatedStudy, ...] = field(repr=False)
    studies: int
    patients: int
    rejected: int
    flow: Flow
    population: Population
    evaluated_or_not: EvaluatedOrNot | None
    classification: ClassificationMetrics | None
    operating_points: tuple[OperatingPoint, ...]
    sample_size: tuple[SampleSize, ...]
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
        dxa_without_prediction: studies with DXA that were not processed or failed, or whose result cannot be read.
        sites_without_results: studies in the tables by site, of sites of which no study was processed.
        patients_of_several_studies: whose studies are not independent; intervals are by patient.
        patients_of_several_sites: whose datasets are not independent.
        patients_on_both_sides: with a study of a test split and one of training or validation.
        classes_absent: that no patient has.
        unreadable_lines: of cohort.csv and dxa.csv.
    """

    predictions_without_dxa: Counted
    dxa_without_prediction: Counted
    sites_without_results: Mapping[str, int]
    patients_of_several_studies: Counted
    patients_of_several_sites: Counted
    patients_on_both_sides: Counted
    classes_absent: tuple[BmdClass, ...]
    unreadable_lines: Counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Every metric of some results.

    Attributes:
        datasets: by name, in the order of the tables; the last one pools those that are evaluated together.
        population_p: whether sites of the last one differ, by characteristic, and by which test.
        subgroups: of the last one.
        detection: of the last one; None without manual ROIs.
        errors: misclassified studies of the last one, worst first.
        not_evaluated: results without DXA, DXA without a result, and the like.
        damaged_results: files that were left out, with the reason.
        table_notes: what the cohort's tables lack.
        provenance: of what, by what and when this was computed.
        config: settings.
        has_covariates: whether any class was made with age, sex or BMI.
    """

    datasets: Mapping[str, DatasetEvaluation]
    population_p: Mapping[str, GroupTest]
    subgroups: tuple[Subgroup, ...]
    detection: Detection | None
    errors: tuple[ClassificationError, ...]
    not_evaluated: NotEvaluated
    damaged_results: tuple[str, ...]
    table_notes: tuple[str, ...]
    provenance: Provenance
    config: EvaluationConfig
    has_covariates: bool

    @property
    def overall(self) -> DatasetEvaluation:
        """All studies that are evaluated together."""
        return list(self.datasets.values())[-1]

    @property
    def studies(self) -> tuple[EvaluatedStudy, ...]:
        """Studies that are evaluated together."""
        return self.overall.members

    @property
    def excluded(self) -> int:
        """Studies that the criteria exclude, of those evaluated together."""
        return sum(self.overall.flow.ineligible.values())

    @property
    def interactions(self) -> tuple[Interaction, ...]:
        """Whether the subgroups of each kind differ."""
        return interactions(self.subgroups)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table by name, as people read it; a table that these studies cannot fill is empty."""
        datasets = self.datasets.items()
        known = {name: metrics for name, dataset in datasets if (metrics := dataset.classification) is not None}
        rejected = {name: dataset.rejected for name, dataset in datasets}
        points = {name: dataset.operating_points for name, dataset in datasets}
        attributed = {name: stages for name, dataset in datasets if (stages := dataset.stage_attribution) is not None}
        tables = {
            "population": population_table({name: dataset.population for name, dataset in datasets}, self.population_p),
            "evaluated_or_not": evaluated_or_not_table({n: dataset.evaluated_or_not for n, dataset in datasets}),
            "flow": flow_table({name: dataset.flow for name, dataset in datasets}),
            "classification": classification_table(known, rejected),
            **{
                c.value: class_table({name: metrics.classes[c] for name, metrics in known.items()}) for c in BMD_CLASSES
            },
            "confusion": confusion_table({name: metrics.confusion for name, metrics in known.items()}),
            "calibration": calibration_table(known),
            "t_score_calibration": t_score_calibration_table(known),
            "operating_points": operating_point_table(points),
            "intention_to_diagnose": intention_to_diagnose_table(
                {name: dataset.intention_to_diagnose for name, dataset in datasets}
            ),
            "predictive_values": predictive_value_table(points),
            "net_benefit": net_benefit_table({name: metrics.net_benefit for name, metrics in known.items()}),
            "sample_size": sample_size_table({name: dataset.sample_size for name, dataset in datasets}),
            "input_ablation": input_table({name: dataset.input_comparisons for name, dataset in datasets}),
            "stage_attribution": stage_table(attributed),
            "subgroups": subgroup_table(self.subgroups),
            "interactions": interaction_table(self.interactions),
            **detection_tables(self.detection),
            "errors": errors_table(self.errors),
            "provenance": provenance_table(self.provenance),
        }
        return in_order(tables)

    def as_json(self) -> dict[str, object]:
        """Every metric, unrounded; where the studies cannot give one, a word for it stands under `not_estimable`."""
        damaged = {"count": len(self.damaged_results), "names": list(self.damaged_results)}
        return {
            "studies": self.overall.studies,
            "excluded": self.excluded,
            "rejected": self.overall.rejected,
            "datasets": result_json(self.datasets),
            "population_p": {name: test.p for name, test in self.population_p.items()},
            "subgroups": result_json(self.subgroups),
            "interactions": result_json(self.interactions),
            **({} if self.detection is None else {"detection": result_json(self.detection)}),
            "errors": len(self.errors),
            "not_evaluated": result_json(self.not_evaluated),
            "damaged_results": damaged,
            "table_notes": list(self.table_notes),
            "config": self.config.model_dump(mode="json"),
            "provenance": self.provenance.as_json(),
        }
