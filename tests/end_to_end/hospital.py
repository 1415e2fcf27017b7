"""A simulated hospital: the in-silico examples disguised as a delivery. Run it to look at one.

Usage: python -m tests.end_to_end.hospital FOLDER
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd
import pydicom

from cohort.io.annotations import Rois, read_rois
from cohort.spine import TARGET_LEVELS, View
from tests import EXAMPLES
from tests.importing import coco_folder, labelme_file, rectangle, yolo_folder, yolo_line

FIRST_PATIENT = 4711

GERMAN = "Patienten-Nr.;Name;Geschlecht;Geb.-Datum;Körpergröße;Gewicht;Röntgen-Datum;Standort;Bemerkung"
CHINESE = "病历号,姓名,检查日期,部位,骨密度(g/cm²),T值,Z值"

Boxes = Mapping[str, tuple[float, float, float, float]]


def patient_of(number: int) -> str:
    """PatientID of the hospital, with leading zeros."""
    return f"{FIRST_PATIENT + number:07d}"


def deliver(folder: Path, source: Path = EXAMPLES, patients: int = 6) -> None:
    """Write films/, tables/ and annotations/ of a delivery.

    Films have other names and PatientIDs; one more is in no table. Patients stand in a German table with decimal
    commas, a line twice and one without films; scans in a Chinese one, several a patient, a line a region. ROIs are
    drawn in LabelMe, CVAT, COCO and YOLO on pictures that were exported under the films' names.

    Args:
        folder: new folder.
        source: simulated cohort folder.
        patients: how many of them; four films or a multiple.
    """
    table = pd.read_csv(source / "cohort.csv", dtype=str, keep_default_na=False).head(patients)
    rois = read_rois(source / "rois.csv")
    films = folder / "films"
    films.mkdir(parents=True)
    boxes: dict[str, Boxes] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for number, row in enumerate(table.to_dict("records")):
        for view in View:
            name = f"IM{2 * number + (view is View.LATERAL):04d}"
            image = pydicom.dcmread(source / str(row["patient_id"]) / f"{view}.dcm")
            image.PatientID, image.PatientName = patient_of(number), "Müller^Anna"
            for keyword in ("PatientAge", "PatientSize", "PatientWeight", "PatientBirthDate"):
                image.pop(keyword, None)
            image.save_as(films / f"{name}.dcm")
            boxes[name] = _boxes(rois, str(row["study_uid"]), view)
            sizes[name] = int(image.Columns), int(image.Rows)
    stranger = pydicom.dcmread(films / "IM0000.dcm")
    stranger.PatientID, stranger.StudyInstanceUID = "0009999", "1.2.826.0.1.3680043.8.498.9999"
    stranger.save_as(films / "IM9999.dcm")
    _tables(folder / "tables", table)
    _annotations(folder / "annotations", boxes, sizes)


def _boxes(rois: Rois, study_uid: str, view: View) -> Boxes:
    return {str(box.level): box.corners for box in rois[study_uid, view] if box.level in TARGET_LEVELS}


def _tables(folder: Path, table: pd.DataFrame) -> None:
    folder.mkdir()
    patients, scans = [GERMAN], [CHINESE]
    for number, row in enumerate(table.to_dict("records")):
        cells = {str(k): str(v) for k, v in row.items()}
        patient, day = patient_of(number), pd.Timestamp(cells["study_date"])
        born = day - pd.Timedelta(days=round(float(cells["age_years"]) * 365.25))
        sex = {"F": ("w", "weiblich")[number % 2], "M": "männlich"}[cells["sex"]]
        height = f"{float(cells['height_cm']) / 100:.3f}".replace(".", ",")
        weight = cells["weight_kg"].replace(".", ",")
        line = f"{patient};Müller, Anna;{sex};{born:%d.%m.%Y};{height};{weight};{day:%d.%m.%Y};{cells['site']};o. B."
        patients += [line, line] if number == 1 else [line]
        scanned = pd.Timestamp(cells["dxa_date"])
        earlier = scanned - pd.Timedelta(days=900)
        bmd = cells["bmd_g_cm2"]
        scans += [
            f"{patient},穆勒,{scanned:%Y年%m月%d日},L1-L4,{bmd},{cells['t_score']},0.1",
            *(f"{patient},穆勒,{scanned:%Y年%m月%d日},{k},{bmd},{cells[f't_score_{k}']},0.1" for k in TARGET_LEVELS),
            f"{patient},穆勒,{scanned:%Y年%m月%d日},股骨颈,0.5,-4.4,-2.0",
            f"{patient},穆勒,{earlier:%Y年%m月%d日},L1-L4,1.05,0.3,1.0",
        ]
    patients.append("0004799;Niemand;w;01.01.1950;1,6;60;01.01.2021;x;")
    (folder / "Patienten.csv").write_bytes("\r\n".join([*patients, ""]).encode("cp1252"))
    (folder / "骨密度.csv").write_bytes("\r\n".join([*scans, ""]).encode("gb18030"))


def _annotations(folder: Path, boxes: Mapping[str, Boxes], sizes: Mapping[str, tuple[int, int]]) -> None:
    """A quarter of the films each in four formats; names of pictures are those of the films with another suffix."""
    names = sorted(boxes)
    many = len(names) // 4
    parts = {kind: names[many * k : many * (k + 1)] for k, kind in enumerate(("labelme", "cvat", "coco", "yolo"))}
    for name in parts["labelme"]:
        shapes = [rectangle(level, box) for level, box in boxes[name].items()]
        (width, height), image = sizes[name], f"C:\\Export\\{name}.png"
        labelme_file(folder / "labelme" / f"{name}.json", shapes, image, imageWidth=width, imageHeight=height)
    _cvat(folder / "cvat", parts["cvat"], boxes, sizes)
    shapes = [
        {"level": level, "image_id": k, "bbox": [x0, y0, x1 - x0, y1 - y0]}
        for k, name in enumerate(parts["coco"])
        for level, (x0, y0, x1, y1) in boxes[name].items()
    ]
    coco_folder(folder / "coco", shapes, [f"{name}.png" for name in parts["coco"]], films=False)
    texts = {
        name: "".join(yolo_line(level, box, sizes[name]) for level, box in boxes[name].items())
        for name in parts["yolo"]
    }
    yolo_folder(folder / "yolo", texts)


def _cvat(folder: Path, names: Iterable[str], boxes: Mapping[str, Boxes], sizes: Mapping[str, tuple[int, int]]) -> None:
    folder.mkdir(parents=True)
    images = []
    for number, name in enumerate(names):
        drawn = "".join(
            f'<box label="{level}" xtl="{x0}" ytl="{y0}" xbr="{x1}" ybr="{y1}" occluded="0" z_order="0"/>'
            for level, (x0, y0, x1, y1) in boxes[name].items()
        )
        width, height = sizes[name]
        images.append(f'<image id="{number}" name="{name}.png" width="{width}" height="{height}">{drawn}</image>')
    (folder / "annotations.xml").write_text(f"<annotations><version>1.1</version>{''.join(images)}</annotations>")


if __name__ == "__main__":
    deliver(Path(sys.argv[1]))
    print(json.dumps(sorted(str(path) for path in Path(sys.argv[1]).rglob("*") if path.is_file()), indent=1))
