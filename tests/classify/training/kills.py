"""Trains classifiers in children that kill themselves with SIGKILL, and prints what each ended with, as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.detect.training.kills import killed_at


def train_classifier(out: Path, resume: bool) -> dict[str, float]:
    """A classifier of one view, of two epochs on four grey squares, and its head."""
    from classify.training.config import ClassifierTraining
    from classify.training.train import fit_classifier
    from osteolens.training.run_options import RunOptions
    from tests.classify.training.squares import SQUARES, squares

    config = ClassifierTraining.model_validate({**SQUARES, "resolution_schedule": [(64, 2)], "head_epochs": 1})
    options = RunOptions(device="cpu", seed=3, resume=resume)
    return fit_classifier(squares(4, out / "crops"), squares(3, out / "crops-validation"), out, config, options)


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    import osteolens.training.record
    from classify.training import train, trainer  # noqa: F401, before children are forked

    vars(osteolens.training.record)["draw_curves"] = lambda *_: None  # takes longer than all else
    place = Path(sys.argv[1])
    print(json.dumps(killed_at(train_classifier, place, sys.argv[2].split(","))))
