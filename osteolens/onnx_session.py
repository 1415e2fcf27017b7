"""Opening of ONNX networks, for every stage."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort

from osteolens.errors import WeightsError

LOAD_ERRORS = (
    ort.Fail, ort.InvalidArgument, ort.InvalidGraph, ort.InvalidProtobuf, ort.NoModel, ort.NoSuchFile,
    ort.NotImplemented, ort.RuntimeException, RuntimeError, ValueError, OSError,
)  # fmt: skip
"""What onnxruntime raises for a file that it cannot load; its classes share no base but Exception."""


def open_session(onnx: Path, threads: int) -> onnxruntime.InferenceSession:
    """A session on the CPU with this many threads; 0 takes all cores.

    Raises:
        WeightsError: the file cannot be loaded.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave their cores to others
    try:
        return onnxruntime.InferenceSession(str(onnx), options, providers=["CPUExecutionProvider"])
    except LOAD_ERRORS as error:
        raise WeightsError(f"{onnx.name}: cannot be loaded as ONNX ({error})") from error
