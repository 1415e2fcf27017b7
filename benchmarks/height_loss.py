"""Which faults of a radiograph make whole bodies look fractured to the learned loss of height.

Usage: python benchmarks/height_loss.py COHORT SEGMENTER.onnx [--patients 110] [--limit 0.21]
COHORT is a simulated one with annotations.json. Prints a line of JSON a degradation: the fraction of whole bodies of
L1-L4 in lateral views whose loss is above the limit, and of bodies of Genant grade 2 and above.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from cohort.findings import GENANT_LOSS
from cohort.io.annotations import read_outlines
from cohort.io.folder import index_cohort
from cohort.io.radiograph import read_radiograph
from cohort.roi_rule import roi_boxes
from cohort.spine import TARGET_LEVELS, View
from detect.segmenter import CROP_PX, crop_matrix
from osteolens.inference.devices import open_network

Image = npt.NDArray[np.float32]


def warped(image: Image, linear: npt.ArrayLike) -> Image:
    """A crop turned, sheared or stretched about its middle."""
    matrix, middle = np.asarray(linear, float), np.full(2, CROP_PX / 2)
    affine = np.column_stack((matrix, middle - matrix @ middle))
    return np.asarray(cv2.warpAffine(image, affine, image.shape, borderMode=cv2.BORDER_REPLICATE), np.float32)


def equalised_locally(image: Image) -> Image:
    """Local contrast equalised hard."""
    grey = np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return np.asarray(cv2.createCLAHE(6, (4, 4)).apply(grey).astype(np.float32) / 255, np.float32)


def doubled(image: Image, down: float) -> Image:
    """Endplates seen double, some pixels apart."""
    moved = cv2.warpAffine(image, np.array([[1.0, 0, 0], [0, 1, down]]), image.shape, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray((image + moved) / 2, np.float32)


def shrunk(image: Image) -> Image:
    """A third of its size."""
    small = cv2.resize(image, None, fx=1 / 3, fy=1 / 3, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, image.shape), np.float32)


def degradations(rng: np.random.Generator) -> dict[str, Callable[[Image], Image]]:
    """What is done to a crop, by name."""
    turn = np.radians(15)
    cos, sin = np.cos(turn), np.sin(turn)
    return {
        "none": lambda c: c,
        "mirrored": lambda c: c[:, ::-1],
        "blur of 4 px": lambda c: np.asarray(cv2.GaussianBlur(c, (0, 0), 4), np.float32),
        "endplates double, 8 px": lambda c: doubled(c, 8),
        "turned by 15 degrees": lambda c: warped(c, [[cos, -sin], [sin, cos]]),
        "sheared by 0.1": lambda c: warped(c, [[1.0, 0.1], [0.0, 1.0]]),
        "equalised locally": equalised_locally,
        "a third of its size": shrunk,
        "10 % wider for its height": lambda c: warped(c, [[1.1, 0.0], [0.0, 1 / 1.1]]),
        "noise of a tenth": lambda c: c + rng.normal(0, 0.1, c.shape).astype(np.float32),
        "a third of the contrast, with noise": lambda c: 0.5 + 0.3 * (c - 0.5)
        + rng.normal(0, 0.05, c.shape).astype(np.float32),
    }  # fmt: skip


def main() -> None:
    """Degrade, segment, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("segmenter", type=Path)
    parser.add_argument("--patients", type=int, default=110)
    parser.add_argument("--limit", type=float, default=0.21)
    options = parser.parse_args()
    studies = index_cohort(options.cohort).studies[: options.patients]
    outlines = read_outlines(options.cohort / "annotations.json", studies)
    crops: list[Image] = []
    losses: list[float] = []
    for study in studies:
        bodies = outlines.get((study.study_uid, View.LATERAL))
        if study.lateral is None or not bodies:
            continue
        pixels = read_radiograph(study.lateral).pixels
        for box in (box for box in roi_boxes(bodies, None) if box.level in TARGET_LEVELS):
            matrix = crop_matrix(box)
            crop = cv2.warpAffine(pixels, matrix, (CROP_PX,) * 2, borderMode=cv2.BORDER_REPLICATE)
            crops.append(np.asarray(crop, np.float32))
            losses.append((study.findings.height_loss or {}).get(box.level, 0.0))
    true, network = np.array(losses), open_network(options.segmenter)
    for name, change in degradations(np.random.default_rng(0)).items():
        shown = np.stack([_stretched(change(crop)) for crop in crops])[:, None]
        suspected = network.run({"crops": shown})[list(network.outputs).index("height_loss")] > options.limit
        whole, grade_2 = suspected[true == 0], suspected[true >= GENANT_LOSS[1]]
        row = {"degradation": name, "bodies": len(true), "whole_suspected": _fraction(whole)}
        print(json.dumps({**row, "grade_2_suspected": _fraction(grade_2)}))


def _fraction(suspected: npt.NDArray[np.bool_]) -> float | None:
    return float(suspected.mean()) if len(suspected) else None


def _stretched(crop: Image) -> Image:
    low, high = np.percentile(crop[::2, ::2], (1, 99))
    return np.asarray(np.clip((crop - low) / max(float(high - low), 1e-3), 0, 1), np.float32)


if __name__ == "__main__":
    main()
