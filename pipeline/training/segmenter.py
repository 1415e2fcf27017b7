"""Train the segmenter of bodies: from cohort folders to a run folder."""

from __future__ import annotations

import logging
from pathlib import Path

from detect.training.config import SegmenterTraining
from osteolens.errors import ConfigError
from osteolens.extras import require
from osteolens.progress import Progress, silent
from osteolens.training.device import check_device
from osteolens.training.resources import check_disk, check_memory
from osteolens.training.start import check_start
from pipeline.training.cohorts import Cohorts, folders_of, training_cohorts
from pipeline.training.rois import outlines_of, with_labels
from pipeline.training.run import Notify, Start, TrainingOptions, TrainingRun

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
        options: device, seed, resuming, and what it starts from.
        progress: told of every cropped study.
        notify: told of who is trained on, and of every epoch.

    Raises:
        MissingExtra: the extra 'train' is not installed; nothing has been read then.
        ReadError: nothing to train on.
        ConfigError: an unknown device, a start from weights, or a run to go on with that was made from something else.
        OutputError: the run folder cannot be made.
        WeightsError: weights to start from that are missing or no safetensors.
    """
    require("train segmenter", "torch", "segmentation_models_pytorch", "safetensors", "onnx")
    out = Path(out)
    from detect.training.body_crops import build_store, crops_bytes
    from detect.training.segmenter import fit_segmenter
    from detect.training.segmenter_network import load_start, segmenter_network

    config, options = config or SegmenterTraining(), options or TrainingOptions()
    check_device(options.device, several=True)
    start = _start(options)
    if start is not None:
        load_start(segmenter_network(config.encoder), start, config.encoder)
    split = training_cohorts(cohorts, out, config.validation_fraction, options, sites=config.sites)
    folders = (*folders_of(cohorts), *(() if options.validation is None else (options.validation,)))
    outlines = outlines_of(folders, [*split.training, *split.held_out])
    split = with_labels(split, {uid for uid, _ in outlines}, "outlines in annotations.json")
    split.describe(config, notify)
    needed = crops_bytes(len(split.training) + len(split.held_out), config)
    check_disk(out, needed, "crops")
    check_memory(needed, "crops", "give --set bodies_an_image=2 for fewer")
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
    return split.as_run(out, fit_segmenter(training, validation, out, config, run_options, options.watch(notify)))


def _start(options: TrainingOptions) -> Path | None:
    """Safetensors to begin with."""
    if options.start_from is Start.WEIGHTS:
        raise ConfigError("weights hold the segmenter as ONNX alone; start from segmenter.safetensors of a run")
    return check_start(options.start_from) if isinstance(options.start_from, Path) else None
