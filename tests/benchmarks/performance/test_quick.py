"""All of the benchmark of speed runs; its times are not looked at."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.performance.page import page_of

pytest.importorskip("torch")

pytestmark = [pytest.mark.train, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SECTIONS = ("stages_of_examples", "rivals", "engines", "long_run", "indexing", "sizes")


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A quick run with its page and picture."""
    from benchmarks.performance.__main__ import main

    folder = tmp_path_factory.mktemp("speed")
    places = {"out": "speed.json", "page": "speed.md", "picture": "speed.png", "scratch": ""}
    main(["--quick", *(f"--{option}={folder}/{name}" for option, name in places.items())])
    assert (folder / "speed.png").read_bytes().startswith(b"\x89PNG")
    found: dict[str, Any] = json.loads((folder / "speed.json").read_text("utf-8"))
    assert page_of(found) == (folder / "speed.md").read_text("utf-8")
    return found


def test_every_part_of_a_quick_run_gives_something(document: dict[str, Any]) -> None:
    assert all(document[name] for name in SECTIONS)
    precisions = {rate["name"] for rate in document["machine"]["arithmetic"]}
    assert {"fp32", "int8"} <= precisions
    counted = {stage["name"]: stage["gflop"] for stage in document["stages_of_examples"] if stage["gflop"]}
    assert set(counted) == {"detector", "segmenter", "classifier"}
    assert counted["detector"] == pytest.approx(8.1, abs=0.1), "two radiographs of 512 px through YOLO11n"
    assert document["rivals"][0]["largest_difference"] < 1e-3, "both sides compute the same"
    assert {one["engine"] for one in document["engines"]} >= {"onnxruntime fp32", "onnxruntime int8"}


def test_one_section_goes_into_the_json_alone(tmp_path: Path) -> None:
    from benchmarks.performance.__main__ import main

    places = {name: tmp_path / f"speed.{name}" for name in ("out", "page", "picture")}
    main(["--quick", "--only", "indexing", *(f"--{option}={path}" for option, path in places.items())])
    found = json.loads(places["out"].read_text("utf-8"))
    assert found["indexing"] and "engines" not in found
    assert not places["page"].exists() and not places["picture"].exists()


def test_ratios_of_the_page_follow_from_the_times(document: dict[str, Any]) -> None:
    changed = json.loads(json.dumps(document))
    (rivalry,) = changed["rivals"]
    for side, milliseconds in (("ours", 50.0), ("theirs", 175.0)):
        rivalry[side]["detector and classifier"] |= {"minimum_ms": milliseconds, "median_ms": 2 * milliseconds}
    rivalry["ours"]["with refinement and quality control"] |= {"minimum_ms": 100.0, "median_ms": 100.0}
    changed["jobs"] = [
        {"jobs": jobs, "studies": 9, "studies_s": rate, "median_studies_s": rate, "seconds": None, "peak_mib": None}
        for jobs, rate in ((1, 4.0), (2, 7.0), (0, 2.0))
    ]
    (run,) = changed["long_run"]
    run |= {"early_mib": [100.0, 200.0], "late_mib": [105.0, 220.0]}
    page = page_of(changed)
    assert "**3.50 times as fast** (3.50 by medians)" in page and "1.75 times as fast with all of" in page
    assert "| `--jobs 2` | 7.00 | 7.00 | 1.75 | 3.50 |" in page
    assert "(+5.0%)" in page and "(+10.0%)" in page
    assert "A quick run" in page and "A quick run" not in page_of({**changed, "quick": False})


@pytest.mark.parametrize(("load", "busy"), [(0.2, False), (8.0, True)])
def test_the_page_says_when_the_machine_had_other_work(document: dict[str, Any], load: float, busy: bool) -> None:
    machine = {**document["machine"], "load": load, "cores": 4}
    assert ("The machine had other work" in page_of({**document, "machine": machine})) is busy


def test_the_page_of_a_run_without_the_other_side_leaves_it_out(document: dict[str, Any]) -> None:
    page = page_of({**document, "rivals": None})
    assert not re.search("Against what a user", page) and "## Engines" in page
