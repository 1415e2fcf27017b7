"""What a report says: observers, images, a planar ROI of each vertebra and view, and one group of the study.

Source: DICOM PS3.16 TID 1500 (measurement report), TID 1410 (planar ROI), TID 1501 (measurement group), TID 300
(measurement), TID 4019 (algorithm).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    CodeContentItem,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    GraphicTypeValues,
    ImageRegion,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    SourceImageForRegion,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.sr.codedict import codes as standard

from cohort.bmd import BmdClass
from cohort.spine import VertebraBox, VertebralLevel, View
from pipeline.dicom_objects import codes
from pipeline.dicom_objects.equipment import MANUFACTURER, MODEL, device_serial, model_parameters, software_version
from pipeline.dicom_objects.source import SourceImage, SourceStudy
from pipeline.dicom_objects.uids import derived_uid
from pipeline.dicom_objects.words import RESEARCH_USE, result_lines
from pipeline.prediction import ModelIdentifiers, Prediction, Status, ViewResult

DECIMALS = 2
"""Of coordinates in pixels."""


def report_content(prediction: Prediction, source: SourceStudy, root: str) -> MeasurementReport:
    """The content tree of a result.

    Args:
        prediction: the result.
        source: DICOM images that it comes from.
        root: of identifiers.
    """
    groups = [
        group
        for view, image in source.by_view.items()
        for group in _vertebrae(view, prediction.views[view], image, root)
    ]
    return report_of([*groups, _study(prediction, source, root)], source, device_observer(prediction.model, root))


def report_of(
    groups: Sequence[PlanarROIMeasurementsAndQualitativeEvaluations | MeasurementsAndQualitativeEvaluations],
    source: SourceStudy,
    device: ObserverContext,
    person: ObserverContext | None = None,
) -> MeasurementReport:
    """A report of measurement groups, with the images that it can describe."""
    library = [image.header for image in source.images if image.can_be_listed]
    return MeasurementReport(
        observation_context=ObservationContext(observer_person_context=person, observer_device_context=device),
        procedure_reported=codes.PROCEDURE,
        imaging_measurements=list(groups),
        title=codes.TITLE,
        referenced_images=library or None,
    )


def device_observer(model: ModelIdentifiers, root: str) -> ObserverContext:
    """The software with its weights as an observer (TID 1004)."""
    device = DeviceObserverIdentifyingAttributes(
        uid=derived_uid(root, "device", software_version(), *model_parameters(model)),
        name=MANUFACTURER,
        manufacturer_name=MANUFACTURER,
        model_name=MODEL,
        serial_number=device_serial(model),
    )
    return ObserverContext(observer_type=standard.DCM.Device, observer_identifying_attributes=device)


def tracking_text(view: View, level: VertebralLevel) -> str:
    """What people know a vertebra's ROI by."""
    return f"{level} {codes.VIEWS[view]}"


def algorithm(parameters: list[str] | None = None) -> AlgorithmIdentification:
    """The software that found something (TID 4019)."""
    return AlgorithmIdentification(
        name=MODEL, version=software_version(), parameters=parameters, manufacturer=MANUFACTURER
    )


def comment(text: str) -> TextContentItem:
    """Words in a group."""
    return TextContentItem(name=codes.COMMENT, value=text, relationship_type=RelationshipTypeValues.CONTAINS)


def box_region(box: VertebraBox, image: SourceImage) -> ImageRegion:
    """A box as a closed polyline in perimeter order, in stored pixels."""
    x0, y0, x1, y1 = image.placement.stored_corners(box.corners, image.shape)
    return ImageRegion(
        graphic_type=GraphicTypeValues.POLYLINE,
        graphic_data=np.round([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)], DECIMALS),
        source_image=SourceImageForRegion(str(image.header.SOPClassUID), image.sop_instance_uid),
    )


def _vertebrae(
    view: View, result: ViewResult, image: SourceImage, root: str
) -> list[PlanarROIMeasurementsAndQualitativeEvaluations]:
    """A group for each of L1 to L4 that has a box.

    The group holds no number: OHIF takes the first number of a group for the one that its region belongs to.
    """
    groups = []
    for level, box in result.boxes.items():
        if level not in codes.LEVELS:
            continue
        why = result.left_out.get(level)
        group = PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=TrackingIdentifier(
                uid=derived_uid(root, "tracking", image.sop_instance_uid, level), identifier=tracking_text(view, level)
            ),
            referenced_region=box_region(box, image),
            finding_type=codes.LEVELS[level],
            finding_sites=[FindingSite(codes.LEVELS[level])],
            algorithm_id=algorithm(),
            qualitative_evaluations=[
                QualitativeEvaluation(codes.LEVEL_USE, codes.USED if why is None else codes.LEFT_OUT)
            ],
        )
        text = f"{box.confidence:.2f}" if why is None else f"left out ({why.code}: {why.reason})"
        group[0].ContentSequence.append(comment(f"{tracking_text(view, level)} {text}, {RESEARCH_USE}"))
        groups.append(group)
    return groups


def estimates(probabilities: Mapping[BmdClass, float], t_score: float | None) -> list[Measurement]:
    """Probabilities, each with the class that it is of as its modifier, and the T-score estimate."""
    measurements = []
    for bmd_class, probability in probabilities.items():
        measurement = Measurement(
            name=codes.PROBABILITY, value=round(probability, 4), unit=codes.NO_UNITS, method=codes.ESTIMATED
        )
        modifier = CodeContentItem(
            name=codes.FINDING,
            value=codes.CLASSES[bmd_class],
            relationship_type=RelationshipTypeValues.HAS_CONCEPT_MOD,
        )
        measurement[0].ContentSequence.append(modifier)
        measurements.append(measurement)
    if t_score is not None:
        measurements.append(
            Measurement(
                name=codes.T_SCORE,
                value=round(t_score, 2),
                unit=codes.NO_UNITS,
                method=codes.ESTIMATED,
                finding_sites=[FindingSite(codes.LUMBAR_SPINE)],
            )
        )
    return measurements


def _study(prediction: Prediction, source: SourceStudy, root: str) -> MeasurementsAndQualitativeEvaluations:
    """The group of the study, with the hashes of the weights: class, probabilities, T-score estimate, decision and
    quality, or why there is no class.
    """
    screened = prediction.status is Status.SCREENED
    quality = codes.QUALITY_MET if screened else codes.QUALITY_NOT_MET
    evaluations = [QualitativeEvaluation(codes.IMAGE_QUALITY, quality)]
    if prediction.decision is not None:
        evaluations.append(QualitativeEvaluation(codes.DECISION, codes.DECISIONS[prediction.decision]))
    none = codes.REJECTED if prediction.status is Status.REJECTED else codes.FAILED
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=derived_uid(root, "tracking", source.study_uid, "study"), identifier="OsteoLens, whole study"
        ),
        finding_type=none if prediction.bmd_class is None else codes.CLASSES[prediction.bmd_class],
        finding_sites=[FindingSite(codes.LUMBAR_SPINE)],
        algorithm_id=algorithm(model_parameters(prediction.model)),
        measurements=estimates(prediction.probabilities, prediction.t_score) or None,
        qualitative_evaluations=evaluations,
        source_images=[
            SourceImageForMeasurementGroup(str(image.header.SOPClassUID), image.sop_instance_uid)
            for image in source.images
        ],
    )
    group[0].ContentSequence.append(comment("\n".join(result_lines(prediction))))
    return group
