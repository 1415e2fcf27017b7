"""osteolens cohort check and osteolens cohort import."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from tests import EXAMPLES
from tests.importing import BOXES, bbox, coco_folder, picture, yolo_folder, yolo_line

runner = CliRunner()
LINE = yolo_line("L1", BOXES["L1"])


def films(folder: Path) -> Path:
    yolo_folder(folder, {"p7_AP": LINE, "lost": LINE})
    for name in ("p7_AP", *(f"bare{k}_AP" for k in range(8))):
        picture(folder / "images" / f"{name}.png")
    return folder


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLES, tmp_path / "c")
    return tmp_path / "c"


def test_the_command_draws_the_flow_and_fails_on_nothing(cohort: Path, tmp_path: Path) -> None:
    flow = tmp_path / "flow.svg"
    done = runner.invoke(app, ["cohort", "check", str(cohort), "--flow", str(flow)])
    assert done.exit_code == 0, done.output
    assert "eligible" in done.stdout and flow.read_text().startswith("<?xml")
    done = runner.invoke(app, ["cohort", "check", str(cohort), "--json", "--set", "criteria.min_age_years=95"])
    assert json.loads(done.stdout)["counts"]["eligible"] == 0
    done = runner.invoke(app, ["cohort", "check", str(cohort), "--flow", str(tmp_path / "flow.doc")])
    assert done.exit_code == 1 and "flow.doc: expected a name that ends in .svg or .png" in done.stderr
    (tmp_path / "empty").mkdir()
    done = runner.invoke(app, ["cohort", "check", str(tmp_path / "empty")])
    assert done.exit_code == 1 and "nothing here can be trained on or evaluated" in done.stderr


def test_the_check_takes_what_sites_are_for(cohort: Path) -> None:
    command = ["cohort", "check", str(cohort), "--json", "--set"]
    plain = json.loads(runner.invoke(app, command[:-1]).stdout)["splits"]
    told = json.loads(runner.invoke(app, [*command, "sites.training=[test1]"]).stdout)["splits"]
    assert "test1" in plain and "training" not in plain and "training" in told and "test1" not in told


def test_the_terminal_names_the_first_and_counts_the_rest(tmp_path: Path) -> None:
    done = runner.invoke(app, ["cohort", "import", "yolo", str(films(tmp_path / "in")), str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "lost.txt" in done.stdout and "label without image" in done.stdout
    assert "bare4_AP.png and 3 more" in " ".join(done.stdout.replace("│", " ").split())
    assert "9 not used" in done.stderr


def test_json_names_every_file_label_and_reason(tmp_path: Path) -> None:
    shapes = [{"level": "L1", "bbox": bbox(BOXES["L1"])}, {"level": "L2", "bbox": [1, 2, 3, 0]}]
    folder = coco_folder(tmp_path / "in", shapes)
    done = runner.invoke(app, ["cohort", "import", "coco", str(folder), str(tmp_path / "out"), "--json"])
    (item,) = json.loads(done.stdout)["skipped"]
    assert item["file"].endswith("p7_AP.png") and item["label"] == "L2" and "height 0" in item["reason"]


def test_an_unknown_format_is_a_usage_error(tmp_path: Path) -> None:
    done = runner.invoke(app, ["cohort", "import", "voc", str(tmp_path), str(tmp_path / "out")])
    assert done.exit_code == 2 and "buu-lspine" in done.stderr


def test_labels_that_steer_a_terminal_or_its_markup_are_text(tmp_path: Path) -> None:
    folder = coco_folder(tmp_path / "in", [{"level": "L1", "bbox": bbox(BOXES["L1"])}, {"level": "L2", "bbox": []}])
    text = (folder / "instances.json").read_text().replace('"name": "L2"', r'"name": "[/x] \u001b[31m\ud800 L2"')
    (folder / "instances.json").write_text(text)
    for more in ([], ["--json"]):
        out = tmp_path / f"out{len(more)}"
        done = runner.invoke(app, ["cohort", "import", "coco", str(folder), str(out), *more])
        assert done.exit_code == 0, done.output
        assert "[/x]" in done.stdout and "\x1b[31m" not in done.stdout


def test_a_folder_in_use_is_an_error_of_one_line(tmp_path: Path) -> None:
    folder = films(tmp_path / "in")
    first, again = (
        runner.invoke(app, ["cohort", "import", "yolo", str(folder), str(tmp_path / "out")]) for _ in range(2)
    )
    assert first.exit_code == 0 and again.exit_code == 1 and "not empty" in again.stderr
