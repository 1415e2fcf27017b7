"""What a reader says of a study as DICOM SR: observer is the person beside the software.

Source: DICOM PS3.16 TID 1500 (measurement report), TID 1003 (person observer), TID 1410 (planar ROI).
"""

from __future__ import annotations

from highdicom.sr import (
    FindingSite,
    MeasurementsAndQualitativeEvaluations,
    ObserverContext,
    PersonObserverIdentifyingAttributes,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    SourceImageForMeasurementGroup,
    TrackingIdentifier,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes as standard

from cohort.spine import TARGET_LEVELS, VertebraBox, View
from osteolens.errors import StudyError
from pipeline.dicom_objects import codes
from pipeline.dicom_objects.config import DicomConfig
from pipeline.dicom_objects.equipment import model_parameters, software_version
from pipeline.dicom_objects.reader.findings import ReaderFindings
from pipeline.dicom_objects.report_content import (
    algorithm,
    box_region,
    comment,
    device_observer,
    estimates,
    report_of,
    tracking_text,
)
from pipeline.dicom_objects.source import SourceImage, SourceStudy
from pipeline.dicom_objects.structured_report import Content, report_object
from pipeline.dicom_objects.uids import derived_uid
from pipeline.dicom_objects.words import RESEARCH_USE
from pipeline.prediction import Prediction


def reader_report(
    findings: ReaderFindings,
    prediction: Prediction,
    source: SourceStudy,
    config: DicomConfig,
    automatic: Dataset | None = None,
    earlier: Dataset | None = None,
) -> Dataset:
    """The report of a reader; the earlier one itself where it says the same.

    It replaces the reader's earlier report and, where the reader saw the result, the automatic one.

    Args:
        findings: what the reader says.
        prediction: the result that was read.
        source: DICOM images, with the views that boxes lie on.
        config: root of identifiers and number of the series.
        automatic: the report of the result, or None.
        earlier: the reader's last report, or None.

    Raises:
        StudyError: boxes of a view that has no DICOM image.
    """
    if missing := [view for view in findings.boxes if view not in source.by_view]:
        why = "; ".join(source.left_out) or "its images are not DICOM"
        raise StudyError(
            f"the {' and the '.join(missing)} image cannot be referenced, and a report has all boxes: {why}"
        )
    corrects = () if automatic is None or findings.hidden_predictions else (automatic,)
    root = config.uid_root
    model = findings.model or prediction.model
    person = ObserverContext(
        observer_type=standard.DCM.Person,
        observer_identifying_attributes=PersonObserverIdentifyingAttributes(name=findings.reader),
    )
    groups = [
        _vertebra(findings, view, box, source.by_view[view], root)
        for view, boxes in findings.boxes.items()
        for box in boxes
        if box.level in codes.LEVELS
    ]
    study = _study(findings, prediction, source, root, corrects)
    local = findings.read_at.astimezone()
    moment = local.strftime("%Y%m%d"), local.strftime("%H%M%S.%f")
    content = Content(
        tree=report_of([*groups, study], source, device_observer(model, root), person),
        kind=("sr", "reader", findings.name),
        description=f"OsteoLens reading, {RESEARCH_USE}: {findings.name}"[:64],
        is_complete=findings.not_evaluable is None,
        moment=moment,
        step=3,
        corrects=corrects,
        identity=(*moment, *(str(report.SOPInstanceUID) for report in corrects)),
    )
    return report_object(content, source, config, model, earlier)


def _vertebra(
    findings: ReaderFindings, view: View, box: VertebraBox, image: SourceImage, root: str
) -> PlanarROIMeasurementsAndQualitativeEvaluations:
    """A group for one box; the software found it only where the reader left it as it was."""
    level, why = box.level, findings.left_out.get(view, {}).get(box.level)
    kept = level in findings.as_predicted.get(view, ())
    group = PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=derived_uid(root, "tracking", image.sop_instance_uid, level, findings.name),
            identifier=tracking_text(view, level),
        ),
        referenced_region=box_region(box, image),
        finding_type=codes.LEVELS[level],
        finding_sites=[FindingSite(codes.LEVELS[level])],
        algorithm_id=algorithm() if kept else None,
        qualitative_evaluations=[QualitativeEvaluation(codes.LEVEL_USE, codes.USED if why is None else codes.LEFT_OUT)],
    )
    by = "found by OsteoLens and kept by" if kept else "drawn by"
    words = f"{tracking_text(view, level)} {by} {findings.name}"
    group[0].ContentSequence.append(comment(words if why is None else f"{words}, left out ({why})"))
    return group


