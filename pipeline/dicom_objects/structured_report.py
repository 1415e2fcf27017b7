"""A result as DICOM SR: a preliminary, unverified report that says what it replaces."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import ComprehensiveSR, MeasurementReport
from pydicom import Dataset

from pipeline.dicom_objects.codes import PRIVATE_SCHEME
from pipeline.dicom_objects.config import DicomConfig
from pipeline.dicom_objects.equipment import MANUFACTURER, MODEL, device_serial, software_version
from pipeline.dicom_objects.report_content import report_content
from pipeline.dicom_objects.source import SourceStudy
from pipeline.dicom_objects.uids import derived_uid
from pipeline.dicom_objects.words import RESEARCH_USE
from pipeline.prediction import ModelIdentifiers, Prediction, Status


def structured_report(
    prediction: Prediction, source: SourceStudy, config: DicomConfig, earlier: Dataset | None = None
) -> Dataset:
    """The report of a result; the earlier one itself where it says the same.

    Args:
        prediction: the result.
        source: DICOM images that it comes from.
        config: root of identifiers and number of the series.
        earlier: the study's last report, or None.
    """
    return report_object(
        Content(
            tree=report_content(prediction, source, config.uid_root),
            kind=("sr",),
            description=f"OsteoLens report, {RESEARCH_USE}",
            is_complete=prediction.status is Status.SCREENED,
            moment=source.moment,
        ),
        source,
        config,
        prediction.model,
        earlier,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What makes a report one of its kind.

    Attributes:
        tree: of its content.
        kind: words that its series is known by.
        description: of its series.
        is_complete: whether it says all that a report of its kind can.
        moment: day and time of the content, as DICOM writes them.
        step: from the number of the series of settings to that of its series.
        corrects: reports of others that it replaces.
        identity: what its identifier follows from beside what it says.
    """

    tree: MeasurementReport
    kind: tuple[str, ...]
    description: str
    is_complete: bool
    moment: tuple[str, str]
    step: int = 0
    corrects: tuple[Dataset, ...] = ()
    identity: tuple[str, ...] = ()


def report_object(
    content: Content, source: SourceStudy, config: DicomConfig, model: ModelIdentifiers, earlier: Dataset | None
) -> Dataset:
    """A preliminary, unverified report; the earlier one itself where it says the same.

    Its identifier follows from its content, from patient and images, and from the report that it replaces.

    Args:
        content: what it says.
        source: DICOM images that it is of.
        config: root of identifiers and number of the series.
        model: weights of the result.
        earlier: the last report of the same kind, or None.
    """
    root, number = config.uid_root, config.series_number + content.step
    series_uid = derived_uid(root, source.study_uid, *content.kind)
    if earlier is not None and str(earlier.get("SeriesInstanceUID")) != series_uid:
        earlier = None
    headers = [image.header.to_json_dict() for image in source.images]
    said = [content.tree[0].to_json_dict(), *headers, number, *content.identity]
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    if earlier is not None:
        before = derived_uid(root, source.study_uid, *content.kind, digest, _replaced_by(earlier))
        if before == earlier.SOPInstanceUID:
            return earlier
    replaced = [*([] if earlier is None else [earlier]), *content.corrects]
    first = str(replaced[0].SOPInstanceUID) if replaced else ""
    day, time = content.moment
    return ComprehensiveSR(
        evidence=[image.header for image in source.images],
        content=content.tree,
        series_instance_uid=series_uid,
        series_number=number,
        sop_instance_uid=derived_uid(root, source.study_uid, *content.kind, digest, first),
        instance_number=1 if earlier is None else int(earlier.get("InstanceNumber") or 0) + 1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL,
        software_versions=software_version(),
        device_serial_number=device_serial(model),
        series_description=content.description,
        is_complete=content.is_complete,
        previous_versions=replaced or None,
        coding_schemes=[
            CodingSchemeIdentificationItem(PRIVATE_SCHEME, name=MANUFACTURER, responsible_organization=MANUFACTURER)
        ],
        specific_character_set="ISO_IR 192",
        content_date=day,
        content_time=time,
    )


def _replaced_by(report: Dataset) -> str:
    """Identifier of the report that a report replaces, or empty."""
    studies = report.get("PredecessorDocumentsSequence") or []
    if not studies:
        return ""
    return str(studies[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
