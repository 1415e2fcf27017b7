"""What a DICOM file says about its display is what is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless

from cohort.io.dicom.codestream import stated_size
from cohort.io.dicom.read import read_dicom, read_header
from cohort.io.radiograph import read_radiograph
from osteolens.errors import NotRadiograph, ReadError
from tests.conftest import MakeDicom

WINDOW = {"WindowCenter": 2048, "WindowWidth": 4096}


def film(rows: int = 96, columns: int = 80) -> npt.NDArray[np.uint16]:
    """A picture without symmetry, 12 bits."""
    y, x = np.mgrid[:rows, :columns]
    noise = np.random.default_rng(3).normal(0, 40, (rows, columns))
    return np.asarray(np.clip(400 + 22 * y + 9 * x + 500 * np.sin(x / 9) + noise, 1, 4095), np.uint16)


def test_a_negative_rescale_slope_turns_the_cells_over(make_dicom: MakeDicom) -> None:
    plain = read_dicom(make_dicom("a.dcm", film(), **WINDOW))
    turned = read_dicom(make_dicom("b.dcm", 4095 - film(), RescaleSlope=-1, RescaleIntercept=4095, **WINDOW))
    np.testing.assert_allclose(turned.pixels, plain.pixels, atol=1e-3)


@pytest.mark.parametrize("shape", ["INVERSE", "IDENTITY", None])
def test_monochrome1_is_inverted_once_whatever_its_lut_shape(make_dicom: MakeDicom, shape: str | None) -> None:
    plain = read_dicom(make_dicom("a.dcm", film()))
    other = make_dicom("b.dcm", 4096 - film(), PhotometricInterpretation="MONOCHROME1", PresentationLUTShape=shape)
    np.testing.assert_allclose(read_dicom(other).pixels, plain.pixels, atol=2e-3)


def test_an_inverse_presentation_lut_inverts_monochrome2(make_dicom: MakeDicom) -> None:
    plain = read_dicom(make_dicom("a.dcm", film()))
    other = read_dicom(make_dicom("b.dcm", 4096 - film(), PresentationLUTShape="INVERSE"))
    np.testing.assert_allclose(other.pixels, plain.pixels, atol=2e-3)


def test_an_unknown_photometric_interpretation_is_refused_by_name(make_dicom: MakeDicom) -> None:
    with pytest.raises(NotRadiograph, match="PhotometricInterpretation HSV"):
        read_dicom(make_dicom("a.dcm", film(), PhotometricInterpretation="HSV"))


@pytest.mark.parametrize(
    ("centre", "width"), [("0", "0"), ("0.5", "0.5"), ("100", "-50"), ("90000", "10"), ("2048", "1e12")]
)
def test_an_impossible_window_is_told_and_not_used(make_dicom: MakeDicom, centre: str, width: str) -> None:
    plain = read_dicom(make_dicom("a.dcm", film(), WindowCenter=None, WindowWidth=None))
    found = read_dicom(make_dicom("b.dcm", film(), WindowCenter=centre, WindowWidth=width))
    np.testing.assert_array_equal(found.pixels, plain.pixels)
    assert any("WindowWidth" in note for note in found.notes)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("WindowWidth", b"40O0"), ("PixelSpacing", b"0,2\\0,2 "), ("PatientAge", b"abc "), ("PatientWeight", b"61,9"),
        ("StudyDate", b"yesterday "), ("PatientSize", b"tall"), ("PatientAge", b"999Y"), ("RescaleSlope", b"1"),
        ("RescaleSlope", b"x1"), ("RescaleSlope", b"0 "), ("NumberOfFrames", b"inf "), ("RescaleIntercept", b"1e99"),
        ("PixelAspectRatio", b"1"), ("BitsStored", b"\x0c\x00"),
    ],
)  # fmt: skip
def test_one_unreadable_value_never_costs_the_film(
    make_dicom: MakeDicom, tmp_path: Path, keyword: str, value: bytes
) -> None:
    dataset = pydicom.dcmread(make_dicom("a.dcm", film(), **WINDOW, RescaleSlope=1, RescaleIntercept=0))
    element = pydicom.dataelem.RawDataElement(pydicom.tag.Tag(keyword), None, len(value), value, 0, False, True)
    raw = element._replace(VR=pydicom.datadict.dictionary_VR(keyword))
    dataset._dict[pydicom.tag.Tag(keyword)] = raw
    path = tmp_path / "b.dcm"
    dataset.save_as(path)
    image, header = read_dicom(path), read_header(path)
    assert image.pixels.shape == film().shape
    if value not in (b"1", b"12", b"\x0c\x00"):
        assert any(keyword in note for note in image.notes), image.notes
        assert header.notes or not keyword.startswith(("Patient", "Pixel", "Study"))


def test_an_age_of_no_years_falls_back_to_the_birth_date(make_dicom: MakeDicom) -> None:
    header = read_header(make_dicom(PatientAge="000Y", PatientBirthDate="19500101", StudyDate="20250101"))
    assert header.covariates.age_years == pytest.approx(75, abs=0.1)
    assert any("PatientAge '000Y'" in note for note in header.notes)


def test_padding_does_not_set_the_scale_and_is_black(make_dicom: MakeDicom) -> None:
    plain = read_dicom(make_dicom("a.dcm", film(), BitsStored=16, HighBit=15))
    padded = film()
    padded[:, :6] = padded[:5] = 65535
    found = read_dicom(make_dicom("b.dcm", padded, BitsStored=16, HighBit=15, PixelPaddingValue=65535))
    assert found.pixels[:5].max() == 0
    np.testing.assert_allclose(found.pixels[8:, 8:], plain.pixels[8:, 8:], atol=0.05)


@pytest.mark.parametrize("where", [(0, 0), (40, 40)])
def test_single_hot_cells_do_not_set_the_scale(make_dicom: MakeDicom, where: tuple[int, int]) -> None:
    plain = read_dicom(make_dicom("a.dcm", film(400, 320), BitsStored=16, HighBit=15))
    hot = film(400, 320)
    hot[where] = 65535
    found = read_dicom(make_dicom("b.dcm", hot, BitsStored=16, HighBit=15))
    apart = np.abs(found.pixels - plain.pixels)
    apart[where] = 0
    assert apart.max() < 0.01


@pytest.mark.parametrize("syntax", [None, JPEG2000Lossless, JPEGLSLossless])
def test_an_overlay_in_unused_bits_is_masked(make_dicom: MakeDicom, tmp_path: Path, syntax: object) -> None:
    plain = read_dicom(make_dicom("a.dcm", film(), **WINDOW))
    cells = film()
    cells[10:40, 10:60] |= 0x8000
    dataset = pydicom.dcmread(make_dicom("b.dcm", cells, BitsStored=16, HighBit=15, **WINDOW))
    dataset.add_new(0x60000100, "US", 16)
    dataset.add_new(0x60000102, "US", 15)
    if syntax is not None:
        dataset.compress(syntax)
    dataset.BitsStored, dataset.HighBit = 12, 11
    dataset.save_as(tmp_path / "c.dcm")
    found = read_dicom(tmp_path / "c.dcm")
    np.testing.assert_array_equal(found.pixels, plain.pixels)
    assert any("BitsStored 12" in note for note in found.notes)


def test_many_cells_beyond_bits_stored_are_refused_by_name(make_dicom: MakeDicom) -> None:
    with pytest.raises(ReadError, match="BitsStored 10"):
        read_dicom(make_dicom("a.dcm", film(), BitsStored=10, HighBit=9))


@pytest.mark.parametrize(
    ("turn", "orientation", "left"),
    [
        (lambda a: a, ["P", "F"], True),
        (lambda a: np.rot90(a, 2), ["A", "H"], True),
        (lambda a: a[::-1], ["P", "H"], True),
        (lambda a: np.rot90(a, 1), ["F", "A"], None),
        (lambda a: a.T, ["F", "P"], True),
        (lambda a: np.rot90(a, -1), ["H", "P"], True),
    ],
)
def test_a_film_stored_turned_is_read_upright(
    make_dicom: MakeDicom, turn: object, orientation: list[str], left: bool | None
) -> None:
    plain = read_dicom(make_dicom("a.dcm", film(), PatientOrientation=["P", "F"])).pixels
    cells = np.ascontiguousarray(turn(film()))  # type: ignore[operator]
    found = read_dicom(make_dicom("b.dcm", cells, PatientOrientation=orientation))
    mirrored = np.abs(found.pixels - plain[:, ::-1]).max() if found.pixels.shape == plain.shape else 1
    apart = np.abs(found.pixels - plain).max() if found.pixels.shape == plain.shape else 1
    assert min(apart, mirrored) < 1e-6, "upright, either way round"
    assert found.anterior_left is (bool(apart < 1e-6))
    assert left is None or found.anterior_left is left


def test_pixels_that_are_not_square_are_resampled(make_dicom: MakeDicom) -> None:
    plain = read_dicom(make_dicom("a.dcm", film(96, 80), PixelSpacing=[0.2, 0.2]))
    for keywords in ({"PixelSpacing": [0.2, 0.4]}, {"PixelSpacing": None, "PixelAspectRatio": ["1", "2"]}):
        thin = read_dicom(make_dicom("b.dcm", film(96, 80)[:, ::2], **keywords))
        assert thin.pixels.shape == (96, 80)
        assert np.abs(thin.pixels - plain.pixels).mean() < 0.03
        assert any("not square" in note for note in thin.notes)
        assert thin.pixel_spacing_mm in (None, (0.2, 0.2))


def test_spacing_at_the_detector_is_brought_to_the_patient(make_dicom: MakeDicom) -> None:
    magnified = {"ImagerPixelSpacing": [0.24, 0.24], "EstimatedRadiographicMagnificationFactor": "1.2"}
    for pixel in (None, [0.24, 0.24]):
        header = read_header(make_dicom(PixelSpacing=pixel, **magnified))
        assert header.pixel_spacing_mm == pytest.approx((0.2, 0.2))
    assert read_header(make_dicom(PixelSpacing=[0.21, 0.21], **magnified)).pixel_spacing_mm == (0.21, 0.21)


def test_raw_detector_values_are_refused_by_name(make_dicom: MakeDicom) -> None:
    with pytest.raises(NotRadiograph, match="PresentationIntentType FOR PROCESSING"):
        read_dicom(make_dicom("a.dcm", film(), PresentationIntentType="FOR PROCESSING"))


@pytest.mark.parametrize("implicit", [True, False])
def test_a_bare_data_set_without_suffix_is_read(make_dicom: MakeDicom, tmp_path: Path, implicit: bool) -> None:
    dataset = pydicom.dcmread(make_dicom("a.dcm", film(), **WINDOW))
    body = pydicom.Dataset()
    body.update({element.tag: element for element in dataset})
    pydicom.dcmwrite(tmp_path / "IM000001", body, implicit_vr=implicit, little_endian=True)
    assert read_radiograph(tmp_path / "IM000001").pixels.shape == film().shape


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless])
def test_a_codestream_of_another_size_is_refused_before_it_is_decoded(
    make_dicom: MakeDicom, tmp_path: Path, syntax: object
) -> None:
    dataset = pydicom.dcmread(make_dicom("a.dcm", film()))
    dataset.compress(syntax)
    dataset.Rows = 20
    dataset.save_as(tmp_path / "b.dcm")
    with pytest.raises(ReadError, match="claims 96 x 80 pixels, but Rows and Columns say 20 x 80"):
        read_dicom(tmp_path / "b.dcm")


def test_sizes_are_read_from_codestreams() -> None:
    jpeg = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x0b\x08\x00\x10\x00\x20\x01\x01\x11\x00"
    assert stated_size(jpeg) == (16, 32, 1, 8)
    assert stated_size(b"\xff\xd8\xff\xda\x00\x02") is None and stated_size(b"nothing") is None
