"""Small measurement reports that tests make."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import EnhancedSRStorage, ExplicitVRLittleEndian, generate_uid

SITES = {"L1": "66794005", "L2": "14293000", "L3": "36470004", "L4": "11994002"}


def code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def item(kind: str, value: str, meaning: str, scheme: str = "DCM") -> Dataset:
    content = Dataset()
    content.ValueType, content.RelationshipType = kind, "CONTAINS"
    content.ConceptNameCodeSequence = [code(value, scheme, meaning)]
    return content


def text(value: str, meaning: str, said: str) -> Dataset:
    content = item("TEXT", value, meaning)
    content.TextValue = said
    return content


def region(image_uid: str, points: Sequence[float], kind: str = "POLYLINE") -> Dataset:
    content = item("SCOORD", "111030", "Image Region")
    content.GraphicType, content.GraphicData = kind, list(points)
    image, referenced = item("IMAGE", "111040", "Source"), Dataset()
    referenced.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    referenced.ReferencedSOPInstanceUID = image_uid
    image.ReferencedSOPSequence = [referenced]
    content.ContentSequence = [image]
    return content


def rectangle(x0: float, y0: float, x1: float, y1: float) -> list[float]:
    return [x0, y0, x1, y0, x1, y1, x0, y1, x0, y0]


def group(site: str | None, regions: Sequence[Dataset], label: str = "") -> Dataset:
    """A measurement group as OHIF writes it: the region below a number."""
    container = item("CONTAINER", "125007", "Measurement Group")
    area = item("NUM", "42798000", "Area", "SCT")
    area.ContentSequence = list(regions)
    container.ContentSequence = [area]
    if site is not None:
        found = item("CODE", "363698007", "Finding Site", "SCT")
        found.ConceptCodeSequence = [code(SITES[site], "SCT", f"{site} vertebra")]
        container.ContentSequence.append(found)
    if label:
        container.ContentSequence.append(text("121106", "Comment", label))
    return container


def write_report(
    path: Path, groups: Sequence[Dataset], observer: str = "", moment: str = "20260101", replaces: str = ""
) -> str:
    """Write a report; returns its SOPInstanceUID."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = EnhancedSRStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = EnhancedSRStorage, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.Modality = "1.2.3", "1.2.3.9", "SR"
    ds.PatientID, ds.PatientName = "P1", "A^B"
    ds.ContentDate, ds.ContentTime, ds.Manufacturer = moment, "120000", "Viewer"
    measurements = item("CONTAINER", "126010", "Imaging Measurements")
    measurements.ContentSequence = list(groups)
    ds.ContentSequence = [measurements]
    if observer:
        person = item("PNAME", "121008", "Person Observer Name")
        person.PersonName = observer
        ds.ContentSequence.insert(0, person)
    if replaces:
        study, series, former = Dataset(), Dataset(), Dataset()
        former.ReferencedSOPInstanceUID = replaces
        series.ReferencedSOPSequence = [former]
        study.ReferencedSeriesSequence = [series]
        ds.PredecessorDocumentsSequence = [study]
    ds.save_as(path, enforce_file_format=True)
    return str(ds.SOPInstanceUID)
