"""Names of the classifier's files, and of the inputs and outputs of its graph."""

from __future__ import annotations

from pathlib import Path

from classify.inputs import branch_name
from cohort.spine import View

OUTPUTS = ["probabilities", "t_score"]

FEATURE_DISTANCE = "feature_distance"
"""Output of graphs that tell how far a study lies from those of their training."""

FUSION = "fusion"
"""What stands behind the branches."""

PARTS = (*(branch_name(view) for view in View), FUSION)
"""Files of the shipped weights: both branches, and all that stands behind them."""


def part_path(out: Path, part: str) -> Path:
    """Path of one part of the weights."""
    return out / f"classifier_{part}.safetensors"
