"""Every action of table E.1-1, and the rules for what it does not name."""

from __future__ import annotations

import pytest
from pydicom.datadict import dictionary_VR
from pydicom.tag import Tag

from cohort.deidentify.profile import Action, action_of, table

EXPECTED = {
    # Read from another copy of table E.1-1 (innolitics/dicom-standard), for the attributes of CR, DX and SC images.
    "AccessionNumber": Action.EMPTY, "AcquisitionComments": Action.REMOVE, "AcquisitionContextSequence": Action.EMPTY,
    "AcquisitionTime": Action.EMPTY, "AcquisitionDeviceProcessingDescription": Action.REMOVE,
    "AcquisitionFieldOfViewLabel": Action.DUMMY, "AdditionalPatientHistory": Action.REMOVE,
    "AdmissionID": Action.REMOVE, "AdmittingDate": Action.REMOVE, "AdmittingDiagnosesDescription": Action.REMOVE,
    "AffectedSOPInstanceUID": Action.REMOVE, "Allergies": Action.REMOVE, "BarcodeValue": Action.EMPTY,
    "CassetteID": Action.REMOVE, "ClinicalTrialProtocolID": Action.DUMMY, "ClinicalTrialSponsorName": Action.DUMMY,
    "ConcatenationUID": Action.UID, "ConsultingPhysicianName": Action.EMPTY, "ContentCreatorName": Action.EMPTY,
    "ContentTime": Action.EMPTY, "ContrastBolusAgent": Action.EMPTY, "CountryOfResidence": Action.REMOVE,
    "CurrentPatientLocation": Action.REMOVE, "CurveDate": Action.REMOVE, "DerivationDescription": Action.REMOVE,
    "DetectorID": Action.REMOVE, "DeviceSerialNumber": Action.REMOVE, "DeviceUID": Action.UID,
    "DigitalSignaturesSequence": Action.REMOVE, "DataSetTrailingPadding": Action.REMOVE,
    "ContentSequence": Action.REMOVE, "ReferencedImageSequence": Action.KEEP,
    "PatientBirthDate": Action.EMPTY, "StudyID": Action.EMPTY, "StudyDescription": Action.REMOVE,
    "EthnicGroup": Action.REMOVE, "InstitutionName": Action.REMOVE, "ReferringPhysicianName": Action.EMPTY,
    "StudyInstanceUID": Action.UID, "SeriesInstanceUID": Action.UID, "SOPInstanceUID": Action.UID,
}  # fmt: skip


@pytest.mark.parametrize(("keyword", "action"), EXPECTED.items())
def test_the_table_is_applied(keyword: str, action: Action) -> None:
    assert action_of(Tag(keyword)) is action


def test_no_attribute_of_the_table_is_kept_but_patient_characteristics_and_cleaned_sequences() -> None:
    kept = {Tag(*tag) for tag in table() if action_of(Tag(*tag)) is Action.KEEP}
    assert kept == {
        Tag(name)
        for name in (
            *("PatientSex", "PatientAge", "PatientSize", "PatientWeight"),
            *("ReferencedImageSequence", "SourceImageSequence"),
        )
    }
    assert len(table()) > 630


@pytest.mark.parametrize("keyword", ["PixelSpacing", "ImagerPixelSpacing", "ViewPosition", "Rows", "ViewCodeSequence"])
def test_what_an_image_needs_stays(keyword: str) -> None:
    assert action_of(Tag(keyword)) is Action.KEEP


@pytest.mark.parametrize(
    "tag",
    [Tag(0x0009, 0x1001), Tag(0x6002, 0x0022), Tag(0x5000, 0x3000), Tag(0x0008, 0x0000), Tag(0x0008, 0x0FFF)],
)
def test_private_repeating_and_unknown_attributes_go(tag: Tag) -> None:
    assert action_of(tag) is Action.REMOVE


def test_a_text_that_an_image_must_have_becomes_a_dummy() -> None:
    assert action_of(Tag("PixelSpacingCalibrationDescription")) is Action.DUMMY


@pytest.mark.parametrize("vr", ["LT", "ST", "UT", "UC", "UR", "PN", "DA", "TM", "DT", "AE"])
def test_free_text_dates_and_names_outside_the_table_go(vr: str) -> None:
    from pydicom._dicom_dict import DicomDictionary

    named = {(Tag(*tag)) for tag in table()}
    outside = [Tag(tag) for tag, entry in DicomDictionary.items() if entry[0] == vr and Tag(tag) not in named]
    shifted = {Tag(name) for name in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")}
    assert outside
    for tag in outside:
        assert dictionary_VR(tag) == vr
        assert action_of(tag) is Action.REMOVE or tag in shifted or tag == Tag("PatientName")
