"""Stored cells of a DICOM image into the grey values that a viewer shows, upright and with square pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from pydicom.encaps import generate_fragmented_frames
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi
from pydicom.pixels.processing import convert_color_space

from cohort.codestream import stated_size
from cohort.dicom_values import VALUE_ERRORS, Attributes, brief
from cohort.errors import NotRadiograph, ReadError
from cohort.grey import film_range, grey_of

Floats = npt.NDArray[np.float32]

STRAY_CELLS = 0.001
"""Share of the cells that may hold more than BitsStored allows without an overlay that says why."""

UNEVEN_PIXELS = 0.01
"""Difference of row and column spacing, of the larger, from which pixels are not square."""

MOST_UNEVEN = 4.0
"""Ratio of row and column spacing above which it is not believed."""

COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "PALETTE COLOR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A DICOM image as a viewer shows it.

    Attributes:
        pixels: float32 (rows, columns) in [0, 1]; bright = dense bone.
        full_range: the same before its window, or None when that was not asked for.
        anterior_left: whether rows run from the front of the patient to the back; None where the header is silent.
        spacing_factors: by what the stored (row, column) spacing is to be multiplied.
        turned: whether rows and columns were exchanged.
    """

    pixels: Floats
    full_range: Floats | None
    anterior_left: bool | None
    spacing_factors: tuple[float, float]
    turned: bool


def check_codestream(dataset: Any, rows: int, columns: int, name: str) -> None:
    """Hold the size that the codestream claims against the header's, before anything is decoded.

    Raises:
        ReadError: they differ, or the codestream leaves its height open.
    """
    if not dataset.file_meta.TransferSyntaxUID.is_compressed or dataset.file_meta.TransferSyntaxUID.is_deflated:
        return
    frame = next(generate_fragmented_frames(dataset.PixelData, number_of_frames=1), (b"",))
    said = stated_size(frame[0])
    if said is not None and said[:2] != (rows, columns):
        raise ReadError(
            f"{name}: the compressed image claims {said[0]} x {said[1]} pixels, but Rows and Columns say "
            f"{rows} x {columns}; the file is damaged"
        )


def shown_pixels(dataset: Any, header: Attributes, name: str, keep_full_range: bool) -> Shown:
    """Decode, mask, modality LUT, VOI LUT or window, inversion, borders, orientation, square pixels.

    Raises:
        NotRadiograph: a colour image, or one that needs a lookup table this does not know.
        ReadError: the cells do not fit the header.

    Source: DICOM PS3.3 C.7.6.3.1 (photometric interpretation, padding), C.11.1 (modality LUT), C.11.2 (VOI LUT and
    window), C.11.6 (presentation LUT shape), C.7.6.1.1.1 (patient orientation).
    """
    if header.number("NumberOfFrames") is None and "NumberOfFrames" in dataset:
        del dataset.NumberOfFrames
    stored = np.asarray(dataset.pixel_array)
    photometric = header.text("PhotometricInterpretation") or ""
    if photometric in COLOURS:
        grey, notes = grey_of(_rgb(stored, dataset, photometric), name)
        header.notes += notes
        return _upright(_unit(grey, grey, None, False), None, header, name)
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        if photometric:
            told = brief(photometric, 40)
            raise NotRadiograph(f"{name}: PhotometricInterpretation {told}, expected MONOCHROME1 or MONOCHROME2")
        header.notes.append("PhotometricInterpretation is missing; bright is taken as dense bone")
    if stored.ndim != 2:
        raise NotRadiograph(f"{name}: pixels of shape {stored.shape}, expected (rows, columns)")
    stored = _within_bits(stored, dataset, header, name)
    padding = _padding(stored, header)
    inverted = _inverted(photometric, header)
    modality, known = _modality(stored, dataset, header)
    shown = _windowed(modality, dataset, header) if known else None
    pixels = _unit(modality if shown is None else shown, modality, padding, inverted)
    full = _unit(modality, modality, padding, inverted, whole=True) if keep_full_range else None
    return _upright(pixels, full, header, name)


