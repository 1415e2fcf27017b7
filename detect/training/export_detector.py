"""The detector on disk: half-precision safetensors, and an ONNX graph that was compared with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from detect.config import CLASSES
from osteolens.atomic import whole_file
from osteolens.errors import WeightsError

if TYPE_CHECKING:
    from ultralytics.nn.tasks import DetectionModel

AGREED_PX = 0.5
"""How far boxes of the exported network may lie from those of the trained one."""


def export_detector(model: DetectionModel, out: Path, image_px: int) -> float:
    """Write detector.onnx and detector.safetensors of a trained network.

    Args:
        model: ultralytics' network.
        out: run folder.
        image_px: side of the input.

    Returns:
        largest difference between torch and onnxruntime on a random image, in pixels.

    Raises:
        WeightsError: they differ by more than AGREED_PX, or the network has other classes.
        OutputError: a file cannot be written.
    """
    import torch
    from safetensors.torch import save_file

    model = model.float().cpu().eval()
    state = {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    model.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
    with whole_file(out / "detector.safetensors") as unfinished:
        save_file({k: v.contiguous() for k, v in state.items()}, unfinished)
    head = model.model[-1]
    head.export, head.format = True, "onnx"
    image = torch.from_numpy(np.random.default_rng(0).random((1, 3, image_px, image_px), np.float32))
    with torch.no_grad():
        expected = model(image)
    reference = expected[0] if isinstance(expected, (tuple, list)) else expected
    with whole_file(out / "detector.onnx") as unfinished:
        torch.onnx.export(
            model, (image,), str(unfinished), input_names=["images"], output_names=["candidates"],
            opset_version=17, dynamo=False, do_constant_folding=True,
        )  # fmt: skip
        session = onnxruntime.InferenceSession(str(unfinished), providers=["CPUExecutionProvider"])
        candidates = session.run(None, {"images": image.numpy()})[0]
        if candidates.shape[1] != 4 + len(CLASSES):
            raise WeightsError(f"detector.onnx: {candidates.shape[1]} outputs, expected {4 + len(CLASSES)}")
        difference_px = float(np.abs(candidates - reference.numpy()).max())
        if not difference_px <= AGREED_PX:
            raise WeightsError(
                f"detector.onnx: ONNX and torch differ by {difference_px:.2f} px, at most {AGREED_PX} expected"
            )
    return difference_px
