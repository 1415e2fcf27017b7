"""One study: detect, check, crop, classify."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classify.classifier import BmdClassifier, Classified
from classify.covariates import implausible
from classify.crop import CropPlaces
from classify.inputs import SIX
from cohort.bmd import BmdClass
from cohort.covariates import Covariates
from cohort.rejection import WHOLE_STUDY, RejectionCode
from cohort.spine import SpineDetection, VertebralLevel, View
from cohort.study import Radiograph, SpacingSource
from detect.detector import VertebraDetector
from detect.quality import warnings_of
from detect.segmenter import BodySegmenter, Points
from osteolens.extras import require
from pipeline.bundle.load import Bundle
from pipeline.prediction import ModelIdentifiers, Prediction, Rejection, stored_covariates
from pipeline.screening.assessment import AssessedImage, assess, assess_manual, image_records, views_of
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.film_reader import LoadedStudy
from pipeline.screening.manual_rois import ManualRois
from pipeline.screening.spines import FoundSpine, find_spines, front_at_left, is_mirrored, segment_bodies

Pixels = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreeningOutput:
    """A prediction, the pixels it was made from, the bodies' outlines, and where the classifier looked if asked for."""

    prediction: Prediction
    pixels: dict[View, Pixels]
    outlines: dict[View, dict[VertebralLevel, Points]] = field(default_factory=dict)
    heat: dict[View, Pixels] = field(default_factory=dict)


def identifiers(weights: Bundle, config: ScreeningConfig, drawn: ManualRois | None = None) -> ModelIdentifiers:
    """What a result came from: version and hashes of the weights, and digests of the settings and of drawn ROIs."""
    rois = drawn.digest if drawn else None
    return ModelIdentifiers(version=weights.version, settings=config.digest(), hashes=weights.hashes, rois=rois)


