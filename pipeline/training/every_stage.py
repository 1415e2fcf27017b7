"""From a cohort folder to weights and their report: every stage in one run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from pydantic import Field

from classify.training.config import ClassifierTraining
from cohort.eligibility import exclusions
from cohort.in_silico import notice_of
from cohort.io.folder import CohortIndex, index_cohort
from cohort.splits import Split, split_of
from cohort.study import Study
from detect.training.config import DetectorTraining, SegmenterTraining
from osteolens.config import StrictConfig
from osteolens.errors import ConfigError
from osteolens.extras import require
from osteolens.progress import Progress, silent
from osteolens.shipped import shipped_weights
from osteolens.training.device import check_device
from pipeline.bundle.assemble import assemble_weights
from pipeline.bundle.load import load_bundle
from pipeline.bundle.manifest import Part
from pipeline.evaluation.config import EvaluationConfig
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.report.page import write_evaluation
from pipeline.screening.folder import screen_folder
from pipeline.training.classifier import train_classifier
from pipeline.training.cohorts import eligible_studies
from pipeline.training.detector import train_detector
from pipeline.training.run import Notify, TrainingOptions, TrainingRun
from pipeline.training.segmenter import train_segmenter

log = logging.getLogger(__name__)

WEIGHTS, RESULTS, REPORT = "weights", "results", "report"
"""Folders of the weights, of the studies that are screened with them, and of their report."""


class EveryTraining(StrictConfig):
    """How every stage is trained."""

    detector: DetectorTraining = Field(default_factory=DetectorTraining, description="of the detector")
    segmenter: SegmenterTraining = Field(default_factory=SegmenterTraining, description="of the segmenter")
    classifier: ClassifierTraining = Field(default_factory=ClassifierTraining, description="of the classifier")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedStages:
    """Result of a training of every stage.

    Attributes:
        out: its folder, with a run folder for each stage, the weights, the results and the report.
        runs: of the stages that were trained.
        skipped: why the others were not, by stage.
        screened: studies that the weights were tried on.
        tried_on: what these studies are.
    """

    out: Path
    runs: Mapping[Part, TrainingRun]
    skipped: Mapping[Part, str]
    screened: int
    tried_on: str

    def as_json(self) -> dict[str, object]:
        """As it is printed."""
        return {
            "out": str(self.out),
            "weights": str(self.out / WEIGHTS),
            "report": str(self.out / REPORT / "report.html"),
            "runs": {part.value: run.as_json() for part, run in self.runs.items()},
            "skipped": {part.value: why for part, why in self.skipped.items()},
            "screened": self.screened,
            "tried_on": self.tried_on,
        }


def train_all(
    cohort: Path | str,
    out: Path | str,
    config: EveryTraining | None = None,
    options: TrainingOptions | None = None,
    progress: Progress = silent,
    notify: Notify = log.info,
) -> TrainedStages:
    """Train detector, segmenter and classifier, assemble their weights, and evaluate these on studies that no stage was
    trained on: the test studies of the cohort, else those that were held out.

    The segmenter is trained where the cohort has outlines, and the classifier where it has DXA; what is skipped is
    told, and comes from the weights that the run starts from. With `options.resume` it goes on where it stopped.

    Args:
        cohort: folder with cohort.csv, rois.csv and images; annotations.json where there are outlines.
        out: folder of the run.
        config: settings of every stage.
        options: device, seed, resuming, and weights to start from.
        progress: told of every rendered, cropped and screened study.
        notify: told of every step.

    Raises:
        MissingExtra: the extra 'train' is not installed; nothing has been read then.
        ConfigError: an unknown device, a start that is no weights, or a run to go on with that was made otherwise.
        ReadError: nothing to train on.
        OutputError: the folder cannot be written.
        WeightsError: weights to start from that are missing or do not fit.
    """
    require("train all", "torch", "torchvision", "ultralytics", "segmentation_models_pytorch", "onnx")
    cohort, out, config, options = Path(cohort), Path(out), config or EveryTraining(), options or TrainingOptions()
    if isinstance(options.start_from, Path):
        raise ConfigError(f"--start-from {options.start_from}: every stage starts from --weights, or from none")
    check_device(options.device)
    base = shipped_weights() if options.weights is None else options.weights
    load_bundle(base)
    skipped = _skipped(cohort, config, options)
    for part, why in skipped.items():
        notify(f"{part}: skipped, {why}; that of the weights stays")
    stages: dict[Part, Callable[[], TrainingRun]] = {
        Part.DETECTOR: lambda: train_detector(
            cohort, out / Part.DETECTOR, config.detector, options, progress, _prefixed(notify, Part.DETECTOR)
        ),
        Part.SEGMENTER: lambda: train_segmenter(
            cohort,
            out / Part.SEGMENTER,
            config.segmenter,
            replace(options, start_from=None),
            progress,
            _prefixed(notify, Part.SEGMENTER),
        ),
        Part.CLASSIFIER: lambda: train_classifier(
            cohort, out / Part.CLASSIFIER, config.classifier, options, progress, _prefixed(notify, Part.CLASSIFIER)
        ),
    }
    runs = {part: train() for part, train in stages.items() if part not in skipped}
    assemble_weights(out / WEIGHTS, out.resolve().name[:100] or "own", {p: r.out for p, r in runs.items()}, base=base)
    notify(f"weights: {out / WEIGHTS}")
    studies, what = _untrained(cohort, config, runs)
    notify(f"tried on {len(studies)} {what}")
    root = cohort if cohort.is_dir() else cohort.parent
    index = CohortIndex(studies=tuple(studies), skipped=(), root=root)
    screen_folder(index, out / RESULTS, out / WEIGHTS, progress=progress)
    settings = EvaluationConfig(criteria=config.classifier.criteria, sites=config.classifier.sites)
    evaluation = evaluate(out / RESULTS, root, settings)
    write_evaluation(out / REPORT, evaluation, notice_of(root), out / RESULTS / "overlays")
    return TrainedStages(out=out, runs=runs, skipped=skipped, screened=len(studies), tried_on=what)


def _prefixed(notify: Notify, part: Part) -> Notify:
    return lambda line: notify(f"{part}: {line}")


def _skipped(cohort: Path, config: EveryTraining, options: TrainingOptions) -> dict[Part, str]:
    """Stages that the cohort has no labels for."""
    skipped = {}
    folder = cohort if cohort.is_dir() else cohort.parent
    if not (folder / "annotations.json").is_file():
        skipped[Part.SEGMENTER] = "since the cohort has no outlines (annotations.json)"
    found = eligible_studies(cohort, options, sites=config.classifier.sites)
    studies = [*found.training, *found.held_out]
    if not any(study.dxa is not None and study.dxa.t_score is not None for study in studies):
        skipped[Part.CLASSIFIER] = "since no study has a T-score of DXA (cohort.csv or dxa.csv)"
    return skipped


def _untrained(cohort: Path, config: EveryTraining, runs: Mapping[Part, TrainingRun]) -> tuple[list[Study], str]:
    """Studies to try the weights on, and what they are."""
    settings = config.classifier
    everyone = index_cohort(cohort).studies
    tests = [study for study in everyone if split_of(study, settings.sites) is Split.TEST]
    tests = [study for study in tests if not exclusions(study, settings.criteria)]
    if tests:
        return tests, "test studies"
    sides = [pd.read_csv(run.out / "split.csv", dtype=str, keep_default_na=False) for run in runs.values()]
    trained = {uid for side in sides for uid in side.study_uid[side.split == Split.TRAINING]}
    held = {uid for side in sides for uid in side.study_uid} - trained
    if held:
        what = (
            "studies that were held out; they chose the epochs, so that the figures are too good: a cohort with test "
        )
        return [study for study in everyone if study.study_uid in held], what + "studies, or --folds, tells more"
    what = "studies, all of which a stage was trained on, so that the figures say nothing of others"
    return [study for study in everyone if study.study_uid in trained], what
