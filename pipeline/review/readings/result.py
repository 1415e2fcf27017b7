"""The class on a reader's boxes as it was stored beside the predicted one, and whether it is of the boxes that hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError

from classify.calibration import Decision
from classify.classifier import Classified
from cohort.bmd import BmdClass
from osteolens.documents.json_document import read_json
from osteolens.errors import ReadError
from pipeline.prediction import ModelIdentifiers, Prediction
from pipeline.prediction.document import ProbabilitiesDocument
from pipeline.prediction.field_types import BmdName, Target, ViewName
from pipeline.review.readings.corrections import DrawnView

Model = dict[str, str]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class _Result(_Part):
    """Class, probabilities, T-score, prediction set and decision, and the weights that they come from."""

    bmd_class: BmdName | None
    probabilities: ProbabilitiesDocument | None
    t_score: Annotated[float, Field(ge=-20, le=20)] | None
    prediction_set: list[BmdName]
    decision: Annotated[Decision, Strict(False)] | None
    model: Model
    levels: dict[ViewName, list[Target]] = {}


class StoredResult(_Part):
    """A result on corrected boxes beside the predicted one."""

    format: Literal[1]
    study_uid: str
    predicted: _Result
    corrected: _Result
    views: dict[ViewName, DrawnView]
    note: str

    def is_of(self, prediction: Prediction, views: Mapping[ViewName, DrawnView]) -> bool:
        """Whether it is on these boxes of a reader, beside this result.

        Args:
            prediction: the study's result as it is now.
            views: what the reader saved.
        """
        return self.predicted.model == prediction.model.as_json() and _used(self.views) == _used(views)

    @property
    def classified(self) -> tuple[Classified, ModelIdentifiers] | None:
        """The class on the reader's boxes and its weights."""
        result = self.corrected
        if result.probabilities is None or result.t_score is None or result.decision is None:
            return None
        classified = Classified(
            probabilities=dict(result.probabilities.by_class),
            t_score=result.t_score,
            prediction_set=tuple(BmdClass(name) for name in result.prediction_set),
            decision=result.decision,
        )
        return classified, ModelIdentifiers.from_json(result.model)


def _used(views: Mapping[ViewName, DrawnView]) -> dict[ViewName, object]:
    return {view: (drawn.in_order, drawn.left_out) for view, drawn in views.items()}


def stored_result(path: Path) -> StoredResult | None:
    """The result of a file; None where there is none that can be read."""
    try:
        return StoredResult.model_validate(read_json(path)) if path.is_file() else None
    except (ReadError, ValidationError):
        return None
