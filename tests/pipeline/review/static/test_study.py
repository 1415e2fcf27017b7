"""One study in the browser: boxes are corrected, saved, found again, exported and classified again."""

from __future__ import annotations

import csv
import io
import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.review.options import ReviewOptions
from tests.browser import eventually
from tests.pipeline.review.static.conftest import served

HEIGHTS = ("anterior", "middle", "posterior")
BOX = "svg[aria-label='Boxes of the {view} view'] g.box[data-level={level}]"


def open_study(page: Any, link: str, number: int = 0) -> str:
    """Open a study of the worklist with both images drawn; returns its UID."""
    page.goto(link)
    row = page.locator(".rows .row").nth(number)
    uid = str(row.get_attribute("data-uid"))
    row.click()
    page.wait_for_selector(".pane[data-ready] >> nth=1")
    return uid


def saved(page: Any) -> None:
    """Wait until nothing is left to save."""
    page.wait_for_selector(".saved.done:has-text('saved')")


def drag(page: Any, start: tuple[float, float], dx: float, dy: float) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] + dx / 3, start[1] + dy / 3)
    page.mouse.move(start[0] + dx, start[1] + dy)
    page.mouse.up()


def choose(page: Any, view: str, level: str) -> None:
    """Choose a box by the focus; again where it was drawn anew in that moment."""
    selector = BOX.format(view=view, level=level)
    for _ in range(20):
        page.locator(selector).focus()
        page.wait_for_timeout(50)
        if page.locator(selector + ".selected").count():
            return
    raise AssertionError(f"{level} of {view} is not chosen")


def middle(page: Any, selector: str) -> tuple[float, float]:
    page.wait_for_timeout(60)  # what was pressed before is drawn with the next frame
    box = page.locator(selector).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def scale(page: Any, view: str) -> float:
    """Screen pixels per pixel of the image, from the corners of a drawn box and those that the server gave."""
    uid = page.url.rsplit("/", 1)[1]
    given = page.evaluate("uid => fetch(`/api/study/${uid}`).then((r) => r.json())", uid)["views"][view]["boxes"]
    box = next(box for box in given if box["level"] == "L2")
    width = float(page.locator(BOX.format(view=view, level="L2") + " .line").get_attribute("width"))
    return float(width / (box["x1"] - box["x0"]))


def stored(results: Path) -> dict[str, Any]:
    """The last line of the reader's file."""
    lines = (results / "review" / "reader.jsonl").read_text("utf-8").splitlines()
    return dict(json.loads(lines[-1]))


def box_of(state: dict[str, Any], view: str, level: str) -> dict[str, float]:
    return next(box for box in state["views"][view]["boxes"] if box["level"] == level)


def rois(page: Any) -> list[dict[str, str]]:
    with page.expect_download() as download:
        page.get_by_role("link", name="rois.csv").click()
    return list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8"))))


def test_a_box_moves_by_what_was_dragged_and_is_found_again(page: Any, results: Path) -> None:
    with served(results) as link:
        uid = open_study(page, link)
        predicted = json.loads((results / "studies" / f"{uid}.json").read_text("utf-8"))
        before = box_of(predicted, "AP", "L2")
        factor = scale(page, "AP")
        drag(page, middle(page, BOX.format(view="AP", level="L2") + " .name text"), 23, -11)
        saved(page)
        page.wait_for_selector(".result:has-text('On your boxes')")
        after = box_of(stored(results)["state"], "AP", "L2")
        for name, moved in (("x0", 23), ("x1", 23), ("y0", -11), ("y1", -11)):
            assert after[name] - before[name] == pytest.approx(moved / factor, abs=0.5), name

        page.reload()
        page.wait_for_selector(".pane[data-ready] >> nth=1")
        page.locator(BOX.format(view="AP", level="L2") + " .name").click()
        drag(page, middle(page, ".handle.se"), 14, 9)
        saved(page)
        resized = box_of(stored(results)["state"], "AP", "L2")
        assert resized["x1"] - after["x1"] == pytest.approx(14 / factor, abs=0.5)
        assert resized["y1"] - after["y1"] == pytest.approx(9 / factor, abs=0.5)
        assert (resized["x0"], resized["y0"]) == pytest.approx((after["x0"], after["y0"]), abs=0.5)

        page.get_by_role("link", name="List").click()
        page.wait_for_selector(f".row[data-uid='{uid}'] .tag.done")
        row = next(r for r in rois(page) if (r["study_uid"], r["view"], r["level"]) == (uid, "AP", "L2"))
        assert [float(row[n]) for n in ("x0", "y0", "x1", "y1")] == pytest.approx(
            [resized[n] for n in ("x0", "y0", "x1", "y1")], abs=0.5
        )
    both = json.loads((results / "review" / "corrected" / "reader" / f"{uid}.json").read_text("utf-8"))
    assert both["predicted"]["probabilities"] == predicted["probabilities"]
    assert both["corrected"]["probabilities"] != predicted["probabilities"]


