"""One image file: read within limits, cleaned, looked at for text in its pixels, and written under a pseudonym."""

from __future__ import annotations

import io
import warnings
import zlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import generate_fragmented_frames
from pydicom.errors import InvalidDicomError
from pydicom.uid import ExplicitVRLittleEndian

from cohort.deidentify.burnt_in import TextBox, black_out, find_text
from cohort.deidentify.comments import has_comment
from cohort.deidentify.dataset import Cleaning, clean
from cohort.deidentify.profile import Action
from cohort.deidentify.pseudonyms import Pseudonyms
from cohort.io.dicom.attributes import VALUE_ERRORS, Attributes, brief
from cohort.io.dicom.pixels import check_codestream
from cohort.io.dicom.read import MAX_PIXELS, read_header
from osteolens.atomic import make_folder, write_whole
from osteolens.errors import OsteoLensError, OutputError, ReadError

IMAGE_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.1": "Computed Radiography",
    "1.2.840.10008.5.1.4.1.1.1.1": "Digital X-Ray, for presentation",
    "1.2.840.10008.5.1.4.1.1.1.1.1": "Digital X-Ray, for processing",
    "1.2.840.10008.5.1.4.1.1.7": "Secondary Capture",
}
"""Objects that are taken. Source: DICOM PS3.4 B.5."""

Cells = npt.NDArray[np.generic]

PARSE_ERRORS = (*VALUE_ERRORS, RuntimeError, MemoryError, InvalidDicomError, zlib.error)


class Ending(StrEnum):
    """What became of a file."""

    WRITTEN = "written"
    THERE = "there already"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One file to be done.

    Attributes:
        path: of the file.
        out: folder of all that is written.
        pseudonyms: what stands in place of identifiers.
        patient_id: whose file it is, as joined with the tables.
        keeps_dates: whether dates are shifted; else they are removed.
        blackens: whether suspected text is made black.
    """

    path: Path
    out: Path
    pseudonyms: Pseudonyms
    patient_id: str
    keeps_dates: bool
    blackens: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """What became of one file.

    Attributes:
        ending: written, there already or refused.
        output: its path below the output folder, None when refused.
        reason: why it was refused; names nothing that stands in the file.
        kept: attributes that stayed.
        found: attributes that held a part of an identifier and were removed for it.
        counts: attributes by what was done with them.
        text: boxes of suspected text in stored pixels.
        blackened: whether they were made black.
        burned_in_annotation: value of that attribute before.
    """

    ending: Ending
    output: str | None = None
    reason: str = ""
    kept: tuple[str, ...] = ()
    found: tuple[str, ...] = ()
    counts: tuple[tuple[Action, int], ...] = ()
    text: tuple[TextBox, ...] = ()
    blackened: bool = False
    burned_in_annotation: str = ""


def deidentify_film(task: Task) -> Film:
    """Do one file; whatever is wrong with it becomes a reason.

    Raises:
        OutputError: the output cannot be written, so that going on is of no use.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            return _film(task)
    except OutputError:
        raise
    except OsteoLensError as error:
        reason = str(error).removeprefix(f"{task.path.name}: ")
    except PARSE_ERRORS as error:
        reason = f"not readable as DICOM ({type(error).__name__})"
    return Film(ending=Ending.REFUSED, reason=reason)


