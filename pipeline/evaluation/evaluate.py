"""Saved results against DXA and manual ROIs: one evaluation for the terminal, JSON, tables and report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cohort.bmd import BMD_CLASSES
from cohort.covariates import Covariates
from cohort.io.folder import site_names
from cohort.io.tables.notes import table_notes
from cohort.splits import Split, split_of, unknown_sites
from cohort.study import Study
from osteolens.documents.text import visible
from osteolens.errors import ReadError
from osteolens.progress import Progress, silent
from pipeline.evaluation.classification.cases import cases_of
from pipeline.evaluation.classification.errors import errors
from pipeline.evaluation.classification.input_ablation import ablation_cases, compare_inputs
from pipeline.evaluation.classification.intention_to_diagnose import COUNTED, intention_to_diagnose
from pipeline.evaluation.classification.metrics import class_metrics, classification_metrics
from pipeline.evaluation.classification.operating_points import operating_points
from pipeline.evaluation.classification.planning import sample_sizes
from pipeline.evaluation.classification.stage_attribution import stage_attribution
from pipeline.evaluation.classification.subgroups import subgroups
from pipeline.evaluation.config import DEFAULT_EVALUATION, EvaluationConfig
from pipeline.evaluation.detection.detection import detection
from pipeline.evaluation.evaluation import NAMED, Counted, DatasetEvaluation, Evaluation, NotEvaluated
from pipeline.evaluation.fresh import fresh_test
from pipeline.evaluation.provenance import provenance
from pipeline.evaluation.studies.datasets import Dataset, datasets_of
from pipeline.evaluation.studies.flow import CountedStudy, Fate, counted_studies, flow_of
from pipeline.evaluation.studies.joined import EvaluatedStudy, References, is_of_sites, join, read_references
from pipeline.evaluation.studies.population import EvaluatedOrNot, evaluated_or_not, population, population_tests
from pipeline.evaluation.studies.results import SavedResults, read_results
from pipeline.prediction import stored_covariates


def evaluate(
    results: Path | str,
    cohort: Path | str,
    config: EvaluationConfig = DEFAULT_EVALUATION,
    site: str | None = None,
    include_ineligible: bool = False,
    manual_results: Path | str | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Evaluate saved results; runs no model and reads no image.

    In the folder of a fresh test cohort it notes which weights were judged (`pipeline.evaluation.fresh`).

    Args:
        results: output folder of `screen_folder` or `osteolens process`.
        cohort: folder with cohort.csv, dxa.csv (covariates, DXA), rois.csv (manual ROIs) or several of them.
        config: who is evaluated, and how.
        site: only studies of these sites, separated by commas.
        include_ineligible: patients whom the criteria exclude, too.
        manual_results: output folder of the same studies on manual ROIs; splits the loss of AUC between the stages.
        progress: told after every data set.

    Raises:
        ReadError: no result, none of the tables, or no study of the site.
    """
    results, cohort = Path(results), Path(cohort)
    read, references = read_results(results), read_references(cohort)
    manual_read = SavedResults(predictions=()) if manual_results is None else read_results(Path(manual_results))
    everyone = counted_studies(read, references, config.criteria, include_ineligible)
    chosen = [study for study in everyone if is_of_sites(study.study, site)]
    if not any(study.evaluated for study in chosen):
        raise ReadError(_no_study(results, cohort, everyone, site))
    manual = None if manual_results is None else join(manual_read.predictions, references, config.criteria)
    groups = datasets_of(chosen, config.sites)
    steps = len(groups.datasets) + 1
    datasets = {}
    for number, dataset in enumerate(groups.datasets, start=1):
        datasets[dataset.name] = _dataset(dataset, manual, config)
        progress(number, steps)
    pooled = [study.evaluated for study in groups.pooled.studies if study.evaluated is not None]
    members = datasets[groups.pooled.name].members
    parts = [[study.study for study in datasets[name].members] for name in groups.pooled.parts]
    known = [study.study for study in everyone if study.has_result or not is_of_sites(study.study, site)]
    fresh = fresh_test(cohort, read.predictions)
    evaluation = Evaluation(
        datasets=datasets,
        population_p=population_tests(parts) if len(parts) > 1 else {},
        subgroups=subgroups(members, config.fewest_cases),
        detection=detection(pooled, members),
        errors=errors(members),
        not_evaluated=_not_evaluated(chosen, references, groups.without_results, config),
        damaged_results=(*read.damaged, *(f"manual results: {line}" for line in manual_read.damaged)),
        table_notes=(
            *(() if fresh is None else fresh.lines),
            *_absent_sites(everyone, site),
            *_no_manual_result(manual, members, manual_results),
            *unknown_sites(config.sites, [study.study for study in everyone]),
            *table_notes(cohort, known),
        ),
        provenance=provenance(results, cohort, (*read.predictions, *read.failed), config, fresh=fresh),
        config=config,
        has_covariates=any(stored_covariates(study.prediction.covariates) != Covariates() for study in members),
    )
    progress(steps, steps)
    return evaluation


