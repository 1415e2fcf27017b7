"""The class of a study on the boxes that a reader drew; models are loaded once, beside the server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from classify.classifier import Classified
from cohort.bmd import BmdClass
from cohort.spine import SpineDetection, VertebralLevel, View
from cohort.study import Radiograph
from osteolens.atomic import make_folder
from osteolens.documents.json_document import write_json
from osteolens.errors import StudyError
from pipeline.prediction import ImageOutcome, ModelIdentifiers, Prediction, ViewResult
from pipeline.review.readings.corrections import DrawnBox, DrawnStudy, DrawnView
from pipeline.screening.screener import Screener


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
        self._lock = threading.Lock()
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
        least = screener.config.detection.min_levels
        used = {view: views[view].used for view in View if view in views and len(views[view].used) >= least}
        if not used:
            raise StudyError(f"no view has {least} of L1 to L4 with a box that is not left out; draw them first")
        if prediction.model == screener.identifiers and _boxes(views) == _boxes(predicted):
            return Reclassified(classified=_as_stored(prediction), levels=used, model=screener.identifiers)
        radiographs = {view: image_of(view) for view in used}
        detections: dict[View, SpineDetection] = {}
        for view, radiograph in radiographs.items():
            rows, columns = radiograph.pixels.shape
            detections[view] = views[view].detection(view, (rows, columns), prediction.study_uid)
        with self._lock:
            classified = screener.classify_boxes(radiographs, detections, prediction.covariates, used)
        return Reclassified(classified=classified, levels=used, model=screener.identifiers)


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
