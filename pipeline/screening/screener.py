"""One study through the models: detect, check, crop, classify."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classify.classifier import BmdClassifier, Classified
from classify.covariates import implausible
from classify.crop import CropPlaces
from classify.inputs import SIX
from cohort.covariates import Covariates
from cohort.rejection_codes import WHOLE_STUDY, RejectionCode
from cohort.spine import TARGET_LEVELS, SpineDetection, VertebralLevel, View
from cohort.study import Radiograph
from detect.detector import VertebraDetector
from detect.segmenter import BodySegmenter, Points
from osteolens.inference.fastest import openers
from pipeline.bundle.explainer import load_explainer
from pipeline.bundle.load import Bundle, check_precision, load_bundle
from pipeline.prediction import ModelIdentifiers, Prediction, Rejection, stored_covariates
from pipeline.screening.assessment import AssessedView, assess, assess_manual, image_records, views_of
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.manual_rois import ManualRois
from pipeline.screening.output.overlay import overlay_png
from pipeline.screening.radiograph_reader import LoadedStudy
from pipeline.screening.spines import DetectedSpine, find_spines, front_at_left, is_mirrored, segment_bodies
from pipeline.screening.study_input import Source, given_covariates, load_study
from pipeline.screening.warnings import distance_warnings, study_warnings

Pixels = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreeningOutput:
    """A prediction and what pictures of it are drawn from.

    Attributes:
        prediction: the result.
        pixels: of each view that counts, (rows, columns) in [0, 1].
        outlines: of the bodies in each view, (n, 2) in pixels of the image.
        heat: where the classifier looked in each view, (rows, columns) in [0, 1], if asked for.
    """

    prediction: Prediction
    pixels: dict[View, Pixels]
    outlines: dict[View, dict[VertebralLevel, Points]] = field(default_factory=dict)
    heat: dict[View, Pixels] = field(default_factory=dict)


def identifiers(bundle: Bundle, config: ScreeningConfig, manual_rois: ManualRois | None = None) -> ModelIdentifiers:
    """Sources of a result: version and hashes of the weights, digests of the settings and of manual ROIs."""
    rois = manual_rois.digest if manual_rois else None
    return ModelIdentifiers(version=bundle.version, settings=config.digest(), hashes=bundle.hashes, rois=rois)


class Screener:
    """All models, loaded once for any number of studies."""

    def __init__(
        self,
        bundle: Bundle | Path | str | None = None,
        config: ScreeningConfig | None = None,
        manual_rois: ManualRois | None = None,
        root: Path | None = None,
    ) -> None:
        """Load the models.

        Args:
            bundle: checked weights, or a folder of them; the shipped ones when left out.
            config: settings.
            manual_rois: boxes to classify on in place of the detector's.
            root: folder that paths of images are told from.

        Raises:
            WeightsError: weights that are missing, altered or of another version, or not tried in this precision.
        """
        if not isinstance(bundle, Bundle):
            bundle = load_bundle(None if bundle is None else Path(bundle))
        self.config = config or ScreeningConfig()
        self.root = root
        self._manual_rois = manual_rois
        check_precision(bundle, self.config.inference.precision)
        load = openers(self.config.inference, bundle.networks, self.config.threads)
        self._detector = VertebraDetector(bundle.detector, self.config.detection, load["detector"])
        self._classifier = BmdClassifier(bundle.classifier, bundle.preprocess, bundle.calibration, load["classifier"])
        self._segmenter = None if bundle.segmenter is None else BodySegmenter(bundle.segmenter, load["segmenter"])
        self.bundle = bundle
        self._explainer = load_explainer(bundle, "process --explain") if self.config.explain else None
        self.identifiers = identifiers(bundle, self.config, manual_rois)

    def screen(
        self,
        source: Source,
        *,
        age_years: float | None = None,
        sex: str | None = None,
        bmi_kg_m2: float | None = None,
        height_cm: float | None = None,
        weight_kg: float | None = None,
    ) -> Prediction:
        """Screen one study.

        Args:
            source: a folder or a file of one study, a `Study`, radiographs, or arrays (rows, columns) of grey values,
                bright = dense bone: one, several, or by view (`AP`, `LATERAL`).
            age_years: overrides what headers and tables say, as do all of these.
            sex: F or M.
            bmi_kg_m2: body mass index.
            height_cm: body height.
            weight_kg: body weight.

        Returns:
            the result; in a notebook it shows its pictures.

        Raises:
            ConfigError: another kind of source, an unknown view, or a covariate that is none.
            ReadError: no such file, or no radiograph.
            StudyError: no study, several, or one without a readable image.
        """
        given = given_covariates(age_years, sex, bmi_kg_m2, height_cm, weight_kg)
        output = self.screen_loaded(load_study(source, given))
        pictures = {
            view: overlay_png(output.prediction, view, pixels, self.config.overlay_px, output.outlines[view])
            for view, pixels in output.pixels.items()
        }
        return replace(output.prediction, overlays=pictures)

    def screen_loaded(self, loaded: LoadedStudy) -> ScreeningOutput:
        """Classify one study from every view and level that is fit for it; reject it when too little is.

        Raises:
            StudyError: none of its images could be read.
        """
        loaded.check()
        covariates = loaded.study.covariates
        images = self._assess(loaded)
        views = views_of(images)
        usable = {view: image for view, image in views.items() if image.rejection is None}
        rejection = self._rejection(images, usable, covariates)
        crops = {} if rejection else {view: self._crops(image) for view, image in usable.items()}
        prediction = self._unclassified(loaded, images, crops, rejection)
        heat: dict[View, Pixels] = {}
        if crops:
            prediction = self._classified(prediction, crops, covariates)
            heat = self._heat(usable, crops, covariates)
        return ScreeningOutput(
            prediction=prediction,
            pixels={view: image.radiograph.pixels for view, image in views.items()},
            outlines={view: image.spine.outlines for view, image in views.items()},
            heat=heat,
        )

    def _unclassified(
        self,
        loaded: LoadedStudy,
        images: Sequence[AssessedView],
        crops: Mapping[View, Pixels],
        rejection: Rejection | None,
    ) -> Prediction:
        """The result of a study without its class: what was found, and why it is rejected, if so."""
        automatic = self._manual_rois is None
        return Prediction(
            study_uid=loaded.study.study_uid,
            patient_id=loaded.study.patient_id,
            model=self.identifiers,
            covariates=stored_covariates(loaded.study.covariates),
            views={view: image.as_view() for view, image in views_of(images).items()},
            images=image_records(loaded, images, bool(crops), self.root),
            warnings=study_warnings(loaded, images, set(crops), self.config, automatic),
            rejection=rejection,
            study_date=loaded.study.study_date,
            system=loaded.study.system,
        )

    def _classified(self, prediction: Prediction, crops: dict[View, Pixels], covariates: Covariates) -> Prediction:
        """The same result with the class that its crops give."""
        classified = self._classifier.classify(crops, covariates)
        parts = self._ablation(crops, covariates) if self.config.input_ablation else {}
        return replace(
            prediction,
            bmd_class=max(classified.probabilities, key=lambda c: classified.probabilities[c]),
            probabilities=classified.probabilities,
            t_score=classified.t_score,
            prediction_set=classified.prediction_set,
            decision=classified.decision,
            input_ablation={name: part.probabilities for name, part in parts.items()},
            input_t_scores={name: part.t_score for name, part in parts.items()},
            feature_distances=classified.feature_distances,
            warnings=(*prediction.warnings, *distance_warnings(classified.feature_distances)),
        )

    def assess(self, radiographs: Sequence[Radiograph]) -> list[AssessedView]:
        """Detected spines of a study's images, and the result of quality control."""
        return assess(radiographs, self.find(radiographs), self.config.detection, self.config.min_confidence)

    def _assess(self, loaded: LoadedStudy) -> list[AssessedView]:
        if self._manual_rois is None:
            return self.assess(loaded.radiographs)
        manual = self._manual_rois.detections(loaded.study.study_uid, loaded.radiographs)
        spines = [self.spine_on_boxes(r, d) for r, d in zip(loaded.radiographs, manual, strict=True)]
        return assess_manual(loaded.radiographs, spines, self.config.detection)

    def spine_on_boxes(self, radiograph: Radiograph, detection: SpineDetection | None) -> DetectedSpine:
        """Given boxes; the segmenter tells their outlines and facing, and whether the image is inverted."""
        if detection is None:
            return DetectedSpine(detection=None)
        bodies = segment_bodies(radiograph, detection, self._segmenter)
        facing = detection.view is View.AP or front_at_left(radiograph, detection, bodies)
        mirrored = is_mirrored(radiograph, detection.view, facing)
        return DetectedSpine(detection=detection, bodies=bodies, anterior_left=facing, mirrored=mirrored)

    def _rejection(
        self, images: Sequence[AssessedView], usable: Mapping[View, AssessedView], covariates: Covariates
    ) -> Rejection | None:
        """Why the whole study gets no class, or None."""
        another = RejectionCode.ANOTHER_IMAGE
        rejections = [r for image in images if (r := image.rejection) is not None and r.code is not another]
        if (of_study := next((r for r in rejections if r.code in WHOLE_STUDY), None)) is not None:
            return of_study
        if (wrong := implausible(covariates)) is not None:
            return Rejection(RejectionCode.COVARIATES, wrong)
        if not usable:
            return rejections[0]
        if not set(usable) & set(self._classifier.views):
            taken = " or ".join(view.value for view in self._classifier.views)
            return Rejection(RejectionCode.NO_VIEW, f"found {', '.join(usable)}; these weights take {taken} alone")
        return None

    def _crops(self, image: AssessedView) -> Pixels:
        pixels, mirrored = image.radiograph.pixels, image.spine.mirrored
        return self._classifier.network_input(pixels, image.detection, image.used, mirrored)

    def _heat(
        self, usable: Mapping[View, AssessedView], crops: Mapping[View, Pixels], covariates: Covariates
    ) -> dict[View, Pixels]:
        """Grad-CAM heat on each radiograph, if it is asked for."""
        if self._explainer is None:
            return {}
        return self._explainer.maps(crops, {view: image.crop_places for view, image in usable.items()}, covariates)

    def _ablation(self, crops: Mapping[View, Pixels], covariates: Covariates) -> dict[str, Classified]:
        """Results from the inputs of each of the paper's models that this study and these weights have."""
        given = set(crops) & set(self._classifier.views)
        unknown = stored_covariates(covariates) == Covariates()
        parts = {}
        for model in SIX:
            if set(model.views) <= given and not (model.covariates and unknown):
                shown = {view: crops[view] for view in model.views}
                joined = covariates if model.covariates else Covariates()
                parts[model.name] = self._classifier.classify(shown, joined)
        return parts

    def find(self, radiographs: Sequence[Radiograph]) -> list[DetectedSpine]:
        """Spines of a study's images."""
        return find_spines(radiographs, self._detector, self._segmenter, self.config.shift_levels, self.config.refine)

    def detect(self, radiographs: Sequence[Radiograph]) -> list[SpineDetection | None]:
        """Level-labelled boxes of a study's images, labelled together, then refined; None where no lumbar spine is."""
        return [spine.detection for spine in self.find(radiographs)]

    def classify_boxes(
        self,
        radiographs: Mapping[View, Radiograph],
        detections: Mapping[View, SpineDetection],
        covariates: Covariates,
        levels: Mapping[View, Sequence[VertebralLevel]] | None = None,
    ) -> Classified:
        """Class of one study on given boxes, manual or detected; from some levels of each view, else from L1 to L4.

        Raises:
            StudyError: a view lacks one of these levels.
        """
        used = dict.fromkeys(detections, TARGET_LEVELS) if levels is None else levels
        crops, _ = self.inputs_on_boxes(radiographs, detections, used)
        return self._classifier.classify(crops, covariates)

    def inputs_on_boxes(
        self,
        radiographs: Mapping[View, Radiograph],
        detections: Mapping[View, SpineDetection],
        levels: Mapping[View, Sequence[VertebralLevel]],
    ) -> tuple[dict[View, Pixels], dict[View, CropPlaces]]:
        """What the classifier gets of given boxes, and where it lies.

        Raises:
            StudyError: a view lacks one of these levels.
        """
        crops, places = {}, {}
        for view, boxes in detections.items():
            pixels, used = radiographs[view].pixels, tuple(levels[view])
            mirrored = self.spine_on_boxes(radiographs[view], boxes).mirrored
            crops[view] = self._classifier.network_input(pixels, boxes, used, mirrored)
            shape = (pixels.shape[0], pixels.shape[1])
            places[view] = CropPlaces(detection=boxes, levels=used, mirrored=mirrored, shape=shape)
        return crops, places
