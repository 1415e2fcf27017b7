"""A result as DICOM SR: a preliminary, unverified report that says what it replaces."""

from __future__ import annotations

import hashlib
import json

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import ComprehensiveSR
from pydicom import Dataset

from pipeline.dicom_objects.codes import PRIVATE_SCHEME
from pipeline.dicom_objects.config import DicomConfig
from pipeline.dicom_objects.equipment import MANUFACTURER, MODEL, device_serial, software_version
from pipeline.dicom_objects.report_content import report_content
from pipeline.dicom_objects.source import SourceStudy
from pipeline.dicom_objects.uids import derived_uid
from pipeline.dicom_objects.words import RESEARCH_USE
from pipeline.prediction import Prediction, Status


def structured_report(
    prediction: Prediction, source: SourceStudy, config: DicomConfig, earlier: Dataset | None = None
) -> Dataset:
    """The report of a result; the earlier one itself where it says the same.

    Its identifier follows from its content, from patient and images, and from the report that it replaces.

    Args:
        prediction: the result.
        source: DICOM images that it comes from.
        config: root of identifiers and number of the series.
        earlier: the study's last report, or None.
    """
    content = report_content(prediction, source, config.uid_root)
    series_uid = derived_uid(config.uid_root, source.study_uid, "sr")
    if earlier is not None and str(earlier.get("SeriesInstanceUID")) != series_uid:
        earlier = None
    said = [content[0].to_json_dict(), *(image.header.to_json_dict() for image in source.images), config.series_number]
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    if earlier is not None:
        before = derived_uid(config.uid_root, source.study_uid, "sr", digest, _replaced_by(earlier))
        if before == earlier.SOPInstanceUID:
            return earlier
    replaced = "" if earlier is None else str(earlier.SOPInstanceUID)
    day, time = source.moment
    return ComprehensiveSR(
        evidence=[image.header for image in source.images],
        content=content,
        series_instance_uid=series_uid,
        series_number=config.series_number,
        sop_instance_uid=derived_uid(config.uid_root, source.study_uid, "sr", digest, replaced),
        instance_number=1 if earlier is None else int(earlier.get("InstanceNumber") or 0) + 1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL,
        software_versions=software_version(),
        device_serial_number=device_serial(prediction.model),
        series_description=f"OsteoLens report, {RESEARCH_USE}",
        is_complete=prediction.status is Status.SCREENED,
        previous_versions=None if earlier is None else [earlier],
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
