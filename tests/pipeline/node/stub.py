"""Screening without models, for tests of the node: one Secondary Capture, whose UID follows from the films."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from pipeline.node.config import NodeConfig
from pipeline.node.worker import ScreenFilms

SECONDS = 0.1
"""Time that a study takes."""


@contextmanager
def screening(config: NodeConfig) -> Iterator[ScreenFilms]:
    yield screen


def screen(films: Path, results: Path) -> None:
    time.sleep(SECONDS)
    paths = sorted(films.glob("*.dcm"))
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]
    digest = hashlib.sha256("".join(sorted(str(header.SOPInstanceUID) for header in headers)).encode()).digest()
    uid = f"2.25.{int.from_bytes(digest[:12], 'big')}"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SecondaryCaptureImageStorage, uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    capture = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    capture.SOPClassUID, capture.SOPInstanceUID, capture.SeriesInstanceUID = (
        SecondaryCaptureImageStorage,
        uid,
        uid + ".1",
    )
    capture.StudyInstanceUID, capture.PatientID = headers[0].StudyInstanceUID, headers[0].PatientID
    capture.PatientName, capture.Modality, capture.ConversionType = headers[0].PatientName, "OT", "WSD"
    capture.ImageComments = f"{len(paths)} films"
    capture.Rows = capture.Columns = 4
    capture.SamplesPerPixel, capture.PhotometricInterpretation = 1, "MONOCHROME2"
    capture.BitsAllocated = capture.BitsStored = 8
    capture.HighBit, capture.PixelRepresentation = 7, 0
    capture.PixelData = np.zeros((4, 4), np.uint8).tobytes()
    folder = results / "dicom"
    folder.mkdir(exist_ok=True)
    capture.save_as(folder / "capture.dcm")
