"""From the command line: screened, a box moved, levels shifted, killed while saving, and exported."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import pytest

from cohort.io.annotations import Rois, read_rois
from cohort.spine import LEVELS
from pipeline.review.readings.log import read_readings_file
from tests import EXAMPLES

PROGRAM = (sys.executable, "-m", "cli.main")
CORNERS = ("x0", "y0", "x1", "y1")


@dataclass(frozen=True)
class Served:
    """A server of its own process and a browser with its link."""

    process: subprocess.Popen[bytes]
    browser: urllib.request.OpenerDirector
    base: str

    def get(self, path: str) -> Any:
        return json.loads(self.browser.open(f"{self.base}{path}", timeout=60).read())

    def post(self, path: str, document: Any) -> Any:
        headers = {"content-type": "application/json", "origin": self.base.rstrip("/")}
        request = urllib.request.Request(f"{self.base}{path}", json.dumps(document).encode(), headers)
        return json.loads(self.browser.open(request, timeout=60).read())


@contextmanager
def served(*arguments: str) -> Iterator[Served]:
    command = [*PROGRAM, "review", *arguments, "--json", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            lines = b""
            while not lines.rstrip().endswith(b"}"):
                lines += (line := process.stdout.readline())
                assert line, process.communicate()[1].decode()
            link = json.loads(lines)["link"]
            browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
            browser.open(link).close()
            yield Served(process, browser, link.partition("?")[0])
        finally:
            process.kill()


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("review") / "out"
    command = [*PROGRAM, "process", str(EXAMPLES), "--out", str(out), "--quiet"]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return out


def boxes_of(study: Any, view: str) -> list[dict[str, Any]]:
    return [{name: box[name] for name in ("level", *CORNERS)} for box in study["views"][view]["boxes"]]


def check_rois(rois: Rois, uid: str, views: dict[str, Any]) -> None:
    found = {view.value: boxes for (study, view), boxes in rois.items() if study == uid}
    assert set(found) == set(views)
    for view, boxes in found.items():
        sent = {box["level"]: [box[name] for name in CORNERS] for box in views[view]["boxes"]}
        assert {box.level: box.corners for box in boxes} == {
            level: pytest.approx(corners, abs=0.5) for level, corners in sent.items()
        }


def test_a_moved_box_and_shifted_levels_leave_as_drawn_with_the_second_class_beside_the_first(
    out: Path, tmp_path: Path
) -> None:
    with served(str(out), str(EXAMPLES), "--reader", "anna") as page:
        uid = page.get("api/worklist")["studies"][0]["study_uid"]
        study = page.get(f"api/study/{uid}")
        ap, lateral = boxes_of(study, "AP"), boxes_of(study, "LATERAL")
        moved = next(box for box in ap if box["level"] == "L2")
        moved.update(x0=moved["x0"] + 11.3, x1=moved["x1"] + 11.3, y0=moved["y0"] - 6.7)
        shifted = [{**box, "level": LEVELS[LEVELS.index(box["level"]) - 1]} for box in lateral]
        views = {"AP": {"boxes": ap}, "LATERAL": {"boxes": shifted}}
        again = page.post(f"api/study/{uid}/classify", {"views": views})
        page.post(f"api/study/{uid}/corrections", {"views": views, "seconds": 8})
        rois = page.browser.open(f"{page.base}api/export/rois.csv").read()
        page.process.send_signal(signal.SIGINT)
        assert page.process.wait(20) == 0
    (tmp_path / "rois.csv").write_bytes(rois)
    check_rois(read_rois(tmp_path / "rois.csv"), uid, views)
    command = [*PROGRAM, "review", str(out), "--reader", "anna", "--export", str(tmp_path / "export"), "--json"]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=120).stdout)
    assert (told["studies"], told["reports"], told["not_made"]) == (1, 1, {})
    assert told["tables"] == ["corrected.json", "findings.csv", "readers.csv", "rois.csv"]
    check_rois(read_rois(tmp_path / "export" / "rois.csv"), uid, views)
    (exported,) = json.loads((tmp_path / "export" / "corrected.json").read_text("utf-8"))["studies"]
    first = json.loads((out / "studies" / f"{uid}.json").read_text("utf-8"))
    assert exported["result"]["predicted"]["probabilities"] == first["probabilities"]
    assert exported["result"]["corrected"]["probabilities"] == again["probabilities"] != first["probabilities"]
    assert [path.name for path in (tmp_path / "export" / "reports").iterdir()] == [f"{uid}_sr.dcm"]


def test_a_server_that_is_killed_while_saving_loses_nothing_that_it_acknowledged(out: Path) -> None:
    acknowledged: list[int] = []
    enough = threading.Event()
    with served(str(out), "--reader", "ben") as page:
        uid = page.get("api/worklist")["studies"][0]["study_uid"]

        def save() -> None:
            number = 0
            while True:
                number += 1
                try:
                    page.post(f"api/study/{uid}/corrections", {"views": {}, "not_evaluable": f"number {number}"})
                except (OSError, HTTPException):
                    break
                acknowledged.append(number)
                if number == 20:
                    enough.set()
            enough.set()

        saving = threading.Thread(target=save)
        saving.start()
        assert enough.wait(60)
        page.process.kill()
        saving.join(60)
    assert len(acknowledged) >= 20
    lines = (out / "review" / "ben.jsonl").read_text("utf-8")
    assert all(f'"not_evaluable":"number {number}"' in lines for number in acknowledged)
    held = read_readings_file(out / "review" / "ben.jsonl").last[uid].state.not_evaluable
    assert held is not None and int(held.removeprefix("number ")) >= acknowledged[-1]
    with served(str(out), "--reader", "ben") as page:
        assert page.get(f"api/study/{uid}")["corrections"]["not_evaluable"] == held
