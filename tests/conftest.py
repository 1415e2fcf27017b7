"""Small data that tests make for themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

MakeDicom = Callable[..., Path]


@pytest.fixture
def make_dicom(tmp_path: Path) -> MakeDicom:
    """Write a small DX file; keyword arguments set DICOM attributes, None leaves one out."""

    def make(name: str = "image.dcm", pixels: np.ndarray | None = None, **attributes: Any) -> Path:
        stored = np.arange(64 * 48, dtype=np.uint16).reshape(64, 48) if pixels is None else pixels
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        values: dict[str, Any] = {
            "SOPClassUID": meta.MediaStorageSOPClassUID,
            "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
            "StudyInstanceUID": "1.2.3",
            "PatientID": "P1",
            "Modality": "DX",
            "ViewPosition": "AP",
            "PatientAge": "067Y",
            "PatientSex": "F",
            "PatientSize": 1.6,
            "PatientWeight": 64.0,
            "PixelSpacing": [0.2, 0.2],
            "Rows": stored.shape[0],
            "Columns": stored.shape[1],
            "SamplesPerPixel": 1,
            "PhotometricInterpretation": "MONOCHROME2",
            "BitsAllocated": 8 * stored.dtype.itemsize,
            "BitsStored": 8 * stored.dtype.itemsize,
            "HighBit": 8 * stored.dtype.itemsize - 1,
            "PixelRepresentation": 0,
            "PixelData": stored.tobytes(),
        }
        values.update(attributes)
        for keyword, value in values.items():
            if value is not None:
                setattr(ds, keyword, value)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        ds.save_as(path, enforce_file_format=True)
        return path

    return make
