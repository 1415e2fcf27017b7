"""Images of other parts, of nothing, and drawn ones never get a class."""

from __future__ import annotations

from pathlib import Path

import cv2
import data_store  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt
import pydicom
import pytest

from cohort.io.radiograph import read_radiograph
from cohort.study import Radiograph, SpacingSource, Study
from detect.training.distractors import draw_distractor
from osteolens.errors import NotRadiograph
from pipeline.prediction import Prediction
from pipeline.screening.radiograph_reader import LoadedStudy
from pipeline.screening.screener import Screener

Image = npt.NDArray[np.float32]

OF_PYDICOM = Path(pydicom.__file__).parent / "data" / "test_files"
OF_DATA_STORE = Path(data_store.__file__).parent / "data"
OTHERS = (
    "RG1_UNCR.dcm", "RG3_UNCR.dcm", "693_UNCR.dcm", "MR2_UNCR.dcm", "OBXXXX1A.dcm", "OT-PAL-8-face.dcm",
    "mlut_18.dcm", "vlut_04.dcm", "RG1_J2KR.dcm", "693_UNCI.dcm", "CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm",
    "693_J2KI.dcm", "examples_palette.dcm",
)  # fmt: skip
"""Wrists, chests, slices, ultrasound, a face and test patterns that the test packages hold; no lumbar radiograph."""


def screened(screener: Screener, radiograph: Radiograph) -> Prediction:
    return screener.screen_loaded(
        LoadedStudy(Study(study_uid="x", patient_id="x", images_of_unknown_view=(radiograph.path,)), (radiograph,), ())
    ).prediction


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", OTHERS)
def test_images_of_the_test_packages_get_no_class(screener: Screener, name: str) -> None:
    path = next(folder / name for folder in (OF_PYDICOM, OF_DATA_STORE) if (folder / name).is_file())
    if "PAL" in name:
        with pytest.raises(NotRadiograph, match="colour image"):
            read_radiograph(path)
        return
    radiograph = read_radiograph(path)
    prediction = screened(screener, radiograph)
    assert prediction.bmd_class is None and prediction.rejection is not None
    assert prediction.rejection.code in ("no_spine", "not_lumbar", "low_confidence")


def shown(pixels: npt.ArrayLike) -> Radiograph:
    return Radiograph(
        pixels=np.asarray(pixels, np.float32),
        pixel_spacing_mm=None,
        spacing_source=SpacingSource.NONE,
        view=None,
        path=Path("drawn.png"),
    )


@pytest.mark.parametrize("seed", range(12))
def test_drawn_pictures_get_no_class(screener: Screener, seed: int) -> None:
    picture = draw_distractor(600, np.random.default_rng(seed))
    prediction = screened(screener, shown(picture))
    assert prediction.rejection is not None and prediction.rejection.code in ("no_spine", "not_lumbar")


def test_a_blank_image_and_a_page_of_text_get_no_class(screener: Screener) -> None:
    page = np.full((900, 640), 255, np.uint8)
    for row in range(40, 880, 30):
        cv2.putText(page, "lumbar spine, two views, no fracture seen", (30, row), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 0, 2)
    for pixels in (np.zeros((800, 500)), np.full((800, 500), 0.5), page / 255):
        rejection = screened(screener, shown(pixels)).rejection
        assert rejection is not None and rejection.code in ("no_spine", "not_lumbar")


def test_distractors_repeat_with_their_seed_and_fill_the_scale() -> None:
    first, second = (draw_distractor(128, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.shape == (128, 128) and first.min() == 0 and first.max() == pytest.approx(1)
    assert not np.array_equal(first, draw_distractor(128, np.random.default_rng(4)))
