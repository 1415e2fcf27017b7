"""X-ray systems of the simulated hospitals."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cohort.io.dicom.photometric import Photometric
from cohort.spine import View
from cohort.study import SpacingSource


class Border(StrEnum):
    """Appearance of the image outside the collimated field."""

    NONE = "none"
    BLACK = "black"
    WHITE = "white"


class SimulatedSite(StrEnum):
    """Sites of a simulated cohort; a name that begins with `test` is never trained on."""

    TRAINING = "training"
    VALIDATION = "validation"
    TEST1 = "test1"
    TEST2 = "test2"


@dataclass(frozen=True, slots=True, kw_only=True)
class XraySystem:
    """One radiography system; voltages after Mao et al. 2022, detectors after published ones, processing ours.

    Attributes:
        name: station name.
        kvp: tube voltage by view.
        pitch_mm: detector element; images are binned to about the requested pixel.
        field_mm: largest field, the detector's edge.
        focal_mm: focal spot.
        grid: scatter that passes relative to a usual grid.
        flatten: weight of the broad band of the log image (1 keeps the body's shape, 0.4 flattens it).
        bands: (radius in mm, gain) of each enhanced detail band.
        sigmoid: steepness of an S-shaped display curve; 0 for a power curve.
        gamma: exponent of the power curve.
        local_contrast: weight of a locally equalised copy.
        border: what collimated edges look like, where they are kept in the image.
        photometric: of the stored values.
        spacing_attribute: which DICOM attribute carries the pixel spacing.
    """

    name: str
    kvp: dict[View, int]
    pitch_mm: float
    field_mm: float
    focal_mm: float
    grid: float
    flatten: float
    bands: tuple[tuple[float, float], ...]
    sigmoid: float = 0.0
    gamma: float = 1.0
    local_contrast: float = 0.0
    border: Border
    photometric: Photometric
    spacing_attribute: SpacingSource

    def spacing_mm(self, requested_mm: float) -> float:
        """The binned pixel nearest to the requested one."""
        return round(self.pitch_mm * max(1, round(requested_mm / self.pitch_mm)), 4)


_TRAINING_KVP = {View.AP: 70, View.LATERAL: 77}
_A = XraySystem(
    name="SIM-A",
    kvp=_TRAINING_KVP,
    pitch_mm=0.143,
    field_mm=430,
    focal_mm=1.0,
    grid=1.0,
    flatten=0.60,
    bands=((2.5, 0.6),),
    gamma=1.15,
    border=Border.BLACK,
    photometric=Photometric.MONOCHROME2,
    spacing_attribute=SpacingSource.IMAGER_PIXEL_SPACING,
)
_B = XraySystem(
    name="SIM-B",
    kvp=_TRAINING_KVP,
    pitch_mm=0.143,
    field_mm=430,
    focal_mm=1.2,
    grid=0.9,
    flatten=0.75,
    bands=((1.8, 0.3), (8.0, 0.4)),
    border=Border.WHITE,
    photometric=Photometric.MONOCHROME2,
    spacing_attribute=SpacingSource.PIXEL_SPACING,
)
_E = XraySystem(
    name="SIM-E",
    kvp=_TRAINING_KVP,
    pitch_mm=0.148,
    field_mm=425,
    focal_mm=1.0,
    grid=1.1,
    flatten=0.45,
    bands=((3.0, 0.9),),
    sigmoid=5.0,
    local_contrast=0.15,
    border=Border.NONE,
    photometric=Photometric.MONOCHROME1,
    spacing_attribute=SpacingSource.IMAGER_PIXEL_SPACING,
)
_C = XraySystem(
    name="SIM-C",
    kvp={View.AP: 75, View.LATERAL: 80},
    pitch_mm=0.200,
    field_mm=410,
    focal_mm=1.0,
    grid=1.0,
    flatten=0.50,
    bands=((3.5, 0.9), (12.0, 0.3)),
    sigmoid=4.0,
    border=Border.BLACK,
    photometric=Photometric.MONOCHROME1,
    spacing_attribute=SpacingSource.IMAGER_PIXEL_SPACING,
)
_D = XraySystem(
    name="SIM-D",
    kvp={View.AP: 75, View.LATERAL: 90},
    pitch_mm=0.160,
    field_mm=430,
    focal_mm=1.2,
    grid=1.2,
    flatten=0.85,
    bands=((2.0, 0.2),),
    gamma=0.9,
    local_contrast=0.25,
    border=Border.WHITE,
    photometric=Photometric.MONOCHROME2,
    spacing_attribute=SpacingSource.PIXEL_SPACING,
)

SYSTEMS: dict[SimulatedSite, tuple[XraySystem, ...]] = {
    SimulatedSite.TRAINING: (_A, _B, _E),
    SimulatedSite.VALIDATION: (_A, _B, _E),
    SimulatedSite.TEST1: (_C,),
    SimulatedSite.TEST2: (_D,),
}
"""By site, as in the paper: training and validation share three sub-districts (70/77 kVp), test cohort 1 is another
(75/80 kVp), test cohort 2 another hospital (75/90 kVp). Pitches: Pixium 143 um, GE 200 um, others between."""
