"""Trains in children that kill themselves with SIGKILL, goes on in others, and prints what each ended with, as JSON.

Run as a program, so that torch is loaded once, without threads, before the children are forked.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

Train = Callable[[Path, bool], dict[str, float]]
"""Trains into a folder, going on with what is there if told so, and returns the metrics."""


def killed_before(number: int) -> None:
    """Have this process kill itself before its n-th file gets its name."""
    plain, renamed = Path.replace, [0]

    def replace(self: Path, target: Path) -> Path:
        renamed[0] += 1
        if renamed[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(self, target)

    Path.replace = replace  # type: ignore[assignment,method-assign]


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


def killed_at(train: Train, folder: Path, moments: Sequence[str]) -> dict[str, object]:
    """Train undisturbed, then once for every moment with a kill before that file, and go on.

    Args:
        train: a stage.
        folder: where the runs lie.
        moments: numbers of files; "7+5" is killed before the seventh file, goes on and is killed before its fifth.
    """
    found: dict[str, object] = {}
    for name in ("undisturbed", *moments):
        out = folder / name
        out.mkdir(parents=True)
        kills = [] if name == "undisturbed" else [int(number) for number in name.split("+")]
        ended = [in_a_child(partial(_disturbed, train, out, number, k > 0)) for k, number in enumerate(kills)]
        assert in_a_child(partial(_finished, train, out, bool(kills))) == 0, name
        killed = [os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL for status in ended]
        found[name] = {"killed": killed, "metrics": json.loads((out / "found.json").read_text())}
    return found


def _disturbed(train: Train, out: Path, number: int, resume: bool) -> None:
    killed_before(number)
    train(out, resume)


def _finished(train: Train, out: Path, resume: bool) -> None:
    (out / "found.json").write_text(json.dumps(train(out, resume)))


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


def train_detector(out: Path, resume: bool) -> dict[str, float]:
    """A detector of two epochs on six bright squares."""
    import cv2
    import numpy as np
    import yaml

    from detect.config import CLASSES
    from detect.training.config import DetectorTraining
    from detect.training.detector import fit_detector
    from detect.training.yolo_folder import MADE_FROM
    from osteolens.training.precision import PrecisionChoice
    from osteolens.training.run_options import RunOptions

    folder, rng = out.parent / "yolo", np.random.default_rng(0)
    for name, subset in [*((str(k), "train") for k in range(4)), *((str(k), "val") for k in range(2))]:
        for kind in ("images", "labels"):
            (folder / kind / subset).mkdir(parents=True, exist_ok=True)
        image = rng.integers(0, 60, (128, 128), np.uint8)
        image[40:70, 50:90] = 200
        cv2.imwrite(str(folder / "images" / subset / f"{name}.png"), image)
        (folder / "labels" / subset / f"{name}.txt").write_text("2 0.55 0.43 0.31 0.23")
    names = {k: f"{view}_{level}" for k, (view, level) in enumerate(CLASSES)}
    data = {"path": str(folder), "train": "images/train", "val": "images/val", "names": names}
    (folder / "data.yaml").write_text(yaml.safe_dump(data))
    (folder / MADE_FROM).write_text("squares")
    config = DetectorTraining(image_px=128, epochs=2, batch=2, precision=PrecisionChoice.FLOAT32).settled(None, 4)
    return fit_detector(folder / "data.yaml", out, config, RunOptions(device="cpu", seed=3, resume=resume))


STAGES: dict[str, Train] = {"segmenter": train_segmenter, "detector": train_detector}

if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    import osteolens.training.record
    from detect.training import segmenter  # noqa: F401, before children are forked
    from detect.training.ultralytics_settings import private_ultralytics

    place = Path(sys.argv[1])
    with private_ultralytics(place):
        from detect.training import lumbar_trainer  # noqa: F401

    vars(osteolens.training.record)["draw_curves"] = lambda *_: None  # takes longer than all else
    times = sys.argv[2].split(",")
    print(json.dumps({stage: killed_at(train, place / stage, times) for stage, train in STAGES.items()}))