def test_names_shift_by_one_key_and_undo_brings_them_back(page: Any, results: Path) -> None:
    with served(results) as link:
        uid = open_study(page, link)
        boxes = json.loads((results / "studies" / f"{uid}.json").read_text("utf-8"))["views"]["AP"]
        page.keyboard.press("[")
        saved(page)
        shifted = stored(results)["state"]
        for above, level in (("T12", "L1"), ("L1", "L2"), ("L4", "L5")):
            now, was = box_of(shifted, "AP", above), box_of({"views": {"AP": boxes}}, "AP", level)
            assert [now[n] for n in ("x0", "y0", "x1", "y1")] == pytest.approx(
                [was[n] for n in ("x0", "y0", "x1", "y1")], abs=0.06
            )
        lateral = [box["level"] for box in shifted["views"]["LATERAL"]["boxes"]]
        assert "S1" in lateral
        page.keyboard.press("Control+z")
        page.wait_for_selector(".saved.waiting")
        saved(page)
        assert [b["level"] for b in stored(results)["state"]["views"]["AP"]["boxes"]] == [
            b["level"] for b in boxes["boxes"]
        ]
        page.keyboard.press("Control+y")
        page.wait_for_selector(".saved.waiting")
        saved(page)
        assert stored(results)["state"] == shifted


def test_boxes_are_corrected_by_keys_alone(page: Any, results: Path) -> None:
    with served(results) as link:
        open_study(page, link)
        choose(page, "LATERAL", "L3")
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Control+ArrowDown")
        page.keyboard.press("2")
        page.keyboard.press("x")
        page.get_by_role("button", name="metal or cement").click()
        page.keyboard.press("e")
        page.get_by_label("or in your words").fill("moved during the exposure")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=Not evaluable: moved during the exposure")
        saved(page)
        line = stored(results)
        state = line["state"]
        assert state["views"]["LATERAL"]["left_out"] == {"L3": "metal or cement"}
        assert state["fracture_grades"] == {"L3": 2}
        assert state["not_evaluable"] == "moved during the exposure"
        assert line["seconds"] > 0
        given = page.evaluate("uid => fetch(`/api/study/${uid}`).then((r) => r.json())", page.url.rsplit("/", 1)[1])[
            "views"
        ]["LATERAL"]["boxes"]
        before = next(box for box in given if box["level"] == "L3")
        after = box_of(state, "LATERAL", "L3")
        moved = [after[n] - before[n] for n in ("x0", "y0", "x1", "y1")]
        assert moved == pytest.approx([10, 1, 10, 2], abs=0.01)


def test_a_box_is_deleted_added_and_renamed(page: Any, results: Path) -> None:
    with served(results) as link:
        open_study(page, link)
        selector = BOX.format(view="AP", level="L4")
        place = page.locator(selector + " .line").bounding_box()
        choose(page, "AP", "L4")
        page.keyboard.press("Delete")
        page.wait_for_selector(selector, state="detached")
        page.keyboard.press("a")
        drag(page, (place["x"] + 2, place["y"] + 2), place["width"] - 4, place["height"] - 4)
        page.wait_for_selector(selector)
        page.keyboard.press(",")
        page.wait_for_selector("text=Chosen box: L3, AP")
        page.wait_for_selector(".saved.waiting")
        saved(page)
        boxes = stored(results)["state"]["views"]["AP"]["boxes"]
        middles = {box["level"]: box["y0"] + box["y1"] for box in boxes}
        assert middles["L3"] > middles["L4"], "the names are exchanged"


