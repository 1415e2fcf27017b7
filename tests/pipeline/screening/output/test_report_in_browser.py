"""Pages of a screening in the browser: narrowed without a script, readable, usable by keyboard, within the screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cohort.spine import View
from pipeline.screening.output.overlay import overlay_png
from pipeline.screening.output.report import write_report
from tests.browser import eventually
from tests.pipeline.screening.output.test_report import REJECTED, RUN, SCREENED
from tests.predictions import screened
from tests.viewer import INSTALL, MODULES

AXE = MODULES / "axe-core" / "axe.min.js"
CALM = {**SCREENED, "suspected_fractures": "", "warnings": "", "decision": "osteoporosis ruled out"}
LONG = "a_file_name_without_any_space_in_it_" * 6


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A page of three studies, one of which has pictures; its folder is `tmp_path`."""
    grey = np.linspace(0, 1, 120_000, dtype=np.float32).reshape(400, 300)
    (tmp_path / "overlays").mkdir()
    for view in View:
        picture = overlay_png(screened("1.2", -1.5), View.AP, grey, 700)
        (tmp_path / "overlays" / f"1.2_{view}.png").write_bytes(picture)
    rows = [{**SCREENED, "patient_id": LONG}, {**CALM, "study_uid": "1.4", "patient_id": "calm"}, REJECTED]
    write_report(tmp_path, rows, [{"file": f"{LONG}.txt", "reason": "no radiograph"}], RUN)
    return tmp_path / "report.html"


def test_studies_are_narrowed_without_a_script(page: Any, report: Path) -> None:
    page.goto(report.as_uri())
    assert page.locator("article:visible").count() == 3 and page.locator("script").count() == 0
    page.get_by_text("rejected 1", exact=True).click()
    assert page.locator("article:visible").count() == 1
    page.get_by_label("suspected fracture").focus()
    page.keyboard.press("Space")
    assert page.locator("article:visible").count() == 2
    page.get_by_text("all 3", exact=True).click()
    assert page.locator("article:visible").count() == 3


def test_a_condition_that_comes_true_later_is_waited_for(page: Any, report: Path) -> None:
    page.goto(report.as_uri())
    eventually(page, "(window.asked = (window.asked ?? 0) + 1) > 3")


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844), (2160, 3840)])
def test_nothing_is_wider_than_the_screen(page: Any, report: Path, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.goto(report.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    eventually(page, "[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    boxes = [image.bounding_box() for image in page.locator("img").all()]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= width and box["height"] > 100 for box in boxes)


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_page_is_dark_as_the_review_page_and_light_on_paper(page: Any, report: Path, scheme: str) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme=scheme)
    page.goto(report.as_uri())
    assert page.evaluate(ground) == "rgb(20, 24, 29)"
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"


@pytest.mark.parametrize("media", ["screen", "print"])
def test_axe_finds_no_serious_fault(page: Any, report: Path, media: str) -> None:
    if not AXE.is_file():
        pytest.skip(f"NOT CHECKED for accessibility: {AXE} is missing; install: {INSTALL}")
    page.emulate_media(media=media)
    page.goto(report.as_uri())
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    serious = [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in ("serious", "critical")]
    assert not serious, serious
