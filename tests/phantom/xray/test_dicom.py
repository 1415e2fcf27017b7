"""Headers of the written radiographs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pydicom
import pytest

from cohort.io.dicom.read import read_header
from cohort.spine import View
from cohort.study import SpacingSource


def test_sites_differ_in_system_photometric_and_spacing(simulated_cohort: Path) -> None:
    found = {}
    for path in sorted(simulated_cohort.glob("*/AP.dcm")):
        ds = pydicom.dcmread(path, stop_before_pixels=True)
        spacing = SpacingSource.PIXEL_SPACING if "PixelSpacing" in ds else SpacingSource.IMAGER_PIXEL_SPACING
        found[ds.StationName] = (ds.PhotometricInterpretation, spacing, int(ds.KVP), float(ds.ImagerPixelSpacing[0]))
        assert "In-silico" in ds.ImageComments and ds.BitsStored == 12
        assert {"PatientAge", "PatientSex", "PatientSize", "PatientWeight", "WindowCenter", "RescaleSlope"} <= {
            element.keyword for element in ds
        }
    assert found["SIM-C"] == ("MONOCHROME1", SpacingSource.IMAGER_PIXEL_SPACING, 75, 1.2)
    assert found["SIM-D"] == ("MONOCHROME2", SpacingSource.PIXEL_SPACING, 75, 1.28)
    lateral = {
        pydicom.dcmread(p, stop_before_pixels=True).StationName: int(pydicom.dcmread(p, stop_before_pixels=True).KVP)
        for p in simulated_cohort.glob("*/LATERAL.dcm")
    }
    assert lateral["SIM-C"] == 80 and lateral["SIM-D"] == 90


def test_files_conform_to_their_iod(simulated_cohort: Path) -> None:
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("NOT CHECKED against the standard: dciodvfy is missing (apt-get install dicom3tools)")
    files = sorted(simulated_cohort.glob("*/*.dcm"))
    assert len(files) == 8
    for path in files:
        done = subprocess.run([program, str(path)], capture_output=True, text=True, check=False, timeout=60)
        errors = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]
        assert not errors, f"{path.name}: {errors}"


def test_codes_tell_the_view_alone(simulated_cohort: Path, tmp_path: Path) -> None:
    for name, view in (("AP", View.AP), ("LATERAL", View.LATERAL)):
        ds = pydicom.dcmread(next(simulated_cohort.glob(f"*/{name}.dcm")))
        del ds.ViewPosition, ds.SeriesDescription
        ds.save_as(tmp_path / "image.dcm")
        assert read_header(tmp_path / "image.dcm").view is view
