"""The JSON contract of one study, stated once; the JSON Schema is written from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    ValidationError,
    model_validator,
)

from classify.calibration import Decision
from cohort.bmd import BMD_CLASSES, BmdClass
from cohort.covariates import Sex
from cohort.rejection_codes import LevelCode, RejectionCode
from cohort.spine import TARGET_LEVELS, VertebralLevel
from osteolens.atomic import write_whole
from osteolens.documents.json_document import quoted
from osteolens.documents.validation import first_problem
from osteolens.errors import ReadError
from pipeline.prediction.field_types import (
    BmdName,
    Day,
    Height,
    InputSetName,
    LevelName,
    Pixels,
    Probability,
    Side,
    Target,
    ViewName,
)
from pipeline.prediction.format_1 import upgraded
from pipeline.prediction.parts import ImageOutcome, LengthUnit, Status

FORMAT: Literal[2] = 2
"""Of the files that this version writes; files of format 1 hold no such key."""

SCHEMA = Path(__file__).parent.with_name("prediction.schema.json")

MOST_MARGIN = 99.0
"""Labelling margin that stands for every larger one."""

TOLERANCE = 0.01
"""By how much probabilities may miss a sum of one; four decimals are stored."""


class _Part(BaseModel):
    """A part of a result: every key is known, and every number finite and within its bounds."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class ProbabilitiesDocument(_Part):
    """Probability of each class."""

    normal: Probability
    osteopenia: Probability
    osteoporosis: Probability

    @model_validator(mode="after")
    def _sum_to_one(self) -> ProbabilitiesDocument:
        total = self.normal + self.osteopenia + self.osteoporosis
        if abs(total - 1) > TOLERANCE:
            raise ValueError(f"they sum to {total:.3g}, expected 1")
        return self

    @property
    def by_class(self) -> dict[BmdClass, float]:
        """In the order of `BMD_CLASSES`."""
        return dict(zip(BMD_CLASSES, (self.normal, self.osteopenia, self.osteoporosis), strict=True))


class BoxDocument(_Part):
    """One level-labelled box in pixels of the image as it is read."""

    level: LevelName
    x0: Pixels
    y0: Pixels
    x1: Pixels
    y1: Pixels
    confidence: Probability
    height_loss: float | None = None

    @model_validator(mode="after")
    def _has_extent(self) -> BoxDocument:
        if not (self.x1 > self.x0 and self.y1 > self.y0):
            raise ValueError(
                f"{self.x0:g}, {self.y0:g} to {self.x1:g}, {self.y1:g} has no extent; expected x0 < x1, y0 < y1"
            )
        return self


class LevelDocument(_Part):
    """Whether the class comes from a level; `code` and `reason` say why not."""

    used: bool
    code: Annotated[LevelCode, Strict(False)] | None = None
    reason: str | None = None

    @model_validator(mode="after")
    def _has_a_reason(self) -> LevelDocument:
        if self.used == (self.code is not None and self.reason is not None):
            raise ValueError("expected code and reason where used is false, and neither where it is true")
        return self


class ViewDocument(_Part):
    """One image of a study and what was found in it."""

    image: str
    rows: Side
    columns: Side
    pixel_spacing_mm: Annotated[list[Annotated[float, Field(gt=0, le=100)]], Field(min_length=2, max_length=2)] | None
    anterior: Literal["left", "right"] | None
    labelling_margin: Annotated[float, Field(le=MOST_MARGIN)]
    levels: dict[Target, LevelDocument]
    boxes: Annotated[list[BoxDocument], Field(max_length=len(VertebralLevel))]

    @model_validator(mode="after")
    def _each_level_once(self) -> ViewDocument:
        levels = [box.level for box in self.boxes]
        if twice := sorted({level for level in levels if levels.count(level) > 1}):
            raise ValueError(f"boxes hold {', '.join(twice)} twice; expected each level once")
        if lacking := [level for level in TARGET_LEVELS if level not in self.levels]:
            raise ValueError(f"levels lack {', '.join(lacking)}; expected L1 to L4")
        return self


class VertebraDocument(_Part):
    """What was measured on one of L1-L4 in a lateral view."""

    level: Target
    unit: Annotated[LengthUnit, Strict(False)]
    anterior_height: Height
    middle_height: Height
    posterior_height: Height
    anterior_to_posterior: float
    middle_to_posterior: float
    posterior_to_neighbours: float
    height_loss: Probability
    genant_grade: Annotated[int, Field(ge=0, le=3)]
    confidence: Probability
    suspected: bool


