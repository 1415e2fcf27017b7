"""The software that made an object."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version

from pipeline.prediction import ModelIdentifiers

MANUFACTURER = "OsteoLens"
MODEL = "OsteoLens, research use"
_LONG_STRING = 64


@cache
def software_version() -> str:
    """Version of OsteoLens."""
    return version("osteolens")


def model_parameters(model: ModelIdentifiers) -> list[str]:
    """Version and hashes of the weights, and the digest of the settings, as `name=value`."""
    return [f"{name}={value}" for name, value in sorted(model.as_json().items())]


def device_serial(model: ModelIdentifiers) -> str:
    """The weights' version as the serial number of the device."""
    return f"weights {model.version}"[:_LONG_STRING]
