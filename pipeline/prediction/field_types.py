"""Types of single fields of the JSON contract, with their bounds."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, Strict, WithJsonSchema

from classify.inputs import SIX
from cohort.bmd import BmdClass
from cohort.spine import TARGET_LEVELS, VertebralLevel, View

Probability = Annotated[float, Field(ge=0, le=1)]
Pixels = Annotated[float, Field(ge=-1e6, le=1e6)]
Side = Annotated[int, Field(ge=1, le=1_000_000)]
Height = Annotated[float, Field(ge=0, le=1e6)]
BmdName = Annotated[BmdClass, Strict(False)]
LevelName = Annotated[VertebralLevel, Strict(False)]
ViewName = Annotated[View, Strict(False)]


def _target(level: VertebralLevel) -> VertebralLevel:
    if level not in TARGET_LEVELS:
        raise ValueError(f"expected {', '.join(TARGET_LEVELS)}")
    return level


Target = Annotated[
    LevelName, AfterValidator(_target), WithJsonSchema({"type": "string", "enum": [str(v) for v in TARGET_LEVELS]})
]


def _day(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
        raise ValueError("expected YYYY-MM-DD")
    return date.fromisoformat(value) if isinstance(value, str) else value


Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]


INPUT_SETS = tuple(inputs.name for inputs in SIX)


def _input_set(name: str) -> str:
    if name not in INPUT_SETS:
        raise ValueError(f"expected {', '.join(INPUT_SETS)}")
    return name


InputSetName = Annotated[str, AfterValidator(_input_set), WithJsonSchema({"type": "string", "enum": list(INPUT_SETS)})]
