"""What a manifest tells of a calibration that a site fitted anew."""

from __future__ import annotations

from datetime import date

from pydantic import Field, JsonValue

from classify.calibration import Calibration
from cohort.bmd import BmdClass
from osteolens.config import StrictConfig


class Recalibration(StrictConfig):
    """On whom a site fitted the calibration of finished weights anew, and what it was before."""

    release: str = Field(min_length=1, max_length=100, description="of the weights before")
    calibration: Calibration = Field(description="of the weights before")
    osteolens: str = Field(description="version that fitted")
    fitted: date = Field(description="day of the fit")
    in_silico: bool = Field(description="whether the studies are simulated")
    patients: int = Field(ge=1, description="patients that it was fitted on")
    studies: int = Field(ge=1, description="studies of these patients")
    classes: dict[BmdClass, int] = Field(description="studies of each class by DXA")
    first_study: date | None = Field(None, description="day of the earliest radiographs, where known")
    last_study: date | None = Field(None, description="day of the latest radiographs, where known")
    tables: dict[str, str] = Field(description="SHA-256 of each table with DXA")
    results: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the studies and what was predicted of them")
    cross_validated: dict[str, JsonValue] = Field(description="figures before and after, on patients left out of fits")
    earlier: Recalibration | None = Field(None, description="that of the weights before, where they had one")
