"""Fit the detector with ultralytics. Needs the extra 'train'."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from detect.training.config import DetectorTraining
from detect.training.export_detector import export_detector
from detect.training.ultralytics_settings import private_ultralytics
from osteolens.documents.json_document import write_json
from osteolens.errors import WeightsError
from osteolens.training.allocator import keep_freed_memory
from osteolens.training.precision import bfloat16_is_fast
from osteolens.training.run_options import RunOptions

if TYPE_CHECKING:
    from torch import nn
    from ultralytics.models.yolo.detect import DetectionTrainer

log = logging.getLogger(__name__)


def fit_detector(data_yaml: Path, out: Path, config: DetectorTraining, options: RunOptions) -> dict[str, float]:
    """Fit a YOLO on a rendered folder; writes detector.safetensors, detector.onnx and metrics.json into `out`.

    Curves, sample overlays and checkpoints stand in out/fit. Training stops early after `config.patience` epochs
    without progress.

    Mosaic is off and flips are left to the renderer, since order and context name the levels. On a CPU the forward
    pass runs in bfloat16 and channels_last (3 to 4 times faster), the loss in float32.

    Args:
        data_yaml: from `detect.training.yolo_folder.write_yolo_folder`.
        out: run folder.
        config: settings.
        options: device, seed, resuming, and safetensors to begin with.

    Returns:
        precision, recall, mAP50 and mAP50-95 on the validation images.

    Raises:
        WeightsError: `start_from` is of another architecture, or ONNX and torch disagree.
    """
    keep_freed_memory()
    out.mkdir(parents=True, exist_ok=True)
    device = _device(options.device)
    with private_ultralytics(out):
        overrides = _overrides(data_yaml, out, config, device, options)
        trainer = _trainer(overrides, options.start_from, fast_cpu=device == "cpu")
        trainer.train()
        metrics = {
            name.removeprefix("metrics/").removesuffix("(B)"): float(value)
            for name, value in trainer.metrics.items()
            if name.startswith("metrics/")
        }
        best = Path(trainer.best)
        difference_px = export_detector(best if best.is_file() else Path(trainer.last), out, config.image_px)
    document = {"validation": metrics, "onnx_apart_px": difference_px, "config": config.model_dump()}
    write_json(out / "metrics.json", document)
    return metrics


def _device(name: str) -> str:
    """A device as ultralytics names it: "cpu", or GPU numbers."""
    import torch

    if name == "auto":
        return "0" if torch.cuda.is_available() else "cpu"
    return "0" if name == "cuda" else name


def _overrides(
    data_yaml: Path, out: Path, config: DetectorTraining, device: str, options: RunOptions
) -> dict[str, object]:
    """Arguments of ultralytics' trainer."""
    last = out / "fit" / "weights" / "last.pt"
    is_resumed = options.resume and last.is_file()
    overrides: dict[str, object] = {
        "model": str(last) if is_resumed else f"{config.model}.yaml",
        "data": str(data_yaml),
        "imgsz": config.image_px,
        "epochs": config.epochs,
        "patience": config.patience,
        "batch": config.batch,
        "device": device,
        "seed": options.seed,
        "project": str(out.resolve()),
        "name": "fit",
        "exist_ok": True,
        "pretrained": False,
        "optimizer": "AdamW",
        "lr0": config.lr,
        "lrf": 0.02,
        "cos_lr": True,
        "warmup_epochs": min(1.0, 0.1 * config.epochs),
        "workers": 0 if device == "cpu" else 8,
        "amp": device != "cpu",
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
        "plots": True,
        "resume": str(last) if is_resumed else False,
    }
    if config.max_minutes:
        overrides["time"] = config.max_minutes / 60
    return overrides


def _trainer(overrides: dict[str, object], start_from: Path | None, fast_cpu: bool) -> DetectionTrainer:
    import torch
    from safetensors.torch import load_file
    from ultralytics.models.yolo.detect import DetectionTrainer

    class LumbarTrainer(DetectionTrainer):  # type: ignore[misc]
        """ultralytics' trainer with bfloat16 on the CPU and an optional start from safetensors."""

        def get_model(
            self, cfg: str | None = None, weights: nn.Module | None = None, verbose: bool = True
        ) -> nn.Module:
            model: nn.Module = super().get_model(cfg, weights, verbose)
            if start_from is not None and weights is None:
                try:
                    model.load_state_dict({name: value.float() for name, value in load_file(start_from).items()})
                except (OSError, RuntimeError) as error:
                    raise WeightsError(
                        f"{start_from}: not the weights of a {cfg}; start from weights of the same architecture, or "
                        "with --start-from none"
                    ) from error
            return model

        def _model_train(self) -> None:
            super()._model_train()
            if fast_cpu:
                torch.set_num_threads(os.cpu_count() or 1)  # ultralytics leaves one core idle
                self.model.to(memory_format=torch.channels_last)
                if not hasattr(self.model, "_plain_loss"):
                    self.model._plain_loss = self.model.loss
                    self.model.loss = self._bfloat16_loss

        def _bfloat16_loss(self, batch: dict[str, torch.Tensor], preds: object = None) -> object:
            images = batch["img"].contiguous(memory_format=torch.channels_last)
            if preds is None and self.model.training:
                with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16_is_fast()):
                    preds = self.model.predict(images)
                preds = _to_float(preds)
            return self.model._plain_loss(batch, preds)

        def save_model(self) -> object:
            loss = self.model.__dict__.pop("loss", None)
            plain = self.model.__dict__.pop("_plain_loss", None)
            saved = super().save_model()
            if plain is not None:
                self.model._plain_loss, self.model.loss = plain, loss
            return saved

    return LumbarTrainer(overrides=overrides)


def _to_float(value: object) -> object:
    """Tensors inside dictionaries and lists as float32."""
    import torch

    if isinstance(value, dict):
        return {name: _to_float(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_to_float(one) for one in value)
    return value.float() if isinstance(value, torch.Tensor) else value
