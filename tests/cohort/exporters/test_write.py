"""Labels of every format come back as they were written, to half a pixel and less."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from cohort.exporters.manifest import NAME, ExportedImage, read_manifest, write_manifest
from cohort.exporters.write import LabelFormat, LabelledPicture, write_labels
from cohort.importers.convert import import_cohort
from cohort.importers.options import ImportOptions
from cohort.importers.report import ImportFormat
from cohort.io.annotations import read_outlines, read_readings
from cohort.io.digest import sha256_of
from cohort.io.folder import index_cohort
from cohort.spine import VertebralLevel, View
from osteolens.errors import ReadError
from tests.importing import BOXES, SIZE, outline, picture, reasons

DRAWN = {
    VertebralLevel(level): (x0 + 0.357, y0 + 0.357, x1 + 0.357, y1 + 0.357) for level, (x0, y0, x1, y1) in BOXES.items()
}
UID = "1.2.3-odd__name_lateral"


def exported(folder: Path, label_format: LabelFormat, with_outlines: bool = False) -> Path:
    film = picture(folder.parent / "films" / "a" / "film7.png")
    name = f"{UID}_AP.png"
    shown = picture(folder / label_format.pictures / name)
    assert shown.read_bytes() == film.read_bytes()
    outlines = {VertebralLevel.L3: np.array(outline(BOXES["L3"])).reshape(-1, 2)} if with_outlines else {}
    write_labels(folder, label_format, [LabelledPicture(name=name, size=SIZE, boxes=DRAWN, outlines=outlines)])
    one = ExportedImage(
        picture=name,
        study_uid=UID,
        view=View.AP,
        original="a/film7.png",
        sha256=sha256_of(film),
        size=SIZE,
        boxes=DRAWN,
    )
    write_manifest(folder, [one])
    return folder


@pytest.mark.parametrize("label_format", list(LabelFormat))
def test_boxes_come_back_to_the_film_under_the_reader_s_name(tmp_path: Path, label_format: LabelFormat) -> None:
    folder = exported(tmp_path / "dest", label_format)
    options = ImportOptions(images=[tmp_path / "films"], reader="dr-x")
    report = import_cohort(ImportFormat(label_format.value), folder, tmp_path / "out", options)
    assert (report.images, report.rois, report.skipped) == (1, 5, ()), reasons(report)
    (study,) = index_cohort(tmp_path / "out").studies
    assert study.study_uid == UID and study.ap is not None
    assert study.ap.read_bytes() == (tmp_path / "films" / "a" / "film7.png").read_bytes()
    boxes = read_readings(tmp_path / "out" / "readers.csv")["dr-x"][UID, View.AP]
    for box in boxes:
        assert box.corners == pytest.approx(DRAWN[box.level], abs=0.01)
    assert any("boxes are OsteoLens' own, as exported" in note for note in report.notes)


@pytest.mark.parametrize("label_format", [f for f in LabelFormat if f.holds_both])
def test_a_box_and_its_outline_come_back_together(tmp_path: Path, label_format: LabelFormat) -> None:
    folder = exported(tmp_path / "dest", label_format, with_outlines=True)
    report = import_cohort(ImportFormat(label_format.value), folder, tmp_path / "out")
    studies = index_cohort(tmp_path / "out").studies
    assert report.rois == 5 and report.outlines == 1
    found = read_outlines(tmp_path / "out" / "annotations.json", studies)[UID, View.AP][VertebralLevel.L3]
    assert found.ravel() == pytest.approx(outline(BOXES["L3"]), abs=0.01)


def test_a_corrected_box_is_the_reader_s_and_the_picture_stands_in_for_an_absent_film(tmp_path: Path) -> None:
    folder = exported(tmp_path / "dest", LabelFormat.LABELME)
    path = folder / f"{UID}_AP.json"
    document = json.loads(path.read_text())
    document["shapes"][0]["points"][0][0] += 3
    del document["shapes"][4]
    path.write_text(json.dumps(document))
    report = import_cohort(ImportFormat.LABELME, folder, tmp_path / "out")
    assert report.by_level == dict.fromkeys(["L1", "L2", "L3", "L4"], 1)
    assert any("the picture of 8 bits is stored" in note for note in report.notes)
    assert not any("as exported" in note for note in report.notes)


def test_a_picture_of_another_size_is_refused(tmp_path: Path) -> None:
    folder = exported(tmp_path / "dest", LabelFormat.YOLO)
    picture(folder / "images" / "train" / f"{UID}_AP.png", (160, 340))
    with pytest.raises(ReadError, match="160 x 340 pixels, exported were 80 x 170"):
        import_cohort(ImportFormat.YOLO, folder, tmp_path / "out")


def test_cvat_names_its_pictures_and_labels_as_a_task_does(tmp_path: Path) -> None:
    folder = exported(tmp_path / "dest", LabelFormat.CVAT)
    root = ElementTree.parse(folder / "annotations.xml").getroot()
    assert root.findtext("version") == "1.1" and [image.get("name") for image in root.iter("image")] == [
        f"{UID}_AP.png"
    ]
    assert {row["name"] for row in json.loads((folder / "labels.json").read_text())} == set(VertebralLevel)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"original": "../../etc/passwd"}, "leads out of its folder"),
        ({"original": "/etc/passwd"}, "leads out of its folder"),
        ({"study_uid": "../x"}, r"images\[0\].study_uid"),
        ({"view": "OBLIQUE"}, r"images\[0\].view"),
        ({"columns": 0}, r"images\[0\].columns"),
        ({"more": 1}, "is unknown"),
    ],
)
def test_a_hostile_list_is_refused_by_its_field(tmp_path: Path, change: dict[str, object], why: str) -> None:
    folder = exported(tmp_path / "dest", LabelFormat.LABELME)
    document = json.loads((folder / NAME).read_text())
    document["images"][0] |= change
    (folder / NAME).write_text(json.dumps(document))
    with pytest.raises(ReadError, match=why):
        read_manifest([folder])


def test_labels_that_the_tool_exports_alone_find_picture_and_film(tmp_path: Path) -> None:
    folder = exported(tmp_path / "dest", LabelFormat.CVAT)
    with zipfile.ZipFile(tmp_path / "task.zip", "w") as archive:
        archive.write(folder / "annotations.xml", "annotations.xml")
    options = ImportOptions(images=[folder, tmp_path / "films"], reader="dr-x")
    report = import_cohort(ImportFormat.CVAT, tmp_path / "task.zip", tmp_path / "out", options)
    (study,) = index_cohort(tmp_path / "out").studies
    assert report.rois == 5 and study.study_uid == UID and study.ap is not None
    assert study.ap.read_bytes() == (tmp_path / "films" / "a" / "film7.png").read_bytes()
