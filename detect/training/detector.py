"""Train the detector with ultralytics and export it to ONNX. Needs the extra 'train'."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np

from detect.config import CLASSES
from detect.training.config import DetectorTraining
from osteolens.errors import MissingExtra, WeightsError
from osteolens.training.allocator import keep_freed_memory
from osteolens.training.precision import bfloat16_is_fast

log = logging.getLogger(__name__)

AGREED_PX = 0.5
"""How far boxes of the exported network may lie from those of the trained one."""


def train_detector(
    data_yaml: Path,
    out: Path,
    config: DetectorTraining,
    device: str = "cpu",
    seed: int = 0,
    resume: bool = False,
    start_from: Path | None = None,
) -> dict[str, float]:
    """Fit a YOLO on a rendered folder; writes detector.safetensors, detector.onnx and metrics.json into `out`.

    Curves, sample overlays and checkpoints stand in out/fit. Training stops early after `config.patience` epochs
    without progress.

    Mosaic is off and flips are left to the renderer, since order and context name the levels. On a CPU the forward
    pass runs in bfloat16 and channels_last (3 to 4 times faster), the loss in float32.

    Args:
        data_yaml: from `detect.training.yolo_folder.write_yolo_folder`.
        out: run folder.
        config: settings.
        device: "cpu", "0", or "0,1" for ultralytics' own multi-GPU training.
        seed: of weights and order.
        resume: go on from the run folder's last checkpoint.
        start_from: safetensors to fine-tune from.

    Returns:
        precision, recall, mAP50 and mAP50-95 on the validation images.

    Raises:
        MissingExtra: ultralytics is not installed.
        WeightsError: `start_from` is of another architecture, or ONNX and torch disagree.
    """
    keep_freed_memory()
    os.environ.setdefault("YOLO_OFFLINE", "true")
    os.environ.setdefault("YOLO_AUTOINSTALL", "false")
    os.environ.setdefault("YOLO_CONFIG_DIR", str(out.resolve()))
    out.mkdir(parents=True, exist_ok=True)
    try:
        from ultralytics import settings
    except ImportError as error:
        raise MissingExtra("train detector", "ultralytics") from error
    settings.update({"sync": False})
    last = out / "fit" / "weights" / "last.pt"
    overrides: dict[str, Any] = {
        "model": str(last) if resume and last.is_file() else f"{config.model}.yaml",
        "data": str(data_yaml),
        "imgsz": config.image_px,
        "epochs": config.epochs,
        "patience": config.patience,
        "batch": config.batch,
        "device": device,
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
        "resume": str(last) if resume and last.is_file() else False,
    }
    if config.max_minutes:
        overrides["time"] = config.max_minutes / 60
    trainer = _trainer(overrides, start_from, fast_cpu=device == "cpu")
    trainer.train()
    metrics = {
        name.removeprefix("metrics/").removesuffix("(B)"): float(value)
        for name, value in trainer.metrics.items()
        if name.startswith("metrics/")
    }
    best = Path(trainer.best)
    apart = export_detector(best if best.is_file() else Path(trainer.last), out, config.image_px)
    document = {"validation": metrics, "onnx_apart_px": apart, "config": config.model_dump()}
    (out / "metrics.json").write_text(json.dumps(document, indent=1))
    return metrics


def _trainer(overrides: dict[str, Any], start_from: Path | None, fast_cpu: bool) -> Any:
    import torch
    from ultralytics.models.yolo.detect import DetectionTrainer

    class LumbarTrainer(DetectionTrainer):  # type: ignore[misc]
        """ultralytics' trainer with bfloat16 on the CPU and an optional start from safetensors."""

        def get_model(self, cfg: Any = None, weights: Any = None, verbose: bool = True) -> Any:
            model = super().get_model(cfg, weights, verbose)
            if start_from is not None and weights is None:
                from safetensors.torch import load_file

                state = {name: value.float() for name, value in load_file(start_from).items()}
                try:
                    model.load_state_dict(state)
                except RuntimeError as error:
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

        def _bfloat16_loss(self, batch: dict[str, Any], preds: Any = None) -> Any:
            images = batch["img"].contiguous(memory_format=torch.channels_last)
            if preds is None and self.model.training:
                with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16_is_fast()):
                    preds = self.model.predict(images)
                preds = _to_float(preds)
            return self.model._plain_loss(batch, preds)

        def save_model(self) -> Any:
            loss = self.model.__dict__.pop("loss", None)
            plain = self.model.__dict__.pop("_plain_loss", None)
            saved = super().save_model()
            if plain is not None:
                self.model._plain_loss, self.model.loss = plain, loss
            return saved

    return LumbarTrainer(overrides=overrides)


def _to_float(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _to_float(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_to_float(v) for v in value)
    return value.float() if hasattr(value, "float") else value


def export_detector(checkpoint: Path, out: Path, image_px: int) -> float:
    """Write detector.onnx and detector.safetensors from an ultralytics checkpoint.

    Returns:
        largest difference between torch and onnxruntime on a random image, in pixels.

    Raises:
        WeightsError: they differ by more than AGREED_PX, or the network has other classes.
    """
    import onnxruntime
    import torch
    from safetensors.torch import save_file
    from ultralytics import YOLO

    model = YOLO(str(checkpoint)).model.float().eval()
    state = {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    model.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
    save_file({k: v.contiguous() for k, v in state.items()}, out / "detector.safetensors")
    head = model.model[-1]
    head.export, head.format = True, "onnx"
    image = torch.rand(1, 3, image_px, image_px)
    with torch.inference_mode():
        expected = model(image)
    torch.onnx.export(
        model, (image,), str(out / "detector.onnx"), input_names=["images"], output_names=["candidates"],
        opset_version=17, dynamo=False, do_constant_folding=True,
    )  # fmt: skip
    session = onnxruntime.InferenceSession(str(out / "detector.onnx"), providers=["CPUExecutionProvider"])
    found = session.run(None, {"images": image.numpy()})[0]
    reference = expected[0] if isinstance(expected, (tuple, list)) else expected
    if found.shape[1] != 4 + len(CLASSES):
        raise WeightsError(f"{checkpoint}: {found.shape[1]} outputs, expected {4 + len(CLASSES)}")
    apart = float(np.abs(found - reference.numpy()).max())
    if apart > AGREED_PX:
        raise WeightsError(f"{checkpoint}: ONNX and torch differ by {apart:.2f} px, at most {AGREED_PX} expected")
    return apart
