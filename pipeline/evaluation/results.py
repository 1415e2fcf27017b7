"""An output folder of `osteolens process`, read once: every study's JSON checked, damaged ones named and left out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cohort.bmd import BMD_CLASSES
from osteolens.errors import ReadError
from osteolens.json_document import quoted, read_json
from osteolens.text import visible
from osteolens.validation import first_problem
from pipeline.prediction import Status

Document = dict[str, Any]

CLASSES = ("study_uid", "patient_id", "probabilities", "views", "rejection")
"""Keys without which a result cannot be judged against DXA."""

BOXES = ("study_uid", "patient_id", "views")
"""Keys without which its boxes cannot be judged by their names."""

BODIES = ("study_uid", "views")
"""Keys without which its boxes cannot be judged whatever their names."""

TOLERANCE = 0.01
"""By how much probabilities may miss a sum of one; four decimals are stored."""

NAMED = 20
"""Damaged files that a report names; JSON names all."""

VERSION_KEYS = ("schema_version", "schema", "format", "format_version")
"""Where a result of another version would say so; this version writes none of them."""

Share = Annotated[float, Field(ge=0, le=1)]
Pixels = Annotated[float, Field(ge=-1e6, le=1e6)]
BmdName = Literal["normal", "osteopenia", "osteoporosis"]
LevelName = Literal["T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1"]
ViewName = Literal["AP", "LATERAL"]


class _Part(BaseModel):
    """A part of a result; keys that judging does not use may be anything."""

    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)


class _Shares(_Part):
    model_config = ConfigDict(extra="forbid")

    normal: Share
    osteopenia: Share
    osteoporosis: Share

    @model_validator(mode="after")
    def _sum_to_one(self) -> _Shares:
        total = self.normal + self.osteopenia + self.osteoporosis
        if abs(total - 1) > TOLERANCE:
            raise ValueError(f"they sum to {total:.3g}, expected 1")
        return self


class _Box(_Part):
    level: LevelName
    x0: Pixels
    y0: Pixels
    x1: Pixels
    y1: Pixels
    confidence: Share

    @model_validator(mode="after")
    def _has_extent(self) -> _Box:
        if not (self.x1 > self.x0 and self.y1 > self.y0):
            raise ValueError(
                f"{self.x0:g}, {self.y0:g} to {self.x1:g}, {self.y1:g} has no extent; expected x0 < x1, y0 < y1"
            )
        return self


class _Use(_Part):
    used: bool
    code: str = ""


class _View(_Part):
    image: str
    rows: Annotated[int, Field(ge=1, le=1_000_000)]
    columns: Annotated[int, Field(ge=1, le=1_000_000)]
    pixel_spacing_mm: (
        Annotated[list[Annotated[float, Field(gt=0, le=100)]], Field(min_length=2, max_length=2)] | None
    ) = None
    levels: dict[LevelName, _Use] = {}
    boxes: Annotated[list[_Box], Field(max_length=1000)]


class _Vertebra(_Part):
    level: LevelName
    height_loss: Share
    suspected: bool


class _Findings(_Part):
    vertebrae: list[_Vertebra] = []


class _Refusal(_Part):
    code: str
    reason: str


class _Covariates(_Part):
    age_years: float | None = None
    sex: Literal["F", "M"] | None = None
    bmi_kg_m2: float | None = None


class _Result(_Part):
    """What of a study's JSON is judged."""

    study_uid: Annotated[str, Field(min_length=1, max_length=1000)]
    patient_id: str = ""
    status: Literal["screened", "rejected", "failed"] | None = None
    bmd_class: BmdName | None = None
    probabilities: _Shares | None = None
    t_score_estimate: Annotated[float, Field(ge=-20, le=20)] | None = None
    prediction_set: list[BmdName] = []
    decision: Literal["osteoporosis likely", "osteoporosis unlikely", "undecided"] | None = None
    findings: _Findings = _Findings()
    views: dict[ViewName, _View] = {}
    covariates: _Covariates = _Covariates()
    warnings: list[str] = []
    rejection: _Refusal | None = None
    failure: str | None = None
    input_ablation: dict[str, _Shares] = {}


DEFAULTS: Document = {"patient_id": "", "bmd_class": None, "probabilities": None, "rejection": None}
"""Of keys that judging reads and that a result may lack."""


