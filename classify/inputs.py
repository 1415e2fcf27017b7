"""Sets of inputs of a classifier, and their names in the network, its files, results and tables."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

from cohort.spine import View

BOTH = tuple(View)

VIEW_SETS: tuple[tuple[View, ...], ...] = ((View.AP,), (View.LATERAL,), BOTH)
"""Views that a study may have, and that a classifier may take."""

_SHORT = {View.AP: "ap", View.LATERAL: "lat"}


def branch_name(view: View) -> str:
    """The name of a view's branch: in tensors, in files, and as an input of the graph."""
    return view.value.lower()


def fusion_name(views: tuple[View, ...]) -> str:
    """The name, in tensors, of the layers that join these views."""
    return "both" if views == BOTH else branch_name(views[0])


FUSIONS = {fusion_name(views): views for views in (BOTH, *VIEW_SETS[:-1])}
"""Which views the fusion of each name joins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSet:
    """Inputs of a classifier: some views, with age, sex and BMI (the paper's Table 4) or without (its Table 2).

    Attributes:
        views: projections, the AP one first.
        covariates: whether age, sex and BMI join them.
    """

    views: tuple[View, ...]
    covariates: bool

    @property
    def name(self) -> str:
        """Of a run folder, and of probabilities in a result: `ap-lat-covariates`."""
        return f"{'-'.join(_SHORT[view] for view in self.views)}-{'covariates' if self.covariates else 'images'}"

    @property
    def projection(self) -> str:
        """Row of the paper's tables: `AP and LAT`."""
        return " and ".join(_SHORT[view].upper() for view in self.views)

    @property
    def table(self) -> int:
        """Of the paper."""
        return 4 if self.covariates else 2


SIX = tuple(InputSet(views=views, covariates=covariates) for covariates in (False, True) for views in VIEW_SETS)
"""The models of Mao et al. 2022."""

PROJECTIONS = tuple(inputs.projection for inputs in SIX if not inputs.covariates)
"""Rows of the paper's tables."""


def _more_views(inputs: InputSet) -> InputSet:
    return InputSet(views=BOTH, covariates=inputs.covariates)


def _with_covariates(inputs: InputSet) -> InputSet:
    return InputSet(views=inputs.views, covariates=True)


PAIRS = tuple(
    (inputs.name, larger.name)
    for inputs, larger in chain(
        ((inputs, _more_views(inputs)) for inputs in SIX if inputs.views != BOTH),
        ((inputs, _with_covariates(inputs)) for inputs in SIX if not inputs.covariates),
    )
)
"""Names of input sets that are compared on the same studies: one view with both, without covariates and with them."""
