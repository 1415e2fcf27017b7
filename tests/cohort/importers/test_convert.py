"""An import is whole or not at all, and the terminal names what is not used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cohort.importers import writing
from cohort.importers.convert import import_cohort
from cohort.importers.report import ImportFormat
from osteolens.errors import ConfigError, ReadError
from tests.importing import BOXES, picture, yolo_folder, yolo_line

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
    import_cohort(ImportFormat.YOLO, folder, out)
    assert (out / "rois.csv").is_file() and [path.name for path in out.parent.iterdir()] == ["out"]

    def fails(*_: object) -> None:
        raise ReadError("the index fails")

    monkeypatch.setattr(writing, "index_cohort", fails)
    with pytest.raises(ReadError, match="the index fails"):
        import_cohort(ImportFormat.YOLO, folder, tmp_path / "second")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "new"]


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "copy_file", full)
    with pytest.raises(ConfigError, match=r"cannot be written .No space left on device.; nothing was left there"):
        import_cohort(ImportFormat.YOLO, films(tmp_path / "in"), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ConfigError, match="is a file; name a new folder"):
        import_cohort(ImportFormat.YOLO, films(tmp_path / "in"), tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_the_new_folder_can_be_read_by_those_who_may_read_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "beside").mkdir()
    import_cohort(ImportFormat.YOLO, films(tmp_path / "in"), tmp_path / "out")
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "beside").stat().st_mode


def test_a_source_that_cannot_be_listed_is_a_clear_word(tmp_path: Path) -> None:
    for kind in ImportFormat:
        with pytest.raises(ReadError, match="in: "):
            import_cohort(kind, tmp_path / "in", tmp_path / "out")
    os.mkfifo(tmp_path / "in")
    with pytest.raises(ReadError):
        import_cohort(ImportFormat.COCO, tmp_path / "in", tmp_path / "out")
