"""Trains in children that kill themselves with SIGKILL, goes on in others, and prints what each ended with, as JSON.

Run as a program, so that torch is loaded once, without threads, before the children are forked.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

Train = Callable[[Path, bool], dict[str, float]]
"""Trains into a folder, going on with what is there if told so, and returns the metrics."""


def killed_before(moment: int) -> Callable[[], None]:
    """Have this process kill itself before its n-th file gets its name; returns what kills it at once."""
    plain, renamed = Path.replace, [0]

    def kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def replace(self: Path, target: Path) -> Path:
        renamed[0] += 1
        if renamed[0] == moment:
            kill()
        return plain(self, target)

    Path.replace = replace  # type: ignore[assignment,method-assign]
    return kill


def in_a_child(work: Callable[[], object]) -> int:
    """Run something in a forked child; returns how it ended, as waitpid says."""
    child = os.fork()
    if not child:
        try:
            work()
            code = 0
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            code = 1
        sys.stderr.flush()
        os._exit(code)
    return os.waitpid(child, 0)[1]


def main(train: Train, folder: Path, moments: tuple[int, ...]) -> None:
    """Train undisturbed, then once for every moment with a kill before that file, and go on."""
    found: dict[str, object] = {}

    def whole(name: str, resume: bool) -> None:
        (folder / name / "found.json").write_text(json.dumps(train(folder / name, resume)))

    for moment in (0, *moments):
        name = str(moment)
        (folder / name).mkdir()

        def disturbed(name: str = name, moment: int = moment) -> None:
            killed_before(moment)
            train(folder / name, False)

        ended = in_a_child(disturbed) if moment else 0
        went_on = in_a_child(lambda name=name, moment=moment: whole(name, bool(moment)))  # type: ignore[misc]
        assert went_on == 0, (moment, went_on)
        metrics = json.loads((folder / name / "found.json").read_text())
        found[name] = {"killed": os.WIFSIGNALED(ended) and os.WTERMSIG(ended) == signal.SIGKILL, "metrics": metrics}
    print(json.dumps(found))


def train_segmenter(out: Path, resume: bool) -> dict[str, float]:
    """A segmenter of two epochs on four discs."""
    import numpy as np

    from detect.training.body_crops import STORED_PX, CropStore
    from detect.training.config import SegmenterTraining
    from detect.training.segmenter import fit_segmenter
    from osteolens.training.precision import PrecisionChoice
    from osteolens.training.run_options import RunOptions

    rng = np.random.default_rng(0)
    y, x = np.mgrid[:STORED_PX, :STORED_PX] - STORED_PX / 2
    masks = np.stack([(np.hypot(y, x) < 40 + 2 * k).astype(np.uint8) * 255 for k in range(8)])
    images = np.clip(masks * 0.5 + rng.normal(60, 20, masks.shape), 0, 255).astype(np.uint8)
    targets = np.stack((rng.random(8) / 2, np.arange(8) % 2, np.arange(8) % 3 > 0, np.arange(8) % 2), 1)
    planes = np.stack((images, masks), 1)
    training, validation = (
        CropStore(planes[side], targets[side].astype(np.float32), name)
        for side, name in ((slice(0, 4), "training"), (slice(4, 8), "validation"))
    )
    config = SegmenterTraining(epochs=2, batch=2, precision=PrecisionChoice.FLOAT32)
    return fit_segmenter(training, validation, out, config, RunOptions(device="cpu", seed=3, resume=resume))


STAGES: dict[str, Train] = {"segmenter": train_segmenter}

if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    import osteolens.training.record
    from detect.training import segmenter  # noqa: F401, before children are forked

    vars(osteolens.training.record)["draw_curves"] = lambda *_: None  # takes longer than all else
    main(STAGES[sys.argv[1]], Path(sys.argv[2]), tuple(map(int, sys.argv[3].split(","))))
