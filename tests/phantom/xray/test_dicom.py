"""Headers of the written radiographs."""

from __future__ import annotations

from pathlib import Path

import pydicom

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
