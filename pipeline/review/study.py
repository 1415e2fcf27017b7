"""One study as the page shows it, without what names the patient unless that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePath

from cohort.spine import View
from osteolens.documents.text import visible
from osteolens.errors import ReadError
from pipeline.prediction import Prediction
from pipeline.review.images import ImageStore
from pipeline.review.worklist import Entry

SHORT = 4
"""Letters below which a name is looked for at the head of a message alone: `1` stands in many numbers."""


def without_names(prediction: Prediction, entry: Entry) -> Callable[[str], str]:
    """What takes names out of a text: file names and folders become the number of the image, the patient a pseudonym.

    Args:
        prediction: whose images the text may name.
        entry: of the worklist, with the pseudonym.
    """
    names: dict[str, str] = {}
    for number, image in enumerate(prediction.images, start=1):
        shown = f"image {number}" + (f" ({image.view or image.role})" if image.view or image.role else "")
        names[image.path] = shown
        names.setdefault(PurePath(image.path).name, shown)
    for patient in {prediction.patient_id, visible(entry.study.patient_id)}:
        if patient and patient != prediction.study_uid:
            names.setdefault(patient, entry.label)
    ordered = sorted(names.items(), key=lambda item: -len(item[0]))

    def replaced(text: str) -> str:
        for name, shown in ordered:
            short = len(name) < SHORT
            text = text.replace(f"{name}: ", f"{shown}: ") if short else text.replace(name, shown)
        return text

    return replaced


def prediction_document(prediction: Prediction, entry: Entry, show_names: bool) -> dict[str, object]:
    """A study's result as JSON.

    Args:
        prediction: the result.
        entry: of the worklist.
        show_names: whether names of the patient and of files stay.
    """
    document = prediction.as_json()
    if show_names:
        return document
    replaced = without_names(prediction, entry)
    kept = {name: document[name] for name in ("study_uid", "model", "status", "bmd_class")}
    texts = {name: value for name, value in document.items() if name not in kept}
    return {**_replaced(texts, replaced), **kept, "patient_id": entry.label}


def _replaced(document: Mapping[str, object], replaced: Callable[[str], str]) -> dict[str, object]:
    return {name: _value(value, replaced) for name, value in document.items()}


def _value(value: object, replaced: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return replaced(value)
    if isinstance(value, Mapping):
        return _replaced(value, replaced)
    return [_value(item, replaced) for item in value] if isinstance(value, list) else value


def view_documents(
    prediction: Prediction, entry: Entry, store: ImageStore, hidden: bool
) -> dict[str, dict[str, object]]:
    """Size, grey range and boxes of each view that has an image.

    Args:
        prediction: the result.
        entry: of the worklist.
        store: of images.
        hidden: whether predicted boxes are left out.
    """
    return {view.value: _view_document(prediction, entry, view, store, hidden) for view in entry.images}


def _view_document(
    prediction: Prediction, entry: Entry, view: View, store: ImageStore, hidden: bool
) -> dict[str, object]:
    result = None if hidden else prediction.views.get(view)
    boxes = () if result is None else result.detection.boxes
    document: dict[str, object] = {
        "rows": None,
        "columns": None,
        "pixel_spacing_mm": None,
        "low": 0,
        "high": 65_535,
        "boxes": [
            {
                "level": box.level,
                **{name: round(v, 1) for name, v in zip(("x0", "y0", "x1", "y1"), box.corners, strict=True)},
                "confidence": round(box.confidence, 3),
            }
            for box in boxes
        ],
        "outlines": None,
        "left_out": {} if result is None else {level: why.code for level, why in result.left_out.items()},
        "problem": None,
    }
    try:
        image = store.image(entry.images[view])
    except ReadError as error:
        shape = (None, None) if result is None else result.detection.image_shape
        return {**document, "rows": shape[0], "columns": shape[1], "problem": str(error)}
    spacing = image.pixel_spacing_mm
    return {
        **document,
        "rows": image.cells.shape[0],
        "columns": image.cells.shape[1],
        "pixel_spacing_mm": None if spacing is None else list(spacing),
        "low": image.low,
        "high": image.high,
    }
