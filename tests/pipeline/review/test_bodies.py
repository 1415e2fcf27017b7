"""Outlines and heights of the bodies in a reader's boxes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from cohort.study import Radiograph
from pipeline.review import images
from tests.pipeline.review.pages import ORIGIN, Page, drawn, open_page


@pytest.fixture
def page(results: Path) -> Iterator[Page]:
    with open_page(results) as page:
        yield page


def measured(page: Page, uid: str, views: Any) -> Any:
    return page.post(f"/api/study/{uid}/bodies", {"views": views})["views"]


def test_unchanged_boxes_have_the_heights_of_the_screening(page: Page) -> None:
    for uid in page.uids:
        study = page.get(f"/api/study/{uid}")
        stored = study["prediction"]["findings"]
        again = measured(page, uid, drawn(study))
        assert again["LATERAL"]["vertebrae"] == stored["vertebrae"] != []
        assert again["AP"]["cobb"] == stored["cobb"]


def test_a_moved_box_changes_its_own_outline_alone(page: Page) -> None:
    uid = page.uids[0]
    views = drawn(page.get(f"/api/study/{uid}"))
    before = measured(page, uid, views)["LATERAL"]["outlines"]
    (box,) = [box for box in views["LATERAL"]["boxes"] if box["level"] == "L3"]
    box.update(y0=box["y0"] + 3, y1=box["y1"] + 3)
    after = measured(page, uid, views)["LATERAL"]["outlines"]
    assert [level for level in before if after[level] != before[level]] == ["L3"]


def test_outlines_lie_in_their_boxes(page: Page) -> None:
    uid = page.uids[0]
    views = drawn(page.get(f"/api/study/{uid}"))
    for view, bodies in measured(page, uid, views).items():
        boxes = {box["level"]: box for box in views[view]["boxes"]}
        assert {"L1", "L2", "L3", "L4"} <= set(bodies["outlines"]) <= set(boxes)
        for level in ("L1", "L2", "L3", "L4"):
            middle, box = np.mean(bodies["outlines"][level], axis=0), boxes[level]
            assert box["x0"] < middle[0] < box["x1"] and box["y0"] < middle[1] < box["y1"]


def test_outlines_follow_the_names_of_the_boxes(page: Page) -> None:
    uid = page.uids[0]
    views = drawn(page.get(f"/api/study/{uid}"))
    before = measured(page, uid, views)["LATERAL"]
    for box in views["LATERAL"]["boxes"]:
        box["level"] = {"L1": "L2", "L2": "L1"}.get(box["level"], box["level"])
    after = measured(page, uid, views)["LATERAL"]
    middles = [np.mean(bodies["outlines"][level], axis=0) for bodies, level in ((before, "L1"), (after, "L2"))]
    assert middles[0] == pytest.approx(middles[1], abs=3)


def test_a_measured_spacing_gives_millimetres(results: Path) -> None:
    read = images.radiograph_of

    def without_spacing(path: Path, with_full_range: bool = False) -> Radiograph:
        return replace(read(path, with_full_range), pixel_spacing_mm=None)

    with patch("pipeline.review.images.radiograph_of", without_spacing), open_page(results) as page:
        uid = page.uids[0]
        views = drawn(page.get(f"/api/study/{uid}"))
        pixels = measured(page, uid, views)["LATERAL"]["vertebrae"][0]
        views["LATERAL"]["spacing_mm"] = 0.5
        millimetres = measured(page, uid, views)["LATERAL"]["vertebrae"][0]
    assert (pixels["unit"], millimetres["unit"]) == ("px", "mm")
    assert millimetres["posterior_height"] == pytest.approx(pixels["posterior_height"] / 2, abs=0.1)


def test_a_reader_of_a_study_is_shown_no_outline(results: Path) -> None:
    with open_page(results, reader_study=True) as page:
        answer = page.client.post(f"/api/study/{page.uids[0]}/bodies", json={"views": {}}, headers=ORIGIN)
        assert answer.status_code == 422 and "hidden" in answer.json()["error"]
