"""Zips of annotations: hostile members are refused by name, the others go on."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from cohort.importers.convert import import_cohort
from cohort.importers.report import ImportFormat
from cohort.importers.sources.unpacked import safe_path
from osteolens.errors import ReadError
from tests.importing import BOXES, picture, reasons, yolo_line


@pytest.mark.parametrize(
    "name", ["../a.txt", "/etc/a.txt", "a/../../b", "C:/a.txt", "..\\a.txt", "a\0b", "/".join("a" * 40), "x" * 300, ""]
)
def test_a_name_that_leads_out_is_refused(name: str) -> None:
    with pytest.raises(ReadError, match="leads out of the folder"):
        safe_path(name)


def test_hostile_members_are_listed_and_nothing_is_written_outside(tmp_path: Path) -> None:
    film = picture(tmp_path / "film.png")
    with zipfile.ZipFile(tmp_path / "in.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(film, "images/p7_AP.png")
        archive.writestr("labels/p7_AP.txt", yolo_line("L1", BOXES["L1"]))
        archive.writestr("data.yaml", "names: [L1]\n")
        archive.writestr("../../escaped.txt", "0")
        archive.writestr("labels/bomb.txt", b"0" * 50_000_000)
        link = zipfile.ZipInfo("images/link_AP.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    report = import_cohort(ImportFormat.YOLO, tmp_path / "in.zip", tmp_path / "out")
    assert report.rois == 1 and not list(tmp_path.rglob("escaped.txt"))
    for reason in ("leads out of the folder", "more than 200 times its size", "a symbolic link"):
        assert reason in reasons(report)


def test_a_damaged_zip_is_a_clear_word(tmp_path: Path) -> None:
    (tmp_path / "in.zip").write_bytes(b"PK\x03\x04" + b"x" * 100)
    with pytest.raises(ReadError, match="cannot be read as a zip"):
        import_cohort(ImportFormat.COCO, tmp_path / "in.zip", tmp_path / "out")