def _rgb(stored: npt.NDArray[Any], dataset: Any, photometric: str) -> Floats:
    """Channels in [0, 255]."""
    if photometric == "PALETTE COLOR":
        coloured = np.asarray(apply_color_lut(stored, dataset))
    elif photometric.startswith("YBR_FULL") and not dataset.file_meta.TransferSyntaxUID.is_compressed:
        coloured = convert_color_space(stored, photometric, "RGB")
    else:
        coloured = stored
    scale = 255 / (2 ** (8 * coloured.dtype.itemsize) - 1)
    return np.asarray(coloured[..., :3], np.float32) * np.float32(scale)


def _within_bits(stored: npt.NDArray[Any], dataset: Any, header: Attributes, name: str) -> npt.NDArray[Any]:
    """Cells without what lies outside HighBit and BitsStored: overlays of old machines, and stray bits.

    Source: DICOM PS3.5 8.1.1.
    """
    allocated = 8 * stored.dtype.itemsize
    bits = header.whole("BitsStored", allocated)
    high = header.whole("HighBit", bits - 1)
    if not 1 <= bits <= allocated or not bits - 1 <= high < allocated:
        raise ReadError(f"{name}: BitsStored {bits} and HighBit {high} do not fit BitsAllocated {allocated}")
    if bits == allocated:
        return stored
    signed = np.issubdtype(stored.dtype, np.signedinteger)
    if not signed and high == bits - 1:
        raw = _raw_cells(dataset, stored)
        if int(raw.max()) < 2**bits:
            return stored
        stray = float(np.mean(raw >= 2**bits))
        if stray > STRAY_CELLS and not _has_overlay_bits(dataset):
            raise ReadError(
                f"{name}: {100 * stray:.1f} % of the pixels hold more than BitsStored {bits} allows "
                "and no overlay says why"
            )
        header.notes.append(f"bits above BitsStored {bits} are not used")
    up, down = allocated - 1 - high, allocated - bits
    return (stored << up) >> down


