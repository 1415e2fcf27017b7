"""Crops of bright squares instead of radiographs, and settings under which a training on them takes a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from classify.training.crops.crop_set import CropSet

SQUARES = {
    "views": ["AP"],
    "pooled": "last",
    "preprocess": {"roi": "column", "size_px": 64},
    "precision": "float32",
    "batch": 2,
    "head_weight_decays": [0.1],
}
"""Settings of a training on squares."""


def squares(count: int, folder: Path, made_from: str = "squares", shift: int = 0) -> CropSet:
    """Studies of all three classes in turn, the brighter the denser.

    Args:
        count: how many.
        folder: for their features.
        made_from: digest of their images.
        shift: of the classes, so that their labels are wrong.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng, labels = np.random.default_rng(0), (np.arange(count) + shift) % 3
    images = rng.integers(0, 60, (count, 1, 2, 1, 64, 64)).astype(np.uint8)
    images[..., 20:44, 20:44] += (180 - 60 * (np.arange(count) % 3)).astype(np.uint8)[:, None, None, None, None, None]
    return CropSet(
        images=images,
        rows=np.arange(count),
        present=np.tile(np.array([1, 0], np.float32), (count, 1)),
        covariates=np.zeros((count, 6), np.float32),
        labels=labels,
        t_scores=np.array([0.0, -1.8, -3.0], np.float32)[labels],
        level_t_scores=np.full((count, 4), np.nan, np.float32),
        study_uids=tuple(f"s{k}" for k in range(count)),
        patient_ids=tuple(f"p{k}" for k in range(count)),
        folder=folder,
        made_from=made_from,
    )
