"""Opening an ONNX network of this package."""

from __future__ import annotations

from pathlib import Path

import onnxruntime

from cohort.errors import WeightsError


def open_session(onnx: Path, threads: int) -> onnxruntime.InferenceSession:
    """A session on the CPU with this many threads; 0 takes all cores.

    Raises:
        WeightsError: the file cannot be loaded.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(str(onnx), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own that share no public base
        raise WeightsError(f"{onnx.name}: cannot be loaded as ONNX ({error})") from error