def _raw_cells(dataset: Any, stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Cells as they lie in the file; pydicom masks those of uncompressed images without a word."""
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        return stored
    order = "<" if dataset.file_meta.TransferSyntaxUID.is_little_endian else ">"
    kind = np.dtype(f"{order}u{stored.dtype.itemsize}")
    return np.frombuffer(dataset.PixelData, kind, count=stored.size)


def _has_overlay_bits(dataset: Any) -> bool:
    """Whether an overlay lies in unused bits of the cells (retired in 2004, still in archives)."""
    return any((group, 0x0102) in dataset and dataset[group, 0x0102].value for group in range(0x6000, 0x6020, 2))


def _padding(stored: npt.NDArray[Any], header: Attributes) -> npt.NDArray[np.bool_] | None:
    """Cells that hold no measurement (PixelPaddingValue to PixelPaddingRangeLimit)."""
    first = header.number("PixelPaddingValue")
    if first is None:
        return None
    last = header.number("PixelPaddingRangeLimit")
    bounds = sorted((first, first if last is None else last))
    outside = (stored >= bounds[0]) & (stored <= bounds[1])
    return None if outside.all() or not outside.any() else outside


def _inverted(photometric: str, header: Attributes) -> bool:
    """Whether the least value is to be shown white.

    MONOCHROME1 goes with the shape INVERSE and is inverted once; the shape INVERSE alone inverts too.
    """
    return photometric == "MONOCHROME1" or header.text("PresentationLUTShape") == "INVERSE"


def _modality(stored: npt.NDArray[Any], dataset: Any, header: Attributes) -> tuple[Floats, bool]:
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
    if slope and (slope, intercept or 0.0) != (1.0, 0.0):
        values = values * np.float32(slope) + np.float32(intercept or 0.0)
    return values, known


def _windowed(modality: Floats, dataset: Any, header: Attributes) -> Floats | None:
    """Values in [0, 1] by the first VOI LUT, else the first window that is possible; None without either."""
    if header.value("VOILUTSequence") is not None:
        try:
            whole = np.round(modality).astype(np.int32)
            table = np.asarray(apply_voi(whole, dataset, index=0), np.float32)
            bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
            return table / np.float32(2**bits - 1)
        except VALUE_ERRORS as error:
            header.notes.append(f"VOILUTSequence is not used: {brief(error, 80)}")
    centre, width = header.numbers("WindowCenter", 1), header.numbers("WindowWidth", 1)
    if centre is None or width is None:
        return None
    function = (header.text("VOILUTFunction") or "LINEAR").upper()
    c, w = centre[0], width[0]
    least = 1.0 if function == "LINEAR" else 0.0
    if w < least or w == 0 or abs(c) > 1e9 or w > 1e9:
        header.unknown("WindowWidth", f"{w:g} (center {c:g})", "it is no possible window")
        return None
    if function == "SIGMOID":
        return np.asarray(1 / (1 + np.exp(-4 * (modality - c) / w)), np.float32)
    if function == "LINEAR":
        c, w = c - 0.5, max(w - 1, 1e-3)
    shown = np.clip((modality - np.float32(c)) / np.float32(w) + np.float32(0.5), 0, 1)
    if float(shown.max()) - float(shown.min()) < 1e-3:
        header.unknown("WindowWidth", f"{width[0]:g} (center {centre[0]:g})", "every pixel lies outside the window")
        return None
    return np.asarray(shown, np.float32)


def _unit(
    values: Floats, modality: Floats, padding: npt.NDArray[np.bool_] | None, inverted: bool, whole: bool = False
) -> Floats:
    """Values scaled to [0, 1] from black to white of the film between its borders, padding black.

    Args:
        values: after the window, or before it.
        modality: before it, of the same shape; tells where padding would set the scale.
        padding: cells without a measurement.
        inverted: whether the least value is white.
        whole: whether the scale is that of all cells but single ones, borders included.
    """
    inside = values if padding is None else np.where(padding, np.float32(np.median(values[~padding])), values)
    low, high = np.percentile(inside[::4, ::4], (0.05, 99.95)) if whole else film_range(inside)
    scaled = np.clip((inside - low) / (high - low), 0, 1) if high > low else np.zeros_like(inside)
    scaled = 1 - scaled if inverted else scaled
    if padding is not None:
        scaled[padding] = 0
    return np.ascontiguousarray(scaled, np.float32)


def _upright(pixels: Floats, full: Floats | None, header: Attributes, name: str) -> Shown:
    """Turned until columns run from head to feet, as PatientOrientation says, and resampled to square pixels."""
    along, down = (*header.texts("PatientOrientation"), "", "")[:2]
    turned = along[:1] in ("H", "F") and down[:1] not in ("H", "F", "")
    if turned:
        along, down = down, along
    half = down[:1] == "H" and along[:1] in ("R", "A")
    mirrored = down[:1] == "H" and not half

    def apply(image: Floats) -> Floats:
        image = image.T if turned else image
        image = image[::-1, ::-1] if half else image[::-1] if mirrored else image
        return np.ascontiguousarray(image)

    if turned or half or mirrored:
        header.notes.append(
            f"PatientOrientation says {brief('/'.join(header.texts('PatientOrientation')), 40)}; turned upright"
        )
    if half:
        along = {"R": "L", "A": "P"}[along[:1]]
    factors = _square(header, name)
    to = factors[::-1] if turned else factors
    return Shown(
        pixels=_resampled(apply(pixels), to),
        full_range=None if full is None else _resampled(apply(full), to),
        anterior_left={"P": True, "A": False}.get(along[:1]),
        spacing_factors=(1 / factors[0], 1 / factors[1]),
        turned=turned,
    )


def _square(header: Attributes, name: str) -> tuple[float, float]:
    """By what stored (rows, columns) are multiplied so that a pixel is as tall as wide; the finer of both stays."""
    spacing = header.numbers("PixelSpacing", 2) or header.numbers("ImagerPixelSpacing", 2)
    ratio = header.numbers("PixelAspectRatio", 2)
    tall, wide = spacing or ratio or (1.0, 1.0)
    if min(tall, wide) <= 0 or abs(tall - wide) <= UNEVEN_PIXELS * max(tall, wide):
        return 1.0, 1.0
    which = "PixelSpacing" if spacing else "PixelAspectRatio"
    if max(tall, wide) > MOST_UNEVEN * min(tall, wide):
        raise ReadError(f"{name}: {which} {tall:g}\\{wide:g} makes pixels that are no film's; check it")
    header.notes.append(f"pixels are not square ({which} {tall:g}\\{wide:g}); boxes are in pixels of the squared image")
    return (tall / wide, 1.0) if tall > wide else (1.0, wide / tall)


def _resampled(image: Floats, factors: tuple[float, float]) -> Floats:
    if factors == (1.0, 1.0):
        return image
    size = max(1, round(image.shape[1] * factors[1])), max(1, round(image.shape[0] * factors[0]))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.float32)
