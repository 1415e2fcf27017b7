"""Devices: what is refused by name, what agrees, and which is chosen."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import platformdirs
import pytest
from onnxruntime.capi import onnxruntime_pybind11_state as ort

from osteolens.errors import ConfigError, WeightsError
from osteolens.inference import fastest as module
from osteolens.inference.choices import Device, Precision
from osteolens.inference.config import InferenceConfig
from osteolens.inference.devices import available_devices, open_network, opener
from osteolens.inference.fastest import example_feed, fastest, with_devices
from osteolens.inference.network import Network, Shape, Tensor
from pipeline.bundle.load import Bundle

openvino = pytest.importorskip("openvino", reason="needs the extra 'openvino'")
HAS_BF16 = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: tmp_path / name)
    return tmp_path / "osteolens" / "devices.json"


@pytest.mark.parametrize("name", ["detector", "segmenter", "classifier"])
def test_openvino_agrees_with_onnxruntime(bundle: Bundle, name: str) -> None:
    reference = open_network(bundle.networks[name])
    other = opener(Device.OPENVINO, threads=1)(bundle.networks[name])
    assert (list(other.inputs.items()), list(other.outputs)) == (
        list(reference.inputs.items()),
        list(reference.outputs),
    )
    feed = example_feed(reference)
    for found, expected in zip(other.run(feed), reference.run(feed), strict=True):
        assert found.dtype == np.float32
        assert np.abs(found - expected).max() <= 1e-3 * max(1.0, float(np.abs(expected).max()))


@pytest.mark.skipif(not HAS_BF16, reason="this CPU has no bf16")
def test_bf16_rounds(bundle: Bundle) -> None:
    reference = open_network(bundle.classifier)
    feed = example_feed(reference)
    found, expected = (
        network.run(feed)[0]
        for network in (opener(Device.OPENVINO, Precision.BF16, threads=1)(bundle.classifier), reference)
    )
    assert 0 < np.abs(found - expected).max() < 0.1


@pytest.mark.skipif(HAS_BF16, reason="this CPU has bf16")
def test_a_cpu_without_bf16_refuses_it(bundle: Bundle) -> None:
    with pytest.raises(ConfigError, match="precision bf16: this CPU computes in"):
        opener(Device.OPENVINO, Precision.BF16)(bundle.classifier)


def test_what_is_not_installed_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"device cuda: this onnxruntime has .*CPUExecutionProvider"):
        opener(Device.CUDA)
    with pytest.raises(ConfigError, match="device cpu: computes in fp32; choose --device openvino for bf16"):
        opener(Device.CPU, Precision.BF16)


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"no network")
    for device in (Device.CPU, Device.OPENVINO):
        with pytest.raises(WeightsError, match=r"x\.onnx"):
            opener(device)(tmp_path / "x.onnx")


class Timed:
    """A network that takes as long as it is told."""

    inputs: Mapping[str, Shape] = {"x": (None, 2)}
    outputs: Mapping[str, Shape] = {"y": (None,)}

    def __init__(self, clock: list[float], seconds: float) -> None:
        self._clock, self._seconds = clock, seconds

    def run(self, feed: Mapping[str, Tensor]) -> list[Tensor]:
        assert feed["x"].shape == (module.ANY_SIZE, 2)
        self._clock[0] += self._seconds
        return [feed["x"][:, 0]]


class Broken(Timed):
    """A network that its device loads and does not run."""

    def run(self, feed: Mapping[str, Tensor]) -> list[Tensor]:
        raise ort.Fail("an operator is not implemented")


def test_the_fastest_is_measured_once_and_kept(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, opened = [0.0], []
    seconds = {Device.CPU: 0.2, Device.OPENVINO: 0.1}

    def load(device: Device, precision: Precision, threads: int) -> object:
        def of(onnx: Path) -> Network:
            opened.append(device)
            if device is Device.CUDA:
                raise ConfigError("its driver does not start")
            if device is Device.COREML:
                return Broken(clock, 0.0)
            return Timed(clock, seconds[device])

        return of

    monkeypatch.setattr(module, "opener", load)
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    onnx = tmp_path / "network.onnx"
    onnx.write_bytes(b"1")
    here = (Device.CPU, Device.OPENVINO, Device.CUDA, Device.COREML)
    assert fastest(onnx, here, Precision.FP32) is Device.OPENVINO
    assert fastest(onnx, here, Precision.FP32) is Device.OPENVINO
    assert opened == list(here), "measured once"
    seconds[Device.OPENVINO] = 0.3
    onnx.write_bytes(b"other")
    assert fastest(onnx, here, Precision.FP32) is Device.CPU, "another network is measured anew"
    seconds[Device.CPU] = 0.4
    monkeypatch.setattr(platform, "node", lambda: "another")
    assert fastest(onnx, here, Precision.FP32) is Device.OPENVINO, "another machine with the same home measures anew"
    seconds[Device.CPU] = 0.1
    cache.write_text("[]", "utf-8")
    assert fastest(onnx, here, Precision.FP32) is Device.CPU, "a damaged cache costs a measurement"


def test_devices_are_as_set_and_the_rest_is_chosen(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "fastest", lambda onnx, devices, precision: Device.OPENVINO)
    config = InferenceConfig(detector=Device.AUTO, segmenter=Device.CPU)
    assert with_devices(config, bundle.networks).devices == {
        "detector": Device.OPENVINO,
        "segmenter": Device.CPU,
        "classifier": Device.CPU,
    }
    assert with_devices(InferenceConfig(), bundle.networks) == InferenceConfig()
    monkeypatch.setattr(module, "available_devices", lambda precision: ())
    with pytest.raises(ConfigError, match="install the extra 'openvino'"):
        with_devices(InferenceConfig(detector=Device.AUTO, precision=Precision.BF16), bundle.networks)


def test_what_is_here() -> None:
    assert available_devices()[:2] == (Device.CPU, Device.OPENVINO)
    assert available_devices(Precision.BF16) == (Device.OPENVINO,)
