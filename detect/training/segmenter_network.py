"""The segmenter's network: a U-Net with a second head, its losses, its ONNX graph and its evaluation. Needs 'train'."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import segmentation_models_pytorch as smp
import torch
from safetensors.torch import load_file
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional

from cohort.findings import GENANT_LOSS
from detect.segmenter import CROP_PX, TARGETS
from detect.training.body_crops import CropStore, batches
from osteolens.atomic import whole_file
from osteolens.errors import WeightsError
from osteolens.training.parallel.group import Mean, plain_mean

Floats = npt.NDArray[np.float32]

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


def evaluate(model: nn.Module, store: CropStore, size: int, device: torch.device) -> dict[str, float]:
    """Mean Dice of thresholded masks of plain bodies, and areas under the ROC curves of grade 2 fractures and kinds."""
    model.eval()
    dice, predicted = [], []
    with torch.inference_mode():
        for images, masks, _ in batches(store, np.arange(len(store.planes)), size, None):
            logits, values = model(torch.from_numpy(images).to(device, memory_format=torch.channels_last))
            shown, truth = logits.float().cpu().numpy() > 0, masks > 0.5
            both, filled = (shown & truth).sum((1, 2, 3)), truth.any((1, 2, 3))
            each = 2 * both / np.maximum(shown.sum((1, 2, 3)) + truth.sum((1, 2, 3)), 1)
            dice.append(each[filled])
            predicted.append(values.float().cpu().numpy())
    scores, truths = np.concatenate(predicted), store.targets.copy()
    truths[:, 0] = np.where(np.isnan(truths[:, 0]), np.nan, truths[:, 0] >= GENANT_LOSS[1])
    names = ("auc_grade_2", *(f"auc_{name}" for name in TARGETS[1:]))
    aucs = {name: _auc(truths[:, k], scores[:, k]) for k, name in enumerate(names)}
    known = {name: auc for name, auc in aucs.items() if not np.isnan(auc)}
    return {"dice": float(np.concatenate(dice).mean()), **known}


def _auc(truth: Floats, scores: Floats) -> float:
    known = ~np.isnan(truth)
    if len(np.unique(truth[known])) < 2:
        return float("nan")
    return float(roc_auc_score(truth[known] > 0.5, scores[known]))


def bodies_taken(network: nn.Module, store: CropStore, size: int) -> float:
    """Fraction of the bodies of a store that quality control takes for what they are: more likely a body than not, and
    their negative less likely than they.

    Args:
        network: on the CPU, in evaluation mode.
        store: crops as stored.
        size: crops a batch.
    """
    taken = []
    column = TARGETS.index("body")
    with torch.inference_mode():
        for images, masks, _ in batches(store, np.arange(len(store.planes)), size, None):
            shown = torch.from_numpy(images[(masks > 0.5).any((1, 2, 3))])
            if len(shown):
                body, negative = (network(either)[1][:, column].float() for either in (shown, 1 - shown))
                taken.append((body >= 0) & ((negative < 0) | (negative < body)))
    return float(torch.cat(taken).float().mean()) if taken else 0.0
