"""What a search of settings found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.training.search.space import Value

BEST = "best.yaml"
"""Settings of the best trial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """Result of a search.

    Attributes:
        out: its folder, with trials.csv and best.yaml.
        trials: how many came to an end, those that failed or were stopped early among them.
        failed: how many failed.
        stopped: how many were stopped early.
        metric: by which they were compared, on the validation studies.
        number: of the best trial, from 1.
        value: of its metric.
        given: metric with the settings that were given; None where no trial tried them.
        settings: that were searched, of the best trial.
        validation: studies that the metric is of.
    """

    out: Path
    trials: int
    failed: int
    stopped: int
    metric: str
    number: int
    value: float
    given: float | None
    settings: Mapping[str, Value]
    validation: int

    @property
    def line(self) -> str:
        """What was found, and what the figure is worth."""
        given = "" if self.given is None else f", {self.given:.4g} with the settings that were given"
        return (
            f"trial {self.number} of {self.trials} is best: {self.metric} {self.value:.4g} on {self.validation} "
            f"validation studies{given}; the best of {self.trials} on these same studies, so the figure is too good: "
            f"train with --config {self.out / BEST}, and evaluate on test studies, which no trial has read"
        )

    def as_json(self) -> dict[str, object]:
        """As it is printed."""
        return {
            "out": str(self.out),
            "trials": self.trials,
            "failed": self.failed,
            "stopped": self.stopped,
            "metric": self.metric,
            "best_trial": self.number,
            "value": self.value,
            "given": self.given,
            "settings": dict(self.settings),
            "validation": self.validation,
            "best": str(self.out / BEST),
            "note": self.line,
        }
