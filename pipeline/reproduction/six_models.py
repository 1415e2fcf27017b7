"""The paper's six models on one cohort: trained or read back, and evaluated on the test sites."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import numpy as np
import pandas as pd

from classify.inputs import SIX, InputSet
from classify.training.config import ClassifierTraining, network_spec
from classify.training.crops.build import build_crops
from classify.training.crops.crop_set import CropSet
from classify.training.crops.cut import CropPlan
from cohort.eligibility import EligibilityCriteria, exclusions
from cohort.io.annotations import Rois, read_rois, write_rois
from cohort.io.folder import index_cohort
from cohort.io.safe_names import safe_name
from cohort.spine import View
from cohort.splits import SiteSplits, Split, evaluation_site, split_of
from cohort.study import Study
from osteolens.atomic import write_csv
from osteolens.documents.json_document import write_json
from osteolens.documents.text import visible
from osteolens.extras import require
from osteolens.training.device import check_device
from osteolens.training.run_options import RunOptions
from osteolens.training.start import check_start
from osteolens.training.watch import Watch
from pipeline.bundle.load import load_bundle
from pipeline.reproduction.tables import COLUMNS, PREDICTIONS, Network, ReproductionTables, tabulate
from pipeline.screening.screener import Screener
from pipeline.training.classifier import PACKAGES, ClassifierCrops, classifier_crops, settled
from pipeline.training.cohorts import Cohorts, folders_of, training_cohorts
from pipeline.training.rois import detected_rois, facing_by
from pipeline.training.run import Notify, TrainingOptions

log = logging.getLogger(__name__)

NOTHING_HIDDEN = {"drop_view": 0.0, "drop_covariate": 0.0, "drop_covariates": 0.0}
"""Settings of a network that is trained for its inputs alone."""


class RoiSource(StrEnum):
    """Whose boxes the test sites are evaluated on."""

    MANUAL = "manual"
    DETECTOR = "detector"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproductionOptions:
    """Options of a reproduction, beside its settings.

    Attributes:
        device: "auto", "cpu" or "cuda".
        seed: of split, weights and augmentation.
        resume: read back every finished step of an earlier run.
        start_from: safetensors whose branches all six begin with.
        weights: folder of weights that find ROIs; the shipped ones when None.
        joint_network: best.safetensors of the one network, evaluated on each subset of inputs with the others hidden.
        test_rois: whose boxes the test sites are evaluated on.
    """

    device: str = "auto"
    seed: int = 0
    resume: bool = True
    start_from: Path | None = None
    weights: Path | None = None
    joint_network: Path | None = None
    test_rois: RoiSource = RoiSource.DETECTOR


def reproduce(
    cohorts: Cohorts,
    out: Path,
    config: ClassifierTraining | None = None,
    options: ReproductionOptions | None = None,
    models: Sequence[InputSet] = SIX,
    notify: Notify = log.info,
) -> ReproductionTables:
    """Train the six, predict and evaluate; every finished step is read back on a rerun.

    Writes one folder a model with its run and predictions.csv, and tables.json, table_2.csv, table_4.csv and
    comparisons.csv.

    Args:
        cohorts: folders with a training, a validation and test sites between them.
        out: run folder.
        config: training settings; views and covariates are set by model, and nothing of these is hidden. With a
            resolution schedule that holds no epoch the six share the branches of `start_from` and have heads of
            their own.
        options: device, seed, resuming, weights, and the joint network.
        models: of the paper, all six by default.
        notify: told of every step.

    Raises:
        MissingExtra: the extra 'train' is not installed; nothing has been read then.
        ConfigError: an unknown device, or one that is not there.
        ReadError: nothing to train on or to evaluate.
        WeightsError: weights to begin with that are missing or no safetensors.
    """
    require("reproduce", *PACKAGES)
    config, options = config or ClassifierTraining(), options or ReproductionOptions()
    check_device(options.device)
    if options.start_from is not None:
        check_start(options.start_from, or_folder=True)
    if options.joint_network is not None:
        check_start(options.joint_network, or_folder=True)
    config = settled(config, options.start_from)
    screener = Screener(load_bundle(options.weights))
    how = TrainingOptions(device=options.device, seed=options.seed)
    split = training_cohorts(cohorts, out, config.validation_fraction, how, config.criteria, config.sites)
    split.describe(config, notify)
    all_inputs = config.model_copy(update={"views": tuple(View), "covariates": True})
    crops = classifier_crops(split, all_inputs, out, options.seed, screener)
    plan = CropPlan(spec=config.preprocess, seed=options.seed, front_at_left=facing_by(screener))
    datasets = {Split.VALIDATION.value: crops.validation}
    patients = {study.study_uid: study.patient_id for study in split.held_out}
    for site, studies in _test_sites(folders_of(cohorts), config.criteria, config.sites).items():
        notify(f"{visible(site)}: boxes of {len(studies)} studies")
        patients |= {study.study_uid: study.patient_id for study in studies}
        if options.test_rois is RoiSource.MANUAL:
            rois = {key: boxes for folder in _folders(cohorts) for key, boxes in read_rois(folder / "rois.csv").items()}
        else:
            rois = _detected(studies, screener, out / f"rois-{safe_name(site)}.csv", options.resume)
        datasets[site] = build_crops(studies, rois, plan, out / f"crops-{safe_name(site)}")
    run = _Run(
        out=out, config=config, options=options, crops=crops, datasets=datasets, patients=patients, notify=notify
    )
    for model in models:
        is_new = run.train(model)
        dedicated = config.model_copy(update={"views": model.views, "covariates": model.covariates})
        run.predict(model, dedicated, out / model.name / "best.safetensors", out / model.name, is_new)
        if options.joint_network is not None:
            run.predict(model, all_inputs, options.joint_network, out / Network.JOINT / model.name)
    tables = tabulate(out, list(datasets), models)
    _write(tables, out)
    return tables


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """Crops, settings and data sets of all models of a reproduction."""

    out: Path
    config: ClassifierTraining
    options: ReproductionOptions
    crops: ClassifierCrops
    datasets: Mapping[str, CropSet]
    patients: Mapping[str, str]
    notify: Notify

    def train(self, model: InputSet) -> bool:
        """Train a model, unless an earlier run did; returns whether it was trained now."""
        from classify.training.train import fit_classifier

        folder = self.out / model.name
        if self.options.resume and (folder / "metrics.json").is_file():
            return False
        self.notify(f"{model.name}: training")
        inputs = {"views": model.views, "covariates": model.covariates}
        fit_classifier(
            self.crops.training.of_views(model.views),
            self.crops.validation.of_views(model.views),
            folder,
            self.config.model_copy(update={**inputs, **NOTHING_HIDDEN}),
            RunOptions(
                device=self.options.device,
                seed=self.options.seed,
                resume=self.options.resume,
                start_from=self.options.start_from,
            ),
            Watch(notify=lambda line: self.notify(f"{model.name}: {line}")),
        )
        return True

    def predict(
        self, model: InputSet, config: ClassifierTraining, weights: Path, folder: Path, is_new: bool = False
    ) -> None:
        """predictions.csv of one network over all datasets, with the inputs that the model lacks hidden.

        Args:
            model: of the paper.
            config: of the network.
            weights: its safetensors.
            folder: to write into.
            is_new: whether predictions of an earlier run are of another network.
        """
        from classify.network.checkpoint import load_network
        from classify.network.densenet import DualChannelDenseNet
        from classify.training.head.features import pooled_features
        from classify.training.head.side import Side

        path = folder / PREDICTIONS
        if path.is_file() and self.options.resume and not is_new and _has_patients(path):
            return
        network = DualChannelDenseNet(network_spec(config, config.preprocess))
        load_network(network, weights)
        tables = []
        for dataset, crops in self.datasets.items():
            inputs = crops.of_views(model.views)
            if not model.covariates:
                inputs = replace(inputs, covariates=np.zeros_like(inputs.covariates))
            features = pooled_features(network, inputs, config.resolution_schedule[-1][0], config.preprocess, "cpu")
            probabilities, t_scores = Side(inputs, features).result(network, "cpu")
            table = pd.DataFrame(probabilities, columns=list(COLUMNS))
            table.insert(0, "dataset", dataset)
            table.insert(1, "study_uid", inputs.study_uids)
            table.insert(2, "patient_id", [self.patients[uid] for uid in inputs.study_uids])
            table["label"], table["t_score"], table["t_score_true"] = inputs.labels, t_scores, inputs.t_scores
            tables.append(table)
        folder.mkdir(parents=True, exist_ok=True)
        write_csv(path, pd.concat(tables))


def _has_patients(predictions: Path) -> bool:
    """Whether predictions.csv tells patients apart; earlier versions wrote studies alone."""
    with predictions.open(encoding="utf-8") as stream:
        return "patient_id" in stream.readline().strip().split(",")


def _folders(cohorts: Cohorts) -> list[Path]:
    """Folders of the cohorts; of a manifest, the one that it lies in."""
    return [cohort if cohort.is_dir() else cohort.parent for cohort in folders_of(cohorts)]


def _test_sites(cohorts: Sequence[Path], criteria: EligibilityCriteria, sites: SiteSplits) -> dict[str, list[Study]]:
    """Eligible studies of every test site."""
    studies_by_site: dict[str, list[Study]] = {}
    for study in (study for cohort in cohorts for study in index_cohort(cohort).studies):
        if split_of(study, sites) is Split.TEST and not exclusions(study, criteria):
            studies_by_site.setdefault(evaluation_site(study), []).append(study)
    return dict(sorted(studies_by_site.items()))


def _detected(studies: Sequence[Study], screener: Screener, cache: Path, resume: bool) -> Rois:
    """Boxes of a test site as the detector finds them, kept in a table."""
    if not (resume and cache.is_file()):
        write_rois(cache, detected_rois(studies, screener))
    return read_rois(cache)


def _write(tables: ReproductionTables, out: Path) -> None:
    write_json(out / "tables.json", tables.as_json())
    for number in (2, 4):
        write_csv(out / f"table_{number}.csv", tables.table(number))
    write_csv(out / "comparisons.csv", tables.comparison_table())
