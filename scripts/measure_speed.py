"""How long each step of one study takes once the models are loaded: median over the examples.

Usage: python scripts/measure_speed.py [--threads 2] [--rounds 10] [--weights FOLDER]
Prints JSON in milliseconds a study of two views.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from cohort.index import index_cohort
from pipeline.config import ScreenConfig
from pipeline.screen import Screener, read_study
from pipeline.weights import load_weights


def main() -> None:
    """Time reading, boxes, and everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--weights", type=Path)
    options = parser.parse_args()
    weights = load_weights(options.weights)
    whole = Screener(weights, ScreenConfig(threads=options.threads))
    plain = Screener(weights, ScreenConfig(threads=options.threads, refine=False))
    taken: dict[str, list[float]] = {}
    for study in index_cohort(Path(str(files("examples")))).studies * options.rounds:
        read = _timed(taken, "reading", lambda s=study: read_study(s))  # type: ignore[misc]
        _timed(taken, "boxes", lambda r=read: plain.detect(r.radiographs))  # type: ignore[misc]
        _timed(taken, "boxes_refined", lambda r=read: whole.detect(r.radiographs))  # type: ignore[misc]
        _timed(taken, "everything_but_reading", lambda r=read: whole.screen(r))  # type: ignore[misc]
    print(json.dumps({f"{name}_ms": round(float(np.median(own)), 1) for name, own in taken.items()}, indent=1))


def _timed(taken: dict[str, list[float]], name: str, call: Callable[[], Any]) -> Any:
    started = time.perf_counter()
    result = call()
    taken.setdefault(name, []).append(1000 * (time.perf_counter() - started))
    return result


if __name__ == "__main__":
    main()
