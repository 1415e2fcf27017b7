"""Settings of detection and of quality control."""

from __future__ import annotations

from pydantic import Field

from cohort.spine import DETECTED_LEVELS, VertebralLevel, View
from osteolens.config import StrictConfig

CLASSES: tuple[tuple[View, VertebralLevel], ...] = tuple((view, level) for view in View for level in DETECTED_LEVELS)
"""What each class of the detector means: a view and a level; T11, T12, L5 and S1 are context to count from."""


class DetectionConfig(StrictConfig):
    """Settings of detection and level labelling, and the limits of quality control."""

    min_score: float = Field(0.08, ge=0.001, le=0.9, description="least summed class score of a candidate")
    nms_iou: float = Field(0.45, ge=0.1, le=0.9, description="overlap above which two candidates are one body")
    max_candidates: int = Field(40, ge=8, le=200, description="most candidates that level labelling considers")
    min_levels: int = Field(
        2, ge=1, le=4, description="levels of L1-L4 that a view needs for a class; the ISCD asks for two"
    )
    max_metal_ap: float = Field(
        0.016,
        ge=0,
        le=1,
        description="fraction of a body of an AP view that is metal, above which the level is left out",
    )
    max_metal_lateral: float = Field(0.006, ge=0, le=1, description="the same in a lateral view")
    max_detail: float = Field(0.55, gt=0, le=10, description="fine detail of the column above which it may be noise")
    min_structure_ap: float = Field(
        0.40, ge=-1, le=1, description="correlation of much detail between pixels below which an AP view is noise"
    )
    min_structure_lateral: float = Field(0.21, ge=-1, le=1, description="the same for a lateral view")
    min_detail: float = Field(0.04, ge=0, le=10, description="detail of the column below which a view is rejected")
    max_flat: float = Field(
        0.02, ge=0, le=1, description="fraction of the column without structure above which a view is rejected"
    )
    warn_cobb_deg: float = Field(
        20.0, gt=0, le=90, description="Cobb angle in an AP view above which a warning is given"
    )
    max_cobb_deg: float = Field(40.0, gt=0, le=90, description="Cobb angle in an AP view above which it is rejected")
    min_cut_height: float = Field(
        0.80, ge=0, le=1, description="height at the image's border, of the other bodies', below which a body is cut"
    )
    min_level_confidence: float = Field(0.15, ge=0, le=1, description="box confidence below which a level is left out")
    min_body: float = Field(
        0.5, ge=0, le=1, description="mean probability of vertebral bodies below which an image is not lumbar"
    )
    fracture_loss: float = Field(
        0.23, ge=0, le=1, description="loss of height of a body in a lateral view from which a fracture is suspected"
    )
    height_loss_sd: float = Field(0.08, gt=0, le=1, description="error of that loss (one standard deviation)")
    min_margin: float = Field(1.0, ge=0.0, le=10.0, description="labelling margin below which a view is rejected")
    warn_margin: float = Field(2.2, ge=0.0, le=10.0, description="labelling margin below which a warning is given")
