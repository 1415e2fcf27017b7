"""One study: detect, check, crop, classify."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classify.classifier import BmdClassifier, Classified
from classify.covariates import implausible
from cohort.annotations import Rois, check_inside, read_rois
from cohort.errors import OsteoLensError, StudyError
from cohort.images import read_radiograph
from cohort.spine import SpineDetection, View
from cohort.study import BmdClass, Covariates, Radiograph, Study
from detect.detector import VertebraDetector
from detect.levels import agreed, shift_levels
from detect.quality import WHOLE_STUDY, refusal_of, warnings_of
from detect.segment import BodySegmenter, refined
from pipeline.config import ScreenConfig
from pipeline.paper import SIX
from pipeline.prediction import Prediction, Refusal, ScreenedView
from pipeline.weights import Weights, sha256


@dataclass(frozen=True, slots=True)
class ReadStudy:
    """A study with its pixels, and the reasons why an image of it could not be read."""

    study: Study
    radiographs: tuple[Radiograph, ...]
    unread: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Screened:
    """A prediction, the pixels it was made from, and where the classifier looked if that was asked for."""

    prediction: Prediction
    pixels: dict[View, npt.NDArray[np.float32]]
    heat: dict[View, npt.NDArray[np.float32]] = field(default_factory=dict)


def read_study(study: Study) -> ReadStudy:
    """Read all images of a study.

    Raises:
        StudyError: none of them can be read.
    """
    radiographs, unread = [], []
    for _, path in study.images:
        try:
            radiographs.append(read_radiograph(path)[0])
        except OsteoLensError as error:
            unread.append(str(error))
    if not radiographs:
        raise StudyError("; ".join(unread) or "the study has no image")
    return ReadStudy(study, tuple(radiographs), tuple(unread))


@dataclass(frozen=True, slots=True)
class DrawnRois:
    """Hand-drawn boxes that are classified on in place of the detector's, and a digest of their file."""

    rois: Rois
    digest: str

    @classmethod
    def read(cls, path: Path) -> DrawnRois:
        """From a table as `read_rois` takes it.

        Raises:
            ReadError: as for `read_rois`.
        """
        return cls(read_rois(path), sha256(path)[:16])

    def detections(self, study_uid: str, radiographs: Sequence[Radiograph]) -> list[SpineDetection | None]:
        """What was drawn on each image of a study; None where boxes of L1 to L4 are not complete.

        Raises:
            ReadError: a box lies outside its image.
        """
        found: list[SpineDetection | None] = []
        for radiograph in radiographs:
            view, shape = radiograph.view, radiograph.pixels.shape
            boxes = self.rois.get((study_uid, view), ()) if view is not None else ()
            drawn = None if view is None else SpineDetection(view, boxes, shape)
            if drawn is not None and not drawn.missing:
                check_inside(study_uid, drawn.view, boxes, shape)
            found.append(None if drawn is None or drawn.missing else drawn)
        return found


def identifiers(weights: Weights, config: ScreenConfig, drawn: DrawnRois | None = None) -> dict[str, str]:
    """What a result came from: version and hashes of the weights, and digests of the settings and of drawn ROIs."""
    return {**weights.identifiers, "settings": config.digest(), **({"rois": drawn.digest} if drawn else {})}


