"""Names of devices and precisions; light enough for the command line to load them for its help."""

from __future__ import annotations

from enum import StrEnum


class Device(StrEnum):
    """What a network runs on; auto is the fastest that is here."""

    AUTO = "auto"
    CPU = "cpu"
    OPENVINO = "openvino"
    CUDA = "cuda"
    TENSORRT = "tensorrt"
    DIRECTML = "directml"
    COREML = "coreml"


class Precision(StrEnum):
    """Numbers that a network computes with."""

    FP32 = "fp32"
    BF16 = "bf16"
