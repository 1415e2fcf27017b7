"""Networks through onnxruntime, on the CPU or by one of its other providers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort

from osteolens.errors import ConfigError, WeightsError
from osteolens.inference.network import Shape, Tensor

LOAD_ERRORS = (
    ort.EPFail, ort.Fail, ort.InvalidArgument, ort.InvalidGraph, ort.InvalidProtobuf, ort.NoModel, ort.NoSuchFile,
    ort.NotImplemented, ort.RuntimeException, RuntimeError, ValueError, OSError,
)  # fmt: skip
"""What onnxruntime raises for a file that it cannot load or run; its classes share no base but Exception."""

CPU = "CPUExecutionProvider"


class OnnxNetwork:
    """A network that onnxruntime runs."""

    def __init__(self, onnx: Path, threads: int = 0, provider: str = CPU) -> None:
        """Load it.

        Args:
            onnx: file of the network.
            threads: of the CPU; 0 takes all cores.
            provider: of onnxruntime that runs it.

        Raises:
            ConfigError: the provider does not start on this machine.
            WeightsError: the file cannot be loaded.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # idle threads leave their cores to others
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = [CPU] if provider == CPU else [provider, CPU]
        try:
            self._session = onnxruntime.InferenceSession(str(onnx), options, providers=providers)
        except LOAD_ERRORS as error:
            raise WeightsError(f"{onnx.name}: cannot be loaded as ONNX ({error})") from error
        if provider not in self._session.get_providers():
            raise ConfigError(
                f"{provider} of onnxruntime does not start on this machine, and {onnx.name} would run on the CPU; "
                "install its driver and libraries, or choose --device cpu"
            )
        self.inputs: Mapping[str, Shape] = {entry.name: _shape(entry.shape) for entry in self._session.get_inputs()}
        self.outputs: Mapping[str, Shape] = {entry.name: _shape(entry.shape) for entry in self._session.get_outputs()}

    def run(self, feed: Mapping[str, Tensor]) -> list[Tensor]:
        """All outputs, in order."""
        results: list[Tensor] = self._session.run(None, dict(feed))
        return results


def _shape(sizes: list[int | str | None]) -> Shape:
    return tuple(size if isinstance(size, int) else None for size in sizes)


def available_providers() -> frozenset[str]:
    """Providers that this onnxruntime was built with."""
    return frozenset(onnxruntime.get_available_providers())
