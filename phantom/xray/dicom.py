"""A simulated radiograph as DICOM DX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, JPEGLSLossless, generate_uid

from cohort.in_silico import IN_SILICO_NOTICE
from cohort.io.dicom.photometric import Photometric
from cohort.spine import View
from cohort.study import SpacingSource
from phantom.subject.population import Person
from phantom.xray.radiograph import SOURCE_TO_DETECTOR_MM, SimulatedImage
from phantom.xray.system import XraySystem

VIEW_CODES: Mapping[View, tuple[str, str]] = {
    View.AP: ("399348003", "antero-posterior"),
    View.LATERAL: ("399173006", "left lateral"),
}
"""SNOMED CT codes of views (DICOM PS3.16 CID 4010)."""

LUMBAR_SPINE = ("122496007", "Lumbar spine")
"""SNOMED CT code of the anatomic region (DICOM PS3.16 CID 4009)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyHeader:
    """Values of both images' headers of a study.

    Attributes:
        patient_id: running identifier, without meaning.
        study_uid: StudyInstanceUID.
        study_date: day of the images.
        system: which took them.
        person: whose age, sex and size are written; None leaves them empty.
    """

    patient_id: str
    study_uid: str
    study_date: date
    system: XraySystem
    person: Person | None = None


def write_radiographs(folder: Path, header: StudyHeader, images: Mapping[View, SimulatedImage]) -> None:
    """AP.dcm and LATERAL.dcm of a study."""
    for view, image in images.items():
        radiograph_dataset(header, view, image).save_as(folder / f"{view}.dcm", enforce_file_format=True)


def radiograph_dataset(header: StudyHeader, view: View, image: SimulatedImage) -> FileDataset:
    """A DX image for presentation, 12 bits, JPEG-LS lossless.

    Source: DICOM PS3.3 A.26 (Digital X-Ray Image IOD).
    """
    patient_id, system, person = header.patient_id, header.system, header.person
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[patient_id, str(view)])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID = header.study_uid
    ds.SeriesInstanceUID = generate_uid(entropy_srcs=[patient_id, str(view), "series"])
    ds.PatientID, ds.PatientName = patient_id, "In-silico^OsteoLens"
    ds.PatientBirthDate = ""
    ds.PatientSex = str(person.sex) if person else ""
    if person:
        ds.PatientAge = f"{int(person.age_years):03d}Y"
        ds.PatientSize, ds.PatientWeight = round(person.height_cm / 100, 3), person.weight_kg
    ds.StudyDate, ds.StudyTime, ds.AccessionNumber, ds.StudyID = header.study_date.strftime("%Y%m%d"), "120000", "", "1"
    ds.ReferringPhysicianName = ""
    ds.Modality, ds.Manufacturer, ds.StationName = "DX", "OsteoLens in-silico", system.name
    ds.SeriesNumber, ds.InstanceNumber = (1 if view is View.AP else 2), 1
    ds.SeriesDescription = "L-SPINE AP (in-silico)" if view is View.AP else "L-SPINE LAT (in-silico)"
    ds.ImageComments = IN_SILICO_NOTICE
    ds.BodyPartExamined, ds.PresentationIntentType = "LSPINE", "FOR PRESENTATION"
    ds.ImageType = ["DERIVED", "PRIMARY"]
    ds.ViewPosition = "AP" if view is View.AP else "LL"
    ds.ImageLaterality, ds.PatientOrientation = "U", ["L", "F"] if view is View.AP else ["P", "F"]
    ds.AnatomicRegionSequence, ds.ViewCodeSequence = [_coded(*LUMBAR_SPINE)], [_coded(*VIEW_CODES[view])]
    ds.ViewCodeSequence[0].ViewModifierCodeSequence = []
    ds.DetectorType, ds.PositionerType, ds.AcquisitionContextSequence = "SCINTILLATOR", "COLUMN", []
    ds.KVP, ds.DistanceSourceToDetector = image.kvp, SOURCE_TO_DETECTOR_MM
    spacing = [f"{image.spacing_mm:.4f}"] * 2
    ds.ImagerPixelSpacing = spacing
    if system.spacing_attribute is SpacingSource.PIXEL_SPACING:
        ds.PixelSpacing = spacing
        ds.PixelSpacingCalibrationType = "GEOMETRY"
        ds.PixelSpacingCalibrationDescription = "at the detector"
    ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LOG", 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "US"
    stored, (centre, width) = image.stored, image.window
    ds.PresentationLUTShape = "IDENTITY"
    if system.photometric is Photometric.MONOCHROME1:
        stored, centre = 4095 - stored, 4095 - centre
        ds.PresentationLUTShape = "INVERSE"
    ds.PhotometricInterpretation = str(system.photometric)
    ds.WindowCenter, ds.WindowWidth = f"{centre:.1f}", f"{width:.1f}"
    ds.Rows, ds.Columns = stored.shape
    ds.SamplesPerPixel, ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 1, 16, 12, 11, 0
    ds.BurnedInAnnotation, ds.LossyImageCompression = "NO", "00"
    ds.PixelData = stored.astype("<u2").tobytes()
    ds.compress(JPEGLSLossless, generate_instance_uid=False)
    return ds


def _coded(value: str, meaning: str) -> Dataset:
    """An item of a sequence of SNOMED CT codes."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item
