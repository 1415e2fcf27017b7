"""DICOM reading: order of the transforms, spacing, view, covariates, hostile files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from cohort.covariates import Sex
from cohort.io.dicom.read import read_dicom, read_header, view_from_text
from cohort.io.radiograph import read_radiograph
from cohort.spine import View
from cohort.study import SpacingSource
from osteolens.errors import NotRadiograph, OsteoLensError, ReadError
from tests.conftest import MakeDicom

RAMP = np.linspace(0, 4000, 64 * 48).astype(np.uint16).reshape(64, 48)


def test_monochrome1_is_inverted_after_the_window(make_dicom: MakeDicom) -> None:
    window = {"WindowCenter": 1000, "WindowWidth": 1000}
    plain = read_dicom(make_dicom("a.dcm", RAMP, **window))
    inverse = read_dicom(make_dicom("b.dcm", RAMP, PhotometricInterpretation="MONOCHROME1", **window))
    np.testing.assert_allclose(inverse.pixels, 1 - plain.pixels, atol=1e-6)
    assert plain.pixels[-1, -1] == 1 and inverse.pixels[-1, -1] == 0


def test_the_window_applies_to_rescaled_values(make_dicom: MakeDicom) -> None:
    image = read_dicom(
        make_dicom("a.dcm", RAMP, RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=3000, WindowWidth=2000)
    )
    middle = np.abs(RAMP.astype(float) * 2 - 1000 - 3000).argmin()
    assert image.pixels.flat[middle] == pytest.approx(0.5, abs=0.02)
    assert image.pixels.flat[np.abs(RAMP.astype(float) - 1400).argmin()] == 0


def test_a_modality_lut_is_applied_before_the_window(make_dicom: MakeDicom) -> None:
    stored = np.tile(np.arange(4, dtype=np.uint16), (16, 4))
    lut = Dataset()
    lut.LUTDescriptor = [4, 0, 16]
    lut.ModalityLUTType = "US"
    lut.add_new("LUTData", "OW", np.array([0, 3000, 1000, 2000], "<u2").tobytes())
    path = make_dicom("a.dcm", stored, ModalityLUTSequence=[lut], WindowCenter=1500, WindowWidth=3001)
    image = read_dicom(path)
    assert np.argsort(image.pixels[0, :4]).tolist() == [0, 2, 3, 1]


def test_the_full_range_keeps_what_the_window_hides(make_dicom: MakeDicom) -> None:
    path = make_dicom("a.dcm", RAMP, WindowCenter=1000, WindowWidth=100)
    shown = read_dicom(path, with_full_range=True)
    assert shown.full_range is not None
    assert len(np.unique(shown.full_range)) > 2000 > len(np.unique(shown.pixels))
    assert read_dicom(path).full_range is None


@pytest.mark.parametrize(
    ("pixel", "imager", "spacing", "source"),
    [
        ([0.2, 0.3], [0.4, 0.4], (0.2, 0.3), SpacingSource.PIXEL_SPACING),
        (None, [0.4, 0.4], (0.4, 0.4), SpacingSource.IMAGER_PIXEL_SPACING),
        ([0, 0], [0.4, 0.4], (0.4, 0.4), SpacingSource.IMAGER_PIXEL_SPACING),
        ([0, 0], None, None, SpacingSource.NONE),
        (None, None, None, SpacingSource.NONE),
    ],
)
def test_spacing_and_where_it_comes_from(
    make_dicom: MakeDicom, pixel: object, imager: object, spacing: object, source: SpacingSource
) -> None:
    header = read_header(make_dicom(PixelSpacing=pixel, ImagerPixelSpacing=imager))
    assert (header.pixel_spacing_mm, header.spacing_source) == (spacing, source)


@pytest.mark.parametrize(
    ("position", "description", "name", "view"),
    [
        ("AP", None, "x.dcm", View.AP),
        ("LL", "L-SPINE AP", "x.dcm", View.LATERAL),
        (None, "Lumbar LAT", "x.dcm", View.LATERAL),
        (None, None, "p3_lateral.dcm", View.LATERAL),
        (None, None, "p3_AP.dcm", View.AP),
        ("", "AP and LAT", "x.dcm", None),
        (None, None, "capital.dcm", None),
    ],
)
def test_view_from_position_then_description_then_name(
    make_dicom: MakeDicom, position: str | None, description: str | None, name: str, view: View | None
) -> None:
    assert read_header(make_dicom(name, ViewPosition=position, SeriesDescription=description)).view is view


def test_words_that_merely_contain_a_view_do_not_count() -> None:
    assert view_from_text("LAPTOP PLATE") is None
    assert view_from_text("spine_lat") is View.LATERAL


def test_covariates_from_the_header(make_dicom: MakeDicom) -> None:
    found = read_header(make_dicom()).covariates
    assert (found.age_years, found.sex, found.height_cm, found.weight_kg) == (67, Sex.FEMALE, 160, 64)


def test_age_from_the_birth_date_and_height_in_centimetres(make_dicom: MakeDicom) -> None:
    found = read_header(
        make_dicom(PatientAge=None, PatientBirthDate="19500101", StudyDate="20200101", PatientSize=171)
    ).covariates
    assert found.age_years == pytest.approx(70, abs=0.1)
    assert found.height_cm == 171


def test_absurd_covariates_count_as_unknown(make_dicom: MakeDicom) -> None:
    found = read_header(make_dicom(PatientAge="", PatientSex="O", PatientSize=0, PatientWeight=0)).covariates
    assert (found.age_years, found.sex, found.height_cm, found.weight_kg) == (None, None, None, None)


def test_several_frames_are_refused(make_dicom: MakeDicom) -> None:
    pixels = np.zeros((3, 16, 16), np.uint16)
    with pytest.raises(NotRadiograph, match="3 frames"):
        read_dicom(make_dicom("a.dcm", pixels, Rows=16, Columns=16, NumberOfFrames=3))


def test_colour_is_refused(make_dicom: MakeDicom) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (16, 16, 3)).astype(np.uint8)
    path = make_dicom("a.dcm", pixels, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    with pytest.raises(NotRadiograph, match="colour"):
        read_dicom(path)


def test_a_claimed_giant_is_refused_before_decoding(make_dicom: MakeDicom) -> None:
    with pytest.raises(NotRadiograph, match="at most"):
        read_dicom(make_dicom(Rows=60000, Columns=60000))


def test_truncated_pixels_fail_with_a_reason(make_dicom: MakeDicom) -> None:
    path = make_dicom("a.dcm", RAMP)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ReadError, match="cannot be decoded"):
        read_dicom(path)


def test_an_empty_file_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.touch()
    with pytest.raises(ReadError, match="empty"):
        read_dicom(path)


def test_random_bytes_fail_clearly(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(ReadError, match=r"a\.dcm"):
        read_dicom(path)


def test_a_file_without_transfer_syntax_is_read(make_dicom: MakeDicom, tmp_path: Path) -> None:
    ds = pydicom.dcmread(make_dicom("a.dcm", RAMP))
    bare = tmp_path / "bare.dcm"
    body = Dataset()
    body.update({tag: ds[tag] for tag in ds.keys()})  # noqa: SIM118
    pydicom.dcmwrite(bare, body, implicit_vr=True, little_endian=True)
    assert read_dicom(bare).pixels.shape == RAMP.shape


@pytest.mark.parametrize(
    "name",
    [
        "MR_small.dcm",
        "JPEG-LL.dcm",
        "MR_small_RLE.dcm",
        "JPEG2000.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "CT_small.dcm",
    ],
)
def test_pydicoms_own_files_are_read(name: str) -> None:
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.fail(f"{name} is not among the installed test files")
    image = read_radiograph(Path(path))
    assert image.pixels.min() == 0 and image.pixels.max() == 1


@pytest.mark.parametrize("name", ["color-px.dcm", "examples_ybr_color.dcm", "rtplan.dcm", "DICOMDIR", "reportsi.dcm"])
def test_pydicoms_other_objects_are_refused_in_one_line(name: str) -> None:
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.fail(f"{name} is not among the installed test files")
    with pytest.raises(OsteoLensError) as caught:
        read_dicom(Path(path))
    assert "\n" not in str(caught.value)