class Screener:
    """All models, loaded once for a whole folder."""

    def __init__(self, weights: Weights, config: ScreenConfig | None = None, drawn: DrawnRois | None = None) -> None:
        self.config = config or ScreenConfig()
        self._drawn = drawn
        self._detector = VertebraDetector(weights.detector, self.config.detect, self.config.threads)
        self._classifier = BmdClassifier(
            weights.classifier, weights.preprocess, self.config.threads, weights.calibration
        )
        self._segmenter = None
        if weights.segmenter is not None and self.config.refine:
            self._segmenter = BodySegmenter(weights.segmenter, self.config.threads)
        self._explainer = None
        if self.config.explain:
            from classify.explain import Explainer

            folder = weights.classifier.parent
            self._explainer = Explainer(folder, weights.network, weights.preprocess, weights.working_px)
        self._identifiers = identifiers(weights, self.config, drawn)

    def screen(self, read: ReadStudy) -> Screened:
        """Classify one study from every view that is fit for it; refuse it when none is."""
        study = read.study
        warnings = [f"an image was left out: {reason}" for reason in read.unread]
        if self.config.shift_levels:
            warnings.append(f"a reader moved all levels by {self.config.shift_levels:+d}")
        views: dict[View, ScreenedView] = {}
        pixels: dict[View, npt.NDArray[np.float32]] = {}
        inputs: dict[View, npt.NDArray[np.float32]] = {}
        refusals: list[Refusal] = []
        if self._drawn is None:
            detections = self.detect(read.radiographs)
        else:
            detections = self._drawn.detections(study.study_uid, read.radiographs)
        for radiograph, detection in zip(read.radiographs, detections, strict=True):
            reason = self._refusal(detection, radiograph)
            if detection is not None and detection.view in views:
                reason = ("wrong_view", f"shows a second {detection.view} view; expected one AP and one lateral image")
            elif detection is not None:
                views[detection.view] = ScreenedView(radiograph.path.name, detection, radiograph.pixel_spacing_mm)
                pixels[detection.view] = radiograph.pixels
            if reason is not None or detection is None:
                code, text = reason or ("no_spine", "nothing found")
                refusals.append(Refusal(code, f"{radiograph.path.name}: {text}"))
                continue
            if self._drawn is None:
                warnings += warnings_of(detection, radiograph, self.config.detect)
            inputs[detection.view] = self._classifier.network_input(radiograph.pixels, detection)
        excluded = next((refusal for refusal in refusals if refusal.code in WHOLE_STUDY), None)
        if excluded is None and (wrong := implausible(study.covariates)) is not None:
            excluded = Refusal("covariates", wrong)
        if excluded is None and inputs and not set(inputs) & set(self._classifier.views):
            taken = " or ".join(view.value for view in self._classifier.views)
            excluded = Refusal("no_view", f"found {', '.join(inputs)}; these weights take {taken} alone")
        if excluded is not None or not inputs:
            return Screened(self._prediction(study, views, warnings, excluded or refusals[0]), pixels)
        warnings += [f"a view was left out ({r.code}): {r.reason}" for r in refusals]
        covariates = study.covariates
        warnings += _input_warnings(set(inputs), covariates)
        classified = self._classifier.classify(inputs, covariates)
        heat = {}
        if self._explainer is not None:
            shapes = {view: (pixels[view].shape[0], pixels[view].shape[1]) for view in inputs}
            seen = {view: views[view].detection for view in inputs}
            heat = self._explainer.maps(inputs, seen, shapes, covariates)
        probabilities = classified.probabilities
        best = max(probabilities, key=lambda c: probabilities[c])
        return Screened(
            Prediction(
                study.study_uid,
                study.patient_id,
                best,
                probabilities,
                views,
                tuple(warnings),
                None,
                self._identifiers,
                covariates_json(covariates),
                classified.t_score,
                classified.prediction_set,
                classified.decision.value,
                self._subsets(inputs, covariates) if self.config.subsets else {},
            ),
            pixels,
            heat,
        )

    def _subsets(
        self, inputs: dict[View, npt.NDArray[np.float32]], covariates: Covariates
    ) -> dict[str, dict[BmdClass, float]]:
        """Probabilities from the inputs of each of the paper's models that this study and these weights have."""
        given = set(inputs) & set(self._classifier.views)
        found = {}
        for model in SIX:
            if set(model.views) <= given and (not model.covariates or any(covariates_json(covariates).values())):
                shown = {view: inputs[view] for view in model.views}
                known = covariates if model.covariates else Covariates()
                found[model.name] = self._classifier.classify(shown, known).probabilities
        return found

    def _refusal(self, detection: SpineDetection | None, radiograph: Radiograph) -> tuple[str, str] | None:
        """Why a view cannot be classified; drawn boxes are taken as they are."""
        if self._drawn is None:
            return refusal_of(detection, radiograph, self.config.detect, self.config.min_confidence)
        return ("no_roi", "no hand-drawn boxes of L1 to L4") if detection is None else None

    def detect(self, radiographs: Sequence[Radiograph]) -> list[SpineDetection | None]:
        """Levelled boxes of a study's images, named together, then refined; None where no lumbar spine is."""
        detections = [self._detector.detect(radiograph) for radiograph in radiographs]
        if self.config.shift_levels:
            detections = [None if d is None else shift_levels(d, self.config.shift_levels) for d in detections]
        else:
            detections = agreed(detections)
        if self._segmenter is None:
            return detections
        return [
            found
            if found is None
            else refined(found, self._segmenter.look(radiograph, found), radiograph.pixel_spacing_mm)
            for radiograph, found in zip(radiographs, detections, strict=True)
        ]

    def classify_boxes(
        self,
        pixels: Mapping[View, npt.NDArray[np.float32]],
        detections: Mapping[View, SpineDetection],
        covariates: Covariates,
    ) -> Classified:
        """Class of one study on given boxes, whoever drew them.

        Raises:
            StudyError: a view lacks one of L1 to L4.
        """
        inputs = {view: self._classifier.network_input(pixels[view], d) for view, d in detections.items()}
        return self._classifier.classify(inputs, covariates)

    def _prediction(
        self, study: Study, views: dict[View, ScreenedView], warnings: list[str], refusal: Refusal
    ) -> Prediction:
        return Prediction(
            study.study_uid,
            study.patient_id,
            None,
            {},
            views,
            tuple(warnings),
            refusal,
            self._identifiers,
            covariates_json(study.covariates),
        )


def _input_warnings(views: Set[View], covariates: Covariates) -> list[str]:
    """What is absent from the inputs, or outside the population of the weights."""
    warnings = [f"no {view.value} view; accuracy is lower with one view" for view in View if view not in views]
    for name in ("age_years", "sex", "bmi_kg_m2"):
        if getattr(covariates, name) is None:
            warnings.append(f"{name} is unknown; accuracy is lower without it")
    if covariates.age_years is not None and covariates.age_years < 50:
        warnings.append(f"age {covariates.age_years:.0f} is below 50 years, outside the population of the weights")
    return warnings


def covariates_json(covariates: Covariates) -> dict[str, float | str | None]:
    """The covariates that the classifier uses, as they stand in the output."""
    bmi = covariates.bmi_kg_m2
    return {
        "age_years": covariates.age_years,
        "sex": covariates.sex.value if covariates.sex else None,
        "bmi_kg_m2": None if bmi is None else round(bmi, 2),
    }
