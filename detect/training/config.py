"""Settings of training the detector and the body segmenter."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cohort.splits import SiteSplits
from osteolens.config import StrictConfig
from osteolens.training.precision import PrecisionChoice

Architecture = Literal[
    "yolo11n", "yolo11s", "yolo11m", "yolo11l", "yolo26n", "yolo26s", "yolo26m", "yolov8n", "yolov8s", "yolov8m"
]
"""Architectures of ultralytics that export to the ONNX graph which the product reads."""

NEW_PX = 512
"""Side of the input of a new network."""

FEW_STUDIES = 60
"""Studies to train on below which the backbone of a start stays as it is."""


class DetectorTraining(StrictConfig):
    """How a detector is trained."""

    image_px: int | None = Field(
        None,
        ge=128,
        le=1280,
        multiple_of=32,
        description="side of the square input; when left out that of the weights to start from, or 512",
    )
    renders: int = Field(6, ge=1, le=50, description="augmented variants of each training image")
    model: Architecture = Field("yolo11n", description="ultralytics architecture")
    epochs: int = Field(12, ge=1, le=1000, description="passes over all variants")
    patience: int = Field(8, ge=1, le=1000, description="epochs without progress before stopping")
    batch: int = Field(16, ge=1, le=512, description="images a step")
    lr: float | None = Field(
        None,
        gt=0,
        le=0.1,
        description="initial learning rate of AdamW; when left out 2e-3, for weights to start from 2e-4, or 1e-4 with "
        f"fewer than {FEW_STUDIES} studies",
    )
    freeze: int | None = Field(
        None,
        ge=0,
        le=20,
        description="first layers that stay as they start; when left out 10, the backbone, where weights to start from "
        f"meet fewer than {FEW_STUDIES} studies, else 0",
    )
    precision: PrecisionChoice = Field(
        PrecisionChoice.AUTO, description="numbers of the forward pass; auto measures a step of both"
    )
    validation_fraction: float = Field(
        1 / 9, gt=0, lt=0.5, description="fraction of patients held out when none are given; the paper's 8:1"
    )
    sites: SiteSplits = Field(SiteSplits(), description="what sites are for, where their names say something else")
    max_minutes: float = Field(0.0, ge=0, description="stop after this time; 0 for no limit")

    def settled(self, start_px: int | None, studies: int) -> DetectorTraining:
        """These settings with a value for all that was left to the start and to the size of the cohort.

        Args:
            start_px: side of the input of the weights to start from; None for a new network.
            studies: to train on.
        """
        fine_tuned, few = start_px is not None, studies < FEW_STUDIES
        rate = (1e-4 if few else 2e-4) if fine_tuned else 2e-3
        values = {
            "image_px": self.image_px or start_px or NEW_PX,
            "lr": self.lr or rate,
            "freeze": self.freeze if self.freeze is not None else 10 * (fine_tuned and few),
        }
        return self.model_copy(update=values)


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
    batch: int = Field(32, ge=2, le=1024, description="crops a step, of all processes together")
    processes: int = Field(
        1, ge=1, le=64, description="processes that share every batch, each with a GPU of its own or some cores"
    )
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


STEP_BYTES_A_PIXEL = {"n": 750, "s": 1500, "m": 3250, "l": 4300}
"""Bytes of memory that a step in float32 takes for each pixel of its batch, by the size of the architecture: measured
for n, s and m on a CPU (256 px, batches of 8; n also 512 px, 16); l is taken as a third above m."""

PROGRAM_BYTES = 1.1e9
"""Memory of a training that does not grow with its images."""


def step_bytes(config: DetectorTraining) -> int:
    """About how many bytes of memory a step of training takes on a CPU."""
    pixels = config.batch * (config.image_px or NEW_PX) ** 2
    return round(PROGRAM_BYTES + pixels * STEP_BYTES_A_PIXEL[config.model[-1]])
