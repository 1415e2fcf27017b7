"""How long untrained detectors of other sizes take, in milliseconds a radiograph, as ONNX on the CPU.

Usage: python benchmarks/detector_sizes.py [--threads 2] [--rounds 10]
Prints JSON by architecture and side of the input: the shortest time and the median. Needs the extra `train`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from detect.config import CLASSES
from osteolens.inference.choices import Device
from osteolens.inference.devices import opener
from osteolens.inference.network import Network

WARM_UP = 3
"""Runs of a network that are not timed."""


def main() -> None:
    """Export, then time all sizes in turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    sizes = [(name, side) for name in ("yolo11n", "yolo11s") for side in (416, 512)]
    networks = {f"{name}_{side}_px": (exported(name, side, options.threads), side) for name, side in sizes}
    taken: dict[str, list[float]] = {name: [] for name in networks}
    for number in range(WARM_UP + options.rounds):
        for name, (network, side) in networks.items():
            feed = {next(iter(network.inputs)): np.random.default_rng(0).random((1, 3, side, side), np.float32)}
            begun = time.perf_counter()
            network.run(feed)
            if number >= WARM_UP:
                taken[name].append(1000 * (time.perf_counter() - begun))
    milliseconds = {
        name: {"minimum_ms": round(min(times), 1), "median_ms": round(statistics.median(times), 1)}
        for name, times in taken.items()
    }
    print(json.dumps(milliseconds, indent=1))


def exported(architecture: str, side: int, threads: int) -> Network:
    """An untrained detector through onnxruntime.

    Args:
        architecture: of ultralytics.
        side: of the input.
        threads: of the CPU.
    """
    import torch
    from ultralytics.nn.tasks import DetectionModel

    model = DetectionModel(f"{architecture}.yaml", nc=len(CLASSES), verbose=False).eval()
    model.model[-1].export, model.model[-1].format = True, "onnx"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        torch.onnx.export(model, (torch.zeros(1, 3, side, side),), str(path), opset_version=17, dynamo=False)
        return opener(Device.CPU, threads=threads)(path)


if __name__ == "__main__":
    main()
