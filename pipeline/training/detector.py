"""Train the detector: from cohort folders to a run folder."""

from __future__ import annotations

import logging
from pathlib import Path

from detect.training.config import DetectorTraining
from osteolens.extras import require
from osteolens.progress import Progress, silent
from osteolens.training.device import check_device
from osteolens.training.start import check_start
from pipeline.bundle.load import load_bundle
from pipeline.training.cohorts import Cohorts, folders_of, training_cohorts
from pipeline.training.rois import outlines_of
from pipeline.training.run import Notify, Start, TrainingOptions, TrainingRun

log = logging.getLogger(__name__)


def train_detector(
    cohorts: Cohorts,
    out: Path | str,
    config: DetectorTraining | None = None,
    options: TrainingOptions | None = None,
    progress: Progress = silent,
    notify: Notify = log.info,
) -> TrainingRun:
    """Train the YOLO detector of L1-L4 (and T11, T12, L5, S1) and export it to ONNX.

    Writes split.csv, yolo/, fit/, detector.onnx, detector.safetensors and metrics.json into `out`.

    Args:
        cohorts: folders with cohort.csv, rois.csv and images; annotations.json where there are outlines.
        out: run folder.
        config: settings.
        options: device, seed, resuming, and what it starts from.
        progress: told of every rendered image.
        notify: told of who is trained on.

    Raises:
        MissingExtra: the extra 'train' is not installed; nothing has been read then.
        ConfigError: an unknown device, or one that is not there.
        ReadError: nothing to train on.
        OutputError: the run folder cannot be made.
        WeightsError: weights to start from that are missing or of another architecture.
    """
    require("train detector", "torch", "torchvision", "ultralytics", "safetensors")
    out = Path(out)
    from detect.training.detector import fit_detector
    from detect.training.yolo_folder import LabelledStudies, write_yolo_folder

    config, options = config or DetectorTraining(), options or TrainingOptions()
    check_device(options.device)
    start = _start(options)
    split = training_cohorts(cohorts, out, config.validation_fraction, options, sites=config.sites)
    split.describe(config, notify)
    labelled = LabelledStudies(
        training=split.training,
        validation=split.held_out,
        rois=split.rois,
        outlines=outlines_of(folders_of(cohorts), split.training),
    )
    data = write_yolo_folder(labelled, out / "yolo", config, options.seed, progress)
    return split.as_run(out, fit_detector(data, out, config, options.run_options(start)))


def _start(options: TrainingOptions) -> Path | None:
    """Safetensors to begin with."""
    if options.start_from is Start.NONE:
        return None
    if isinstance(options.start_from, Path):
        return check_start(options.start_from)
    return load_bundle(options.weights).detector.with_suffix(".safetensors")
