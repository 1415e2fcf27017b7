"""Settings of inference."""

from __future__ import annotations

from pydantic import Field

from osteolens.config import StrictConfig
from osteolens.inference.choices import Device, Precision


class InferenceConfig(StrictConfig):
    """What each network runs on."""

    detector: Device = Field(Device.CPU, description="device of the detector; auto takes the fastest that is here")
    segmenter: Device = Field(Device.CPU, description="device of the segmenter; auto takes the fastest that is here")
    classifier: Device = Field(Device.CPU, description="device of the classifier; auto takes the fastest that is here")
    precision: Precision = Field(Precision.FP32, description="numbers that networks compute with: fp32 or bf16")

    @property
    def devices(self) -> dict[str, Device]:
        """Device of each network."""
        return {"detector": self.detector, "segmenter": self.segmenter, "classifier": self.classifier}
