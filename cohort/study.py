"""Studies: who, which radiographs, which covariates, which DXA result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cohort.bmd import DxaResult
from cohort.covariates import Covariates
from cohort.spine import VertebralLevel, View


class Split(StrEnum):
    """What studies are for. Names of sites tell it too: `cohort.splits`."""

    TRAINING = "training"
    VALIDATION = "validation"
    TEST = "test"


class SpacingSource(StrEnum):
    """Where a pixel spacing comes from; at the detector it is larger than at the patient."""

    PIXEL_SPACING = "PixelSpacing"
    IMAGER_PIXEL_SPACING = "ImagerPixelSpacing"
    TABLE = "cohort.csv"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Radiograph:
    """One radiograph as it is shown.

    Attributes:
        pixels: float32 (rows, columns) in [0, 1]; bright = dense bone.
        pixel_spacing_mm: (row, column) or None.
        spacing_source: where the spacing comes from.
        view: AP or lateral by the header or the name of the file, or None.
        path: the file it was read from.
        sop_instance_uid: DICOM identifier, or None for plain images.
        bits: bits a pixel that the file held.
        full_range: same shape; the image before its display window, scaled to [0, 1], or None when there was none.
        anterior_left: whether the front of a lateral image lies at the left, by its header, or None.
        stored_shape: (rows, columns) of the cells in a DICOM file, None for plain images.
        is_turned: whether a DICOM image was turned or mirrored to stand upright.
        notes: what a reader should know of how the file was read.
    """

    pixels: npt.NDArray[np.float32]
    pixel_spacing_mm: tuple[float, float] | None
    spacing_source: SpacingSource
    view: View | None
    path: Path
    sop_instance_uid: str | None = None
    bits: int = 8
    full_range: npt.NDArray[np.float32] | None = None
    anterior_left: bool | None = None
    stored_shape: tuple[int, int] | None = None
    is_turned: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.pixels.ndim != 2 or self.pixels.dtype != np.float32:
            raise ValueError(f"{self.path.name}: expected float32 (rows, columns), got {self.pixels.dtype} "
                             f"{self.pixels.shape}")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Findings that the exclusion criteria need beside images and DXA, each None when unknown.

    Attributes:
        menopause_age_years: age at menopause.
        implant: metal or cement at L1-L4.
        fracture_grade: highest Genant grade of a compression fracture at L1-L4, 0 without.
        cobb_deg: Cobb angle of a lumbar scoliosis.
        exposure_adequate: whether the exposure lets L1-L4 be outlined.
        lumbar_count: number of vertebrae between the ribs and the sacrum; no criterion uses it.
        height_loss: fraction of height that compression took, by fractured level; empty when there is no fracture.
    """

    menopause_age_years: float | None = None
    implant: bool | None = None
    fracture_grade: int | None = None
    cobb_deg: float | None = None
    exposure_adequate: bool | None = None
    lumbar_count: int | None = None
    height_loss: dict[VertebralLevel, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One patient's visit, images by path; pixels are read when needed.

    Attributes:
        study_uid: identifier that is safe to use as a file name.
        patient_id: identifier of the patient, as given.
        ap: path of the first AP image or None.
        lateral: path of the first lateral image or None.
        covariates: what is known beside the images; headers fill the gaps when the images are read.
        dxa: the reference standard, where known.
        site: hospital or machine, where known.
        study_date: day of the radiographs.
        images_of_unknown_view: images whose view neither header, name nor table gives; the detector classifies it.
        findings: what the exclusion criteria need.
        further: (view, path) of more images of a view that has one; the fittest of them is used.
        set_aside: (view, path, reason) of images of the study that are not read.
        notes: what a reader should know of how the study was put together.
        split: what the study is for by column `split` of cohort.csv, None where it says nothing.
        system: radiography system, by column `machine` of cohort.csv, else manufacturer and model by the header.
        plain_spacing_mm: pixel spacing of its plain images, by column `pixel_spacing_mm` of cohort.csv, or None.
    """

    study_uid: str
    patient_id: str
    ap: Path | None = None
    lateral: Path | None = None
    covariates: Covariates = field(default_factory=Covariates)
    dxa: DxaResult | None = None
    site: str | None = None
    study_date: date | None = None
    images_of_unknown_view: tuple[Path, ...] = ()
    findings: Findings = field(default_factory=Findings)
    set_aside: tuple[tuple[View | None, Path, str], ...] = ()
    further: tuple[tuple[View, Path], ...] = ()
    notes: tuple[str, ...] = ()
    split: Split | None = None
    system: str | None = None
    plain_spacing_mm: float | None = None

    @property
    def images(self) -> tuple[tuple[View | None, Path], ...]:
        """(view, path) of every image; the view is None where it is known only after detection."""
        known = ((View.AP, self.ap), (View.LATERAL, self.lateral))
        first = tuple((view, path) for view, path in known if path)
        return (*first, *self.further, *((None, path) for path in self.images_of_unknown_view))

    def with_paths(self, changed: Callable[[Path], Path]) -> Study:
        """The same study with the path of every image changed."""
        return replace(
            self,
            ap=self.ap and changed(self.ap),
            lateral=self.lateral and changed(self.lateral),
            images_of_unknown_view=tuple(map(changed, self.images_of_unknown_view)),
            further=tuple((view, changed(path)) for view, path in self.further),
            set_aside=tuple((view, changed(path), reason) for view, path, reason in self.set_aside),
        )

    def with_spacing(self, radiograph: Radiograph) -> Radiograph:
        """One of its images, with the spacing that the table gives where the file holds none."""
        if self.plain_spacing_mm is None or radiograph.pixel_spacing_mm is not None:
            return radiograph
        if radiograph.stored_shape is not None:  # DICOM says itself what it knows
            return radiograph
        spacing = (self.plain_spacing_mm, self.plain_spacing_mm)
        return replace(radiograph, pixel_spacing_mm=spacing, spacing_source=SpacingSource.TABLE)