def test_window_zoom_and_measure_change_no_box(page: Any, results: Path) -> None:
    with served(results) as link:
        open_study(page, link)
        reading = page.locator(".pane .reading").first
        before = reading.inner_text()
        stage = page.locator(".stage").first.bounding_box()
        drag(page, (stage["x"] + 20, stage["y"] + 60), 60, 30)
        eventually(page, "text => document.querySelector('.reading').textContent !== text", before)
        page.keyboard.press("i")
        page.wait_for_selector(".reading:has-text('inverted')")
        page.mouse.wheel(0, -400)
        page.keyboard.press("m")
        drag(page, (stage["x"] + 20, stage["y"] + 60), 100, 0)
        page.wait_for_selector(".measure text:has-text('mm')")
        assert not page.locator(".saved.waiting, .saved.done").count()
    assert all("study_uid" not in path.read_text("utf-8") for path in (results / "review").glob("*.jsonl"))


def test_outlines_and_boxes_are_layers(page: Any, results: Path) -> None:
    with served(results) as link:
        open_study(page, link)
        assert page.locator("g.outline").count() == 0
        page.keyboard.press("o")
        page.wait_for_selector("[aria-label$='LATERAL view'] g.outline.level-L2")
        page.keyboard.press("b")
        page.wait_for_selector("g.box", state="detached")
        page.get_by_role("button", name="Outlines").click()
        page.wait_for_selector("g.outline", state="detached")


def heights(page: Any, level: str) -> list[str]:
    row = page.locator(".heights tbody tr").nth(("L1", "L2", "L3", "L4").index(level))
    return [str(text) for text in row.locator("td").all_inner_texts()]


def test_heights_are_measured_anew_on_a_corrected_box(page: Any, results: Path) -> None:
    with served(results) as link:
        uid = open_study(page, link)
        screened = json.loads((results / "studies" / f"{uid}.json").read_text("utf-8"))["findings"]["vertebrae"]
        stored_heights = {v["level"]: [f"{v[f'{name}_height']:.1f}" for name in HEIGHTS] for v in screened}
        page.wait_for_selector("caption:has-text('in mm, lateral view, as screened')")
        before = {level: heights(page, level) for level in ("L1", "L3")}
        assert {level: texts[:3] for level, texts in before.items()} == {k: stored_heights[k] for k in before}
        choose(page, "LATERAL", "L3")
        for _ in range(3):
            page.keyboard.press("Shift+ArrowDown")
        page.wait_for_selector("caption:has-text('on your boxes')")
        page.wait_for_selector("caption:has-text('being measured')", state="detached")
        assert heights(page, "L3") != before["L3"] and heights(page, "L1")[:3] == before["L1"][:3]
        for _ in range(3):
            page.keyboard.press("Control+z")
        page.wait_for_selector("caption:has-text('as screened')")
        assert heights(page, "L3") == before["L3"]


RED = """() => {
    const canvas = document.querySelector('canvas.image');
    const cells = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    let red = 0;
    for (let k = 0; k < cells.length; k += 4) red += cells[k] > cells[k + 2] + 40;
    return red;
}"""


@pytest.mark.parametrize("page", ["status of 422"], indirect=True, ids=["refused"])
def test_grad_cam_follows_the_boxes_or_says_that_it_does_not(page: Any, results: Path) -> None:
    layer = io.BytesIO()
    Image.new("RGBA", (50, 60), (255, 0, 0, 200)).save(layer, "PNG")
    made = {"views": {"AP": b64encode(layer.getvalue()).decode("ascii")}}
    asked: list[dict[str, Any]] = []

    def make(route: Any) -> None:
        asked.append(route.request.post_data_json)
        route.fulfill(json=made)

    def refuse(route: Any) -> None:
        route.fulfill(status=422, json={"error": "Grad-CAM needs the package torch"})

    with served(results) as link:
        uid = open_study(page, link)
        page.route("**/api/study/*/heat", make)
        page.keyboard.press("c")
        page.wait_for_selector(".pane:has(svg[aria-label$='AP view']) .note:has-text('boxes as screened')")
        page.wait_for_selector(".note:has-text('none of this view')")
        assert page.evaluate(RED) > 1000
        choose(page, "AP", "L3")
        page.keyboard.press("Shift+ArrowDown")
        page.wait_for_selector(".note:has-text('your boxes')")
        moved = [next(b for b in body["views"]["AP"]["boxes"] if b["level"] == "L3")["y0"] for body in asked]
        assert moved[1] == pytest.approx(moved[0] + 10)

        page.unroute("**/api/study/*/heat")
        page.route("**/api/study/*/heat", refuse)
        page.route(f"**/api/study/{uid}/AP/heat", lambda route: route.fulfill(body=layer.getvalue()))
        page.keyboard.press("Shift+ArrowDown")
        page.wait_for_selector(".note:has-text('FIRST RESULT, not your boxes')")
        page.unroute(f"**/api/study/{uid}/AP/heat")
        page.keyboard.press("Shift+ArrowDown")
        page.wait_for_selector(".status:has-text('No Grad-CAM layer: Grad-CAM needs the package torch')")
        eventually(page, f"() => ({RED})() === 0")