class CobbDocument(_Part):
    """The largest angle between two bodies of an AP view."""

    degrees: Annotated[float, Field(ge=0, le=360)]
    upper: LevelName
    lower: LevelName


class FindingsDocument(_Part):
    """What a reader should look at."""

    suspected_fractures: list[Target]
    vertebrae: list[VertebraDocument]
    cobb: CobbDocument | None
    note: str


class ImageDocument(_Part):
    """One file of a study and what became of it."""

    path: str
    role: ViewName | None
    view: ViewName | None
    outcome: Annotated[ImageOutcome, Strict(False)]
    reason: str
    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")] | None


class CovariatesDocument(_Part):
    """Covariates that the class was made from; null is unknown."""

    age_years: float | None
    sex: Annotated[Sex, Strict(False)] | None
    bmi_kg_m2: float | None


class RejectionDocument(_Part):
    """Why a study gets no class."""

    code: Annotated[RejectionCode, Strict(False)]
    reason: str


class PredictionDocument(_Part):
    """OsteoLens prediction of one study."""

    format: Literal[2]
    study_uid: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$", max_length=1000)]
    patient_id: str
    status: Annotated[Status, Strict(False)]
    bmd_class: BmdName | None
    probabilities: ProbabilitiesDocument | None
    t_score_estimate: Annotated[float, Field(ge=-20, le=20)] | None
    prediction_set: list[BmdName]
    decision: Annotated[Decision, Strict(False)] | None
    findings: FindingsDocument
    views: dict[ViewName, ViewDocument]
    images: list[ImageDocument]
    covariates: CovariatesDocument
    warnings: list[str]
    rejection: RejectionDocument | None
    failure: str | None
    model: dict[str, str]
    input_ablation: dict[InputSetName, ProbabilitiesDocument] = {}
    input_t_scores: dict[InputSetName, Annotated[float, Field(ge=-20, le=20)]] = {}
    feature_distances: dict[ViewName, Annotated[float, Field(ge=0)]] = {}
    study_date: Day | None = None
    system: Annotated[str, StringConstraints(min_length=1)] | None = None

    @model_validator(mode="after")
    def _agrees(self) -> PredictionDocument:
        """A study has a class or a reason for none, and its class is the most probable one."""
        self._check_status()
        if self.probabilities is None:
            if self.rejection is None and self.failure is None:
                raise ValueError("probabilities and rejection are both null; expected one of them")
            return self
        if self.bmd_class is None:
            raise ValueError("bmd_class is null beside probabilities; expected the most probable class")
        probabilities = self.probabilities.by_class
        likely = max(probabilities, key=lambda c: probabilities[c])
        if probabilities[self.bmd_class] < probabilities[likely] - TOLERANCE:
            raise ValueError(f"bmd_class is {self.bmd_class}, but {likely} is the most probable class")
        return self

    def _check_status(self) -> None:
        expected = (
            Status.FAILED
            if self.failure is not None
            else Status.SCREENED
            if self.rejection is None
            else Status.REJECTED
        )
        if self.status is not expected:
            raise ValueError(f"status is {self.status}, but rejection and failure say {expected}")
        if "version" not in self.model or "settings" not in self.model:
            raise ValueError("model lacks version or settings; expected both")


def parse_prediction(document: object) -> PredictionDocument:
    """A document of format 2, or one of format 1 as if this version had written it.

    Raises:
        ReadError: another format, or a field that is missing, unknown or out of its bounds, named by its path.
    """
    if not isinstance(document, dict):
        raise ReadError(f"found {type(document).__name__}, expected the object of one study")
    number = document.get("format", 1)
    if type(number) is not int or number not in (1, FORMAT):
        raise ReadError(
            f"format is {quoted(number)}, expected {FORMAT} or 1 (without the key); update OsteoLens or screen anew"
        )
    try:
        return PredictionDocument.model_validate(document if number == FORMAT else upgraded(document))
    except ValidationError as error:
        raise ReadError(first_problem(error)) from error


def schema_text() -> str:
    """The JSON Schema of a study's file, as `prediction.schema.json` holds it."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **PredictionDocument.model_json_schema()}
    return json.dumps(schema, indent=1) + "\n"


def write_schema() -> None:
    """Write `prediction.schema.json` anew."""
    write_whole(SCHEMA, schema_text())
