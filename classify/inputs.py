"""Which inputs a classifier is given: the six models of the paper, by views and covariates, and their pairs."""

from __future__ import annotations

from dataclasses import dataclass

from cohort.spine import View

PROJECTIONS = {"AP": (View.AP,), "LAT": (View.LATERAL,), "AP and LAT": (View.AP, View.LATERAL)}
"""Rows of the paper's tables."""


@dataclass(frozen=True, slots=True)
class PaperModel:
    """One of the six: which images, and whether age, sex and BMI join them (the paper's Table 4) or not (Table 2)."""

    projection: str
    covariates: bool

    @property
    def name(self) -> str:
        """Of its run folder, and of its share in a prediction."""
        inputs = "covariates" if self.covariates else "images"
        return f"{self.projection.lower().replace(' and ', '-')}-{inputs}"

    @property
    def views(self) -> tuple[View, ...]:
        """Images that it sees."""
        return PROJECTIONS[self.projection]

    @property
    def table(self) -> int:
        """Of the paper."""
        return 4 if self.covariates else 2


SIX = tuple(PaperModel(projection, covariates) for covariates in (False, True) for projection in PROJECTIONS)


PAIRS = (
    *((f"{one}-{inputs}", f"ap-lat-{inputs}") for inputs in ("images", "covariates") for one in ("ap", "lat")),
    *((f"{views}-images", f"{views}-covariates") for views in ("ap", "lat", "ap-lat")),
)
"""Names of models that are compared on the same studies: both views with either, with covariates and without."""