@dataclass(frozen=True, slots=True)
class ResultName:
    """A study's two names; of a damaged file both are the name of the file."""

    study_uid: str
    patient_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What an output folder holds.

    Attributes:
        documents: JSON of every study that can be judged, rejected ones among them.
        damaged: one line for each file that cannot be used: its name, the field, what was found and expected.
        others: studies that could not be screened or whose file is damaged, as far as they are known by name.
    """

    documents: tuple[Document, ...]
    damaged: tuple[str, ...] = ()
    others: tuple[ResultName, ...] = ()

    @property
    def names(self) -> tuple[ResultName, ...]:
        """Every study of the folder, whatever became of it."""
        return (*(ResultName(d["study_uid"], d["patient_id"]) for d in self.documents), *self.others)


def read_results(results: Path, needed: tuple[str, ...] = CLASSES) -> Results:
    """Every study of an output folder; what is damaged is named and left out.

    Args:
        results: output folder.
        needed: what the caller judges: `CLASSES`, `BOXES` or `BODIES`.

    Raises:
        ReadError: no result, or none that can be judged.
    """
    documents: list[Document] = []
    damaged: list[str] = []
    places: dict[str, str] = {}
    others: list[ResultName] = []
    failed = 0
    for path in sorted((results / "studies").glob("*.json")):
        try:
            document = _read_result(path, needed)
            uid = document["study_uid"]
            if uid in places:
                raise ReadError(
                    f"{visible(path.name)}: study_uid {quoted(uid)} also stands in {places[uid]}; "
                    "expected each study once"
                )
        except ReadError as error:
            damaged.append(str(error))
            others.append(ResultName(path.stem, path.stem))
            continue
        places[uid] = visible(path.name)
        if document.get("status") == Status.FAILED:
            failed += 1
            others.append(ResultName(uid, document["patient_id"]))
        else:
            documents.append(document)
    if documents:
        return Results(documents=tuple(documents), damaged=tuple(damaged), others=tuple(others))
    if damaged:
        first = "; ".join(damaged[:3])
        raise ReadError(
            f"{results}: none of {len(damaged) + failed} results can be judged, {len(damaged)} are damaged: {first}"
            f"{'; ...' if len(damaged) > 3 else ''}; screen these studies anew"
        )
    if failed:
        raise ReadError(
            f"{results}: all {failed} studies failed; expected one that was screened; see its predictions.csv"
        )
    raise ReadError(f"{results}: no studies/*.json; expected an output folder of `osteolens process`")


def damaged_json(damaged: tuple[str, ...]) -> dict[str, Any]:
    """Count and lines of damaged files, for JSON and report; none is an empty dictionary."""
    return {"damaged_results": {"count": len(damaged), "names": list(damaged)}} if damaged else {}


def _read_result(path: Path, needed: tuple[str, ...]) -> Document:
    name = visible(path.name)
    document = read_json(path)
    if not isinstance(document, dict):
        raise ReadError(f"{name}: found {type(document).__name__}, expected the object of one study")
    for key in VERSION_KEYS:
        if key in document and document[key] not in (1, "1"):
            raise ReadError(f"{name}: {key} is {quoted(document[key])}, expected 1; update OsteoLens or screen anew")
    failed = document.get("status") == Status.FAILED
    missing = [key for key in (("study_uid",) if failed else needed) if key not in document]
    if missing:
        raise ReadError(f"{name}: {', '.join(missing)} is missing; expected a result of `osteolens process`")
    try:
        found = _Result.model_validate(document)
    except ValidationError as error:
        raise ReadError(f"{name}: {first_problem(error)}") from error
    if not failed and needed == CLASSES:
        _check_class(found, name)
    for view, shown in found.views.items() if needed != BODIES else ():
        levels = [box.level for box in shown.boxes]
        if twice := sorted({level for level in levels if levels.count(level) > 1}):
            raise ReadError(f"{name}: views.{view}.boxes hold {', '.join(twice)} twice; expected each level once")
    return {**DEFAULTS, "views": {}, "covariates": {}, **document}


def _check_class(found: _Result, name: str) -> None:
    """A study has a class or a reason for none, and its class is the most probable one."""
    if found.probabilities is None:
        if found.rejection is None:
            raise ReadError(f"{name}: probabilities and rejection are both null; expected one of them")
        return
    if found.bmd_class is None:
        raise ReadError(f"{name}: bmd_class is null beside probabilities; expected the most probable class")
    shares = {c.value: float(getattr(found.probabilities, c.value)) for c in BMD_CLASSES}
    if shares[found.bmd_class] < max(shares.values()) - TOLERANCE:
        likely = max(shares, key=lambda c: shares[c])
        raise ReadError(f"{name}: bmd_class is {found.bmd_class}, but {likely} is the most probable class")