def _film(task: Task) -> Film:
    header = read_header(task.path)
    dataset = pydicom.dcmread(task.path, force=True)
    if "TransferSyntaxUID" not in getattr(dataset, "file_meta", {}):
        raise ReadError("no file meta information; expected a DICOM file as PS3.10 describes it")
    if str(dataset.get("SOPClassUID")) not in IMAGE_CLASSES:
        raise ReadError("no radiograph; expected a CR, DX or secondary capture image")
    uids = [str(dataset.get(name, "")) for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")]
    if not all(uids):
        raise ReadError("StudyInstanceUID, SeriesInstanceUID or SOPInstanceUID is missing")
    cells = _cells(dataset)
    text = find_text(cells)
    annotation = brief(Attributes(dataset).text("BurnedInAnnotation") or "", 16)
    if text and task.blackens:
        _blacken(dataset, cells, text)
    cleaning = Cleaning(pseudonyms=task.pseudonyms, patient_id=task.patient_id, keeps_dates=task.keeps_dates)
    clean(dataset, cleaning, blackened=bool(text) and task.blackens)
    names = task.pseudonyms
    place = Path(names.patient(task.patient_id)) / names.name("S", uids[0])
    place /= f"{names.name(str(header.view or 'image'), uids[2])}.dcm"
    return Film(
        ending=_written(_encoded(dataset), task.out, place),
        output=place.as_posix(),
        kept=tuple(sorted(cleaning.kept)),
        found=tuple(sorted(cleaning.found)),
        counts=tuple(cleaning.actions.items()),
        text=tuple(text),
        blackened=bool(text) and task.blackens,
        burned_in_annotation=annotation if annotation in ("YES", "NO") else "",
    )


def _cells(dataset: Dataset) -> Cells:
    """Stored values of the one frame, after checks of what may be hidden beside them.

    Raises:
        ReadError: sizes that do not fit, more than one frame, or a comment within compressed data.
    """
    header = Attributes(dataset)
    rows, columns = header.integer("Rows"), header.integer("Columns")
    samples, bits = header.integer("SamplesPerPixel", 1), header.integer("BitsAllocated", 16)
    if not 0 < rows * columns <= MAX_PIXELS or rows <= 0 or header.integer("NumberOfFrames", 1) != 1:
        raise ReadError(f"{rows} x {columns} pixels; expected one frame of at most {MAX_PIXELS:,}")
    if samples not in (1, 3) or bits not in (8, 16, 32) or "PixelData" not in dataset:
        raise ReadError("no pixels of 8, 16 or 32 bits; expected a radiograph")
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        check_codestream(dataset, rows, columns, "the image")
        frames = list(generate_fragmented_frames(dataset.PixelData, number_of_frames=1))
        if has_comment(b"".join(frames[0]) if frames else b""):
            raise ReadError("its compressed pixels hold a comment or another insertion; decompress the image first")
    elif len(dataset.PixelData) > rows * columns * samples * bits // 8 + 1:
        raise ReadError("PixelData is longer than the image; what follows the pixels may be anything")
    try:
        cells = np.asarray(dataset.pixel_array)
    except PARSE_ERRORS as error:
        raise ReadError(
            f"pixels cannot be decoded ({type(error).__name__}), so that text in them cannot be looked for"
        ) from error
    if cells.size != rows * columns * samples:
        raise ReadError("the decoded image has another size than Rows and Columns say")
    _check_spare_bits(dataset, cells)
    return cells


def _check_spare_bits(dataset: Dataset, cells: Cells) -> None:
    """Bits beyond BitsStored may hold an overlay with text, which cannot be taken out without changing the pixels."""
    header = Attributes(dataset)
    bits, allocated = header.integer("BitsStored", 16), header.integer("BitsAllocated", 16)
    if dataset.file_meta.TransferSyntaxUID.is_compressed or header.integer("PixelRepresentation") or bits >= allocated:
        return
    order = "<" if dataset.file_meta.TransferSyntaxUID.is_little_endian else ">"
    raw = np.frombuffer(dataset.PixelData, np.dtype(f"{order}u{allocated // 8}"), count=cells.size)
    high = header.integer("HighBit", bits - 1)
    stored = ((1 << bits) - 1) << max(0, high - bits + 1)
    if bool((raw & np.array((1 << allocated) - 1 - stored, raw.dtype)).any()):
        raise ReadError(f"bits beyond BitsStored {bits} are used, as by overlays of old machines; expected them empty")


def _blacken(dataset: Dataset, cells: Cells, boxes: list[TextBox]) -> None:
    """Write the pixels anew without the text, uncompressed where they were compressed.

    Raises:
        ReadError: colours or palettes, whose black is no single value.
    """
    if cells.ndim != 2 or str(dataset.get("PhotometricInterpretation")) not in ("MONOCHROME1", "MONOCHROME2"):
        raise ReadError("text in a coloured image cannot be made black; expected MONOCHROME1 or MONOCHROME2")
    blackened = np.array(cells)
    inverse = (
        str(dataset.PhotometricInterpretation) == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE"
    )
    black_out(blackened, boxes, int(blackened.max() if inverse else blackened.min()))
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset["PixelData"].is_undefined_length = False
    little = bool(dataset.file_meta.TransferSyntaxUID.is_little_endian)
    raw = blackened.astype(blackened.dtype.newbyteorder("<" if little else ">")).tobytes()
    dataset.PixelData = raw + b"\0" * (len(raw) % 2)
    dataset["PixelData"].VR = "OW" if blackened.dtype.itemsize > 1 else "OB"


def _encoded(dataset: Dataset) -> bytes:
    """The file, with meta information and a preamble of its own."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    dataset.file_meta, dataset.preamble = meta, b"\0" * 128
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _written(content: bytes, out: Path, place: Path) -> Ending:
    """Write a file that is not there yet.

    Raises:
        ReadError: another file has its place.
    """
    path = out / place
    if path.exists() or path.is_symlink():
        if path.is_file() and not path.is_symlink() and path.read_bytes() == content:
            return Ending.THERE
        raise ReadError(f"{place.as_posix()} is there already with another content; nothing is overwritten")
    make_folder(path.parent)
    write_whole(path, content)
    return Ending.WRITTEN
