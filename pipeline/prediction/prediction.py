"""The prediction of one study: a type that is written as JSON and read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, TypedDict

from classify.calibration import Decision
from cohort.bmd import BmdClass
from cohort.covariates import Covariates
from cohort.rejection_codes import Rejection
from cohort.spine import VertebralLevel, View
from osteolens.documents.json_document import read_json
from osteolens.documents.text import visible
from osteolens.errors import ReadError
from pipeline.prediction.document import (
    FORMAT,
    CobbDocument,
    CovariatesDocument,
    FindingsDocument,
    ImageDocument,
    PredictionDocument,
    ProbabilitiesDocument,
    RejectionDocument,
    parse_prediction,
)
from pipeline.prediction.notebook import result_html
from pipeline.prediction.parts import (
    ImageRecord,
    MeasuredVertebra,
    ModelIdentifiers,
    Status,
    ViewResult,
    stored_covariates,
)
from pipeline.prediction.view_documents import vertebra_document, view_document, view_result

TO_BE_CONFIRMED = "suspected, to be confirmed by a reader"
"""Note of every finding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Result of one study.

    Attributes:
        study_uid: safe identifier; also the name of its files.
        patient_id: as given.
        model: identifiers and hashes of the weights.
        covariates: values used, None where unknown.
        bmd_class: most probable class, None when rejected.
        probabilities: by class, empty when rejected.
        views: boxes, levels and findings of each view.
        images: every image of the study and what became of it.
        warnings: things a reader should know.
        rejection: reason for no class, or None.
        failure: why the study could not be screened at all, or None.
        t_score: estimate of the L1-L4 T-score, None when rejected.
        prediction_set: classes that hold the truth with the weights' stated coverage, empty when rejected.
        decision: whether osteoporosis is ruled in, ruled out or neither at the weights' predictive values, or None.
        input_ablation: probabilities by the paper's models (`SIX` of classify/inputs.py) from a part of the inputs,
            if asked for.
        input_t_scores: T-score estimates likewise.
        feature_distances: how far each view lies from the films of the training, as a multiple of the limit that the
            weights' calibration holds; beyond 1 a warning tells. Empty where the weights do not tell.
        study_date: day of the radiographs, as joined when the study was screened.
        system: radiography system, as joined when the study was screened.
        overlays: PNG pictures by view that a notebook shows; no part of the JSON, nor of equality.
    """

    study_uid: str
    patient_id: str
    model: ModelIdentifiers
    covariates: Covariates
    bmd_class: BmdClass | None = None
    probabilities: dict[BmdClass, float] = field(default_factory=dict)
    views: dict[View, ViewResult] = field(default_factory=dict)
    images: tuple[ImageRecord, ...] = ()
    warnings: tuple[str, ...] = ()
    rejection: Rejection | None = None
    failure: str | None = None
    t_score: float | None = None
    prediction_set: tuple[BmdClass, ...] = ()
    decision: Decision | None = None
    input_ablation: dict[str, dict[BmdClass, float]] = field(default_factory=dict)
    input_t_scores: dict[str, float] = field(default_factory=dict)
    feature_distances: dict[View, float] = field(default_factory=dict)
    study_date: date | None = None
    system: str | None = None
    overlays: dict[View, bytes] = field(default_factory=dict, compare=False, repr=False)

    @property
    def status(self) -> Status:
        """Screened, rejected or failed."""
        if self.failure is not None:
            return Status.FAILED
        return Status.SCREENED if self.rejection is None else Status.REJECTED

    @property
    def suspected_fractures(self) -> dict[VertebralLevel, MeasuredVertebra]:
        """Levels with a suspected fracture."""
        lateral = self.views.get(View.LATERAL)
        return {} if lateral is None else {level: v for level, v in lateral.vertebrae.items() if v.suspected}

    def as_json(self) -> dict[str, Any]:
        """The contract of docs/reference/data-formats.md; coordinates in pixels of the image as it is read."""
        return _document(self).model_dump(mode="json", exclude_unset=True)

    @classmethod
    def from_json(cls, document: object) -> Prediction:
        """A result as `as_json` gave it, or as an earlier version wrote it.

        Raises:
            ReadError: another format, or a field that is missing, unknown or out of its bounds, named by its path.
        """
        return _prediction(parse_prediction(document))

    def _repr_html_(self) -> str:
        """For a notebook: class, probabilities, warnings and pictures."""
        title = str(self.bmd_class) if self.t_score is None else f"{self.bmd_class}, T-score about {self.t_score:.1f}"
        if self.rejection is not None:
            title = f"rejected ({self.rejection.code}): {self.rejection.reason}"
        if self.failure is not None:
            title = f"failed: {self.failure}"
        return result_html(title, self.probabilities, self.warnings, self.overlays)


def read_prediction(path: Path) -> Prediction:
    """The result of one study from its file.

    Raises:
        ReadError: no result that this version reads; the message names the file and the field.
    """
    document = read_json(path)
    try:
        return Prediction.from_json(document)
    except ReadError as error:
        raise ReadError(f"{visible(path.name)}: {error}") from error


class _Optional(TypedDict, total=False):
    """Keys that a file holds only where they say something."""

    input_ablation: dict[str, ProbabilitiesDocument]
    input_t_scores: dict[str, float]
    feature_distances: dict[View, float]
    study_date: date
    system: str


def _optional(prediction: Prediction) -> _Optional:
    keys = _Optional()
    if prediction.input_ablation:
        keys["input_ablation"] = {name: _probabilities(p) for name, p in prediction.input_ablation.items()}
    if prediction.input_t_scores:
        keys["input_t_scores"] = {name: round(t_score, 2) for name, t_score in prediction.input_t_scores.items()}
    if prediction.feature_distances:
        distances = prediction.feature_distances
        keys["feature_distances"] = {view: round(distance, 3) for view, distance in distances.items()}
    if prediction.study_date is not None:
        keys["study_date"] = prediction.study_date
    if prediction.system is not None:
        keys["system"] = visible(prediction.system)
    return keys


def _document(prediction: Prediction) -> PredictionDocument:
    covariates = stored_covariates(prediction.covariates)
    return PredictionDocument(
        format=FORMAT,
        study_uid=prediction.study_uid,
        patient_id=visible(prediction.patient_id),
        status=prediction.status,
        bmd_class=prediction.bmd_class,
        probabilities=_probabilities(prediction.probabilities) if prediction.probabilities else None,
        t_score_estimate=None if prediction.t_score is None else round(prediction.t_score, 2),
        prediction_set=list(prediction.prediction_set),
        decision=prediction.decision,
        findings=_findings(prediction),
        views={view: view_document(result) for view, result in prediction.views.items()},
        images=[
            ImageDocument(
                path=visible(image.path),
                role=image.role,
                view=image.view,
                outcome=image.outcome,
                reason=visible(image.reason),
                sha256=image.sha256 or None,
            )
            for image in prediction.images
        ],
        covariates=CovariatesDocument(
            age_years=covariates.age_years, sex=covariates.sex, bmi_kg_m2=covariates.bmi_kg_m2
        ),
        warnings=[visible(warning) for warning in prediction.warnings],
        rejection=None
        if prediction.rejection is None
        else RejectionDocument(code=prediction.rejection.code, reason=visible(prediction.rejection.reason)),
        failure=None if prediction.failure is None else visible(prediction.failure),
        model=prediction.model.as_json(),
        **_optional(prediction),
    )


def _probabilities(by_class: Mapping[BmdClass, float]) -> ProbabilitiesDocument:
    return ProbabilitiesDocument(**{c.value: round(by_class[c], 4) for c in BmdClass})


def _findings(prediction: Prediction) -> FindingsDocument:
    frontal, lateral = prediction.views.get(View.AP), prediction.views.get(View.LATERAL)
    cobb = frontal.cobb if frontal is not None else None
    return FindingsDocument(
        suspected_fractures=list(prediction.suspected_fractures),
        vertebrae=[] if lateral is None else [vertebra_document(v) for v in lateral.vertebrae.values()],
        cobb=None if cobb is None else CobbDocument(degrees=round(cobb.degrees, 1), upper=cobb.upper, lower=cobb.lower),
        note=TO_BE_CONFIRMED,
    )


def _prediction(document: PredictionDocument) -> Prediction:
    return Prediction(
        study_uid=document.study_uid,
        patient_id=document.patient_id,
        model=ModelIdentifiers.from_json(document.model),
        covariates=Covariates(
            age_years=document.covariates.age_years,
            sex=document.covariates.sex,
            bmi_given=document.covariates.bmi_kg_m2,
        ),
        bmd_class=document.bmd_class,
        probabilities={} if document.probabilities is None else document.probabilities.by_class,
        views={view: view_result(view, shown, document.findings) for view, shown in document.views.items()},
        images=tuple(
            ImageRecord(
                path=image.path,
                role=image.role,
                view=image.view,
                outcome=image.outcome,
                reason=image.reason,
                sha256=image.sha256 or "",
            )
            for image in document.images
        ),
        warnings=tuple(document.warnings),
        rejection=None if document.rejection is None else Rejection(document.rejection.code, document.rejection.reason),
        failure=document.failure,
        t_score=document.t_score_estimate,
        prediction_set=tuple(document.prediction_set),
        decision=document.decision,
        input_ablation={name: probabilities.by_class for name, probabilities in document.input_ablation.items()},
        input_t_scores=dict(document.input_t_scores),
        feature_distances=dict(document.feature_distances),
        study_date=document.study_date,
        system=document.system,
    )
