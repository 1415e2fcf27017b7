"""osteolens cohort import, export and confirm on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from cohort.io.annotations import read_readings, write_rois
from cohort.spine import VertebraBox, VertebralLevel, View
from tests.importing import BOXES, labelme_file, picture, rectangle, yolo_folder, yolo_line

runner = CliRunner()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Labels of one film that lies elsewhere, with an unknown name and a label without film."""
    picture(tmp_path / "films" / "p7_AP.png")
    shapes = [rectangle("LWK 1", BOXES["L1"]), rectangle("Th12", (20, 0, 60, 8)), rectangle("screw", (2, 2, 9, 9))]
    labelme_file(tmp_path / "in" / "p7_AP.json", shapes, "D:\\films\\p7_AP.png")
    labelme_file(tmp_path / "in" / "gone_AP.json", shapes, "gone_AP.png")
    return tmp_path / "in"


def test_a_dry_run_shows_boxes_unknown_names_and_what_is_missing(source: Path, tmp_path: Path) -> None:
    command = ["cohort", "import", "labelme", str(source), str(tmp_path / "out"), "--images", str(tmp_path / "films")]
    done = runner.invoke(app, [*command, "--dry-run"])
    assert done.exit_code == 0, done.output
    shown = " ".join(done.stdout.replace("│", " ").split())
    assert "T12 1" in shown and "L1 1" in shown and "screw 1" in shown and "gone_AP.png" in shown
    assert "would be written" in done.stderr and not (tmp_path / "out").exists()
    document = json.loads(runner.invoke(app, [*command, "--dry-run", "--json", "-q"]).stdout)
    assert document["unmatched"] == 1, "gone_AP.png"
    assert document["unknown_names"] == {"screw": 1} and document["by_level"] == {"T12": 1, "L1": 1}
    assert not document["written"] and not (tmp_path / "out").exists()


def test_the_reader_is_named_by_the_rules_of_the_review(source: Path, tmp_path: Path) -> None:
    command = ["cohort", "import", "labelme", str(source), str(tmp_path / "out"), "--images", str(tmp_path / "films")]
    done = runner.invoke(app, [*command, "--reader", "Dr. X"])
    assert done.exit_code == 1 and "reader is 'Dr. X'" in done.stderr
    assert runner.invoke(app, [*command, "--reader", "dr-x"]).exit_code == 0
    assert list(read_readings(tmp_path / "out" / "readers.csv")) == ["dr-x"]


def test_options_that_a_format_does_not_take_are_refused(tmp_path: Path) -> None:
    command = ["cohort", "import", "dicom-sr", str(tmp_path), str(tmp_path / "out"), "--images", str(tmp_path)]
    done = runner.invoke(app, command)
    assert done.exit_code == 1 and "dicom-sr takes no images" in done.stderr


def test_spacings_come_from_a_table(source: Path, tmp_path: Path) -> None:
    yolo_folder(tmp_path / "yolo", {"p7_AP": yolo_line("L1", BOXES["L1"])})
    table = tmp_path / "spacing.csv"
    command = ["cohort", "import", "yolo", str(tmp_path / "yolo"), str(tmp_path / "out"), "--spacings", str(table)]
    command += ["--images", str(tmp_path / "films")]
    for text, why in (
        ("image\np7_AP.png\n", "pixel_spacing_mm are missing"),
        ("image,pixel_spacing_mm\np7,14\n", "14"),
    ):
        table.write_text(text)
        done = runner.invoke(app, command)
        assert done.exit_code == 1 and why in done.stderr
    table.write_text("image;pixel_spacing_mm\np7_AP.png;0,143\n")
    assert runner.invoke(app, command).exit_code == 0


def test_confirming_needs_a_name_and_something_to_confirm(tmp_path: Path) -> None:
    assert runner.invoke(app, ["cohort", "confirm", str(tmp_path)]).exit_code == 2
    done = runner.invoke(app, ["cohort", "confirm", str(tmp_path), "--reader", "dr-x"])
    assert done.exit_code == 1 and "nothing is to be confirmed" in done.stderr
    picture(tmp_path / "p7" / "AP.png")
    write_rois(tmp_path / "rois-to-confirm.csv", {("p7", View.AP): (VertebraBox(VertebralLevel.L1, *BOXES["L1"]),)})
    done = runner.invoke(app, ["cohort", "confirm", str(tmp_path), "--reader", "dr-x", "--json"])
    assert json.loads(done.stdout) == {"images": 1, "boxes": 1, "changed": 0, "waiting": 0}
    assert list(read_readings(tmp_path / "readers.csv")) == ["dr-x"] and (tmp_path / "rois.csv").is_file()


def test_an_unknown_format_to_export_is_a_usage_error(tmp_path: Path) -> None:
    done = runner.invoke(app, ["cohort", "export", str(tmp_path), str(tmp_path / "dest"), "--format", "word"])
    assert done.exit_code == 2 and "'word' is not one of labelme, cvat, coco, yolo" in " ".join(done.stderr.split())
