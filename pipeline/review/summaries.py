"""What a worklist needs of each saved result, read fast; a study's whole result is checked when it is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict, StringConstraints, ValidationError

from classify.calibration import Decision
from cohort.covariates import Covariates
from cohort.io.safe_names import safe_name
from cohort.rejection_codes import RejectionCode
from cohort.spine import VertebralLevel, View
from cohort.study import Study
from osteolens.documents.json_document import MOST_BYTES
from osteolens.documents.text import visible
from osteolens.documents.validation import first_problem
from osteolens.errors import ReadError
from pipeline.prediction import ImageOutcome, ImageRecord, Status, read_prediction
from pipeline.prediction.document import (
    CovariatesDocument,
    ImageDocument,
    PredictionDocument,
    ProbabilitiesDocument,
    RejectionDocument,
)
from pipeline.prediction.field_types import BmdName, Day, Target, ViewName


class _Part(BaseModel):
    """A part of a result of which only some fields are read."""

    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False, frozen=True)


class _Findings(_Part):
    suspected_fractures: list[Target]


class _View(_Part):
    labelling_margin: float


class Summary(_Part):
    """What a worklist needs of one result."""

    format: Literal[2]
    study_uid: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$", max_length=100)]
    patient_id: str
    status: Annotated[Status, Strict(False)]
    bmd_class: BmdName | None
    probabilities: ProbabilitiesDocument | None
    t_score_estimate: Annotated[float, Field(ge=-20, le=20)] | None
    decision: Annotated[Decision, Strict(False)] | None
    findings: _Findings
    views: dict[ViewName, _View]
    images: list[ImageDocument]
    covariates: CovariatesDocument
    rejection: RejectionDocument | None
    failure: str | None
    study_date: Day | None = None
    system: str | None = None

    @property
    def labelling_margin(self) -> float | None:
        """The smallest of the views."""
        return min((view.labelling_margin for view in self.views.values()), default=None)

    @property
    def suspected_fractures(self) -> list[VertebralLevel]:
        """Levels with a suspected fracture."""
        return self.findings.suspected_fractures

    @property
    def study(self) -> Study:
        """The study as it was known when it was screened."""
        return Study(
            study_uid=self.study_uid,
            patient_id=self.patient_id or self.study_uid,
            covariates=Covariates(
                age_years=self.covariates.age_years, sex=self.covariates.sex, bmi_given=self.covariates.bmi_kg_m2
            ),
            study_date=self.study_date,
            system=self.system,
        )


@dataclass(frozen=True, slots=True)
class ImagePlace:
    """Where an image was, from the folder that was screened, and the SHA-256 that it had; empty where unknown."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ReadSummaries:
    """Results of a folder, by the path of their file, and one line for each file that cannot be used."""

    results: Mapping[Path, Summary]
    damaged: tuple[str, ...]


def read_summaries(out: Path) -> ReadSummaries:
    """Every result of an output folder.

    Raises:
        ReadError: no result, or none that can be read.
    """
    paths = sorted((out / "studies").glob("*.json"))
    if not paths:
        raise ReadError(f"{out}: no studies/*.json; expected an output folder of `osteolens process`")
    results: dict[Path, Summary] = {}
    damaged: list[str] = []
    for path in paths:
        try:
            summary = _summary(path)
        except ReadError as error:
            damaged.append(str(error))
            continue
        results[path] = summary
    if not results:
        raise ReadError(f"{out}: none of {len(damaged)} results can be read: {damaged[0]}; screen these studies anew")
    return ReadSummaries(results, tuple(damaged))


def _summary(path: Path) -> Summary:
    """What a worklist needs of one file.

    Raises:
        ReadError: a file that is damaged, too large, or under the name of another study.
    """
    name = visible(path.name)
    try:
        with path.open("rb") as stream:
            raw = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise ReadError(f"{name}: cannot be opened ({error.strerror}); expected a JSON document") from error
    if len(raw) > MOST_BYTES:
        raise ReadError(f"{name}: more than {MOST_BYTES:,} bytes; this is no JSON of OsteoLens")
    try:
        summary = Summary.model_validate_json(raw)
    except ValidationError as error:
        summary = _summary_of_former_format(path, first_problem(error))
    if summary.study_uid != path.stem or safe_name(summary.study_uid) != summary.study_uid:
        raise ReadError(f"{name}: study_uid is {visible(summary.study_uid)}; expected the name of the file")
    return summary


def _summary_of_former_format(path: Path, problem: str) -> Summary:
    """The same of a file of an earlier format; others are read once more for a message that names what is wrong."""
    prediction = read_prediction(path)
    try:
        document = PredictionDocument.model_validate(prediction.as_json())
        return Summary.model_validate_json(document.model_dump_json())
    except ValidationError as error:
        raise ReadError(f"{visible(path.name)}: {problem}") from error


def images_by_view(images: Sequence[ImageDocument | ImageRecord]) -> dict[View, ImagePlace]:
    """The image that each view is shown by: the one that counts, else one whose header, name or table calls it so."""
    places: dict[View, ImagePlace] = {}
    another = RejectionCode.ANOTHER_IMAGE.value
    counting = [(image.view, image) for image in images if not image.reason.startswith(f"{another}:")]
    named = [(image.role, image) for image in images if image.view is None]
    for view, image in (*counting, *named):
        if view is not None and image.outcome is not ImageOutcome.UNREADABLE and image.sha256:
            places.setdefault(view, ImagePlace(image.path, image.sha256))
    return {view: places[view] for view in View if view in places}
