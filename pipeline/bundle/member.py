"""What a manifest tells of a network of an ensemble."""

from __future__ import annotations

from pydantic import Field, JsonValue

from classify.calibration import Calibration
from osteolens.config import StrictConfig
from pipeline.bundle.recalibration import Recalibration


class Member(StrictConfig):
    """A classifier of an ensemble, as its own manifest told it."""

    release: str = Field(min_length=1, max_length=100, description="of its weights")
    files: dict[str, str] = Field(description="SHA-256 of each of its files")
    calibration: Calibration = Field(description="of it; its temperature and T-score correction stand in the graph")
    recalibration: Recalibration | None = Field(None, description="on whom a site fitted that anew")
    training: str | None = Field(None, description="what it was trained on")
    settings: dict[str, JsonValue] = Field({}, description="of its training, as a record")
    metrics: dict[str, JsonValue] = Field({}, description="of it alone, as its runs and tests printed them")
