"""Public sets of lumbar radiographs in the layout in which their owners give them out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from cohort.dicom import MAX_PIXELS
from cohort.errors import ReadError
from cohort.importers import DrawnImage, Polygon
from cohort.index import Skipped
from cohort.roi import roi_boxes
from cohort.spine import VertebralLevel, View

LUMBAR = tuple(VertebralLevel(f"L{k}") for k in range(1, 6))

_BUU_NAME = re.compile(r"(?P<id>\d+)-(?P<sex>[FM])-(?P<age>\d+)Y(?P<view>[01])$", re.IGNORECASE)


def read_buu_lspine(source: Path) -> tuple[list[DrawnImage], list[dict[str, Any]], list[Skipped]]:
    """BUU-LSPINE: AP/ and LA/ with `0001-F-037Y0.jpg` and a CSV of edges, one a row as x1, y1, x2, y2[, label].

    Rows run L1 top, L1 bottom, ..., L5 bottom; a lateral file ends with S1's top.

    Raises:
        ReadError: neither AP nor LA stands in the folder.
    """
    images, rows, skipped = [], {}, []
    folders = {View.AP: source / "AP", View.LATERAL: source / "LA"}
    if not any(folder.is_dir() for folder in folders.values()):
        raise ReadError(f"{source}: neither AP nor LA is there; expected the folder of BUU-LSPINE")
    for view, folder in folders.items():
        for path in sorted(p for p in folder.glob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png")):
            named, table = _BUU_NAME.match(path.stem), path.with_suffix(".csv")
            if named is None or not table.is_file():
                reason = "no CSV beside it" if named else "name is not id-sex-ageY0 or Y1"
                skipped.append(Skipped(path, reason))
                continue
            try:
                boxes = roi_boxes(_edges(table, view), None)
            except ReadError as error:
                skipped.append(Skipped(path, str(error)))
                continue
            study = named["id"]
            images.append(DrawnImage(path, study, view, {b.level: b.corners for b in boxes if b.level in LUMBAR}))
            sex, age = named["sex"].upper(), int(named["age"])
            rows[study] = {"patient_id": study, "study_uid": study, "age_years": age, "sex": sex}
    return images, list(rows.values()), skipped


def _edges(path: Path, view: View) -> dict[VertebralLevel, Polygon]:
    """Corners of L1 to L5 as polygons, and a block below S1's top edge, which bounds L5, where there is one."""
    try:
        table = pd.read_csv(path, header=None).iloc[:, :4].to_numpy(float)
    except (OSError, ValueError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ReadError(f"{path.name}: no rows of x1, y1, x2, y2 ({error})") from error
    expected = 10 if view is View.AP else 11
    if len(table) not in (10, expected) or not np.isfinite(table).all():
        raise ReadError(f"{path.name}: {len(table)} edges, expected {expected}")
    outlines = {level: table[2 * k : 2 * k + 2].reshape(-1, 2) for k, level in enumerate(LUMBAR)}
    if len(table) == 11:
        top = table[10].reshape(2, 2)
        outlines[VertebralLevel.S1] = np.concatenate((top, top + np.array([0.0, 0.7 * float(np.ptp(top[:, 0]))])))
    return outlines


def read_lumos(source: Path) -> tuple[list[DrawnImage], list[dict[str, Any]], list[Skipped]]:
    """LUMOS: one table with `;` and images as .npy; patients whose two views name the same file are left out.

    BMI and the L1-L4 T-score come from height, weight and `t_l1_l4`, since `bmi` and `t_value` are damaged in the
    published table. The set has no ROIs.

    Raises:
        ReadError: no table, or one without the expected columns.
    """
    tables = sorted(source.glob("*.csv"))
    if len(tables) != 1:
        raise ReadError(f"{source}: found {len(tables)} CSV files, expected LUMOS' one table")
    table = pd.read_csv(tables[0], sep=";", dtype=str, keep_default_na=False)
    needed = {"patient_id", "image_path_ap", "image_path_lat", "age", "gender", "height", "weight", "t_l1_l4"}
    if needed - set(table):
        raise ReadError(f"{tables[0].name}: columns {', '.join(sorted(needed - set(table)))} are missing")
    images, rows, skipped = [], [], []
    for cells in table.to_dict("records"):
        names = {View.AP: str(cells["image_path_ap"]), View.LATERAL: str(cells["image_path_lat"])}
        study = f"lumos_{cells['patient_id']}"
        if names[View.AP] == names[View.LATERAL]:
            skipped.append(
                Skipped(source / names[View.AP], f"patient {cells['patient_id']}: both views name this file")
            )
            continue
        found = {view: source / Path(name).name for view, name in names.items()}
        missing = [path.name for path in found.values() if not path.is_file()]
        if missing:
            skipped.append(Skipped(source / missing[0], "the image is missing"))
            continue
        images += [DrawnImage(path, study, view) for view, path in found.items()]
        height, weight = _decimal(cells["height"]), _decimal(cells["weight"])
        rows.append(
            {
                "study_uid": study,
                "patient_id": study,
                "age_years": _decimal(cells["age"]),
                "sex": str(cells["gender"])[:1].upper(),
                "height_cm": None if height is None else round(100 * height if height < 3 else height, 1),
                "weight_kg": weight,
                "t_score": _decimal(cells["t_l1_l4"]),
                "bmd_g_cm2": _decimal(str(cells.get("bmd", ""))),
            }
        )
    return images, rows, skipped


def _decimal(text: str) -> float | None:
    """A number with a comma or a point; None where there is none."""
    try:
        return float(str(text).strip().replace(",", "."))
    except ValueError:
        return None


def array_as_png(source: Path, target: Path) -> None:
    """A two-dimensional .npy array as a 16-bit grey PNG over its own range.

    Raises:
        ReadError: no plain array of at most MAX_PIXELS values.
    """
    try:
        array = np.load(source, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ReadError(f"{source.name}: no plain array ({error})") from error
    plane = array[..., 0] if array.ndim == 3 and array.shape[-1] in (1, 3) else array.squeeze()
    if plane.ndim != 2 or plane.size > MAX_PIXELS:
        raise ReadError(f"{source.name}: shape {array.shape}, expected (rows, columns) of at most {MAX_PIXELS:,}")
    values = np.asarray(plane, np.float64)
    low, high = float(values.min()), float(values.max())
    scaled = (values - low) / max(high - low, 1e-9) * 65535
    Image.fromarray(scaled.round().astype(np.uint16)).save(target)
