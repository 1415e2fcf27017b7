"""A radiograph with an identifier in every attribute of table E.1-1, at the top and within sequences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from pydicom import DataElement, Dataset
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag
from pydicom.uid import ExplicitVRLittleEndian

from cohort.deidentify.profile import table

SECRET, SECRET_DAY, SECRET_TIME = "SMITHEREEN", "19510203", "112233"
SECRET_UID, SECRET_NUMBER = "1.2.3.987654321", 987654

DX = "1.2.840.10008.5.1.4.1.1.1.1"

TABLE_TAGS = sorted(Tag(*tag) for tag in table() if dictionary_has_tag(Tag(*tag)))
"""Those that pydicom's dictionary knows; it is older than the table, and what it does not know is removed."""


def secret_value(vr: str) -> object:
    """A telling value of a representation."""
    text = {"CS": SECRET, "PN": f"{SECRET}^JOHN", "UR": f"http://{SECRET}", "AS": "077Y", "UI": SECRET_UID}
    if vr in text:
        return text[vr]
    if vr in ("DA", "DT"):
        return SECRET_DAY
    if vr == "TM":
        return SECRET_TIME
    if vr == "AE":
        return SECRET
    if vr in ("DS", "IS"):
        return str(SECRET_NUMBER)
    if vr in ("FL", "FD", "SL", "UL"):
        return SECRET_NUMBER
    if vr in ("US", "SS"):
        return 9876
    if vr in ("OB", "OW", "UN"):
        return SECRET.encode()
    if vr == "SQ":
        item = Dataset()
        item.PatientName = f"{SECRET}^JANE"
        item.TextValue = SECRET
        item.ReferencedSOPInstanceUID = SECRET_UID
        return Sequence([item])
    return f"{SECRET} John"


def element_of(tag: BaseTag) -> DataElement:
    vr = str(dictionary_VR(tag)).split(" or ")[-1]
    return DataElement(tag, vr, secret_value(vr))


def stuffed(pixels: np.ndarray | None = None) -> Dataset:
    """Every attribute of the table, the same within two kept sequences, private tags, overlays, odd attributes."""
    inner, deeper = Dataset(), Dataset()
    for tag in TABLE_TAGS:
        if tag.group >= 8 and tag not in (Tag("CodeMeaning"),):
            inner[tag] = element_of(tag)
            deeper[tag] = element_of(tag)
    inner.AnatomicRegionModifierSequence = Sequence([deeper])
    dataset = film(pixels)
    for tag in TABLE_TAGS:
        if tag.group >= 8 and tag not in (Tag("SOPInstanceUID"),) and tag < 0x7FE00010:
            dataset[tag] = element_of(tag)
    dataset.AnatomicRegionSequence = Sequence([inner])
    block = dataset.private_block(0x0009, f"{SECRET} MAKER", create=True)
    block.add_new(1, "LO", SECRET)
    dataset.add_new(Tag(0x6000, 0x3000), "OW", SECRET.encode())
    dataset.add_new(Tag(0x6000, 0x0022), "LO", SECRET)
    dataset.add_new(Tag(0x5000, 0x2500), "LO", SECRET)
    dataset.PixelSpacingCalibrationDescription = SECRET
    dataset.WindowCenterWidthExplanation = SECRET
    dataset.GridAbsorbingMaterial = SECRET
    dataset.Manufacturer = f"Made for {SECRET}"
    dataset.BodyPartExamined = SECRET
    dataset.add_new("DistanceSourceToPatient", "DS", "1000")
    dataset.StudyDate, dataset.AcquisitionDate, dataset.PatientBirthDate = "20200310", "20200311", "19500101"
    dataset.PatientSex, dataset.PatientAge, dataset.PatientSize, dataset.PatientWeight = "F", "070Y", "1.6", "61"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"{SECRET_UID}.1", f"{SECRET_UID}.2"
    return dataset


def film(pixels: np.ndarray | None = None, uid: str = f"{SECRET_UID}.3") -> Dataset:
    """A small DX image."""
    cells = np.random.default_rng(0).normal(2000, 60, (96, 80)) if pixels is None else pixels
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = DX
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = uid
    dataset.file_meta.SourceApplicationEntityTitle = SECRET
    dataset.preamble = SECRET.encode().ljust(128, b"\0")
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"{SECRET_UID}.1", f"{SECRET_UID}.2"
    dataset.PatientID, dataset.PatientName, dataset.PatientSex, dataset.PatientAge = "MRN4711", "Doe^Jane", "F", "066Y"
    dataset.StudyDate, dataset.Modality, dataset.ViewPosition = "20200310", "DX", "AP"
    dataset.Rows, dataset.Columns = cells.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.PixelSpacing = [0.143, 0.143]
    dataset.PixelData = np.clip(cells, 0, 4095).astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"
    return dataset


def save(dataset: Dataset, path: Path) -> Path:
    """Write it as it is, preamble and meta information too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return path
