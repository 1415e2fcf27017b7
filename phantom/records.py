"""patient.json: the record of one simulated study, written and read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from cohort.covariates import Sex
from cohort.spine import VertebraBox, VertebralLevel, View
from osteolens.atomic import write_whole
from osteolens.errors import ReadError
from phantom.readers import sample_reader_rois
from phantom.subject.pathology import Exposure, Implant

if TYPE_CHECKING:
    from phantom.xray.radiograph import SimulatedImage

FILE_NAME = "patient.json"

Corners = tuple[float, float, float, float]
"""x0, y0, x1, y1 of a box in pixels."""


class Record(BaseModel):
    """Base of what is kept in a JSON file of a simulated cohort: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ImageRecord(Record):
    """Truth and readers' ROIs of one image."""

    shape: tuple[int, int]
    """Rows and columns."""
    boxes: dict[VertebralLevel, Corners]
    """ROI of each level by the paper's rule."""
    outlines: dict[VertebralLevel, tuple[tuple[float, float], ...]]
    """Points x, y of each body's border in pixels."""
    readers: dict[str, dict[VertebralLevel, Corners]]
    """Manual ROIs by reader."""


class StudyRow(Record):
    """The line of cohort.csv of a study of which only the images are known; fields are columns, in their order."""

    patient_id: str
    study_uid: str
    site: str
    machine: str
    """Station name of the X-ray system."""


class PatientRow(StudyRow):
    """The line of cohort.csv of a simulated patient, what only a simulation knows included."""

    study_date: date
    age_years: float
    sex: Sex
    height_cm: float
    weight_kg: float
    menopause_age_years: float | None
    t_score: float | None
    bmd_g_cm2: float | None
    t_score_L1: float | None
    t_score_L2: float | None
    t_score_L3: float | None
    t_score_L4: float | None
    dxa_date: date
    dxa_reference: str | None
    implant: Implant
    fracture_grade: int
    """Highest Genant grade at L1-L4."""
    fractures: str
    """Level, shape and loss of height of each, such as `L1:wedge:0.31`."""
    cobb_deg: float
    exposure: Exposure
    lumbar_count: int
    sacralised: float
    """0 (free) to 1 (fused) of the lowest vertebra."""
    osteophytes: int
    aortic_plaques: int
    vbmd_mg_cm3: float
    shell_mm: float
    posterior_factor: float
    bone_size: float
    true_bmd_g_cm2: float
    posterior_share: float
    """Fraction of L1-L4 mineral behind the back walls."""
    anatomy: str
    habitus: str


class PatientRecord(Record):
    """One simulated study: its line of cohort.csv, and the truth of its images."""

    row: PatientRow | StudyRow
    images: dict[View, ImageRecord]


def image_record(view: View, image: SimulatedImage, seed: int) -> ImageRecord:
    """Truth of an image, with manual ROIs of the simulated readers.

    Args:
        view: of the image.
        image: with its boxes and outlines.
        seed: of the readers' errors.
    """
    rois = sample_reader_rois(image.boxes, view, image.spacing_mm, seed)
    return ImageRecord(
        shape=(image.stored.shape[0], image.stored.shape[1]),
        boxes=_corners(image.boxes),
        outlines={
            level: tuple((round(float(x), 1), round(float(y), 1)) for x, y in line)
            for level, line in image.outlines.items()
        },
        readers={reader: _corners(boxes) for reader, boxes in rois.items()},
    )


def _corners(boxes: Iterable[VertebraBox]) -> dict[VertebralLevel, Corners]:
    def rounded(value: float) -> float:
        return round(float(value), 1)

    return {b.level: (rounded(b.x0), rounded(b.y0), rounded(b.x1), rounded(b.y1)) for b in boxes}


def write_record(record: PatientRecord, folder: Path) -> None:
    """patient.json in a patient's folder, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    write_whole(folder / FILE_NAME, json.dumps(record.model_dump(mode="json")))


def read_record(path: Path) -> PatientRecord:
    """One patient.json.

    Raises:
        ReadError: it cannot be read, or is no record of a simulated study.
    """
    try:
        return PatientRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else _first_error(error)
        raise ReadError(
            f"{path.parent.name}/{path.name}: {reason}; expected the record of a simulated study; "
            "delete the patient's folder and simulate again"
        ) from error


def _first_error(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc']) or 'the file'}: {first['msg']}"
