"""Settings of training the detector and the body segmenter."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cohort.splits import SiteSplits
from osteolens.config import StrictConfig
from osteolens.training.precision import PrecisionChoice


class DetectorTraining(StrictConfig):
    """How a detector is trained."""

    image_px: int = Field(416, ge=128, le=1280, multiple_of=32, description="side of the square input")
    renders: int = Field(6, ge=1, le=50, description="augmented variants of each training image")
    model: str = Field("yolo11n", pattern=r"^yolo(11|26)[nsm]$", description="ultralytics architecture")
    epochs: int = Field(12, ge=1, le=1000, description="passes over all variants")
    patience: int = Field(8, ge=1, le=1000, description="epochs without progress before stopping")
    batch: int = Field(16, ge=1, le=512, description="images a step")
    lr: float = Field(0.002, gt=0, le=0.1, description="initial learning rate of AdamW")
    validation_fraction: float = Field(
        1 / 9, gt=0, lt=0.5, description="fraction of patients held out when none are given; the paper's 8:1"
    )
    sites: SiteSplits = Field(SiteSplits(), description="what sites are for, where their names say something else")
    max_minutes: float = Field(0.0, ge=0, description="stop after this time; 0 for no limit")


Encoder = Literal[
    "timm-mobilenetv3_small_100",
    "timm-mobilenetv3_large_100",
    "mobilenet_v2",
    "efficientnet-b0",
    "efficientnet-b1",
    "resnet18",
    "resnet34",
    "resnet50",
    "densenet121",
]
"""Encoders of segmentation-models-pytorch whose networks export to ONNX with the same outputs as in torch."""


class SegmenterTraining(StrictConfig):
    """How a body segmenter is trained."""

    encoder: Encoder = Field(
        "timm-mobilenetv3_small_100", description="segmentation-models-pytorch encoder, not pretrained"
    )
    bodies_an_image: int = Field(4, ge=1, le=8, description="crops of bodies kept of each image")
    beside_an_image: int = Field(1, ge=0, le=8, description="crops of each image that show no body")
    distractor_fraction: float = Field(
        0.15, ge=0, le=1, description="synthetic pictures without a body, as a fraction of the crops of images"
    )
    epochs: int = Field(6, ge=1, le=1000, description="passes over all crops")
    batch: int = Field(32, ge=2, le=1024, description="crops a step")
    lr: float | None = Field(
        None,
        gt=0,
        le=0.1,
        description="peak learning rate of AdamW, one cycle; when left out 2e-3, or 2e-4 for weights to start from",
    )
    precision: PrecisionChoice = Field(
        PrecisionChoice.AUTO, description="numbers of the forward pass; auto measures a step of both"
    )
    validation_fraction: float = Field(
        1 / 9, gt=0, lt=0.5, description="fraction of patients held out when none are given; the paper's 8:1"
    )
    sites: SiteSplits = Field(SiteSplits(), description="what sites are for, where their names say something else")

    def rate(self, fine_tuned: bool) -> float:
        """Peak learning rate, the setting's or that of a new or a fine-tuned network."""
        return self.lr if self.lr is not None else (2e-4 if fine_tuned else 2e-3)
