"""Settings of preprocessing and of the network; both are stored with the weights."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cohort.spine import TARGET_LEVELS, View
from osteolens.config import StrictConfig


class PreprocessSpec(StrictConfig):
    """Settings of preprocessing; stored with the weights and read from them.

    Source: Mao et al. 2022, "Image preprocessing": crop, 512 x 512 with grey filling, Gaussian filter, histogram
    equalisation, pixel normalisation. Grey value, sigma and the kind of equalisation are unstated there and ours.
    """

    version: int = Field(
        4,
        ge=1,
        le=4,
        description="of the recipe that the weights were trained with; 1 knew neither margins nor partial "
        "equalisation; until 2 the greys of a DICOM window went from its least to its largest value, since 3 by "
        "percentiles of the radiograph (cohort/io/grey.py); until 3 crops went to whole pixels, since 4 they lie "
        "where the boxes do. All weights are run by the newest",
    )
    roi: Literal["column", "vertebra"] = Field(
        "column", description="one crop of L1-L4 a view, or one crop of each of the four bodies"
    )
    size_px: int = Field(512, ge=64, le=1024, multiple_of=32, description="side of the square crop")
    margin_across: float = Field(0.0, ge=0, le=1, description="fraction of a box's width added at each side")
    margin_along: float = Field(0.0, ge=0, le=1, description="fraction of a box's height added above and below")
    grey: float = Field(0.5, ge=0, le=1, description="value of the filled border")
    sigma_px: float = Field(0.8, ge=0, le=10, description="Gaussian filter")
    equalised: float = Field(
        1.0, ge=0, le=1, description="fraction of the equalised crop that is mixed with the displayed one"
    )
    mean: float = Field(0.5, description="subtracted after equalisation")
    std: float = Field(0.29, gt=0, description="divided by after equalisation (of a uniform histogram)")

    @property
    def crops(self) -> int:
        """Crops a view."""
        return 1 if self.roi == "column" else len(TARGET_LEVELS)


Backbone = Literal["densenet121", "densenet169", "resnet18", "resnet34", "resnet50", "efficientnet-b0", "mobilenet_v2"]
"""Encoders of segmentation-models-pytorch whose networks export to ONNX with the same outputs as in torch."""


class NetworkSpec(StrictConfig):
    """Which inputs a network takes; single-channel and dual-channel are one class configured."""

    views: tuple[View, ...] = Field(tuple(View), min_length=1, max_length=2, description="branches")
    covariates: bool = Field(True, description="whether age, sex and BMI join the features")
    crops: int = Field(1, ge=1, le=8, description="crops a view, pooled by attention where more than one")
    pooled: Literal["last", "all"] = Field(
        "all", description="feature maps that are pooled: the last, or every scale's, the finest by fields"
    )
    backbone: Backbone = Field("densenet121", description="encoder of each branch")
