"""Label Studio's JSON: percent of the original size, turned rectangles, annotators."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cohort.importers.convert import import_cohort
from cohort.importers.options import ImportOptions
from cohort.importers.report import ImportFormat, ImportReport
from cohort.io.annotations import read_readings
from cohort.spine import View
from osteolens.errors import ReadError
from tests.importing import BOXES, SIZE, corners, levels, picture, reasons


def rectangle(label: str, box: tuple[float, float, float, float], **fields: Any) -> dict[str, Any]:
    (w, h), (x0, y0, x1, y1) = SIZE, box
    value: dict[str, Any] = {
        "x": 100 * x0 / w,
        "y": 100 * y0 / h,
        "width": 100 * (x1 - x0) / w,
        "height": 100 * (y1 - y0) / h,
    }
    value |= {"rotation": fields.pop("rotation", 0), "rectanglelabels": [label]}
    about = {"original_width": w, "original_height": h, "image_rotation": 0, "type": "rectanglelabels"}
    return {**about, "from_name": "label", "to_name": "image", "value": value, **fields}


def polygon(label: str, points: list[tuple[float, float]]) -> dict[str, Any]:
    percent = [[100 * x / SIZE[0], 100 * y / SIZE[1]] for x, y in points]
    about = {"original_width": SIZE[0], "original_height": SIZE[1], "image_rotation": 0, "type": "polygonlabels"}
    return {**about, "value": {"points": percent, "closed": True, "polygonlabels": [label]}}


def task(
    results: list[dict[str, Any]], image: str = "/data/upload/3/1a2b3c4d-p7_AP.png", **fields: Any
) -> dict[str, Any]:
    annotation = {"id": 1, "completed_by": 1, "was_cancelled": False, "result": results, **fields}
    return {"id": 1, "data": {"image": image}, "annotations": [annotation], "predictions": []}


def imported(tmp_path: Path, document: object, *names: str, images: str = "films") -> ImportReport:
    for name in names or ("p7_AP.png",):
        picture(tmp_path / images / name)
    (tmp_path / "in").mkdir(exist_ok=True)
    (tmp_path / "in" / "project-3.json").write_text(json.dumps(document))
    options = ImportOptions(images=[tmp_path / images])
    return import_cohort(ImportFormat.LABEL_STUDIO, tmp_path / "in", tmp_path / "out", options)


def test_percent_of_the_original_size_become_pixels(tmp_path: Path) -> None:
    both = [
        task([rectangle("L1", BOXES["L1"]), rectangle("LWK2", BOXES["L2"])]),
        task([rectangle("L1", BOXES["L1"])], "/data/local-files/?d=films%2Fp7_LAT.png"),
    ]
    report = imported(tmp_path, both, "1a2b3c4d-p7_AP.png", "p7_LAT.png")
    assert (report.studies, report.images, report.rois, report.skipped) == (1, 2, 3, ())
    assert levels(tmp_path / "out") == ["L1", "L2"] and corners(tmp_path / "out", "L2") == pytest.approx(BOXES["L2"])
    assert corners(tmp_path / "out", "L1", View.LATERAL) == pytest.approx(BOXES["L1"])


def test_the_film_is_found_without_the_hash_of_the_upload(tmp_path: Path) -> None:
    imported(tmp_path, [task([rectangle("L1", BOXES["L1"])])], "p7_AP.png")
    assert corners(tmp_path / "out", "L1") == pytest.approx(BOXES["L1"])


def test_a_rectangle_turns_about_its_upper_left_corner_in_pixels(tmp_path: Path) -> None:
    turned = [rectangle("L3", (50, 60, 74, 90), rotation=90), rectangle("L4", (20, 100, 60, 120), rotation=30)]
    report = imported(tmp_path, [task(turned)])
    assert corners(tmp_path / "out", "L3") == pytest.approx((50 - 30, 60, 50, 60 + 24))
    across, down = 40 * np.cos(np.pi / 6), 20 * np.cos(np.pi / 6) + 40 * np.sin(np.pi / 6)
    assert corners(tmp_path / "out", "L4") == pytest.approx((20 - 10, 100, 20 + across, 100 + down), abs=0.01)
    assert any("turned boxes became the upright boxes around them" in note for note in report.notes)


def test_polygons_are_outlines(tmp_path: Path) -> None:
    report = imported(tmp_path, [task([polygon("L1", [(20, 12), (60, 10), (60, 34), (20, 34)])])])
    assert report.outlines == 1 and corners(tmp_path / "out", "L1")[0] == pytest.approx(20 - 0.88)


def test_each_annotator_is_a_reader_and_skipped_work_is_listed(tmp_path: Path) -> None:
    document = task([rectangle("L1", (21, 11, 61, 35))], updated_at="2025-01-02")
    document["annotations"] += [
        {
            "completed_by": {"id": 7, "email": "a@b"},
            "updated_at": "2025-01-01",
            "result": [rectangle("L1", BOXES["L1"])],
        },
        {"completed_by": 8, "was_cancelled": True, "result": [rectangle("L1", (0, 0, 9, 9))]},
    ]
    report = imported(tmp_path, [document])
    readings = read_readings(tmp_path / "out" / "readers.csv")
    assert sorted(readings) == ["annotator1", "annotator7"] and "skipped" in reasons(report)
    assert corners(tmp_path / "out", "L1") == pytest.approx((21, 11, 61, 35)), "the latest"


@pytest.mark.parametrize(
    ("result", "why"),
    [
        (rectangle("L2", BOXES["L2"], image_rotation=90), "was turned by 90 degrees in the editor"),
        (rectangle("L2", BOXES["L2"], type="ellipselabels"), "type 'ellipselabels' is no ROI"),
        (rectangle("L2", BOXES["L2"], original_width=0), "original_width: input should be greater than 0"),
        (rectangle("screw", BOXES["L2"]), "names no single vertebral level"),
        (polygon("L2", [(20, 40), (60, 40)]), "a polygon of 2 points"),
        (rectangle("L2", BOXES["L2"], original_width=160), "have 2 original sizes"),
    ],
)
def test_what_is_no_roi_is_listed_by_name(tmp_path: Path, result: dict[str, Any], why: str) -> None:
    good = task([rectangle("L1", BOXES["L1"])], "/data/upload/3/1a2b3c4d-p8_AP.png")
    report = imported(tmp_path, [task([result, rectangle("L1", BOXES["L1"])]), good], "p7_AP.png", "p8_AP.png")
    assert why in reasons(report) and corners(tmp_path / "out", "L1", study="p8") == pytest.approx(BOXES["L1"])


def test_a_shape_and_its_label_may_be_two_results_and_a_bare_shape_is_listed(tmp_path: Path) -> None:
    shape = rectangle("L1", BOXES["L1"], id="a")
    del shape["value"]["rectanglelabels"]
    labelled = {**shape, "type": "labels", "value": {**shape["value"], "labels": ["LWK1"]}}
    bare, comment = {**shape, "type": "rectangle", "id": "b"}, {"type": "choices", "value": {"choices": ["good"]}}
    report = imported(tmp_path, [task([{**shape, "type": "rectangle"}, labelled, bare, comment])])
    assert corners(tmp_path / "out", "L1") == pytest.approx(BOXES["L1"])
    assert [item.reason[:29] for item in report.skipped] == ["a result of type 'rectangle' "]


def test_json_min_holds_the_same(tmp_path: Path) -> None:
    def flat(label: str) -> dict[str, Any]:
        row = rectangle(label, BOXES[label])
        return {**row["value"], "original_width": SIZE[0], "original_height": SIZE[1]}

    document = [
        {"image": "/data/upload/3/1a2b3c4d-p7_AP.png", "id": 1, "label": [flat("L1"), flat("L2")], "annotator": 4}
    ]
    assert imported(tmp_path, document).rois == 2
    assert corners(tmp_path / "out", "L2") == pytest.approx(BOXES["L2"])


@pytest.mark.parametrize("document", [[], {}, "L1", [1], [{"data": {}}], [{"data": {"image": 4}, "annotations": []}]])
def test_other_documents_are_errors(tmp_path: Path, document: object) -> None:
    with pytest.raises(ReadError):
        imported(tmp_path, document)


def test_labels_drawn_on_the_stored_picture_are_turned_with_it(tmp_path: Path) -> None:
    picture(tmp_path / "films" / "p7_AP.jpg", orientation=6)
    stored = np.array([[10.0, 20.0], [34.0, 60.0]])  # on 170 x 80 stored cells; upright x = 80 - y, y = x
    (w, h), ((x0, y0), (x1, y1)) = SIZE[::-1], stored
    row = rectangle("L1", BOXES["L1"], original_width=w, original_height=h)
    row["value"] |= {"x": 100 * x0 / w, "y": 100 * y0 / h, "width": 100 * (x1 - x0) / w, "height": 100 * (y1 - y0) / h}
    (tmp_path / "in.json").write_text(json.dumps([task([row], "/data/upload/3/1a2b3c4d-p7_AP.jpg")]))
    options = ImportOptions(images=[tmp_path / "films"])
    import_cohort(ImportFormat.LABEL_STUDIO, tmp_path / "in.json", tmp_path / "out", options)
    assert corners(tmp_path / "out", "L1") == pytest.approx((20, 10, 60, 34))


@pytest.mark.parametrize("address", ["http://[films/p8_AP.png", "//[", "s3://\u2100/p8_AP.png"])
def test_a_task_with_a_broken_address_does_not_end_the_import(tmp_path: Path, address: str) -> None:
    broken = {"data": {"image": address}, "annotations": []}
    report = imported(tmp_path, [broken, task([rectangle("L1", BOXES["L1"])])])
    assert report.rois == 1
    assert len(report.skipped) == 1


def test_an_identifier_that_is_no_text_does_not_end_the_import(tmp_path: Path) -> None:
    odd = {"id": ["a"], "type": "labels", "value": {}}
    bare = {"id": {}, "type": "rectangle", "value": {}}
    assert imported(tmp_path, [task([odd, bare, rectangle("L1", BOXES["L1"])])]).rois == 1


@pytest.mark.parametrize("suffix", [".dicom", ".ima", ".dic"])
def test_a_task_may_name_a_dicom_file_of_any_usual_ending(tmp_path: Path, suffix: str) -> None:
    picture(tmp_path / "films" / "p7_AP.png").rename(tmp_path / "films" / f"p8_AP{suffix}")
    report = imported(tmp_path, [task([rectangle("L1", BOXES["L1"])], f"films/p8_AP{suffix}")])
    assert report.rois == 1
