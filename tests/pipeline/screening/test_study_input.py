"""One study as a notebook gives it: a path, a study, arrays."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cohort.io.folder import index_cohort
from cohort.io.radiograph import read_radiograph
from cohort.spine import VertebralLevel, View
from osteolens.errors import ConfigError, NotRadiograph, StudyError
from pipeline.prediction import Prediction, Status
from pipeline.screening.radiograph_reader import read_study
from pipeline.screening.screener import Screener
from tests import EXAMPLES

STUDY = index_cohort(EXAMPLES).studies[0]
FOLDER = EXAMPLES / STUDY.patient_id


def arrays() -> dict[str, np.ndarray]:
    images = {View.AP: STUDY.ap, View.LATERAL: STUDY.lateral}
    return {view.value: read_radiograph(path).pixels for view, path in images.items() if path is not None}


def test_a_folder_a_study_and_their_result_agree(screener: Screener) -> None:
    covariates = STUDY.covariates
    by_path = screener.screen(
        str(FOLDER), age_years=covariates.age_years, sex=covariates.sex, bmi_kg_m2=covariates.bmi_kg_m2
    )
    loaded = screener.screen_loaded(read_study(STUDY)).prediction
    assert by_path.status is Status.SCREENED
    assert by_path.probabilities == loaded.probabilities
    assert by_path.views[View.AP].boxes[VertebralLevel.L3] == loaded.views[View.AP].boxes[VertebralLevel.L3]
    assert Prediction.from_json(by_path.as_json()).bmd_class == screener.screen(STUDY).bmd_class


def test_given_covariates_override_the_header(screener: Screener) -> None:
    young, old = (screener.screen(FOLDER, age_years=age, sex="f", bmi_kg_m2=24) for age in (52, 88))
    assert young.covariates.age_years == 52 and old.covariates.age_years == 88
    assert young.probabilities != old.probabilities


def test_arrays_are_screened_by_view_or_by_themselves(screener: Screener) -> None:
    named = screener.screen(arrays(), age_years=66, sex="F", bmi_kg_m2=24)
    unnamed = screener.screen(list(arrays().values()), age_years=66, sex="F", bmi_kg_m2=24)
    assert named.status is unnamed.status is Status.SCREENED
    assert set(named.views) == set(unnamed.views) == {View.AP, View.LATERAL}
    assert named.probabilities == unnamed.probabilities
    single = screener.screen((arrays()["AP"] * 65535).astype(np.uint16))
    assert list(single.views) == [View.AP] and "no LATERAL view; accuracy is lower with one view" in single.warnings


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.zeros((200, 200, 3), np.uint8), "found uint8 of 200 x 200 x 3, expected grey values"),
        (np.zeros((8, 200), np.uint8), "of 64 pixels a side or more"),
        (np.zeros((200, 200), bool), "found bool of 200 x 200"),
        (np.full((200, 200), np.nan), "pixel values are not finite"),
    ],
)
def test_arrays_that_are_no_radiograph_are_refused(screener: Screener, pixels: np.ndarray, words: str) -> None:
    with pytest.raises(NotRadiograph, match=re.escape(words)):
        screener.screen(pixels)


def test_several_studies_point_to_screen_folder(screener: Screener, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="6 studies found, expected one; screen a folder with screen_folder"):
        screener.screen(EXAMPLES)
    with pytest.raises(StudyError, match="no radiograph found"):
        screener.screen(tmp_path)


def test_words_that_are_unknown_are_refused(screener: Screener) -> None:
    with pytest.raises(ConfigError, match="sex is 'x', expected F or M"):
        screener.screen(FOLDER, sex="x")
    with pytest.raises(ConfigError, match="view 'oblique' is unknown; expected AP or LATERAL"):
        screener.screen({"oblique": arrays()["AP"]})


def test_a_notebook_shows_the_pictures(screener: Screener) -> None:
    prediction = screener.screen(FOLDER)
    page = prediction._repr_html_()
    assert page.count("data:image/png;base64,") == 2
    assert str(prediction.bmd_class) in page and "Research use; not a medical device." in page
    assert "overlays" not in prediction.as_json() and "png" not in repr(prediction)


def test_a_notebook_shows_text_of_files_as_text(screener: Screener) -> None:
    prediction = screener.screen(FOLDER)
    page = replace(prediction, warnings=("<script>alert(1)</script>\x1b[2J",))._repr_html_()
    assert "<script>" not in page and "\x1b" not in page and "&lt;script&gt;" in page


def test_radiographs_that_were_read_are_screened(screener: Screener) -> None:
    assert STUDY.ap is not None and STUDY.lateral is not None
    frontal, lateral = read_radiograph(STUDY.ap), read_radiograph(STUDY.lateral)
    known = {"age_years": STUDY.covariates.age_years, "bmi_kg_m2": STUDY.covariates.bmi_kg_m2}
    both = screener.screen([lateral, frontal], sex=STUDY.covariates.sex, **known)
    assert both.probabilities == screener.screen(STUDY).probabilities
    assert [(image.path, image.outcome) for image in both.images] == [
        (str(STUDY.ap), "classified"),
        (str(STUDY.lateral), "classified"),
    ]
    assert list(screener.screen(lateral).views) == [View.LATERAL]
    twice = screener.screen([frontal, frontal, lateral])
    assert [str(image.outcome) for image in twice.images] == ["classified", "classified", "left out"]
    with pytest.raises(StudyError, match="the study has no image"):
        screener.screen([])


def test_radiographs_may_be_given_by_view(screener: Screener) -> None:
    assert STUDY.ap is not None and STUDY.lateral is not None
    frontal, lateral = read_radiograph(STUDY.ap), read_radiograph(STUDY.lateral)
    by_view = screener.screen({"AP": frontal, "LATERAL": lateral})
    assert by_view.probabilities == screener.screen([frontal, lateral]).probabilities


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ([FOLDER / "AP.dcm", FOLDER / "LATERAL.dcm"], "array 1: found a path, expected a radiograph"),
        ({"AP": str(FOLDER / "AP.dcm")}, "AP: found a path, expected a radiograph"),
        ({"AP": None}, "AP: found NoneType, expected a radiograph"),
        ([[1, 2], [3, 4]], "array 1: found list, expected a radiograph"),
        (None, "found NoneType, expected a path, a study, radiographs or arrays"),
        (3, "found int, expected a path, a study, radiographs or arrays"),
    ],
)
def test_other_sources_are_named_with_what_is_taken(screener: Screener, source: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        screener.screen(source)


def test_views_and_covariates_of_another_type_are_named(screener: Screener) -> None:
    pixels = arrays()["AP"]
    with pytest.raises(ConfigError, match="view 1 is unknown; expected AP or LATERAL"):
        screener.screen({1: pixels})  # type: ignore[dict-item]
    with pytest.raises(ConfigError, match="view AP is given twice"):
        screener.screen({"AP": pixels, "ap": pixels})
    with pytest.raises(ConfigError, match="age_years is '66', expected a number"):
        screener.screen(FOLDER, age_years="66")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="sex is 1, expected F or M"):
        screener.screen(FOLDER, sex=1)  # type: ignore[arg-type]
