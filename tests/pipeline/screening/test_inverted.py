"""Images whose bones are dark, and studies with several radiographs of a view."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cohort.io.folder import index_cohort
from cohort.rejection_codes import RejectionCode
from cohort.spine import VertebralLevel, View
from cohort.study import Radiograph
from detect.segmenter import SegmentedBody, looks_inverted
from pipeline.bundle.load import Bundle
from pipeline.prediction import ImageOutcome
from pipeline.screening.manual_rois import ManualRois
from pipeline.screening.radiograph_reader import LoadedStudy, read_study
from pipeline.screening.screener import Screener
from tests import EXAMPLES


def body(plain: float, negative: float | None) -> SegmentedBody:
    return SegmentedBody(outline=None, height_loss=0, body=plain, lateral=0, anterior_left=0, negative=negative)


def test_most_bodies_must_look_more_like_bodies_in_the_negative() -> None:
    levels = list(VertebralLevel)
    assert looks_inverted({level: body(0.8, 0.99) for level in levels[:4]}, 0.5)
    assert not looks_inverted({level: body(0.99, 0.8) for level in levels[:4]}, 0.5)
    gas = {levels[0]: body(0.5, 1.0), levels[1]: body(0.6, 1.0), levels[2]: body(1.0, 0.9), levels[3]: body(1.0, 0.9)}
    assert not looks_inverted(gas, 0.5), "gas over some of them"
    assert not looks_inverted({level: body(0.1, 0.3) for level in levels[:4]}, 0.5), "neither shows bodies"
    assert not looks_inverted({level: body(0.1, None) for level in levels[:4]}, 0.5), "nobody looked"


@pytest.mark.parametrize("number", [0, 3])
def test_an_inverted_radiograph_never_gets_a_class(screener: Screener, number: int) -> None:
    read = read_study(index_cohort(EXAMPLES).studies[number])
    dark = [replace(r, pixels=np.ascontiguousarray(1 - r.pixels)) for r in read.radiographs]
    prediction = screener.screen_loaded(replace(read, radiographs=tuple(dark))).prediction
    assert prediction.bmd_class is None and prediction.rejection is not None
    assert prediction.rejection.code == "inverted" and "PhotometricInterpretation" in prediction.rejection.reason
    assert screener.screen_loaded(read).prediction.bmd_class is not None


def test_one_inverted_view_rejects_the_study(screener: Screener) -> None:
    read = read_study(index_cohort(EXAMPLES).studies[0])
    frontal, lateral = read.radiographs
    dark = replace(lateral, pixels=np.ascontiguousarray(1 - lateral.pixels))
    rejection = screener.screen_loaded(replace(read, radiographs=(frontal, dark))).prediction.rejection
    assert rejection is not None and rejection.code == "inverted" and "LATERAL.dcm" in rejection.reason


def test_manual_rois_do_not_make_an_inverted_radiograph_right(bundle: Bundle) -> None:
    manual = ManualRois.read(EXAMPLES / "rois.csv")
    screener = Screener(bundle, manual_rois=manual)
    read = read_study(index_cohort(EXAMPLES).studies[0])
    dark = tuple(replace(r, pixels=np.ascontiguousarray(1 - r.pixels)) for r in read.radiographs)
    rejection = screener.screen_loaded(replace(read, radiographs=dark)).prediction.rejection
    assert rejection is not None and rejection.code == "inverted"
    assert screener.screen_loaded(read).prediction.bmd_class is not None


def test_the_fittest_of_several_radiographs_is_used(screener: Screener) -> None:
    study = index_cohort(EXAMPLES).studies[0]
    frontal, lateral = read_study(study).radiographs
    rows = frontal.pixels.shape[0]
    spot = replace(frontal, pixels=np.ascontiguousarray(frontal.pixels[rows // 2 :]), path=Path("spot.dcm"))
    assert study.ap is not None and study.lateral is not None

    def screened(*films: Radiograph) -> tuple[object, list[str]]:
        paths = [film.path for film in films]
        one = replace(study, ap=paths[0], lateral=paths[-1], further=tuple((View.AP, p) for p in paths[1:-1]))
        order = [films[0], films[-1], *films[1:-1]]
        prediction = screener.screen_loaded(LoadedStudy(one, tuple(order), ())).prediction
        told = [image.path for image in prediction.images if image.outcome is ImageOutcome.LEFT_OUT]
        reasons = [image.reason for image in prediction.images if image.outcome is ImageOutcome.LEFT_OUT]
        assert all(reason.startswith(RejectionCode.ANOTHER_IMAGE) for reason in reasons)
        return prediction.probabilities, [Path(path).name for path in told]

    plain, none = screened(frontal, lateral)
    assert not none
    for films in ((frontal, spot, lateral), (spot, frontal, lateral)):
        shares, told = screened(*films)
        assert shares == plain and told == ["spot.dcm"]
