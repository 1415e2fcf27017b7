"""The fastest device for each network, by a short measurement that is kept for the next run."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import platformdirs

from osteolens.atomic import make_folder
from osteolens.documents.json_document import read_json, write_json
from osteolens.errors import ConfigError, OsteoLensError
from osteolens.inference.choices import Device, Precision
from osteolens.inference.config import InferenceConfig
from osteolens.inference.devices import available_devices, opener
from osteolens.inference.network import Network, OpenNetwork, Tensor
from osteolens.inference.onnx import LOAD_ERRORS

log = logging.getLogger(__name__)

RUNS = 5
"""Timed runs of a network on a device; the shortest counts."""

ANY_SIZE = 4
"""Size that is tried where a network takes any."""


def with_devices(config: InferenceConfig, networks: Mapping[str, Path]) -> InferenceConfig:
    """The settings with a device for each network: as set, else the fastest of those that are here.

    Args:
        config: settings.
        networks: ONNX files by the name of their setting; networks that are not loaded may be missing.

    Raises:
        ConfigError: no device computes in this precision.
    """
    to_choose = [name for name, device in config.devices.items() if device is Device.AUTO and name in networks]
    if not to_choose:
        return config
    devices = available_devices(config.precision)
    if not devices:
        raise ConfigError(
            f"precision {config.precision}: needs OpenVINO, which is not installed; "
            "install the extra 'openvino', or choose --precision fp32"
        )
    return config.model_copy(update={name: fastest(networks[name], devices, config.precision) for name in to_choose})


def openers(config: InferenceConfig, networks: Mapping[str, Path], threads: int) -> dict[str, OpenNetwork]:
    """What loads each network.

    Args:
        config: settings.
        networks: ONNX files by the name of their setting.
        threads: of the CPU; 0 takes all cores.

    Raises:
        ConfigError: a device is not in this installation, or does not compute in this precision.
    """
    chosen = with_devices(config, networks)
    return {name: opener(chosen.devices[name], config.precision, threads) for name in networks}


def fastest(onnx: Path, devices: Sequence[Device], precision: Precision) -> Device:
    """The device that runs a network in the shortest time on this machine; on one core, where it is a CPU, so that the
    choice is the same for any number of processes.

    Args:
        onnx: file of the network.
        devices: to choose from.
        precision: numbers that it computes with.
    """
    if len(devices) == 1:
        return devices[0]
    key = _key(onnx, devices, precision)
    kept = _kept()
    known = kept.get(key)
    if isinstance(known, str) and known in list(devices):
        return Device(known)
    seconds = {device: _seconds(onnx, device, precision) for device in devices}
    best = min(seconds, key=lambda device: seconds[device])
    log.info("%s: %s", onnx.stem, ", ".join(f"{device} {1000 * taken:.0f} ms" for device, taken in seconds.items()))
    _keep({**kept, key: best.value})
    return best


def _seconds(onnx: Path, device: Device, precision: Precision) -> float:
    """Shortest time of a run; endless where the device does not run the network."""
    try:
        network = opener(device, precision, threads=1)(onnx)
        feed = example_feed(network)
        network.run(feed)
        taken = []
        for _ in range(RUNS):
            started = time.perf_counter()
            network.run(feed)
            taken.append(time.perf_counter() - started)
    except (OsteoLensError, *LOAD_ERRORS) as error:
        log.info("%s does not run on %s (%s)", onnx.stem, device, type(error).__name__)
        return float("inf")
    return min(taken)


def example_feed(network: Network) -> dict[str, Tensor]:
    """Random inputs of a network."""
    numbers = np.random.default_rng(0)
    return {
        name: numbers.random([ANY_SIZE if size is None else size for size in shape], np.float32)
        for name, shape in network.inputs.items()
    }


def _key(onnx: Path, devices: Sequence[Device], precision: Precision) -> str:
    """Changes with all that the measurement depends on; machines may share a home folder."""
    versions = [importlib.metadata.version(name) for name in ("onnxruntime", "numpy")]
    if Device.OPENVINO in devices:
        versions.append(importlib.metadata.version("openvino"))
    stat = onnx.stat()
    parts = (
        str(onnx),
        stat.st_size,
        stat.st_mtime_ns,
        list(devices),
        precision,
        platform.node(),
        platform.platform(),
        versions,
    )
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def _file() -> Path:
    return platformdirs.user_cache_path("osteolens") / "devices.json"


def _kept() -> dict[str, object]:
    try:
        document = read_json(_file())
    except OsteoLensError:
        return {}
    return document if isinstance(document, dict) else {}


def _keep(choices: dict[str, object]) -> None:
    """A cache that cannot be written costs the measurement again."""
    try:
        make_folder(_file().parent)
        write_json(_file(), dict(list(choices.items())[-100:]))
    except OsteoLensError as error:
        log.info("the choice of a device is not kept (%s)", error)
