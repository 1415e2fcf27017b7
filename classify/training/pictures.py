"""Pictures of the crops of a training, written as it goes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from classify.training.batches import Batch
from cohort.bmd import BMD_CLASSES
from cohort.spine import View
from osteolens.atomic import write_whole

DRAWN = 8
"""Studies of a picture."""

TILE_PX, TITLE_PX, GAP_PX = 112, 18, 4


def draw_crops(batch: Batch, probabilities: npt.NDArray[np.float64] | None, path: Path) -> None:
    """Crops of some studies as the network sees them, a row a study: the views side by side, and the class by DXA.

    Args:
        batch: studies.
        probabilities: (n, 3) of the network, for these studies and more; none are told when None.
        path: of a PNG.

    Raises:
        OutputError: it cannot be written.
    """
    images, present = batch.images.cpu().numpy(), batch.present.cpu().numpy()
    studies, views, bodies = images.shape[:3]
    wide, tall = TILE_PX + GAP_PX, TILE_PX + TITLE_PX + GAP_PX
    width = max(views * bodies * wide, 560)
    picture = np.full((studies * tall, width), 255, np.uint8)
    for study in range(studies):
        top = study * tall
        shown = " and ".join(view for k, view in enumerate(View) if present[study, k]) or "no view"
        text = f"{shown}: {_told(batch, study, probabilities)}"
        cv2.putText(picture, text, (2, top + 13), cv2.FONT_HERSHEY_SIMPLEX, 0.42, 0, 1, cv2.LINE_AA)
        for k, crop in enumerate(images[study].reshape(-1, *images.shape[3:])):
            if present[study, k // bodies]:
                grey = np.clip(crop / 3.6 + 0.5, 0, 1) * 255
                tile = cv2.resize(grey.astype(np.uint8), (TILE_PX, TILE_PX), interpolation=cv2.INTER_AREA)
                picture[top + TITLE_PX : top + TITLE_PX + TILE_PX, k * wide : k * wide + TILE_PX] = tile
    write_whole(path, cv2.imencode(".png", picture)[1].tobytes())


def _told(batch: Batch, study: int, probabilities: npt.NDArray[np.float64] | None) -> str:
    """Class and T-score by DXA, and the class of the network with its probability."""
    truth, t_score = BMD_CLASSES[int(batch.labels[study])], float(batch.t_scores[study])
    text = f"{truth} by DXA, T-score {t_score:.1f}"
    if probabilities is None:
        return text
    place = int(probabilities[study].argmax())
    return f"{text}; network: {BMD_CLASSES[place]}, {100 * probabilities[study, place]:.0f} %"