class Screener:
    """All models, loaded once for a whole folder."""

    def __init__(
        self,
        weights: Bundle,
        config: ScreeningConfig | None = None,
        drawn: ManualRois | None = None,
        root: Path | None = None,
    ) -> None:
        """Load them.

        Args:
            weights: checked weights.
            config: settings.
            drawn: hand-drawn ROIs to classify on in place of the detector's.
            root: folder that paths of images are told from.
        """
        self.config = config or ScreeningConfig()
        self._drawn, self.root = drawn, root
        self._detector = VertebraDetector(weights.detector, self.config.detection, self.config.threads)
        self._classifier = BmdClassifier(
            weights.classifier, weights.preprocess, self.config.threads, weights.calibration
        )
        self._segmenter = None
        if weights.segmenter is not None:
            self._segmenter = BodySegmenter(weights.segmenter, self.config.threads)
        self._explainer = None
        if self.config.explain:
            require("process --explain", "torch", "captum", "segmentation_models_pytorch", "safetensors")
            from classify.network.explain import Explainer

            folder = weights.classifier.parent
            self._explainer = Explainer(folder, weights.network, weights.preprocess, weights.working_px)
        self.identifiers = identifiers(weights, self.config, drawn)

    def screen(self, read: LoadedStudy) -> ScreeningOutput:
        """Classify one study from every view and level that is fit for it; refuse it when too little is.

        Raises:
            StudyError: none of its images could be read.
        """
        read.check()
        study, covariates = read.study, read.study.covariates
        images = self._assess(read)
        views = views_of(images)
        usable = {view: image for view, image in views.items() if image.rejection is None}
        rejection = self._rejection(images, usable, covariates)
        inputs = {} if rejection else {view: self._network_input(image) for view, image in usable.items()}
        prediction = Prediction(
            study_uid=study.study_uid,
            patient_id=study.patient_id,
            model=self.identifiers,
            covariates=covariates,
            views={view: image.as_view() for view, image in views.items()},
            images=image_records(read, images, bool(inputs), self.root),
            warnings=tuple(self._warnings(read, images, set(inputs), covariates)),
            rejection=rejection,
        )
        heat = {}
        if inputs:
            classified = self._classifier.classify(inputs, covariates)
            prediction = replace(
                prediction,
                bmd_class=max(classified.probabilities, key=lambda c: classified.probabilities[c]),
                probabilities=classified.probabilities,
                t_score=classified.t_score,
                prediction_set=classified.prediction_set,
                decision=classified.decision,
                input_ablation=self._subsets(inputs, covariates) if self.config.input_ablation else {},
            )
            heat = self._heat(usable, inputs, covariates)
        return ScreeningOutput(
            prediction=prediction,
            pixels={view: image.radiograph.pixels for view, image in views.items()},
            outlines={view: image.spine.outlines for view, image in views.items()},
            heat=heat,
        )

    def assess(self, radiographs: Sequence[Radiograph]) -> list[AssessedImage]:
        """What the detector finds in a study's images and what quality control says of it."""
        return assess(radiographs, self.find(radiographs), self.config.detection, self.config.min_confidence)

    def _assess(self, read: LoadedStudy) -> list[AssessedImage]:
        if self._drawn is None:
            return self.assess(read.radiographs)
        drawn = self._drawn.detections(read.study.study_uid, read.radiographs)
        spines = [self._manual_spine(r, d) for r, d in zip(read.radiographs, drawn, strict=True)]
        return assess_manual(read.radiographs, spines, self.config.detection)

    def _manual_spine(self, radiograph: Radiograph, detection: SpineDetection | None) -> FoundSpine:
        """Hand-drawn boxes; the segmenter tells their facing, and whether the image is inverted."""
        if detection is None:
            return FoundSpine(detection=None)
        bodies = segment_bodies(radiograph, detection, self._segmenter)
        facing = detection.view is View.AP or front_at_left(radiograph, detection, bodies)
        mirrored = is_mirrored(radiograph, detection.view, facing)
        return FoundSpine(detection=detection, bodies=bodies, anterior_left=facing, mirrored=mirrored)

    def _rejection(
        self, images: Sequence[AssessedImage], usable: Mapping[View, AssessedImage], covariates: Covariates
    ) -> Rejection | None:
        """Why the whole study gets no class, or None."""
        rejections = [
            image.rejection
            for image in images
            if image.rejection is not None and image.rejection.code is not RejectionCode.ANOTHER_IMAGE
        ]
        excluded = next((r for r in rejections if r.code in WHOLE_STUDY), None)
        if excluded is None and (wrong := implausible(covariates)) is not None:
            excluded = Rejection(RejectionCode.COVARIATES, wrong)
        if excluded is None and usable and not set(usable) & set(self._classifier.views):
            taken = " or ".join(view.value for view in self._classifier.views)
            excluded = Rejection(RejectionCode.NO_VIEW, f"found {', '.join(usable)}; these weights take {taken} alone")
        if excluded is None and not usable:
            excluded = rejections[0]
        return excluded

    def _network_input(self, image: AssessedImage) -> Pixels:
        return self._classifier.network_input(
            image.radiograph.pixels, image.detection, image.used, image.spine.mirrored
        )

    def _warnings(
        self, read: LoadedStudy, images: Sequence[AssessedImage], used: Set[View], covariates: Covariates
    ) -> list[str]:
        warnings = [*read.study.notes, *(f"an image was left out: {reason}" for _, reason in read.unread)]
        if self.config.shift_levels:
            warnings.append(f"a reader moved all levels by {self.config.shift_levels:+d}")
        for image in images:
            warnings += [f"{image.radiograph.path.name}: {note}" for note in image.radiograph.notes]
            if image.rejection is not None:
                if image.rejection.code is RejectionCode.ANOTHER_IMAGE:
                    warnings.append(f"an image was left out: {image.rejection.reason}")
                elif used:
                    warnings.append(f"a view was left out ({image.rejection.code}): {image.rejection.reason}")
                continue
            if self._drawn is None:
                warnings += warnings_of(image.detection, image.radiograph, image.quality.cobb, self.config.detection)
            warnings += [f"{image.view}: {level} is left out: {why.reason}" for level, why in image.left_out.items()]
        if any(image.radiograph.spacing_source is SpacingSource.NONE for image in images):
            warnings.append("no pixel spacing; heights are in pixels, and sizes cannot be checked")
        return warnings + (_input_warnings(used, covariates) if used else [])

    def _heat(
        self, usable: Mapping[View, AssessedImage], inputs: Mapping[View, Pixels], covariates: Covariates
    ) -> dict[View, Pixels]:
        """Where the classifier looked, on each radiograph, if that was asked for."""
        if self._explainer is None:
            return {}
        places = {
            view: CropPlaces(
                detection=image.detection,
                levels=image.used,
                mirrored=image.spine.mirrored,
                shape=(image.radiograph.pixels.shape[0], image.radiograph.pixels.shape[1]),
            )
            for view, image in usable.items()
        }
        return self._explainer.maps(inputs, places, covariates)

    def _subsets(self, inputs: dict[View, Pixels], covariates: Covariates) -> dict[str, dict[BmdClass, float]]:
        """Probabilities from the inputs of each of the paper's models that this study and these weights have."""
        given = set(inputs) & set(self._classifier.views)
        found = {}
        for model in SIX:
            if set(model.views) <= given and (not model.covariates or stored_covariates(covariates) != Covariates()):
                shown = {view: inputs[view] for view in model.views}
                known = covariates if model.covariates else Covariates()
                found[model.name] = self._classifier.classify(shown, known).probabilities
        return found

    def find(self, radiographs: Sequence[Radiograph]) -> list[FoundSpine]:
        """Spines of a study's images."""
        shift, refine = self.config.shift_levels, self.config.refine
        return find_spines(radiographs, self._detector, self._segmenter, shift, refine)

    def detect(self, radiographs: Sequence[Radiograph]) -> list[SpineDetection | None]:
        """Level-labelled boxes of a study's images, named together, then refined; None where no lumbar spine is."""
        return [spine.detection for spine in self.find(radiographs)]

    def anterior_left(self, radiograph: Radiograph, detection: SpineDetection) -> bool:
        """Whether the front of a lateral image with given boxes lies at the left."""
        if detection.view is View.AP:
            return True
        return front_at_left(radiograph, detection, segment_bodies(radiograph, detection, self._segmenter))

    def classify_boxes(
        self, radiographs: Mapping[View, Radiograph], detections: Mapping[View, SpineDetection], covariates: Covariates
    ) -> Classified:
        """Class of one study on given boxes, whoever drew them.

        Raises:
            StudyError: a view lacks one of L1 to L4.
        """
        inputs = {}
        for view, boxes in detections.items():
            mirrored = self._manual_spine(radiographs[view], boxes).mirrored
            inputs[view] = self._classifier.network_input(radiographs[view].pixels, boxes, mirrored=mirrored)
        return self._classifier.classify(inputs, covariates)


def _input_warnings(views: Set[View], covariates: Covariates) -> list[str]:
    """What is absent from the inputs, or outside the population of the weights."""
    warnings = [f"no {view.value} view; accuracy is lower with one view" for view in View if view not in views]
    for name in ("age_years", "sex", "bmi_kg_m2"):
        if getattr(covariates, name) is None:
            warnings.append(f"{name} is unknown; accuracy is lower without it")
    if covariates.age_years is not None and covariates.age_years < 50:
        warnings.append(f"age {covariates.age_years:.0f} is below 50 years, outside the population of the weights")
    return warnings
