"""Boxes of a view as DICOM presentation state: graphics and labels that a viewer lays over the stored image."""

from __future__ import annotations

import hashlib
import json

import numpy as np
from highdicom import PresentationLUTTransformation
from highdicom.color import CIELabColor
from highdicom.pr import GraphicAnnotation, GraphicLayer, GraphicObject, GrayscaleSoftcopyPresentationState, TextObject
from pydicom import Dataset

from cohort.spine import TARGET_LEVELS, View
from pipeline.appearance.colours import level_colour, rgb
from pipeline.dicom_objects.config import DicomConfig
from pipeline.dicom_objects.equipment import MANUFACTURER, MODEL, device_serial, software_version
from pipeline.dicom_objects.report_content import tracking_text
from pipeline.dicom_objects.source import SourceImage, SourceStudy
from pipeline.dicom_objects.uids import derived_uid
from pipeline.dicom_objects.words import RESEARCH_USE
from pipeline.prediction import Prediction

_NUMBERS = {View.AP: 1, View.LATERAL: 2}


def presentation_state(
    prediction: Prediction, source: SourceStudy, config: DicomConfig, view: View, image: SourceImage
) -> Dataset:
    """Graphics on one image; its grey scale window is left to the viewer.

    Args:
        prediction: the result.
        source: DICOM images that it comes from.
        config: root of identifiers and number of the series.
        view: whose boxes are drawn.
        image: on which they are drawn.
    """
    annotations, layers = _annotations(prediction, view, image, config.uid_root)
    described = [item.to_json_dict() for item in (*annotations, *layers)]
    said = [described, image.header.to_json_dict(), software_version(), config.series_number]
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    day, time = source.moment
    state = GrayscaleSoftcopyPresentationState(
        referenced_images=[image.header],
        series_instance_uid=derived_uid(config.uid_root, source.study_uid, "gsps"),
        series_number=config.series_number + 2,
        sop_instance_uid=derived_uid(config.uid_root, source.study_uid, "gsps", view, digest),
        instance_number=_NUMBERS[view],
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL,
        software_versions=software_version(),
        device_serial_number=device_serial(prediction.model),
        content_label=f"OSTEOLENS {view}"[:13],
        content_description=f"Boxes of OsteoLens, {RESEARCH_USE}",
        graphic_annotations=annotations,
        graphic_layers=layers,
        presentation_lut_transformation=PresentationLUTTransformation(
            presentation_lut_shape="INVERSE" if image.is_inverted else "IDENTITY"
        ),
        series_description=f"OsteoLens boxes, {RESEARCH_USE}",
        specific_character_set="ISO_IR 192",
    )
    state.PresentationCreationDate, state.PresentationCreationTime = day, time
    state.BodyPartExamined = "LSPINE"
    _keep_proportions(state, image)
    return state


def _annotations(
    prediction: Prediction, view: View, image: SourceImage, root: str
) -> tuple[list[GraphicAnnotation], list[GraphicLayer]]:
    """The class at the upper edge, and a layer of each level in its colour: box and label."""
    title = GraphicLayer("OSTEOLENS", order=1, description=f"OsteoLens, {RESEARCH_USE}")
    layers = [title]
    annotations = [GraphicAnnotation([image.header], title, text_objects=[_title(prediction, image)])]
    result = prediction.views[view]
    for level, box in result.boxes.items():
        if level not in TARGET_LEVELS:
            continue
        x0, y0, x1, y1 = image.placement.stored_corners(box.corners, image.shape)
        points = np.round([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)], 2)
        points = np.clip(points, 0, (image.shape[1], image.shape[0]))
        uid = derived_uid(root, "tracking", image.sop_instance_uid, level)
        identifier = tracking_text(view, level)
        graphic = GraphicObject("POLYLINE", points, "PIXEL", tracking_id=identifier, tracking_uid=uid)
        why = result.left_out.get(level)
        text = str(level) if why is None else f"{level} left out: {why.code}"
        corners = tuple(float(value) for value in (*points.min(0), *points.max(0)))
        label = _label(text, corners, image.shape)
        layer = GraphicLayer(
            f"OSTEOLENS {level}",
            order=len(layers) + 1,
            description=f"OsteoLens {level}, {RESEARCH_USE}",
            display_color=CIELabColor.from_rgb(*rgb(level_colour(level))),
        )
        layers.append(layer)
        annotations.append(GraphicAnnotation([image.header], layer, graphic_objects=[graphic], text_objects=[label]))
    return annotations, layers


def _label(text: str, corners: tuple[float, ...], shape: tuple[int, int]) -> TextObject:
    """A label at the right of a box, or at its left where the image ends."""
    x0, y0, x1, y1 = corners
    gap, wide, tall = 0.01 * shape[1], 0.25 * shape[1], 0.04 * shape[0]
    middle = (y0 + y1) / 2
    top, bottom = max(0.0, middle - tall / 2), min(float(shape[0]), middle + tall / 2)
    if x1 + gap + wide <= shape[1]:
        return TextObject(text, "PIXEL", (x1 + gap, top, x1 + gap + wide, bottom), text_justification="LEFT")
    return TextObject(
        text, "PIXEL", (max(0.0, x0 - gap - wide), top, max(1.0, x0 - gap), bottom), text_justification="RIGHT"
    )


def _title(prediction: Prediction, image: SourceImage) -> TextObject:
    said = "no class" if prediction.bmd_class is None else f"{prediction.bmd_class}"
    at = (image.shape[1] / 2, 0.03 * image.shape[0])
    return TextObject(f"OsteoLens: {said}; {RESEARCH_USE}", "PIXEL", anchor_point=at, anchor_point_visible=False)


def _keep_proportions(state: Dataset, image: SourceImage) -> None:
    """Pixels that are not square stay so (DICOM PS3.3 C.10.4)."""
    down, across = image.placement.factors
    if down != across:
        for area in state.DisplayedAreaSelectionSequence:
            area.PresentationPixelAspectRatio = [round(1000 * down / across), 1000]