def _no_study(results: Path, cohort: Path, everyone: Sequence[CountedStudy], site: str | None) -> str:
    """Why nothing is left to evaluate, and which sites could be."""
    of_site = [study for study in everyone if is_of_sites(study.study, site)]
    found = _sites([study for study in everyone if study.evaluated is not None])
    what = (
        f"none of {len(of_site)} studies of site {site!r} has a result" if of_site else f"no study is of site {site!r}"
    )
    return (
        f"{results}: {what} by {cohort / 'cohort.csv'}; sites with results are {', '.join(found) or 'none'}; give one "
        "or several of them with commas, or leave --site out"
    )


def _absent_sites(everyone: Sequence[CountedStudy], site: str | None) -> tuple[str, ...]:
    """A note where some of the sites that were asked for have no study."""
    known = {study.study.site for study in everyone}
    absent = sorted(name for name in site_names(site or "") if name and name not in known)
    found = ", ".join(_sites(everyone)) or "none"
    return (f"no study is of site {', '.join(map(visible, absent))}; found {found}",) if absent else ()


def _no_manual_result(
    manual: Sequence[EvaluatedStudy] | None, members: Sequence[EvaluatedStudy], folder: Path | str | None
) -> tuple[str, ...]:
    """A note where results on manual ROIs are of other studies, so that they say nothing of these."""
    if manual is None or {s.prediction.study_uid for s in manual} & {s.prediction.study_uid for s in members}:
        return ()
    return (f"manual results in {folder} hold none of the evaluated studies; expected results of the same studies",)


def _sites(studies: Sequence[CountedStudy]) -> list[str]:
    return sorted({visible(study.study.site) for study in studies if study.study.site is not None})


def _dataset(dataset: Dataset, manual: Sequence[EvaluatedStudy] | None, config: EvaluationConfig) -> DatasetEvaluation:
    members = [s.evaluated for s in dataset.studies if s.evaluated is not None and s.fate is not Fate.INELIGIBLE]
    cases = cases_of(members)
    draws, seed, thresholds = config.bootstrap_draws, config.seed, config.decision_thresholds
    metrics = None if cases is None else classification_metrics(cases, draws, seed, thresholds)
    uids = {study.prediction.study_uid for study in members}
    same = None if manual is None else [study for study in manual if study.prediction.study_uid in uids]
    return DatasetEvaluation(
        split=dataset.split,
        parts=dataset.parts,
        members=tuple(members),
        studies=len(members),
        patients=len({study.patient_id for study in members}),
        rejected=sum(study.is_rejected for study in members),
        flow=flow_of(dataset.studies),
        population=population([study.study for study in members]),
        classification=metrics,
        operating_points=() if cases is None else operating_points(cases, config),
        sample_size=() if metrics is None else sample_sizes(metrics, config),
        intention_to_diagnose=intention_to_diagnose(dataset.studies, config.prevalence),
        evaluated_or_not=_compared(dataset),
        input_ablation={name: class_metrics(part) for name, part in ablation_cases(members).items()},
        input_comparisons=compare_inputs(members),
        stage_attribution=None if same is None else stage_attribution(members, same),
    )


def _compared(dataset: Dataset) -> EvaluatedOrNot | None:
    """Evaluated studies beside the eligible ones with DXA that got no class."""
    counted = [study for study in dataset.studies if study.fate in COUNTED]
    evaluated = [study.study for study in counted if study.fate is Fate.EVALUATED]
    return evaluated_or_not(evaluated, [study.study for study in counted if study.fate is not Fate.EVALUATED])


def _not_evaluated(
    studies: Sequence[CountedStudy],
    references: References,
    without_results: Mapping[str, int],
    config: EvaluationConfig,
) -> NotEvaluated:
    with_results = [study for study in studies if study.has_result]
    lacking = [s for s in studies if s.evaluated is None and s.study.dxa is not None]
    by_patient: dict[str, list[Study]] = {}
    for study in with_results:
        by_patient.setdefault(study.study.patient_id, []).append(study.study)
    sites = {patient: {s.site for s in group if s.site is not None} for patient, group in by_patient.items()}
    sides = {patient: {split_of(s, config.sites) for s in group} for patient, group in by_patient.items()}
    classes = {s.study.dxa.bmd_class for s in with_results if s.study.dxa is not None}
    return NotEvaluated(
        predictions_without_dxa=_counted([s.study.study_uid for s in with_results if s.study.dxa is None]),
        dxa_without_prediction=_counted([s.study.study_uid for s in lacking]),
        sites_without_results=without_results,
        patients_of_several_studies=_counted([patient for patient, group in by_patient.items() if len(group) > 1]),
        patients_of_several_sites=_counted([patient for patient, names in sites.items() if len(names) > 1]),
        patients_on_both_sides=_counted([patient for patient, splits in sides.items() if _on_both_sides(splits)]),
        classes_absent=tuple(c for c in BMD_CLASSES if c not in classes),
        unreadable_lines=_counted(references.unreadable_lines),
    )


def _on_both_sides(splits: set[Split | None]) -> bool:
    return Split.TEST in splits and bool(splits & {Split.TRAINING, Split.VALIDATION})


def _counted(names: Sequence[str]) -> Counted:
    return Counted(len(names), tuple(names[:NAMED]))
