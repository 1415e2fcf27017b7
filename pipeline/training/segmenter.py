"""Train the segmenter of bodies: from cohort folders to a run folder."""

from __future__ import annotations

import logging
from pathlib import Path

from detect.training.config import SegmenterTraining
from osteolens.errors import ConfigError, ReadError
from osteolens.extras import require
from osteolens.progress import Progress, silent
from osteolens.training.device import check_device
from osteolens.training.start import check_start
from pipeline.training.cohorts import Cohorts, folders_of, training_cohorts
from pipeline.training.rois import outlines_of
from pipeline.training.run import Notify, Start, TrainingOptions, TrainingRun, row_text

log = logging.getLogger(__name__)


def train_segmenter(
    cohorts: Cohorts,
    out: Path | str,
    config: SegmenterTraining | None = None,
    options: TrainingOptions | None = None,
    progress: Progress = silent,
    notify: Notify = log.info,
) -> TrainingRun:
    """Train the U-Net that outlines vertebral bodies inside the boxes and export it to ONNX.

    Writes split.csv, crops, segmenter.onnx, segmenter.safetensors and metrics.json into `out`.

    Args:
        cohorts: folders with cohort.csv, rois.csv, annotations.json with outlines, and images.
        out: run folder.
        config: settings.
        options: device, seed, and what it starts from.
        progress: told of every cropped study.
        notify: told of who is trained on, and of every epoch.

    Raises:
        MissingExtra: the extra 'train' is not installed; nothing has been read then.
        ReadError: nothing to train on.
        ConfigError: an unknown device, or a start from weights or resuming, which a segmenter does not know.
        OutputError: the run folder cannot be made.
        WeightsError: weights to start from that are missing or no safetensors.
    """
    require("train segmenter", "torch", "lightning", "segmentation_models_pytorch", "safetensors")
    out = Path(out)
    from detect.training.body_crops import build_store
    from detect.training.segmenter import fit_segmenter

    config, options = config or SegmenterTraining(), options or TrainingOptions()
    check_device(options.device)
    start = _start(options)
    split = training_cohorts(cohorts, out, config.validation_fraction, options, sites=config.sites)
    split.describe(config, notify)
    folders = (*folders_of(cohorts), *(() if options.validation is None else (options.validation,)))
    outlines = outlines_of(folders, [*split.training, *split.held_out])
    if not outlines:
        raise ReadError("no cohort has outlines; a segmenter needs bodies as COCO polygons in annotations.json")
    total = len(split.training) + len(split.held_out)
    training, validation = (
        build_store(
            studies,
            outlines,
            out / f"{name}.npy",
            config,
            options.seed,
            lambda done, _, before=before: progress(before + done, total),
        )
        for name, studies, before in (
            ("crops", split.training, 0),
            ("crops-validation", split.held_out, len(split.training)),
        )
    )
    run_options = options.run_options(start)
    metrics = fit_segmenter(training, validation, out, config, run_options, lambda row: notify(row_text(row)))
    return split.as_run(out, metrics)


def _start(options: TrainingOptions) -> Path | None:
    """Safetensors to begin with."""
    if options.resume:
        raise ConfigError("a segmenter does not resume; its crops are kept, so train it again without --resume")
    if options.start_from is Start.WEIGHTS:
        raise ConfigError("weights hold the segmenter as ONNX alone; start from segmenter.safetensors of a run")
    return check_start(options.start_from) if isinstance(options.start_from, Path) else None
