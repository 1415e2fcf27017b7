"""Small DICOM files that the fuzzer begins with: every transfer syntax that can be written here, every kind of grey."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

ROWS, COLUMNS = 64, 48
UID = "1.2.826.0.1.3680043.10.1"


def film(bits: int = 12) -> npt.NDArray[np.uint16]:
    """A spine-like pattern of so many bits, the same each time."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS].astype(np.float64)
    shape = np.exp(-(((x - 24) / 9) ** 2)) * (0.7 + 0.3 * np.cos(y / 3)) + 0.1 * np.sin(x * y / 50) + 0.2
    grain = np.random.default_rng(0).normal(0, 0.01, shape.shape)
    unit = np.clip((shape + grain) / 1.4, 0, 1)
    return np.asarray(unit * (2**bits - 1), np.uint16)


def dataset(pixels: npt.NDArray[Any], syntax: str = ExplicitVRLittleEndian, **changed: Any) -> FileDataset:
    """A DX image of some pixels; keyword arguments set attributes, None leaves one out."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = f"{UID}.3"
    meta.TransferSyntaxUID = syntax
    found = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    bits = 8 * pixels.dtype.itemsize
    values: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 100", "SOPClassUID": meta.MediaStorageSOPClassUID,
        "SOPInstanceUID": f"{UID}.3", "StudyInstanceUID": f"{UID}.1", "StudyDate": "20240229", "Modality": "DX",
        "PresentationIntentType": "FOR PRESENTATION", "StudyDescription": "Lumbar spine", "SeriesDescription": "AP",
        "PatientName": "A^B", "PatientID": "P1", "PatientBirthDate": "19580101", "PatientSex": "F",
        "PatientAge": "066Y", "PatientSize": "1.62", "PatientWeight": "61.5", "ViewPosition": "AP",
        "ImagerPixelSpacing": ["0.2", "0.2"], "PixelSpacing": ["0.19", "0.19"],
        "EstimatedRadiographicMagnificationFactor": "1.05", "PatientOrientation": ["L", "F"],
        "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "NumberOfFrames": "1",
        "Rows": pixels.shape[0], "Columns": pixels.shape[1], "BitsAllocated": bits,
        "BitsStored": 12 if bits == 16 else bits, "HighBit": 11 if bits == 16 else bits - 1, "PixelRepresentation": 0,
        "WindowCenter": "2000", "WindowWidth": "3800", "RescaleSlope": "1", "RescaleIntercept": "0",
        "PresentationLUTShape": "IDENTITY", "PixelData": pixels.tobytes(),
    }  # fmt: skip
    for keyword, value in {**values, **changed}.items():
        if value is not None:
            setattr(found, keyword, value)
    return found


def written(found: FileDataset) -> bytes:
    """The bytes of a file."""
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, found, enforce_file_format=True)
    return stream.getvalue()


def encapsulated(found: FileDataset, syntax: str, codestream: bytes) -> bytes:
    """The same image with a codestream that was made elsewhere."""
    found.file_meta.TransferSyntaxUID = syntax
    found.PixelData = encapsulate([codestream])
    found["PixelData"].VR = "OB"
    found["PixelData"].is_undefined_length = True
    return written(found)


def lossless_jpeg(pixels: npt.NDArray[np.uint16], bits: int) -> bytes:
    """A JPEG of process 14, first prediction, with one Huffman table of codes of five bits. Source: ITU-T T.81 H."""
    rows, columns = pixels.shape
    cells = pixels.astype(np.int64)
    before = np.empty_like(cells)
    before[:, 1:], before[1:, 0], before[0, 0] = cells[:, :-1], cells[:-1, 0], 2 ** (bits - 1)
    codes = []
    for step in (cells - before).ravel().tolist():
        size = abs(step).bit_length()
        extra = step if step >= 0 else step + 2**size - 1
        codes.append(f"{size:05b}" + (f"{extra:0{size}b}" if size else ""))
    stream = "".join(codes)
    stream += "1" * (-len(stream) % 8)
    scan = int(stream, 2).to_bytes(len(stream) // 8, "big").replace(b"\xff", b"\xff\0")
    frame = b"\xff\xc3\0\x0b" + struct.pack(">BHH", bits, rows, columns) + b"\x01\x01\x11\0"
    counts = bytes([0, 0, 0, 0, 17, *[0] * 11])
    table = b"\xff\xc4" + (2 + 1 + 16 + 17).to_bytes(2, "big") + b"\0" + counts + bytes(range(17))
    return b"\xff\xd8" + frame + table + b"\xff\xda\0\x08\x01\x01\0\x01\0\0" + scan + b"\xff\xd9"


def dicom_seeds() -> dict[str, bytes]:
    """Files by name."""
    twelve, eight = film(), film(8).astype(np.uint8)
    found = {
        "explicit": written(dataset(twelve)),
        "implicit": written(dataset(twelve, ImplicitVRLittleEndian)),
        "big-endian": written(dataset(twelve, ExplicitVRBigEndian, PixelData=twelve.astype(">u2").tobytes())),
        "deflated": written(dataset(twelve, DeflatedExplicitVRLittleEndian)),
        "eight-bits": written(dataset(eight, WindowCenter="120", WindowWidth="200")),
        "monochrome1": written(
            dataset(twelve, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE")
        ),
        "no-window": written(dataset(twelve, WindowCenter=None, WindowWidth=None, RescaleSlope="-1.5")),
        "sigmoid": written(dataset(twelve, VOILUTFunction="SIGMOID", PixelPaddingValue=0, PixelPaddingRangeLimit=9)),
        "thirty-two-bits": written(
            dataset(twelve.astype(np.uint32) * 1000, BitsStored=32, HighBit=31, WindowCenter=None, WindowWidth=None)
        ),
        "lateral-lying": written(dataset(twelve, ViewPosition="LL", PatientOrientation=["F", "P"])),
        "uneven": written(dataset(twelve, PixelSpacing=["0.2", "0.4"], ImagerPixelSpacing=None)),
    }
    signed = (twelve.astype(np.int32) - 2048).astype(np.int16)
    found["signed"] = written(dataset(signed, PixelRepresentation=1, WindowCenter="0", RescaleIntercept="-12.5"))
    found |= _with_tables(twelve, eight)
    found |= _compressed(twelve, eight)
    bare = io.BytesIO()
    plain = Dataset()
    plain.update(dataset(twelve))
    pydicom.dcmwrite(bare, plain, implicit_vr=True, little_endian=True, enforce_file_format=False)
    found["bare"] = bare.getvalue()
    return found


def _with_tables(twelve: npt.NDArray[np.uint16], eight: npt.NDArray[np.uint8]) -> dict[str, bytes]:
    """Look-up tables, palettes, colours and overlays."""
    table = Dataset()
    table.LUTDescriptor = [256, 0, 16]
    table.add_new(0x00283006, "US", [255 * k for k in range(256)])
    modality = dataset(eight, RescaleSlope=None, RescaleIntercept=None, WindowCenter=None, WindowWidth=None)
    table.ModalityLUTType = "US"
    modality.ModalityLUTSequence = [table]
    voi = dataset(eight, WindowCenter=None, WindowWidth=None)
    voi.VOILUTSequence = [table]
    palette = dataset(eight, PhotometricInterpretation="PALETTE COLOR", WindowCenter=None, WindowWidth=None)
    for colour in ("Red", "Green", "Blue"):
        setattr(palette, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        ramp = (np.arange(256, dtype="<u2") * 257).tobytes()
        setattr(palette, f"{colour}PaletteColorLookupTableData", ramp)
    three = np.repeat(eight[..., None], 3, 2)
    colours: dict[str, Any] = {
        "SamplesPerPixel": 3,
        "PlanarConfiguration": 0,
        "WindowCenter": None,
        "WindowWidth": None,
    }
    overlaid = dataset(twelve | np.uint16(0x8000) * (film(1) > 0), BitsStored=12, HighBit=11)
    for element, vr, value in ((0x10, "US", ROWS), (0x11, "US", COLUMNS), (0x40, "CS", "G"), (0x50, "SS", [1, 1])):
        overlaid.add_new((0x6000, element), vr, value)
    overlaid.add_new((0x6000, 0x100), "US", 16)
    overlaid.add_new((0x6000, 0x102), "US", 15)
    plane = dataset(twelve)
    plane.add_new((0x6000, 0x10), "US", ROWS)
    plane.add_new((0x6000, 0x11), "US", COLUMNS)
    plane.add_new((0x6000, 0x3000), "OW", np.packbits(film(1).astype(bool)).tobytes())
    return {
        "modality-lut": written(modality),
        "voi-lut": written(voi),
        "palette": written(palette),
        "rgb": written(dataset(three, PhotometricInterpretation="RGB", **colours)),
        "ybr": written(dataset(three, PhotometricInterpretation="YBR_FULL", **colours)),
        "overlay-bits": written(overlaid),
        "overlay": written(plane),
    }


def _compressed(twelve: npt.NDArray[np.uint16], eight: npt.NDArray[np.uint8]) -> dict[str, bytes]:
    found = {}
    for name, syntax in {
        "rle": RLELossless, "jpeg-ls": JPEGLSLossless, "jpeg-ls-near": JPEGLSNearLossless,
        "jpeg-2000": JPEG2000Lossless, "jpeg-2000-lossy": JPEG2000,
    }.items():  # fmt: skip
        options: dict[str, Any] = {"j2k_cr": [4]} if syntax == JPEG2000 else {}
        options |= {"jls_error": 2} if syntax == JPEGLSNearLossless else {}
        for kind, pixels in (("", twelve), ("-8", eight)):
            image = dataset(pixels)
            image.compress(syntax, generate_instance_uid=False, **options)
            found[f"{name}{kind}"] = written(image)
    stream = io.BytesIO()
    Image.fromarray(eight).save(stream, "JPEG", quality=90)
    found["jpeg"] = encapsulated(dataset(eight), JPEGBaseline8Bit, stream.getvalue())
    stream = io.BytesIO()
    Image.fromarray(np.repeat(eight[..., None], 3, 2)).save(stream, "JPEG", quality=90)
    coloured = dataset(eight, SamplesPerPixel=3, PlanarConfiguration=0, PhotometricInterpretation="YBR_FULL_422")
    found["jpeg-colour"] = encapsulated(coloured, JPEGBaseline8Bit, stream.getvalue())
    found["jpeg-lossless"] = encapsulated(dataset(twelve), JPEGLosslessSV1, lossless_jpeg(twelve, 12))
    found["jpeg-lossless-8"] = encapsulated(dataset(eight), JPEGLosslessSV1, lossless_jpeg(film(8), 8))
    return found
