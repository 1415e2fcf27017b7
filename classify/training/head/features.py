"""Pooled features of finished branches."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from classify.config import PreprocessSpec
from classify.network.densenet import DualChannelDenseNet
from classify.training.batches import network_images
from classify.training.crops.crop_set import CropSet
from cohort.spine import View
from osteolens.atomic import whole_file

Device = torch.device | str
Values = npt.NDArray[np.float32] | npt.NDArray[np.float16]
Features = Sequence[Values]
"""Of each branch: (rows of the images, variants, channels)."""

IMAGES = 6
"""Studies, each with its variants, that go through a branch at a time."""


def pooled_features(
    network: DualChannelDenseNet,
    crops: CropSet,
    side: int,
    spec: PreprocessSpec,
    device: Device,
    bfloat16: bool = False,
) -> Features:
    """Features of every cached variant of the images of a set, without augmentation, by branch; kept in the set's
    folder, so that networks that share a branch share its features.

    Args:
        network: whose branches are finished.
        crops: studies.
        side: working side.
        spec: preprocessing of the crops.
        device: to compute on.
        bfloat16: whether branches run in bfloat16.
    """
    network.eval().to(memory_format=torch.channels_last)
    features = []
    for view in (view for view in View if view in network.spec.views):
        path = crops.folder / f"features-{_digest(network, crops, view, side, bfloat16)}.npy"
        if (kept := _kept(path, crops)) is None:
            computed = _features_of(network, view, crops, (side, bfloat16), spec, device)
            with whole_file(path) as unfinished, unfinished.open("wb") as stream:
                np.save(stream, computed)
            kept = np.load(path, mmap_mode="r")
        features.append(kept)
    return features


def _kept(path: Path, crops: CropSet) -> npt.NDArray[np.float32] | None:
    """Features of an earlier run; None where there are none, or where the file is damaged."""
    try:
        kept: npt.NDArray[np.float32] = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None
    return kept if kept.shape[:2] == crops.images.shape[:2] else None


def _features_of(
    network: DualChannelDenseNet,
    view: View,
    crops: CropSet,
    how: tuple[int, bool],
    spec: PreprocessSpec,
    device: Device,
) -> npt.NDArray[np.float32]:
    """Features of a view at a side, in bfloat16 or not."""
    count, variants = crops.images.shape[:2]
    channel, features = list(View).index(view), []
    side, bfloat16 = how
    with torch.inference_mode(), torch.autocast(torch.device(device).type, torch.bfloat16, enabled=bfloat16):
        for start in range(0, count, IMAGES):
            shown = crops.images[start : start + IMAGES, :, channel].reshape(-1, 1, *crops.images.shape[3:])
            features.append(network.pooled_view(view, network_images(shown, side, spec, device)[:, 0]).float().cpu())
    return torch.cat(features).reshape(count, variants, -1).numpy()


def branch_digest(network: DualChannelDenseNet, view: View) -> str:
    """SHA-256 of the branch of a view: its tensors, and what is made of its feature maps."""
    digest = hashlib.sha256(f"{network.spec.pooled} {network.spec.backbone}".encode())
    _add_tensors(digest, network, view)
    return digest.hexdigest()


def _digest(network: DualChannelDenseNet, crops: CropSet, view: View, side: int, bfloat16: bool) -> str:
    """Of all that the features of a view come from."""
    digest = hashlib.sha256(
        f"{crops.made_from} {view} {side} {network.spec.pooled} {network.spec.backbone} {bfloat16}".encode()
    )
    _add_tensors(digest, network, view)
    return digest.hexdigest()[:16]


def _add_tensors(digest: hashlib._Hash, network: DualChannelDenseNet, view: View) -> None:
    for part in (network.ap if view is View.AP else network.lateral, network.attention):
        for value in part.state_dict().values() if part is not None else ():
            if value.is_floating_point():
                digest.update(value.detach().cpu().numpy().tobytes())
