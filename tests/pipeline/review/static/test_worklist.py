"""The worklist in the browser: filters, search, keys; what a study says is never run; thousands of rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from osteolens.documents.json_document import write_json
from pipeline.review.options import ReviewOptions
from tests.pipeline.review.static.conftest import served
from tests.predictions import save, screened
from tests.viewer import INSTALL, MODULES

HOSTILE = "<img src=x onerror=window.ran=1><script>window.ran=1</script>"
AXE = MODULES / "axe-core" / "axe.min.js"


def test_filters_and_search_choose_studies(page: Any, results: Path) -> None:
    with served(results) as link:
        page.goto(link)
        page.wait_for_selector(".rows .row")
        assert page.locator(".rows .row").count() == 3
        decisions = page.locator(".rows .row .decision").all_inner_texts()
        page.get_by_role("button", name="Indeterminate").click()
        assert page.locator(".rows .row").count() == decisions.count("indeterminate") == 1
        page.get_by_role("button", name="Indeterminate").click()
        page.get_by_label("Search").fill("ruled out")
        assert page.locator(".rows .row").count() == 2
        page.get_by_label("Search").fill("no such study")
        page.wait_for_selector("text=No study fits these filters.")
        page.get_by_label("Search").fill("")
        page.get_by_label("Order").select_option("t_score")
        scores = [t.split("\n")[0] for t in page.locator(".rows .row .t-score").all_inner_texts()]
        assert scores == sorted(scores, key=lambda text: float(text.replace("−", "-")))
        page.locator(".list").focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_selector(".pane[data-ready] >> nth=1")


def test_what_a_patient_is_called_does_not_run(page: Any, results: Path) -> None:
    path = next((results / "studies").glob("*.json"))
    document = json.loads(path.read_text("utf-8"))
    write_json(path, {**document, "patient_id": HOSTILE, "warnings": [HOSTILE]})
    with served(results, ReviewOptions(show_names=True), cohort=None) as link:
        page.goto(link)
        row = page.locator(f".row[data-uid='{path.stem}']")
        assert "<script>" in row.inner_text()
        row.click()
        page.wait_for_selector(".pane[data-ready] >> nth=1")
        assert page.locator(".panel li", has_text="<img src=x").count() == 1
        assert page.evaluate("window.ran") is None


def test_a_patient_s_other_study_is_one_click_away(page: Any, results: Path) -> None:
    first, second, *_ = sorted((results / "studies").glob("*.json"))
    for path in (first, second):
        write_json(path, {**json.loads(path.read_text("utf-8")), "patient_id": "one-patient"})
    with served(results, ReviewOptions(show_names=True), cohort=None) as link:
        page.goto(link)
        page.locator(f".row[data-uid='{first.stem}']").click()
        page.locator(f".panel a[href$='{second.stem}']").click()
        page.wait_for_url(f"**{second.stem}")
        page.wait_for_selector(".pane[data-ready] >> nth=1")


def test_five_thousand_studies_scroll(page: Any, tmp_path: Path) -> None:
    out = save(tmp_path / "out", [screened("s0", -1.0)])
    first = (out / "studies" / "s0.json").read_text("utf-8")
    for n in range(1, 5000):
        (out / "studies" / f"s{n}.json").write_text(
            first.replace('"s0"', f'"s{n}"').replace("p-s0", f"p-s{n}"), "utf-8"
        )
    with served(out, ReviewOptions(show_names=True)) as link:
        page.goto(link)
        page.wait_for_selector(".rows .row")
        page.wait_for_selector("text=5000 of 5000 studies")
        taken = page.evaluate("performance.getEntriesByType('paint').at(-1).startTime")
        assert taken < 4000, "milliseconds to the first rows; two where the machine has nothing else to do"
        page.locator(".list").focus()
        page.keyboard.press("End")
        page.wait_for_selector("#row-4999.active")
        assert page.locator(".rows .row").count() < 60
        page.get_by_label("Search").fill("p-s4321")
        page.wait_for_selector("text=1 of 5000 studies")


@pytest.mark.parametrize("opened", [False, True], ids=["worklist", "study"])
def test_axe_finds_no_serious_fault(page: Any, results: Path, opened: bool) -> None:
    if not AXE.is_file():
        pytest.skip(f"NOT CHECKED for accessibility: {AXE} is missing; install: {INSTALL}")
    with served(results) as link:
        page.goto(link)
        page.wait_for_selector(".rows .row")
        if opened:
            page.locator(".rows .row").first.click()
            page.wait_for_selector(".pane[data-ready] >> nth=1")
            page.locator("g.box").nth(3).focus()
        page.evaluate(AXE.read_text("utf-8"))
        found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
        serious = [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in ("serious", "critical")]
        assert not serious, serious