def _study(
    findings: ReaderFindings,
    prediction: Prediction,
    source: SourceStudy,
    root: str,
    corrects: tuple[Dataset, ...],
) -> MeasurementsAndQualitativeEvaluations:
    """The group of the study: class on the reader's boxes, grades of fractures, or why it cannot be evaluated."""
    result = None if findings.corrected is None else findings.corrected[0]
    quality = codes.QUALITY_MET if findings.not_evaluable is None else codes.QUALITY_NOT_MET
    shown = codes.HIDDEN if findings.hidden_predictions else codes.SHOWN
    evaluations = [
        QualitativeEvaluation(codes.IMAGE_QUALITY, quality),
        QualitativeEvaluation(codes.PREDICTIONS, shown),
        QualitativeEvaluation(codes.ROUND, codes.ROUNDS[findings.round]),
    ]
    if result is not None:
        evaluations.append(QualitativeEvaluation(codes.DECISION, codes.DECISIONS[result.decision]))
    for level in TARGET_LEVELS:
        if (grade := findings.fracture_grades.get(level)) is not None:
            evaluations.append(QualitativeEvaluation(codes.FRACTURE_GRADES[level], codes.GRADES[grade]))
    finding = codes.NO_CLASS if findings.not_evaluable is None else codes.NOT_EVALUABLE
    if result is not None:
        finding = codes.CLASSES[max(result.probabilities, key=lambda c: result.probabilities[c])]
    model = findings.model
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=derived_uid(root, "tracking", source.study_uid, "study", findings.name),
            identifier=f"OsteoLens, whole study, {findings.name}",
        ),
        finding_type=finding,
        finding_sites=[FindingSite(codes.LUMBAR_SPINE)],
        algorithm_id=None if model is None else algorithm(model_parameters(model)),
        measurements=(None if result is None else estimates(result.probabilities, result.t_score)) or None,
        qualitative_evaluations=evaluations,
        source_images=[
            SourceImageForMeasurementGroup(str(image.header.SOPClassUID), image.sop_instance_uid)
            for image in source.images
        ],
    )
    group[0].ContentSequence.append(comment("\n".join(_lines(findings, prediction, corrects))))
    return group


def _lines(findings: ReaderFindings, prediction: Prediction, corrects: tuple[Dataset, ...]) -> list[str]:
    """The same in words, a line each."""
    shown = "hidden" if findings.hidden_predictions else "shown"
    read_at = findings.read_at.isoformat(timespec="seconds")
    lines = [f"read by {findings.reader}, round {findings.round}, {read_at}; predictions were {shown}"]
    if findings.not_evaluable is not None:
        lines.append(f"not evaluable: {findings.not_evaluable}")
    if findings.corrected is not None:
        result = findings.corrected[0]
        by_class = ", ".join(f"{c} {p:.2f}" for c, p in result.probabilities.items())
        lines.append(f"on the reader's boxes: {by_class}; T-score of L1-L4, estimated: {result.t_score:.1f}")
    elif findings.no_class:
        lines.append(f"no class on the reader's boxes: {findings.no_class}")
    for view, reasons in findings.left_out.items():
        lines += [f"{view} {level} left out: {reason}" for level, reason in reasons.items()]
    further = [f"{view} {b.level}" for view, bs in findings.boxes.items() for b in bs if b.level not in codes.LEVELS]
    if further:
        lines.append(f"boxes that this report does not hold: {', '.join(further)}")
    if not findings.hidden_predictions:
        before = prediction.bmd_class or f"no class ({prediction.status})"
        lines.append(f"OsteoLens before: {before}, weights {prediction.model.version}, boxes of the detector")
        uid = f"replaces report {corrects[0].SOPInstanceUID}" if corrects else "no report of it was replaced"
        lines.append(uid)
    return [*lines, f"OsteoLens {software_version()}: {RESEARCH_USE}, not a medical device; the name is as typed"]
