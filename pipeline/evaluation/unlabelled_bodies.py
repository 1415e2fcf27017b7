"""Found boxes against bodies that were annotated without names, as in public sets of whole-spine films."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cohort.spine import iou
from osteolens.errors import ReadError
from osteolens.json_document import quoted
from osteolens.text import visible
from pipeline.evaluation.estimable import with_words
from pipeline.evaluation.results import BODIES, damaged_json, read_results

Corners = tuple[float, float, float, float]

MOST_BYTES = 2**20
"""Largest label file that is read."""

EDGE = 0.05
"""Share of the image by which a label may lie beyond its edge."""

HELD_BACK_EVERY = 3
"""Every third film by name is held back: figures on these are given apart, and nothing may be tuned on them."""


def evaluate_bodies(results: Path, labels: Path, lowest: int = 5, overlap: float = 0.5) -> dict[str, Any]:
    """Share of the lowest annotated bodies of each film that any found box overlaps, whatever its name.

    Args:
        results: output folder of `process`; boxes of rejected studies count too.
        labels: YOLO label files (class, centre and size as shares of the image), named as the images.
        lowest: annotated bodies of a film that are judged, from the bottom upwards.
        overlap: intersection over union from which a body counts as found.

    Returns:
        `all` and `held_back`: films, bodies, recall, films_with_a_chain; and, where there are any, `damaged_results`
        and `damaged_labels`, which are left out, counted and named.

    Raises:
        ReadError: no result or label file can be read, or none belongs to the other.
    """
    films = {}
    read = read_results(results, BODIES)
    for document in read.documents:
        for view in document["views"].values():
            films[Path(view["image"]).stem] = view
    if not labels.is_dir():
        raise ReadError(f"{labels}: expected a folder of YOLO label files")
    rows, wrong = [], []
    for number, path in enumerate(sorted(labels.glob("*.txt"))):
        try:
            rows.append((number % HELD_BACK_EVERY == 0, *_judged(path, films.get(path.stem), lowest, overlap)))
        except ReadError as error:
            wrong.append(str(error))
    if not rows and wrong:
        raise ReadError(f"{labels}: none of {len(wrong)} label files can be read: {wrong[0]}")
    if not rows or not any(row[2] for row in rows):
        raise ReadError(f"{labels}: no label file fits an image of {results}; expected equal names")
    return {
        "all": _figures(rows),
        "held_back": _figures([row for row in rows if row[0]]),
        **damaged_json(read.damaged),
        **({"damaged_labels": {"count": len(wrong), "names": wrong}} if wrong else {}),
    }


def _judged(path: Path, view: dict[str, Any] | None, lowest: int, overlap: float) -> tuple[int, bool, int]:
    """(bodies judged, whether a chain was found, bodies found) of one film."""
    shares = read_bodies(path)[-lowest:]
    if view is None:
        return len(shares), False, 0
    size = np.array([view["columns"], view["rows"]] * 2, float)
    boxes = [tuple(float(box[k]) for k in ("x0", "y0", "x1", "y1")) for box in view["boxes"]]
    wanted = [tuple((np.array(body) * size).tolist()) for body in shares]
    return len(shares), True, sum(any(iou(body, box) >= overlap for box in boxes) for body in wanted)


def read_bodies(path: Path) -> list[Corners]:
    """Corners x0, y0, x1, y1 of the boxes or polygons of a YOLO label file as shares of the image, head first.

    Raises:
        ReadError: a file that is no text of at most a megabyte, or a line that is neither.
    """
    found = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            values = [float(cell) for cell in line.split()[1:]]
            if any(not -EDGE <= value <= 1 + EDGE for value in values):
                raise ValueError("a share of the image is none from 0 to 1")
            if len(values) == 4:
                x, y, width, height = values
                found.append((x - width / 2, y - height / 2, x + width / 2, y + height / 2))
                continue
            xs, ys = values[::2], values[1::2]
            if len(xs) < 3 or len(xs) != len(ys):
                raise ValueError(f"{len(values)} numbers")
        except ValueError as error:
            raise ReadError(
                f"{visible(path.name)} line {number}: found {quoted(line)} ({error}), expected class, x, y, width, "
                "height or a polygon of x, y"
            ) from error
        found.append((min(xs), min(ys), max(xs), max(ys)))
    return sorted(found, key=lambda corners: corners[1] + corners[3])


def _text(path: Path) -> str:
    try:
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            raise ReadError(f"{visible(path.name)}: is no text file of at most {MOST_BYTES:,} bytes")
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ReadError(f"{visible(path.name)}: cannot be read as UTF-8 text; expected YOLO labels") from error


def _figures(rows: list[tuple[bool, int, bool, int]]) -> dict[str, Any]:
    bodies = sum(row[1] for row in rows)
    found = {
        "films": len(rows),
        "films_with_a_chain": sum(row[2] for row in rows),
        "bodies": bodies,
        "recall": sum(row[3] for row in rows) / bodies if bodies else float("nan"),
    }
    return with_words(found, "no annotated body")
