"""Stored cells of a DICOM image into the grey values that a viewer shows, upright and with square pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.encaps import generate_fragmented_frames
from pydicom.pixels import apply_color_lut

from cohort.io.dicom.attributes import Attributes, brief
from cohort.io.dicom.codestream import stated_size
from cohort.io.dicom.photometric import Photometric
from cohort.io.dicom.placement import placement_of
from cohort.io.dicom.window import Cells, rescaled, windowed
from cohort.io.grey import grey_of, radiograph_range
from osteolens.errors import NotRadiograph, ReadError

Floats = npt.NDArray[np.float32]

STRAY_CELLS = 0.001
"""Largest fraction of cells that may hold more than BitsStored allows without an overlay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A DICOM image as a viewer shows it.

    Attributes:
        pixels: float32 (rows, columns) in [0, 1]; bright = dense bone.
        full_range: the same before its window, or None when it was not requested.
        anterior_left: whether rows run from the front of the patient to the back; None where it is unknown.
        spacing_factors: by what the stored (row, column) spacing is to be multiplied.
        was_transposed: whether rows and columns were exchanged.
        is_turned: whether the image was turned or mirrored to stand upright.
    """

    pixels: Floats
    full_range: Floats | None
    anterior_left: bool | None
    spacing_factors: tuple[float, float]
    was_transposed: bool
    is_turned: bool


def check_codestream(dataset: Dataset, rows: int, columns: int, name: str) -> None:
    """Compare the size that the codestream states with the header's, before anything is decoded.

    Args:
        dataset: with pixel data.
        rows: by the header.
        columns: by the header.
        name: of the file, for messages.

    Raises:
        ReadError: they differ, or the codestream leaves its height open.
    """
    if not dataset.file_meta.TransferSyntaxUID.is_compressed:
        return
    frame = next(generate_fragmented_frames(dataset.PixelData, number_of_frames=1), (b"",))
    stated = stated_size(frame[0])
    if stated is not None and stated[:2] != (rows, columns):
        raise ReadError(
            f"{name}: the compressed image claims {stated[0]} x {stated[1]} pixels, but Rows and Columns say "
            f"{rows} x {columns}; the file is damaged"
        )


def shown_pixels(dataset: Dataset, header: Attributes, name: str, with_full_range: bool) -> Shown:
    """Decode, mask, modality LUT, VOI LUT or window, inversion, borders, orientation, square pixels.

    Args:
        dataset: with pixel data.
        header: attributes of the data set; it gets notes on values that are not used.
        name: of the file, for messages.
        with_full_range: whether the image before its window is kept too.

    Raises:
        NotRadiograph: a colour image, or an unknown photometric interpretation.
        ReadError: the cells do not fit the header.

    Source: DICOM PS3.3 C.7.6.3.1 (photometric interpretation, padding), C.11.1 (modality LUT), C.11.2 (VOI LUT and
    window), C.11.6 (presentation LUT shape), C.7.6.1.1.1 (patient orientation).
    """
    if header.number("NumberOfFrames") is None and "NumberOfFrames" in dataset:
        del dataset.NumberOfFrames
    stored = np.asarray(dataset.pixel_array)
    photometric = _photometric(header, name)
    if photometric is not None and not photometric.is_grey:
        grey, notes = grey_of(_rgb(stored, dataset, photometric, name), name)
        header.notes += notes
        return _upright(_unit(grey, None, False), None, header)
    if photometric is None:
        header.notes.append("PhotometricInterpretation is missing; bright is taken as dense bone")
    if stored.ndim != 2:
        raise NotRadiograph(f"{name}: pixels of shape {stored.shape}, expected (rows, columns)")
    padding = _padding(_raw_cells(dataset, stored), header)
    stored = _within_bits(stored, padding, dataset, header, name)
    inverted = _inverted(photometric, header)
    modality, known = rescaled(stored, dataset, header)
    shown = windowed(modality, dataset, header) if known else None
    pixels = _unit(modality if shown is None else shown, padding, inverted)
    full = _unit(modality, padding, inverted, with_borders=True) if with_full_range else None
    return _upright(pixels, full, header)


def _photometric(header: Attributes, name: str) -> Photometric | None:
    """Photometric interpretation; None where the header does not give it.

    Raises:
        NotRadiograph: the value is not one of `Photometric`.
    """
    text = (header.text("PhotometricInterpretation") or "").upper()
    if not text:
        return None
    try:
        return Photometric(text)
    except ValueError:
        expected = "expected MONOCHROME1 or MONOCHROME2"
        raise NotRadiograph(f"{name}: PhotometricInterpretation {brief(text, 40)}, {expected}") from None


def _rgb(stored: Cells, dataset: Dataset, photometric: Photometric, name: str) -> Floats:
    """Channels in [0, 255]; pydicom gives YBR as RGB.

    Raises:
        NotRadiograph: the pixels have not the samples of this photometric interpretation.
    """
    if stored.ndim != (2 if photometric is Photometric.PALETTE_COLOR else 3):
        samples = 1 if photometric is Photometric.PALETTE_COLOR else 3
        raise NotRadiograph(
            f"{name}: PhotometricInterpretation {photometric} with pixels of shape {stored.shape}, "
            f"expected {samples} sample{'s' if samples > 1 else ''} a pixel"
        )
    coloured = np.asarray(apply_color_lut(stored, dataset)) if photometric is Photometric.PALETTE_COLOR else stored
    scale = 255 / (2 ** (8 * coloured.dtype.itemsize) - 1)
    return np.asarray(coloured[..., :3], np.float32) * np.float32(scale)


def _within_bits(
    stored: Cells, padding: npt.NDArray[np.bool_] | None, dataset: Dataset, header: Attributes, name: str
) -> Cells:
    """Cells without what lies outside HighBit and BitsStored: overlays of old machines, and stray bits.

    Source: DICOM PS3.5 8.1.1.
    """
    allocated = 8 * stored.dtype.itemsize
    bits = header.integer("BitsStored", allocated)
    high = header.integer("HighBit", bits - 1)
    if not 1 <= bits <= allocated or high >= allocated:
        raise ReadError(f"{name}: BitsStored {bits} and HighBit {high} do not fit BitsAllocated {allocated}")
    if high < bits - 1:
        header.unknown("HighBit", high, f"BitsStored is {bits}")
        high = bits - 1
    if bits == allocated:
        return stored
    signed = np.issubdtype(stored.dtype, np.signedinteger)
    raw = _raw_cells(dataset, stored)
    if high > bits - 1:
        header.notes.append(f"HighBit {high} is above BitsStored {bits}; the cells are shifted")
        return _shifted(raw, allocated - 1 - high, allocated - bits).astype(stored.dtype)
    if not signed:
        if int(raw.max()) < 2**bits:
            return stored
        stray = float(np.mean(raw >= 2**bits)) if padding is None else float(np.mean(raw[~padding] >= 2**bits))
        if stray > STRAY_CELLS and not _has_overlay_bits(dataset):
            raise ReadError(
                f"{name}: {100 * stray:.1f} % of the pixels hold more than BitsStored {bits} allows "
                "and no overlay says why"
            )
        if stray:
            header.notes.append(f"bits above BitsStored {bits} are not used")
    return _shifted(stored, allocated - bits, allocated - bits)


def _shifted(cells: Cells, up: int, down: int) -> Cells:
    return (cells << up) >> down


def _raw_cells(dataset: Dataset, stored: Cells) -> Cells:
    """Cells as they lie in the file; pydicom masks those of uncompressed images without a warning."""
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        return stored
    order = "<" if dataset.file_meta.TransferSyntaxUID.is_little_endian else ">"
    kind = np.dtype(f"{order}{stored.dtype.kind}{stored.dtype.itemsize}")
    return np.frombuffer(dataset.PixelData, kind, count=stored.size).reshape(stored.shape)


def _has_overlay_bits(dataset: Dataset) -> bool:
    """Whether an overlay lies in unused bits of the cells (retired in 2004, still in archives)."""
    return any((group, 0x0102) in dataset and dataset[group, 0x0102].value for group in range(0x6000, 0x6020, 2))


def _padding(raw: Cells, header: Attributes) -> npt.NDArray[np.bool_] | None:
    """Cells outside the radiograph that hold no measurement (PixelPaddingValue to PixelPaddingRangeLimit): those that
    hang together with the image's edge. Cells of that value inside the radiograph keep it, with a note.

    Source: DICOM PS3.3 C.7.5.1.1.2.
    """
    first = header.number("PixelPaddingValue")
    if first is None:
        return None
    last = header.number("PixelPaddingRangeLimit")
    bounds = sorted((first, first if last is None else last))
    alike = (raw >= bounds[0]) & (raw <= bounds[1])
    count, labels = cv2.connectedComponents(alike.astype(np.uint8), connectivity=4)
    edge = np.zeros(count, bool)
    edge[np.unique(np.concatenate((labels[0], labels[-1], labels[:, 0], labels[:, -1])))] = True
    edge[0] = False
    outside = edge[labels]
    if np.count_nonzero(alike) > np.count_nonzero(outside):
        header.notes.append("pixels inside the radiograph have the PixelPaddingValue; they keep it")
    return None if outside.all() or not outside.any() else outside


def _inverted(photometric: Photometric | None, header: Attributes) -> bool:
    """Whether the least value is to be shown white.

    MONOCHROME1 goes with the shape INVERSE and is inverted once; the shape INVERSE alone inverts too.
    """
    shape = (header.text("PresentationLUTShape") or "IDENTITY").upper()
    if shape not in ("IDENTITY", "INVERSE"):
        header.unknown("PresentationLUTShape", shape, "expected IDENTITY or INVERSE")
    return photometric is Photometric.MONOCHROME1 or shape == "INVERSE"


def _unit(values: Floats, padding: npt.NDArray[np.bool_] | None, inverted: bool, with_borders: bool = False) -> Floats:
    """Values scaled to [0, 1] from black to white of the radiograph between its borders, padding black.

    Args:
        values: after the window, or before it.
        padding: cells without a measurement.
        inverted: whether the least value is white.
        with_borders: whether borders count for the scale, from the 0.05th to the 99.95th percentile.
    """
    inside = values if padding is None else np.where(padding, np.float32(np.median(values[~padding])), values)
    ends = np.percentile(inside[::4, ::4], (0.05, 99.95)) if with_borders else radiograph_range(inside)
    low, high = float(ends[0]), float(ends[1])
    scaled = np.zeros_like(inside)
    if high > low:  # in place: the image is large
        np.subtract(inside, low, out=scaled)
        np.divide(scaled, high - low, out=scaled)
        np.clip(scaled, 0, 1, out=scaled)
    if inverted:
        np.subtract(1, scaled, out=scaled)
    if padding is not None:
        scaled[padding] = 0
    return np.ascontiguousarray(scaled, np.float32)


def _upright(pixels: Floats, full: Floats | None, header: Attributes) -> Shown:
    """Turned until columns run from head to feet, by PatientOrientation, and resampled to square pixels."""
    placement = placement_of(header)
    return Shown(
        pixels=placement.shown(pixels),
        full_range=None if full is None else placement.shown(full),
        anterior_left=placement.anterior_left,
        spacing_factors=(1 / placement.factors[0], 1 / placement.factors[1]),
        was_transposed=placement.was_transposed,
        is_turned=placement.is_turned,
    )
