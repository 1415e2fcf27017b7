"""Films of a patient's other studies beside the present ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from osteolens.documents.json_document import write_json
from pipeline.review.options import ReviewOptions
from tests.browser import eventually
from tests.pipeline.review.static.conftest import served

pytestmark = pytest.mark.parametrize("page", ["status of 422"], indirect=True, ids=["one unreadable"])
EARLIER = ".pane[aria-label^='{view} radiograph, 2019-03-04']"


@pytest.fixture
def of_one_patient(results: Path) -> tuple[Path, Path]:
    """Results of one patient, of 2024 and of 2019; a third, of 2018, has images that have changed."""
    now, earlier, changed = sorted((results / "studies").glob("*.json"))
    for path, day in ((now, "2024-05-06"), (earlier, "2019-03-04"), (changed, "2018-01-02")):
        document = json.loads(path.read_text("utf-8"))
        images = document["images"]
        if path is changed:
            images = [{**image, "sha256": 64 * "0"} for image in images]
        write_json(path, {**document, "patient_id": "one-patient", "study_date": day, "images": images})
    return now, earlier


def opened(page: Any, link: str, path: Path) -> None:
    page.goto(link)
    page.locator(f".row[data-uid='{path.stem}']").click()
    page.wait_for_selector(".pane[data-ready] >> nth=1")


def drag(page: Any, pane: Any, dx: float, dy: float) -> None:
    box = pane.locator(".stage").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 20 + dx / 2, box["y"] + 20 + dy / 2)
    page.mouse.move(box["x"] + 20 + dx, box["y"] + 20 + dy)
    page.mouse.up()


def test_the_earlier_film_stands_beside_with_its_own_contrast(
    page: Any, results: Path, of_one_patient: tuple[Path, Path]
) -> None:
    now, earlier = of_one_patient
    with served(results, cohort=None) as link:
        opened(page, link, now)
        page.keyboard.press("v")
        page.wait_for_selector(".pane[data-ready] >> nth=3")
        bmd_class = json.loads(earlier.read_text("utf-8"))["bmd_class"]
        assert bmd_class in page.locator(EARLIER.format(view="AP")).locator(".pane-title").inner_text()
        present, other = (page.locator(s) for s in (".pane[aria-label='AP radiograph']", EARLIER.format(view="AP")))
        places = [pane.bounding_box() for pane in (present, other)]
        assert places[0]["y"] == places[1]["y"] and places[0]["x"] < places[1]["x"]
        readings = [pane.locator(".reading").inner_text() for pane in (present, other)]
        drag(page, other, 60, 30)
        eventually(page, "text => document.querySelectorAll('.reading')[1].textContent !== text", readings[1])
        assert present.locator(".reading").inner_text() == readings[0]
        assert other.locator("g.box").count() and not other.locator("g.box[tabindex]").count()
        page.keyboard.press("v")
        page.wait_for_selector(EARLIER.format(view="AP"), state="detached")
        assert not page.locator(".saved.waiting, .saved.done").count()


def test_zoom_is_linked_when_asked_for(page: Any, results: Path, of_one_patient: tuple[Path, Path]) -> None:
    with served(results, cohort=None) as link:
        opened(page, link, of_one_patient[0])
        page.keyboard.press("v")
        page.wait_for_selector(".pane[data-ready] >> nth=3")
        other = page.locator(EARLIER.format(view="AP")).locator(".reading")
        eventually(page, "() => !document.querySelectorAll('.reading')[1].textContent.startsWith('100 %')")
        before = other.inner_text()
        page.keyboard.press("+")
        page.wait_for_timeout(100)
        assert other.inner_text() == before
        page.keyboard.press("l")
        page.keyboard.press("+")
        percent = "parseFloat(document.querySelectorAll('.reading')[1].textContent)"
        larger = f"before => Math.abs({percent} / before - {1.25**2}) < {0.03 * 1.25**2}"
        eventually(page, larger, float(before.split(" %")[0]))


def test_a_study_whose_films_cannot_be_read_says_so(
    page: Any, results: Path, of_one_patient: tuple[Path, Path]
) -> None:
    with served(results, cohort=None) as link:
        opened(page, link, of_one_patient[0])
        page.get_by_role("button", name="Films of 2018-01-02 beside these").click()
        page.wait_for_selector(".pane.nothing:has-text('2018-01-02: the image file has changed since it was screened')")
        assert page.locator(".pane.nothing").count() == 2 and page.locator("section.pane").count() == 2


def test_a_reader_study_shows_earlier_films_without_their_result(
    page: Any, results: Path, of_one_patient: tuple[Path, Path]
) -> None:
    with served(results, ReviewOptions(reader="anna", reader_study=True), cohort=None) as link:
        opened(page, link, of_one_patient[0])
        page.keyboard.press("v")
        page.wait_for_selector(".pane[data-ready] >> nth=3")
        text = page.locator("body").inner_text()
        assert "2019-03-04" in text and not any(word in text for word in ("T-score", "osteop", "normal"))
        assert page.locator("g.box").count() == 0
