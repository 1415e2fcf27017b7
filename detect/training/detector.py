"""Fit the detector with ultralytics. Needs the extra 'train'."""

from __future__ import annotations

import shutil
from pathlib import Path

from detect.config import CLASSES
from detect.training.config import DetectorTraining
from detect.training.export_detector import export_detector
from detect.training.ultralytics_settings import private_ultralytics
from detect.training.yolo_folder import MADE_FROM
from osteolens.allocator import keep_freed_memory
from osteolens.atomic import make_folder
from osteolens.documents.json_document import write_json
from osteolens.training.device import computed_on, torch_device
from osteolens.training.run_options import RunOptions
from osteolens.training.run_state import TRAINED_ALREADY, RunFiles
from osteolens.training.watch import Watch

RESULTS = ("detector.safetensors", "detector.onnx", "training_images.png", "validation_images.png", "fit")


def check_start(out: Path, config: DetectorTraining, start_from: Path | None) -> None:
    """Check that the architecture is there and that the tensors to start from are of it, before any image is rendered.

    Args:
        out: run folder.
        config: settings.
        start_from: safetensors; None for a new network.

    Raises:
        WeightsError: `start_from` is of another architecture.
        ConfigError: the installed ultralytics does not know the architecture.
    """
    make_folder(out)
    with private_ultralytics(out):
        from detect.training.lumbar_trainer import lumbar_model

        lumbar_model(config.model, len(CLASSES), start_from)


def fit_detector(
    data_yaml: Path, out: Path, config: DetectorTraining, options: RunOptions, watch: Watch | None = None
) -> dict[str, float]:
    """Fit a YOLO on a rendered folder; writes detector.safetensors, detector.onnx and metrics.json into `out`.

    The averaged weights of the epoch with the best mAP50-95 are kept; weights to begin with are epoch 0. After every
    epoch the whole state is written, from which a stopped run goes on, with the curves and some validation images.
    Training stops early after `config.patience` epochs without progress.

    Mosaic is off and flips are left to the renderer, since order and context name the levels. The forward pass runs in
    channels_last and, where that is faster, in bfloat16; the loss in float32.

    Args:
        data_yaml: from `detect.training.yolo_folder.write_yolo_folder`.
        out: run folder.
        config: settings, as `DetectorTraining.settled` gives them.
        options: device, seed, resuming, and safetensors to begin with.
        watch: told of steps and epochs.

    Returns:
        precision, recall, mAP50 and mAP50-95 on the validation images.

    Raises:
        WeightsError: `start_from` is of another architecture, or ONNX and torch disagree.
        ConfigError: the run to go on with was made from something else, or its loss is no number any more.
    """
    keep_freed_memory()
    make_folder(out)
    watch = watch or Watch()
    made_from = {"rendered images": (data_yaml.parent / MADE_FROM).read_text("ascii").strip()}
    files = RunFiles(out, config.model_dump(mode="json"), options, made_from, RESULTS)
    if (finished := files.finished()) is not None:
        watch.notify(TRAINED_ALREADY)
        return finished
    with private_ultralytics(out):
        from detect.training.lumbar_trainer import LumbarTrainer, TrainerPlan, lumbar_model

        device = torch_device(options.device)
        plan = TrainerPlan(out=out, config=config, options=options, files=files, watch=watch)
        trainer = LumbarTrainer(plan, _overrides(data_yaml, out, config, str(device), options.seed))
        if not trainer.is_over:
            trainer.train()
        trainer.record.tell_outcome()
        model = lumbar_model(config.model, len(CLASSES), None)
        model.load_state_dict(dict(trainer.best_state))
        difference_px = export_detector(model, out, config.image_px or 0)
        precision = trainer.precision
    best = dict(trainer.record.best)
    metrics = {name: best[name] for name in ("precision", "recall", "mAP50", "mAP50-95")}
    document = {
        "validation": metrics,
        "best_epoch": best["epoch"],
        "history": [dict(row) for row in trainer.record.history],
        "onnx_apart_px": difference_px,
        "config": config.model_dump(mode="json"),
        "run": {**computed_on(device), "precision": precision.as_json()},
    }
    write_json(out / "metrics.json", document)
    shutil.rmtree(out / "fit", ignore_errors=True)
    files.finish()
    return metrics


def _overrides(data_yaml: Path, out: Path, config: DetectorTraining, device: str, seed: int) -> dict[str, object]:
    """Arguments of ultralytics' trainer."""
    on_gpu = device != "cpu"
    return {
        "model": f"{config.model}.yaml",
        "data": str(data_yaml),
        "imgsz": config.image_px,
        "epochs": config.epochs,
        "patience": 0,  # ours counts from the start
        "batch": config.batch,
        "nbs": config.batch,  # a step a batch, so that a run goes on at any epoch as it would have gone
        "device": device.removeprefix("cuda:").replace("cuda", "0"),
        "seed": seed,
        "project": str(out.resolve()),
        "name": "fit",
        "exist_ok": True,
        "pretrained": False,
        "optimizer": "AdamW",
        "lr0": config.lr,
        "lrf": 0.02,
        "cos_lr": True,
        "warmup_epochs": min(1.0, 0.1 * config.epochs),
        "warmup_bias_lr": 0.0,  # ultralytics' 0.1 is for SGD; with AdamW it unlearns a start within an epoch
        "freeze": config.freeze,
        "workers": 8 if on_gpu else 0,
        "amp": False,  # the forward pass has its own precision
        "mosaic": 0.0,
        "close_mosaic": 0,
        "fliplr": 0.0,
        "hsv_h": 0.0,
        "hsv_s": 0.0,
        "hsv_v": 0.1,
        "degrees": 0.0,
        "translate": 0.05,
        "scale": 0.12,
        "erasing": 0.0,
        "auto_augment": None,
        "plots": False,
    }
