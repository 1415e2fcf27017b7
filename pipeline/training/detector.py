"""Train the detector: from cohort folders to a run folder."""

from __future__ import annotations

import logging
from pathlib import Path

from detect.detector import VertebraDetector
from detect.training.config import NEW_PX, DetectorTraining, step_bytes
from osteolens.errors import ConfigError
from osteolens.extras import require
from osteolens.progress import Progress, silent
from osteolens.training.device import check_device
from osteolens.training.resources import check_disk, check_memory
from osteolens.training.start import check_start
from pipeline.bundle.load import load_bundle
from pipeline.training.cohorts import Cohorts, folders_of, training_cohorts
from pipeline.training.rois import outlines_of, with_labels
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

    Writes split.csv, yolo/, detector.onnx, detector.safetensors and metrics.json into `out`, and while it trains
    history.csv, curves.png, curves.svg, training_images.png, validation_images.png and the state that it goes on from.

    Args:
        cohorts: folders with cohort.csv, rois.csv and images; annotations.json where there are outlines.
        out: run folder.
        config: settings.
        options: device, seed, resuming, and what it starts from.
        progress: told of every rendered image.
        notify: told of who is trained on, and of every epoch.

    Raises:
        MissingExtra: the extra 'train' is not installed; nothing has been read then.
        ConfigError: an unknown device, several, or one that is not there.
        ReadError: nothing to train on, or nothing to validate by.
        OutputError: the run folder cannot be made.
        WeightsError: weights to start from that are missing or of another architecture.
    """
    require("train detector", "torch", "torchvision", "ultralytics", "safetensors", "onnx")
    out = Path(out)
    from detect.training.detector import check_start as check_architecture
    from detect.training.detector import fit_detector
    from detect.training.yolo_folder import LabelledStudies, rendered_bytes, write_yolo_folder

    config, options = config or DetectorTraining(), options or TrainingOptions()
    if "," in options.device:
        raise ConfigError(
            f"device {options.device!r}: the detector trains on one device, since ultralytics would start its other "
            "processes from a generated file, over a TCP port, without the state that a run goes on from; give one"
        )
    check_device(options.device)
    start = _start(options)
    check_architecture(out, config, start)
    split = training_cohorts(cohorts, out, config.validation_fraction, options, sites=config.sites)
    split = with_labels(split, {uid for uid, _ in split.rois}, "ROIs in rois.csv")
    split.describe(config, notify)
    config = config.settled(None if start is None else input_px(start), len(split.training))
    notify(f"rate {config.lr:g}, {config.freeze} layers kept, images of {config.image_px} px")
    check_disk(out, rendered_bytes(len(split.training), len(split.held_out), config), "rendered images")
    if options.device == "cpu":
        check_memory(step_bytes(config), "steps", f"give a smaller batch than --set batch={config.batch}")
    labelled = LabelledStudies(
        training=split.training,
        validation=split.held_out,
        rois=split.rois,
        outlines=outlines_of(folders_of(cohorts), split.training),
    )
    data = write_yolo_folder(labelled, out / "yolo", config, options.seed, progress)
    return split.as_run(out, fit_detector(data, out, config, options.run_options(start), options.watch(notify)))


def _start(options: TrainingOptions) -> Path | None:
    """Safetensors to begin with."""
    if options.start_from is Start.NONE:
        return None
    if isinstance(options.start_from, Path):
        return check_start(options.start_from)
    return load_bundle(options.weights).detector.with_suffix(".safetensors")


def input_px(start: Path) -> int:
    """Side of the input of weights to start from, by the ONNX graph beside them; NEW_PX where there is none."""
    onnx = start.with_suffix(".onnx")
    return VertebraDetector(onnx).side if onnx.is_file() else NEW_PX
