"""The class of a study on the boxes that a reader drew, and what models show of them; they are loaded once, beside the
server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from classify.classifier import Classified
from cohort.bmd import BmdClass
from cohort.spine import SpineDetection, VertebralLevel, View
from cohort.study import Radiograph
from detect.segmenter import SegmentedBody
from osteolens.atomic import make_folder
from osteolens.documents.json_document import write_json
from osteolens.errors import StudyError
from pipeline.bundle.explainer import load_explainer
from pipeline.prediction import ImageOutcome, ModelIdentifiers, Prediction, ViewResult
from pipeline.review.bodies import Corners, MeasuredView, measured_view, screened_bodies
from pipeline.review.heat import heat_png
from pipeline.review.readings.corrections import DrawnBox, DrawnStudy, DrawnView
from pipeline.screening.screener import Screener

if TYPE_CHECKING:
    from classify.network.explain import Explainer


@dataclass(frozen=True, slots=True, kw_only=True)
class Reclassified:
    """A study's result on corrected boxes.

    Attributes:
        classified: class probabilities, T-score, prediction set and decision.
        levels: those of L1-L4 that it comes from, by view.
        model: identifiers of the weights.
    """

    classified: Classified
    levels: Mapping[View, tuple[VertebralLevel, ...]]
    model: ModelIdentifiers

    def as_json(self) -> dict[str, object]:
        """As the page and the stored file hold it; figures as a prediction holds them."""
        result = self.classified
        return {
            "bmd_class": max(result.probabilities, key=lambda c: result.probabilities[c]),
            "probabilities": _probabilities(result.probabilities),
            "t_score": round(result.t_score, 2),
            "prediction_set": list(result.prediction_set),
            "decision": result.decision,
            "levels": {view: list(levels) for view, levels in self.levels.items()},
            "model": self.model.as_json(),
        }


class CorrectedClassifier:
    """Models that load in a thread of their own while the page opens."""

    def __init__(self, load: Callable[[], Screener]) -> None:
        """Begin to load.

        Args:
            load: makes the screener.
        """
        self._lock, self._explaining = threading.Lock(), threading.Lock()
        self._explainer: Explainer | None = None
        self._explained: tuple[object, dict[View, bytes]] | None = None
        self._screened: tuple[object, dict[View, dict[Corners, SegmentedBody]]] | None = None
        pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="models")
        self._screener = pool.submit(load)
        pool.shutdown(wait=False)

    def classify(
        self, prediction: Prediction, drawn: DrawnStudy, image_of: Callable[[View], Radiograph]
    ) -> Reclassified:
        """Class on the boxes of a reader; a view that he does not give stays as it was predicted and used.

        Args:
            prediction: the study's result.
            drawn: boxes by view.
            image_of: reads the image of a view.

        Raises:
            StudyError: no view has enough levels.
            ReadError: a box outside its image, or an image that cannot be read.
            WeightsError: weights that cannot be loaded.
        """
        screener = self._screener.result()
        predicted = predicted_views(prediction)
        views = {**predicted, **drawn.views}
        used = _used(views, screener.config.detection.min_levels)
        if prediction.model == screener.identifiers and _boxes(views) == _boxes(predicted):
            return Reclassified(classified=_as_stored(prediction), levels=used, model=screener.identifiers)
        radiographs, detections = _inputs(views, used, prediction.study_uid, image_of)
        with self._lock:
            classified = screener.classify_boxes(radiographs, detections, prediction.covariates, used)
        return Reclassified(classified=classified, levels=used, model=screener.identifiers)

    def explain(
        self, prediction: Prediction, drawn: DrawnStudy, image_of: Callable[[View], Radiograph]
    ) -> dict[View, bytes]:
        """Where the classifier looks on the boxes of a reader: a layer of each view, PNG; the last ones are kept.

        Args:
            prediction: the study's result.
            drawn: boxes by view.
            image_of: reads the image of a view.

        Raises:
            MissingExtra: the extra 'train' is not installed, which Grad-CAM needs.
            StudyError: no view has enough levels.
            ReadError: a box outside its image, or an image that cannot be read.
            WeightsError: weights that cannot be loaded.
        """
        screener = self._screener.result()
        views = {**predicted_views(prediction), **drawn.views}
        used = _used(views, screener.config.detection.min_levels)
        asked = (prediction.study_uid, _boxes(views))
        with self._explaining:
            if self._explained is None or self._explained[0] != asked:
                if self._explainer is None:
                    self._explainer = load_explainer(screener.bundle, "Grad-CAM on other boxes")
                crops, places = screener.inputs_on_boxes(*_inputs(views, used, prediction.study_uid, image_of), used)
                maps = self._explainer.maps(crops, places, prediction.covariates)
                self._explained = asked, {view: heat_png(heat) for view, heat in maps.items()}
            return self._explained[1]

    def measure(
        self, prediction: Prediction, drawn: DrawnStudy, image_of: Callable[[View], Radiograph]
    ) -> dict[View, MeasuredView]:
        """Outlines and heights of the bodies in a reader's boxes; those that he has not moved keep the screening's.

        Args:
            prediction: the study's result.
            drawn: boxes by view, and the spacing that the reader measured.
            image_of: reads the image of a view.

        Raises:
            StudyError: the weights have no segmenter.
            ReadError: a box outside its image, or an image that cannot be read.
            WeightsError: weights that cannot be loaded.
        """
        screener = self._screener.result()
        radiographs, detections = _inputs(drawn.views, drawn.views, prediction.study_uid, image_of)
        measured = {}
        with self._lock:
            screened = self._screened_bodies(prediction, radiographs)
            for view, detection in detections.items():
                own, radiograph = drawn.views[view].spacing_mm, radiographs[view]
                spacing = radiograph.pixel_spacing_mm or (None if own is None else (own, own))
                measured[view] = measured_view(screener, radiograph, detection, spacing, screened.get(view, {}))
        return measured

    def _screened_bodies(
        self, prediction: Prediction, radiographs: Mapping[View, Radiograph]
    ) -> dict[View, dict[Corners, SegmentedBody]]:
        """Bodies as these weights screened them; none where others did. Those of the last study are kept."""
        screener = self._screener.result()
        if prediction.model != screener.identifiers or screener.bundle.segmenter is None:
            return {}
        asked = (prediction.study_uid, frozenset(radiographs))
        if self._screened is None or self._screened[0] != asked:
            self._screened = asked, screened_bodies(screener, list(radiographs.values()))
        return self._screened[1]


def _used(views: Mapping[View, DrawnView], least: int) -> dict[View, tuple[VertebralLevel, ...]]:
    """Levels that are classified on, of the views that have enough of them.

    Raises:
        StudyError: no view has.
    """
    used = {view: views[view].used for view in View if view in views and len(views[view].used) >= least}
    if not used:
        raise StudyError(f"no view has {least} of L1 to L4 with a box that is not left out; draw them first")
    return used


def _inputs(
    views: Mapping[View, DrawnView], used: Iterable[View], study_uid: str, image_of: Callable[[View], Radiograph]
) -> tuple[dict[View, Radiograph], dict[View, SpineDetection]]:
    """Images and boxes of the views that are used."""
    radiographs = {view: image_of(view) for view in used}
    detections: dict[View, SpineDetection] = {}
    for view, radiograph in radiographs.items():
        rows, columns = radiograph.pixels.shape
        detections[view] = views[view].detection(view, (rows, columns), study_uid)
    return radiographs, detections


def _boxes(views: Mapping[View, DrawnView]) -> dict[View, tuple[object, ...]]:
    return {view: (drawn.used, drawn.in_order) for view, drawn in views.items() if drawn.used}


def _as_stored(prediction: Prediction) -> Classified:
    """The stored result, which unchanged boxes keep.

    Stored boxes are rounded to 0.1 pixels, and crops go to whole ones: classified anew on the six examples, a
    probability differs by up to 0.02.
    """
    assert prediction.t_score is not None and prediction.decision is not None
    return Classified(
        probabilities=prediction.probabilities,
        t_score=prediction.t_score,
        prediction_set=prediction.prediction_set,
        decision=prediction.decision,
    )


def predicted_views(prediction: Prediction) -> dict[View, DrawnView]:
    """Views that a study was classified on, with their boxes and levels as a reader would give them."""
    classified = {image.view for image in prediction.images if image.outcome is ImageOutcome.CLASSIFIED}
    return {view: drawn_view(result) for view, result in prediction.views.items() if view in classified}


def drawn_view(result: ViewResult) -> DrawnView:
    """The detector's boxes of a view as a reader would give them."""
    boxes = [DrawnBox(level=b.level, x0=b.x0, y0=b.y0, x1=b.x1, y1=b.y1) for b in result.detection.boxes]
    reasons = {level: why.reason.strip()[:200] or why.code.value for level, why in result.left_out.items()}
    return DrawnView(boxes=boxes, left_out=reasons)


def store_beside(folder: Path, prediction: Prediction, drawn: DrawnStudy, result: Reclassified) -> None:
    """Write the result on corrected boxes with the one that was predicted, whole or not at all.

    Args:
        folder: of one reader.
        prediction: the study's result.
        drawn: boxes that it was classified on again.
        result: on these boxes.

    Raises:
        OutputError: it cannot be written.
    """
    make_folder(folder)
    document = {
        "format": 1,
        "study_uid": prediction.study_uid,
        "predicted": {
            "bmd_class": prediction.bmd_class,
            "probabilities": _probabilities(prediction.probabilities) if prediction.probabilities else None,
            "t_score": prediction.t_score,
            "prediction_set": list(prediction.prediction_set),
            "decision": prediction.decision,
            "model": prediction.model.as_json(),
        },
        "corrected": result.as_json(),
        "views": drawn.model_dump(mode="json")["views"],
        "note": "estimated on boxes of a reader; research use, not a medical device",
    }
    write_json(folder / f"{prediction.study_uid}.json", document)


def _probabilities(by_class: Mapping[BmdClass, float]) -> dict[str, float]:
    return {c.value: round(by_class[c], 4) for c in BmdClass}