def test_nothing_is_drawn_while_nothing_changes(page: Any, results: Path) -> None:
    with served(results) as link:
        open_study(page, link)
        choose(page, "AP", "L3")
        page.wait_for_selector(".handle.se")
        page.wait_for_timeout(200)
        page.evaluate(
            """window.drawn = 0;
            new MutationObserver(() => { window.drawn += 1; }).observe(
                document.querySelector("svg.overlay"), {childList: true})"""
        )
        page.wait_for_timeout(300)
        assert page.evaluate("window.drawn") == 0


def test_what_was_corrected_last_is_saved_by_leaving(page: Any, results: Path) -> None:
    with served(results) as link:
        uid = open_study(page, link)
        choose(page, "AP", "L3")
        page.keyboard.press("3")
        page.evaluate("location.hash = '#/'")
        page.locator(f".row[data-uid='{uid}']").click()
        page.wait_for_selector(".pane[data-ready] >> nth=1")
        assert page.get_by_label("Fracture grade of L3").input_value() == "3"
        assert stored(results)["state"]["fracture_grades"] == {"L3": 3}


@pytest.mark.parametrize("page", ["422 (Unprocessable"], indirect=True)
def test_what_was_said_of_an_image_that_is_not_found_any_more_stays(page: Any, results: Path) -> None:
    with served(results) as link:
        uid = open_study(page, link)
        choose(page, "LATERAL", "L3")
        page.keyboard.press("ArrowLeft")
        saved(page)
    before = stored(results)["state"]["views"]["LATERAL"]
    path = results / "studies" / f"{uid}.json"
    document = json.loads(path.read_text("utf-8"))
    for image in document["images"]:
        image["sha256"] = 64 * "0" if image["view"] == "LATERAL" else image["sha256"]
    path.write_text(json.dumps(document), "utf-8")
    with served(results) as link:
        page.goto(link)
        page.locator(f".row[data-uid='{uid}']").click()
        page.wait_for_selector(".pane[data-ready]")
        choose(page, "AP", "L2")
        with page.expect_response("**/corrections"):
            page.keyboard.press("1")
    state = stored(results)["state"]
    assert state["fracture_grades"] == {"L2": 1} and state["views"]["LATERAL"] == before


def test_a_reader_study_shows_no_prediction(page: Any, results: Path) -> None:
    with served(results, ReviewOptions(reader="anna", reader_study=True)) as link:
        open_study(page, link)
        text = page.locator("body").inner_text()
        for word in ("T-score", "osteoporosis", "osteopenia", "labelling margin", "fracture?"):
            assert word not in text, word
        page.wait_for_selector(".timer")
        first = page.locator(".where b").inner_text()
        page.keyboard.press("n")
        eventually(page, "label => document.querySelector('.where b')?.textContent !== label", first)


def test_a_known_length_gives_the_spacing_that_an_image_does_not_tell(page: Any, results: Path) -> None:
    def without_spacing(route: Any) -> None:
        answer = route.fetch()
        document = answer.json()
        for view in document["views"].values():
            view["pixel_spacing_mm"] = None
        route.fulfill(response=answer, json=document)

    page.route("**/api/study/*", without_spacing)
    with served(results) as link:
        open_study(page, link)
        factor = scale(page, "AP")
        stage = page.locator(".stage").first.bounding_box()
        page.keyboard.press("m")
        drag(page, (stage["x"] + 20, stage["y"] + 60), 100, 0)
        page.wait_for_selector(".measure text:has-text('px')")
        page.get_by_role("spinbutton").fill("50")
        page.get_by_role("button", name="Take").click()
        page.wait_for_selector(".measure text:has-text('50.0 mm')")
        saved(page)
        assert stored(results)["state"]["views"]["AP"]["spacing_mm"] == pytest.approx(50 * factor / 100, rel=0.01)
