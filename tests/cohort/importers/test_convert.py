"""An import is whole or not at all, and the terminal names what is not used."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from cohort.importers import convert
from cohort.importers.convert import import_cohort
from cohort.importers.drawn import level_of
from osteolens.errors import ConfigError, ReadError
from tests.importing import BOXES, bbox, coco_folder, picture, yolo_folder, yolo_line

runner = CliRunner()
LINE = yolo_line("L1", BOXES["L1"])


def films(folder: Path) -> Path:
    yolo_folder(folder, {"p7_AP": LINE, "lost": LINE})
    for name in ("p7_AP", *(f"bare{k}_AP" for k in range(8))):
        picture(folder / "images" / f"{name}.png")
    return folder


def test_an_empty_folder_is_filled_and_a_failure_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = films(tmp_path / "in"), tmp_path / "new" / "out"
    out.mkdir(parents=True)
    import_cohort("yolo", folder, out)
    assert (out / "rois.csv").is_file() and [path.name for path in out.parent.iterdir()] == ["out"]

    def fails(*_: object) -> None:
        raise ReadError("the index fails")

    monkeypatch.setattr(convert, "index_cohort", fails)
    with pytest.raises(ReadError, match="the index fails"):
        import_cohort("yolo", folder, tmp_path / "second")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "new"]


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(convert, "copy_file", full)
    with pytest.raises(ConfigError, match=r"cannot be written .No space left on device.; nothing was left there"):
        import_cohort("yolo", films(tmp_path / "in"), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ConfigError, match="is a file; name a new folder"):
        import_cohort("yolo", films(tmp_path / "in"), tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_the_new_folder_can_be_read_by_those_who_may_read_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "beside").mkdir()
    import_cohort("yolo", films(tmp_path / "in"), tmp_path / "out")
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "beside").stat().st_mode


def test_the_terminal_names_the_first_and_counts_the_rest(tmp_path: Path) -> None:
    done = runner.invoke(app, ["import", "yolo", str(films(tmp_path / "in")), str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "lost.txt" in done.stdout and "label without image" in done.stdout
    assert "bare4_AP.png and 3 more" in " ".join(done.stdout.replace("│", " ").split())
    assert "9 not used" in done.stderr


def test_json_names_every_file_label_and_reason(tmp_path: Path) -> None:
    shapes = [{"level": "L1", "bbox": bbox(BOXES["L1"])}, {"level": "L2", "bbox": [1, 2, 3, 0]}]
    folder = coco_folder(tmp_path / "in", shapes)
    done = runner.invoke(app, ["import", "coco", str(folder), str(tmp_path / "out"), "--json"])
    (item,) = json.loads(done.stdout)["skipped"]
    assert item["file"].endswith("p7_AP.png") and item["label"] == "L2" and "height 0" in item["reason"]


def test_an_unknown_format_is_a_usage_error(tmp_path: Path) -> None:
    done = runner.invoke(app, ["import", "voc", str(tmp_path), str(tmp_path / "out")])
    assert done.exit_code == 2 and "buu-lspine" in done.stderr


def test_labels_that_steer_a_terminal_or_its_markup_are_text(tmp_path: Path) -> None:
    folder = coco_folder(tmp_path / "in", [{"level": "L1", "bbox": bbox(BOXES["L1"])}, {"level": "L2", "bbox": []}])
    text = (folder / "instances.json").read_text().replace('"name": "L2"', r'"name": "[/x] \u001b[31m\ud800 L2"')
    (folder / "instances.json").write_text(text)
    for more in ([], ["--json"]):
        out = tmp_path / f"out{len(more)}"
        done = runner.invoke(app, ["import", "coco", str(folder), str(out), *more])
        assert done.exit_code == 0, done.output
        assert "[/x]" in done.stdout and "\x1b[31m" not in done.stdout


def test_a_source_that_cannot_be_listed_is_a_clear_word(tmp_path: Path) -> None:
    for kind in ("coco", "yolo", "labelme", "cvat", "buu-lspine", "lumos"):
        with pytest.raises(ReadError, match="in: "):
            import_cohort(kind, tmp_path / "in", tmp_path / "out")
    os.mkfifo(tmp_path / "in")
    with pytest.raises(ReadError):
        import_cohort("coco", tmp_path / "in", tmp_path / "out")


@pytest.mark.parametrize("text", ["L1-L2", "L1/2", "L1L2", "disc L1", "L4-5 disk", "T12/L1", "L1 L2", "IVD_L3"])
def test_discs_and_pairs_are_no_level(text: str) -> None:
    assert level_of(text) is None
