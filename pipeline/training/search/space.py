"""Which settings of the classifier's training are searched, and between which bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, ValidationError, model_validator

from classify.training.config import ClassifierTraining
from osteolens.config import StrictConfig
from osteolens.documents.validation import first_problem

if TYPE_CHECKING:
    from optuna import Trial

Range = tuple[float, float] | None
"""Least and largest value; None where the setting stays as it is given."""

Value = float | str


class SearchSpace(StrictConfig):
    """Settings of the classifier's training that are searched; a setting that is null stays as it is given.

    Those that change nothing in a training, such as `lr` without an epoch, stay as well. The weight decay of the head
    is not among them, since every training tries each of `head_weight_decays`. Images are augmented by fixed amounts;
    how often they are is a setting.
    """

    lr: Range = Field((1e-4, 3e-3), description="peak learning rate of the branches, by its logarithm")
    weight_decay: Range = Field((1e-3, 0.1), description="of the branches, by its logarithm")
    head_lr: Range = Field((1e-4, 1e-2), description="peak learning rate of the head, by its logarithm")
    t_score_weight: Range = Field((0.2, 5.0), description="weight of the T-score in the loss, by its logarithm")
    label_smoothing: Range = Field((0.0, 0.2), description="of the classes")
    class_weights: tuple[Literal["rarity", "equal"], ...] | None = Field(
        ("rarity", "equal"), description="weights of the classes in the loss that are tried"
    )
    p_original_display: Range = Field(
        (0.2, 0.8), description="probability of the original display; the others are augmented ones"
    )
    drop_view: Range = Field((0.02, 0.3), description="probability to hide one view")
    drop_covariate: Range = Field((0.0, 0.4), description="probability to hide each covariate")
    drop_covariates: Range = Field((0.0, 0.5), description="probability to hide all covariates of a study")

    logarithmic: ClassVar[tuple[str, ...]] = ("lr", "weight_decay", "head_lr", "t_score_weight")
    """Those that are sampled by their logarithm."""

    @model_validator(mode="after")
    def _bounds_are_settings(self) -> SearchSpace:
        for name in type(self).model_fields:
            bounds = getattr(self, name)
            if bounds is None:
                continue
            if name == "class_weights":
                if len(set(bounds)) != len(bounds) or len(bounds) < 2:
                    raise ValueError(f"{name}: expected two different ones, or null")
                continue
            if not bounds[0] < bounds[1] or (name in self.logarithmic and bounds[0] <= 0):
                least = ", the least above 0" if name in self.logarithmic else ""
                raise ValueError(f"{name}: found {list(bounds)}, expected the least and the largest value{least}")
            for value in bounds:
                try:
                    ClassifierTraining.model_validate({name: value})
                except ValidationError as error:
                    raise ValueError(f"{name}: {first_problem(error)}") from error
        return self

    def searched(self, config: ClassifierTraining) -> tuple[str, ...]:
        """Settings that are searched for a training, by their names: those with a range that change something in it.

        Args:
            config: the settings that are given.
        """
        epochs = any(epochs for _, epochs in config.resolution_schedule)
        changes = {
            "lr": epochs,
            "weight_decay": epochs,
            "head_lr": config.head_epochs > 0,
            "p_original_display": config.boxes == "jittered",
            "drop_view": len(config.views) > 1,
            "drop_covariate": config.covariates,
            "drop_covariates": config.covariates,
        }
        names = (name for name in type(self).model_fields if getattr(self, name) is not None)
        return tuple(name for name in names if changes.get(name, True))

    def sampled(self, name: str, trial: Trial) -> Value:
        """A value of a setting for a trial."""
        bounds = getattr(self, name)
        if name == "class_weights":
            chosen: str = trial.suggest_categorical(name, list(bounds))
            return chosen
        return trial.suggest_float(name, *bounds, log=name in self.logarithmic)

    def outside(self, given: Mapping[str, object]) -> tuple[str, ...]:
        """Names of settings whose values lie outside of the space."""
        return tuple(name for name, value in given.items() if not self._holds(name, value))

    def _holds(self, name: str, value: object) -> bool:
        bounds = getattr(self, name)
        if name == "class_weights":
            return value in bounds
        return isinstance(value, (int, float)) and bounds[0] <= value <= bounds[1]
