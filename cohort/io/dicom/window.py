"""Modality LUT, rescale, VOI LUT and window of a DICOM image; impossible values are noted and not used."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi

from cohort.io.dicom.attributes import VALUE_ERRORS, Attributes, brief

Floats = npt.NDArray[np.float32]

Cells = npt.NDArray[np.integer[Any]]
"""Values as they are stored."""

FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
"""Of a window. Source: DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3."""

LEAST_SEEN = 1e-3
"""Range of the displayed values of most pixels below which a window shows nothing."""


def rescaled(stored: Cells, dataset: Dataset, header: Attributes) -> tuple[Floats, bool]:
    """Values after the modality LUT or rescale, and whether these could be read; without them no window fits."""
    if header.value("ModalityLUTSequence") is not None:
        try:
            return np.asarray(apply_modality_lut(stored, dataset), np.float32), True
        except VALUE_ERRORS as error:
            header.notes.append(f"ModalityLUTSequence is not used: {brief(error, 80)}")
            return stored.astype(np.float32), False
    slope, intercept = header.number("RescaleSlope", -1e6, 1e6), header.number("RescaleIntercept", -1e9, 1e9)
    if slope == 0:
        header.unknown("RescaleSlope", 0, "it makes all pixels equal")
    unread = (slope is None and "RescaleSlope" in dataset) or (intercept is None and "RescaleIntercept" in dataset)
    known = not unread and slope != 0
    values = stored.astype(np.float32)
    if slope is None and intercept:
        header.notes.append("RescaleIntercept stands without RescaleSlope; a slope of 1 is taken")
    slope = 1.0 if slope is None else slope
    if slope and (slope, intercept or 0.0) != (1.0, 0.0):
        values = values * np.float32(slope) + np.float32(intercept or 0.0)
    return values, known


def windowed(modality: Floats, dataset: Dataset, header: Attributes) -> Floats | None:
    """Values in [0, 1] by the first VOI LUT, else the first window that shows something; None without either."""
    if header.value("VOILUTSequence") is not None:
        table = _by_table(modality, dataset, header)
        if table is not None:
            return table
    function = (header.text("VOILUTFunction") or "LINEAR").upper()
    if function not in FUNCTIONS:
        header.unknown("VOILUTFunction", function, f"expected {', '.join(FUNCTIONS)}")
        function = "LINEAR"
    for centre, width in zip(header.every_number("WindowCenter"), header.every_number("WindowWidth"), strict=False):
        shown = _by_window(modality, centre, width, function, header)
        if shown is not None:
            return shown
    return None


def _by_table(modality: Floats, dataset: Dataset, header: Attributes) -> Floats | None:
    try:
        table = np.asarray(apply_voi(np.round(modality).astype(np.int32), dataset, index=0), np.float32)
        bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
    except VALUE_ERRORS as error:
        header.notes.append(f"VOILUTSequence is not used: {brief(error, 80)}")
        return None
    shown = table / np.float32(2**bits - 1)
    if not _shows(shown):
        header.notes.append("VOILUTSequence is not used: it makes all pixels equal")
        return None
    return np.asarray(shown, np.float32)


def _by_window(modality: Floats, centre: float, width: float, function: str, header: Attributes) -> Floats | None:
    window_text = f"{width:g} (center {centre:g})"
    least = 1.0 if function == "LINEAR" else 0.0
    if width < least or width == 0 or abs(centre) > 1e9 or width > 1e9:
        header.unknown("WindowWidth", window_text, "it is no possible window")
        return None
    if function == "SIGMOID":
        shown = 1 / (1 + np.exp(-4 * (modality - np.float32(centre)) / np.float32(width)))
    else:
        c, w = (centre - 0.5, max(width - 1, 1e-3)) if function == "LINEAR" else (centre, width)
        shown = np.clip((modality - np.float32(c)) / np.float32(w) + np.float32(0.5), 0, 1)
    if not _shows(shown):
        header.unknown("WindowWidth", window_text, "most pixels lie outside the window")
        return None
    return np.asarray(shown, np.float32)


def _shows(shown: Floats) -> bool:
    """Whether most pixels are not all alike."""
    low, high = np.percentile(shown[::4, ::4], (2, 98))
    return bool(high - low > LEAST_SEEN)
