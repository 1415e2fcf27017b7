"""Settings of training the classifier."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from classify.config import Backbone, NetworkSpec, PreprocessSpec
from cohort.eligibility import EligibilityCriteria
from cohort.spine import View
from cohort.splits import SiteSplits
from osteolens.config import StrictConfig
from osteolens.training.precision import PrecisionChoice

BODIES = PreprocessSpec(roi="vertebra", size_px=96, margin_across=0.2, margin_along=0.1, sigma_px=0.4, equalised=0.5)
"""Single bodies with soft tissue at their sides, half equalised; see docs/explanation/classifier.md."""


class ClassifierTraining(StrictConfig):
    """How a classifier is trained; the defaults of crops and network are what validation prefers."""

    recipes: ClassVar[str | None] = "classify.training"

    views: tuple[View, ...] = Field(tuple(View), min_length=1, max_length=2, description="AP, LATERAL or both")
    covariates: bool = Field(True, description="whether age, sex and BMI join the features")
    pooled: Literal["last", "all"] = Field(
        "all", description="feature maps that are pooled: the last, or every scale's, the finest by fields"
    )
    backbone: Backbone = Field(
        "densenet121",
        description="segmentation-models-pytorch encoder of each branch; others than that of the weights begin at "
        "random but for the head",
    )
    preprocess: PreprocessSpec = Field(BODIES, description="from box to network input")
    boxes: Literal["jittered", "manual", "detector"] = Field(
        "jittered", description="ROIs trained on: manual ones moved as another reader might, as they are, or detected"
    )
    resolution_schedule: list[tuple[int, int]] = Field(
        [(64, 8), (96, 14)],
        description="(working side, epochs) in turn, the last side a divisor of preprocess.size_px; without an epoch "
        "the head alone is refitted, on the branches that a run starts from; empty: likewise, at the side and, unless "
        "preprocess is given, on the crops of the weights that it starts from",
    )
    trained: Literal["all", "late stages and head", "norms and head"] = Field(
        "all",
        description="what epochs train: every tensor, all behind the branches' feature maps of stride 8, or all but "
        "the convolutions of the branches",
    )
    crops_per_step: int = Field(2, ge=0, le=4, description="crops of each view in a step, sampled anew; 0 for all")
    head_epochs: int = Field(60, ge=0, description="of the fusion alone, on the features of the finished branches")
    head_batch: int = Field(128, ge=2, description="patients a step of it")
    head_lr: float = Field(1e-3, gt=0, le=0.1, description="its peak learning rate")
    head_weight_decays: list[float] = Field(
        [1.0, 2.0, 3.0, 10.0], description="its weight decays (AdamW) that are tried; validation chooses"
    )
    head_folds: int = Field(
        0,
        ge=0,
        le=20,
        description="folds of the patients trained on, whose results by heads fitted without them choose its weight "
        "decay and calibrate; only without epochs; 0: validation does both",
    )
    l2_sp: bool = Field(
        False, description="the head's weights decay to those that the run starts from (L2-SP, Li 2018), not to zero"
    )
    batch: int = Field(16, ge=1, le=512, description="patients a step, of all processes together")
    lr: float = Field(8e-4, gt=0, le=0.1, description="peak learning rate of AdamW, one cycle")
    weight_decay: float = Field(0.02, ge=0, le=1, description="of AdamW")
    t_score_weight: float = Field(1.0, ge=0, le=10, description="weight of the T-score head that guides training")
    level_t_score_weight: float = Field(
        0.0,
        ge=0,
        le=10,
        description="weight of the T-scores of single levels, told from each crop, that guide the branches where DXA "
        "gives them; 0: none",
    )
    class_weights: Literal["rarity", "equal"] | tuple[float, float, float] = Field(
        "rarity",
        description="weights of normal, osteopenia and osteoporosis in the loss: by their rarity, equal, or three "
        "numbers",
    )
    label_smoothing: float = Field(0.0, ge=0, le=0.5, description="of the classes")
    accumulate_grad_batches: int = Field(1, ge=1, le=256, description="batches whose gradients make a step")
    start_shares: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [],
        max_length=8,
        description="shares of the start in the weights that are kept (WiSE-FT, Wortsman 2022), tried beside none, "
        "and beside all where no epoch beat it; validation chooses",
    )
    patience: int = Field(0, ge=0, description="epochs at the last side without a better one; 0 for no limit")
    precision: PrecisionChoice = Field(
        PrecisionChoice.AUTO, description="numbers of the forward pass; auto measures a step of both"
    )
    processes: int = Field(
        1, ge=1, le=64, description="processes that share every batch, each with a GPU of its own or some cores"
    )
    p_original_display: float = Field(
        0.5, ge=0, le=1, description="probability that a step shows a study as its own system displayed it"
    )
    drop_view: float = Field(
        0.10, ge=0, le=0.5, description="probability to hide one view; 0 fits no layers for studies of one view"
    )
    drop_covariate: float = Field(0.15, ge=0, le=0.9, description="probability to hide each covariate")
    drop_covariates: float = Field(0.25, ge=0, le=0.9, description="probability to hide all covariates of a study")
    criteria: EligibilityCriteria = Field(EligibilityCriteria(), description="who is trained on and validated by")
    validation_fraction: float = Field(
        1 / 9, gt=0, lt=0.5, description="fraction of patients held out when none are given; the paper's 8:1"
    )
    sites: SiteSplits = Field(SiteSplits(), description="what sites are for, where their names say something else")
    max_minutes: float = Field(0.0, ge=0, description="stop starting epochs after this time; 0 for no limit")

    @field_validator("resolution_schedule")
    @classmethod
    def _sides_divide(cls, schedule: list[tuple[int, int]], info: ValidationInfo) -> list[tuple[int, int]]:
        preprocess = info.data.get("preprocess", BODIES)
        size, least = preprocess.size_px, 64 if preprocess.roi == "column" else 32
        if any(not least <= side <= size for side, _ in schedule) or (schedule and size % schedule[-1][0]):
            raise ValueError(f"expected sides of {least} to preprocess.size_px, {size}, the last one a divisor of it")
        return schedule

    @field_validator("head_folds")
    @classmethod
    def _folds_leave_something(cls, folds: int, info: ValidationInfo) -> int:
        if folds == 1:
            raise ValueError("expected 0, or 2 to 20 folds")
        if folds and any(epochs for _, epochs in info.data.get("resolution_schedule", [])):
            raise ValueError(
                "expected 0, since resolution_schedule holds epochs: branches that were trained on a patient make a "
                "head fitted without him no judge of him"
            )
        return folds

    @field_validator("class_weights")
    @classmethod
    def _weights_are_positive(cls, weights: str | tuple[float, ...]) -> str | tuple[float, ...]:
        if not isinstance(weights, str) and not all(0 < weight <= 100 for weight in weights):
            raise ValueError("expected three numbers above 0, at most 100, or rarity or equal")
        return weights


def network_spec(training: ClassifierTraining, preprocess: PreprocessSpec) -> NetworkSpec:
    """The network that a training fits on crops of a preprocessing."""
    return NetworkSpec(
        views=training.views,
        covariates=training.covariates,
        crops=preprocess.crops,
        pooled=training.pooled,
        backbone=training.backbone,
    )
