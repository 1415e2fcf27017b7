"""The segmenter's network: a U-Net with a second head, its losses, and its ONNX graph. Needs the extra 'train'."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import segmentation_models_pytorch as smp
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from detect.segmenter import CROP_PX, TARGETS
from osteolens.atomic import whole_file
from osteolens.errors import WeightsError
from osteolens.training.parallel.group import Mean, plain_mean

FRACTURE_WEIGHT = 5.0
"""How much more a fractured body weighs than a whole one; about one in twenty is."""

AGREED = 1e-3
"""How far outputs of the exported network may lie from those of the trained one."""


def segmenter_network(encoder: str) -> nn.Module:
    """A U-Net with a second head for the targets."""
    network: nn.Module = smp.Unet(
        encoder,
        encoder_depth=5,
        encoder_weights=None,
        in_channels=1,
        classes=1,
        decoder_channels=(96, 64, 32, 16, 8),
        aux_params={"classes": len(TARGETS), "pooling": "avg", "dropout": 0.2},
    ).to(memory_format=torch.channels_last)
    return network


def load_start(network: nn.Module, path: Path, encoder: str) -> None:
    """Take the tensors of another run.

    Raises:
        WeightsError: they are of another network.
    """
    try:
        network.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    except (OSError, RuntimeError) as error:
        raise WeightsError(
            f"{path}: not the weights of a segmenter with the encoder {encoder}; start from segmenter.safetensors of a "
            "run with the same encoder, or with --start-from none"
        ) from error


def mask_loss(logits: Tensor, truth: Tensor, mean: Mean = plain_mean) -> Tensor:
    """Binary cross-entropy of every crop, and Dice of those that hold a body.

    Args:
        logits: (n, 1, side, side).
        truth: 1 inside the body, likewise.
        mean: of totals and counts; that of a group where its processes share a batch.
    """
    probability, filled = torch.sigmoid(logits), truth.sum((1, 2, 3)) > 0
    dice = 1 - (2 * (probability * truth).sum((1, 2, 3)) + 1) / ((probability + truth).sum((1, 2, 3)) + 1)
    entropy = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none").mean((1, 2, 3)).sum()
    counts = torch.stack((filled.sum(), torch.full_like(filled, True).sum()))
    return mean(torch.stack(((dice * filled).sum(), entropy)), counts).sum()


def target_loss(values: Tensor, targets: Tensor, mean: Mean = plain_mean) -> Tensor:
    """Squared error of tenths of lost height, and cross-entropy of the kinds, where each is known.

    Args:
        values: (n, len(TARGETS)).
        targets: likewise, NaN where unknown.
        mean: of totals and counts; that of a group where its processes share a batch.
    """
    known = ~targets.isnan()
    goal = torch.where(known, targets, torch.zeros_like(targets))
    squared = (values[:, 0] - 10 * goal[:, 0]) ** 2 * (1 + FRACTURE_WEIGHT * (goal[:, 0] > 0))
    kinds = functional.binary_cross_entropy_with_logits(values[:, 1:], goal[:, 1:], reduction="none")
    each = torch.cat((0.05 * squared[:, None], 0.3 * kinds), 1) * known
    return mean(each.sum(0), known.sum(0)).sum()


class _Export(nn.Module):
    """Masks in [0, 1], losses of height as fractions, and probabilities of the kinds."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        logits, values = self.network(crops)
        kinds = torch.sigmoid(values[:, 1:])
        return torch.sigmoid(logits), (values[:, 0] / 10).clamp(0, 1), *kinds.unbind(1)


def export_segmenter(network: nn.Module, path: Path) -> float:
    """Write masks and losses of height as one graph; returns the largest difference between torch and onnxruntime.

    Raises:
        WeightsError: they differ by more than AGREED.
        OutputError: the graph cannot be written.
    """
    names = ("crops", "masks", *TARGETS)
    model = _Export(network).eval()
    crops = torch.from_numpy(np.random.default_rng(0).random((2, 1, CROP_PX, CROP_PX), np.float32))
    with whole_file(path) as unfinished:
        torch.onnx.export(
            model, (crops,), str(unfinished), input_names=[names[0]], output_names=list(names[1:]), opset_version=17,
            dynamo=False, do_constant_folding=True, dynamic_axes={name: {0: "n"} for name in names},
        )  # fmt: skip
        session = onnxruntime.InferenceSession(str(unfinished), providers=["CPUExecutionProvider"])
        with torch.inference_mode():
            expected = model(crops)
        outputs = session.run(None, {"crops": crops.numpy()})
        difference = max(float(np.abs(a - b.numpy()).max()) for a, b in zip(outputs, expected, strict=True))
        if not difference <= AGREED:
            raise WeightsError(f"{path.name}: ONNX and torch differ by {difference:.2g}, at most {AGREED} expected")
    return difference
