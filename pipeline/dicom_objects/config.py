"""Settings of DICOM objects."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from osteolens.config import StrictConfig


class DicomObject(StrEnum):
    """Objects that a result can be written as."""

    SR = "sr"
    SC = "sc"
    GSPS = "gsps"


class DicomConfig(StrictConfig):
    """Which DICOM objects are written, and under which identifiers."""

    objects: tuple[DicomObject, ...] = Field(
        (), max_length=3, description="sr (structured report), sc (secondary capture), gsps (presentation state)"
    )
    uid_root: str = Field(
        "2.25",
        max_length=32,
        pattern=r"^[0-2]\.(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*$",
        description="root of the objects' UIDs; 2.25 needs no registration",
    )
    series_number: int = Field(
        9700,
        ge=1,
        le=999_990,
        description="SeriesNumber of the report; capture and presentation state take the next two",
    )
