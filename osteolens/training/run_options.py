"""Options of a run of training that are not settings: device, seed, resume, start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a run goes.

    Attributes:
        device: "auto", "cpu", "cuda" or "cuda:1".
        seed: of weights, order and augmentation.
        resume: go on from the run folder's last checkpoint.
        start_from: safetensors of another run, or a folder of weights; None begins with random tensors.
    """

    device: str = "auto"
    seed: int = 0
    resume: bool = False
    start_from: Path | None = None
