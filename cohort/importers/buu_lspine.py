"""BUU-LSPINE in the layout in which its owners give it out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cohort.errors import ReadError
from cohort.importers.drawn import DrawnImage, Polygon
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
