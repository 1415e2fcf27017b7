"""What a reader says of one study: boxes, levels left out, grades of fractures; and the lines of the file of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from cohort.io.annotations import check_inside
from cohort.spine import LEVELS, TARGET_LEVELS, SpineDetection, VertebraBox, VertebralLevel, View
from osteolens.documents.json_document import parse_json
from osteolens.documents.validation import first_problem
from osteolens.errors import ReadError
from pipeline.prediction.field_types import LevelName, Pixels, Target, ViewName

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Grade = Annotated[int, Field(ge=0, le=3)]


class _Part(BaseModel):
    """Every key is known, and every number finite and within its bounds."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class DrawnBox(_Part):
    """One box in pixels of the image as it is read."""

    level: LevelName
    x0: Pixels
    y0: Pixels
    x1: Pixels
    y1: Pixels

    @model_validator(mode="after")
    def _has_extent(self) -> DrawnBox:
        if not (self.x1 > self.x0 and self.y1 > self.y0):
            raise ValueError(f"the box of {self.level} has no extent; expected x0 < x1, y0 < y1")
        return self

    @property
    def box(self) -> VertebraBox:
        """As everything else takes it."""
        return VertebraBox(self.level, self.x0, self.y0, self.x1, self.y1)


class DrawnView(_Part):
    """Boxes of one view, and those of L1-L4 that may not be classified on, with the reason.

    Attributes:
        spacing_mm: of a pixel, by a known length that the reader measured where the image does not tell it.
    """

    boxes: Annotated[list[DrawnBox], Field(max_length=len(VertebralLevel))]
    left_out: dict[Target, Text] = {}
    spacing_mm: Annotated[float, Field(gt=0, le=10)] | None = None

    @model_validator(mode="after")
    def _each_level_once(self) -> DrawnView:
        levels = [box.level for box in self.boxes]
        if twice := sorted({level for level in levels if levels.count(level) > 1}):
            raise ValueError(f"boxes hold {', '.join(twice)} twice; expected each level once")
        return self

    @property
    def in_order(self) -> tuple[VertebraBox, ...]:
        """Boxes from the head downwards."""
        return tuple(sorted((box.box for box in self.boxes), key=lambda box: LEVELS.index(box.level)))

    @property
    def used(self) -> tuple[VertebralLevel, ...]:
        """Those of L1-L4 that have a box and are not left out."""
        drawn = {box.level for box in self.boxes}
        return tuple(level for level in TARGET_LEVELS if level in drawn and level not in self.left_out)

    def detection(self, view: View, shape: tuple[int, int], study_uid: str) -> SpineDetection:
        """As a detector's.

        Args:
            view: of the image.
            shape: (rows, columns) of the image.
            study_uid: for messages.

        Raises:
            ReadError: a box lies outside the image.
        """
        check_inside(study_uid, view, self.in_order, shape)
        return SpineDetection(view, self.in_order, shape)


class DrawnStudy(_Part):
    """Boxes of a study, to be classified on."""

    views: dict[ViewName, DrawnView]


class Correction(DrawnStudy):
    """What a reader says of a study; a view that is not in it stays as it was predicted."""

    fracture_grades: dict[Target, Grade] = {}
    not_evaluable: Text | None = None


class CorrectionRequest(Correction):
    """The same as the page sends it, with the time that the reader took."""

    seconds: Annotated[float, Field(ge=0, le=86_400)] = 0.0

    @property
    def state(self) -> Correction:
        """Without the time."""
        return Correction(views=self.views, fracture_grades=self.fracture_grades, not_evaluable=self.not_evaluable)


class _Line(_Part):
    """One line of a reader's file."""

    format: Literal[1] = 1
    time: Annotated[str, StringConstraints(max_length=40)]
    reader: Annotated[str, StringConstraints(max_length=40)]
    round: Annotated[int, Field(ge=1, le=2)]

    @property
    def moment(self) -> datetime:
        """The time, with its zone."""
        return datetime.fromisoformat(self.time)

    @field_validator("time")
    @classmethod
    def _is_moment(cls, time: str) -> str:
        if datetime.fromisoformat(time).tzinfo is None:
            raise ValueError("a time without its zone")
        return time


class PredictionsShown(_Line):
    """From here on the reader has been shown predictions of these studies: a worklist or a study with them."""

    predictions_shown: Literal[True] = True


class Saved(_Line):
    """What a reader says now, and what he said before.

    Attributes:
        hidden_predictions: whether the reader saw no prediction, so that a view without boxes has none.
        shown_before: whether predictions of these studies had been shown to him at another time before.
        seconds: on the study since it was opened the last time.
        seconds_in_all: on the study in every visit; None in files of earlier versions.
    """

    study_uid: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$", max_length=100)]
    seconds: Annotated[float, Field(ge=0)]
    seconds_in_all: Annotated[float, Field(ge=0)] | None = None
    hidden_predictions: bool
    shown_before: bool = False
    before: Correction | None
    state: Correction

    @property
    def seconds_read(self) -> float:
        """In every visit, as far as it is known."""
        return self.seconds if self.seconds_in_all is None else self.seconds_in_all


DrawnT = TypeVar("DrawnT", bound=DrawnStudy)


def parsed(kind: type[DrawnT], raw: bytes) -> DrawnT:
    """The body of a request.

    Raises:
        ReadError: no JSON, or a field that does not fit, named by its path.
    """
    try:
        return kind.model_validate(parse_json(raw, "the request"))
    except ValidationError as error:
        raise ReadError(first_problem(error)) from error
