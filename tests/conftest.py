"""Small data that tests make for themselves."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from pipeline.bundle.load import Bundle, load_bundle
from pipeline.screening.screener import Screener
from tests import EXAMPLES

LOG_LEVEL = logging.getLogger().level
"""Of the root logger, before a command has set one."""

MakeDicom = Callable[..., Path]
MakeCohort = Callable[..., Path]


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are as wide as where stdout is no terminal, whatever the caller's environment says."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(autouse=True)
def usual_log_level() -> None:
    """The log level that a command sets, in an earlier test or in a fixture, does not reach this one."""
    logging.getLogger().setLevel(LOG_LEVEL)


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    """The shipped weights, checked once."""
    return load_bundle()


@pytest.fixture(scope="session")
def screener(bundle: Bundle) -> Screener:
    """The shipped models, loaded once, with the default settings."""
    return Screener(bundle)


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    """A copy of the six examples that a test may change."""
    copy = tmp_path / "examples"
    shutil.copytree(EXAMPLES, copy, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    return copy


@pytest.fixture
def make_cohort(tmp_path: Path) -> MakeCohort:
    """Write a cohort folder with cohort.csv alone: one line a patient; keyword arguments are columns of its table."""

    def make(name: str = "cohort", count: int = 4, **columns: Sequence[Any] | Any) -> Path:
        values: Mapping[str, Any] = {
            "study_uid": [f"s{k}" for k in range(count)],
            "patient_id": [f"p{k}" for k in range(count)],
            "age_years": 65.0,
            "sex": "F",
            "bmi_kg_m2": 24.0,
            "t_score": -1.8,
            **columns,
        }
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        pd.DataFrame({key: value for key, value in values.items() if value is not None}).to_csv(
            folder / "cohort.csv", index=False
        )
        return folder

    return make


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
