"""Settings of screening."""

from __future__ import annotations

import hashlib
from enum import StrEnum

from pydantic import Field

from detect.config import DetectionConfig
from osteolens.config import StrictConfig
from osteolens.inference.choices import Precision
from osteolens.inference.config import InferenceConfig
from pipeline.dicom_objects.config import DicomConfig

RECIPE = 2
"""Number that changes with how a result follows from images, weights and settings, so that a run does not go on with
results of an older program: 2 since crops lie between pixels."""


class Engine(StrEnum):
    """Where studies are screened: in processes of this machine, or on a cluster of Ray."""

    LOCAL = "local"
    RAY = "ray"


class ScreeningConfig(StrictConfig):
    """How a folder is screened."""

    detection: DetectionConfig = Field(default_factory=DetectionConfig, description="detection thresholds")
    refine: bool = Field(True, description="move boxes to the edges of body masks, where the weights can segment")
    explain: bool = Field(False, description="draw where the classifier looked (Grad-CAM); needs the extra 'train'")
    input_ablation: bool = Field(
        False, description="classify each view and both too, with and without age, sex and BMI"
    )
    min_confidence: float = Field(0.25, ge=0, le=1, description="least mean box confidence of L1-L4 in a view")
    shift_levels: int = Field(0, ge=-3, le=3, description="names moved by a reader, towards the feet when positive")
    overlays: bool = Field(True, description="draw the boxes on each radiograph; report.html shows these pictures")
    overlay_px: int = Field(1000, ge=200, le=4000, description="longest side of an overlay picture")
    dicom: DicomConfig = Field(default_factory=DicomConfig, description="results as DICOM objects")
    fhir: bool = Field(False, description="results as FHIR R4 resources; needs the extra 'fhir'")
    parquet: bool = Field(
        False, description="also write predictions.csv as Parquet files, as the run goes; needs the extra 'parquet'"
    )
    jobs: int = Field(
        0,
        ge=0,
        le=256,
        description="processes that screen side by side; 0: as many as cores, memory and studies pay for",
    )
    engine: Engine = Field(
        Engine.LOCAL, description="local: processes of this machine; ray: a cluster, needs the extra 'cluster'"
    )
    ray_address: str = Field(
        "",
        pattern=r"^(auto|[A-Za-z0-9._\-\[\]:]+:\d{1,5})?$",
        description="host:port of a running cluster, or auto for the one of this machine; empty starts one here",
    )
    inference: InferenceConfig = Field(default_factory=InferenceConfig, description="what networks run on")
    threads: int = Field(
        0, ge=0, le=256, description="threads of onnxruntime in a process; 0 shares the cores among the processes"
    )
    read_seconds: float = Field(20.0, ge=1, le=3600, description="time that reading one file may take")
    read_ahead: int = Field(2, ge=1, le=16, description="studies read while one is inferred")

    def digest(self) -> str:
        """Twelve hex digits that change with every setting a result depends on, and with RECIPE."""
        others = {
            "overlays", "overlay_px", "dicom", "fhir", "parquet", "jobs", "engine", "ray_address", "inference",
            "threads", "read_ahead", "read_seconds",
        }  # fmt: skip
        same = f"{RECIPE} {self.model_dump_json(exclude=others)}"
        if self.inference.precision is not Precision.FP32:
            same += self.inference.precision
        return hashlib.sha256(same.encode()).hexdigest()[:12]
