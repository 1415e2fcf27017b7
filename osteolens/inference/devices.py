"""What a network runs on: which are here, and which is the fastest."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from osteolens.errors import ConfigError
from osteolens.inference.choices import Device, Precision
from osteolens.inference.network import Network, OpenNetwork
from osteolens.inference.onnx import CPU, OnnxNetwork, available_providers
from osteolens.inference.openvino import OpenVinoNetwork

PROVIDERS = {
    Device.CPU: CPU,
    Device.CUDA: "CUDAExecutionProvider",
    Device.TENSORRT: "TensorrtExecutionProvider",
    Device.DIRECTML: "DmlExecutionProvider",
    Device.COREML: "CoreMLExecutionProvider",
}
"""Providers of onnxruntime; OpenVINO is a library of its own."""


def available_devices(precision: Precision = Precision.FP32) -> tuple[Device, ...]:
    """Those that this installation can ask for at a precision, the CPU first; without TensorRT, which compiles each
    network for minutes.
    """
    has_openvino = importlib.util.find_spec("openvino") is not None
    if precision is not Precision.FP32:
        return (Device.OPENVINO,) if has_openvino else ()
    built = available_providers()
    return tuple(
        device
        for device in (Device.CPU, Device.OPENVINO, Device.CUDA, Device.DIRECTML, Device.COREML)
        if (has_openvino if device is Device.OPENVINO else PROVIDERS[device] in built)
    )


def opener(device: Device, precision: Precision = Precision.FP32, threads: int = 0) -> OpenNetwork:
    """What loads networks for a device.

    Args:
        device: that they run on.
        precision: numbers that they compute with.
        threads: of the CPU; 0 takes all cores.

    Raises:
        ConfigError: the device is not in this installation, or does not compute in this precision.
    """
    if device is Device.OPENVINO:
        return lambda onnx: OpenVinoNetwork(onnx, threads, precision)
    if precision is not Precision.FP32:
        raise ConfigError(f"device {device}: computes in fp32; choose --device openvino for {precision}")
    provider = PROVIDERS[device]
    if provider not in available_providers():
        raise ConfigError(
            f"device {device}: this onnxruntime has {', '.join(sorted(available_providers()))}, expected {provider}; "
            "install the onnxruntime package that has it (onnxruntime-gpu, onnxruntime-directml), or --device cpu"
        )
    return lambda onnx: OnnxNetwork(onnx, threads, provider)


def open_network(onnx: Path) -> Network:
    """A network on all cores of the CPU, in fp32.

    Raises:
        WeightsError: the file cannot be loaded.
    """
    return OnnxNetwork(onnx)
