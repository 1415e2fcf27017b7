"""LUMOS: lumbar radiographs with DXA."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from cohort.dicom import MAX_PIXELS
from cohort.errors import ReadError
from cohort.importers.drawn import DrawnImage
from cohort.index import Skipped
from cohort.spine import View


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
