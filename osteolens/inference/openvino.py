"""Networks through OpenVINO, an engine for CPUs of Intel and AMD; needs the extra `openvino`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from osteolens.errors import ConfigError, WeightsError
from osteolens.extras import require
from osteolens.inference.network import Shape, Tensor

PRECISIONS = {"fp32": "f32", "bf16": "bf16"}
"""Names of precisions, and OpenVINO's."""


class OpenVinoNetwork:
    """A network that OpenVINO runs on the CPU."""

    def __init__(self, onnx: Path, threads: int = 0, precision: str = "fp32") -> None:
        """Load it.

        Args:
            onnx: file of the network.
            threads: 0 takes all cores.
            precision: fp32, or bf16 where the CPU has instructions for it.

        Raises:
            MissingExtra: openvino is not installed.
            ConfigError: the CPU has no instructions of this precision.
            WeightsError: the file cannot be loaded.
        """
        require("--device openvino", "openvino", extra="openvino")
        import openvino

        core = openvino.Core()
        able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision.upper() not in able:
            raise ConfigError(
                f"precision {precision}: this CPU computes in {', '.join(p for p in able if p in ('FP32', 'BF16'))}; "
                "bf16 needs AVX512_BF16 or AMX; choose --precision fp32"
            )
        properties = {"INFERENCE_PRECISION_HINT": PRECISIONS[precision], "NUM_STREAMS": 1}
        if threads:
            properties["INFERENCE_NUM_THREADS"] = threads
        try:
            model = core.read_model(str(onnx))
            self._network = core.compile_model(model, "CPU", properties)
        except RuntimeError as error:
            raise WeightsError(f"{onnx.name}: OpenVINO cannot load it ({str(error).strip()[:300]})") from error
        # a compiled network may call an output by another of its names
        self.inputs: Mapping[str, Shape] = {port.any_name: _shape(port.partial_shape) for port in model.inputs}
        self.outputs: Mapping[str, Shape] = {port.any_name: _shape(port.partial_shape) for port in model.outputs}

    def run(self, feed: Mapping[str, Tensor]) -> list[Tensor]:
        """All outputs, in order."""
        results = self._network(dict(feed))
        return [np.array(results[port], np.float32) for port in self._network.outputs]


def _shape(partial: object) -> Shape:
    return tuple(None if size.is_dynamic else size.get_length() for size in partial)  # type: ignore[attr-defined]
