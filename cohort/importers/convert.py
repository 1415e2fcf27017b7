"""One of the known formats into a cohort folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cohort.errors import ConfigError, ReadError
from cohort.importers.buu_lspine import read_buu_lspine
from cohort.importers.coco import read_coco
from cohort.importers.cvat import read_cvat
from cohort.importers.drawn import DrawnImage
from cohort.importers.labelme import read_labelme
from cohort.importers.lumos import array_as_png, read_lumos
from cohort.importers.yolo import read_yolo
from cohort.index import Skipped, index_cohort, safe_name


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import made of its source."""

    studies: int
    images: int
    rois: int
    skipped: tuple[Skipped, ...]


def import_cohort(kind: str, source: Path, out: Path) -> ImportReport:
    """Read a source in one of KINDS and write a cohort folder.

    Raises:
        ConfigError: unknown kind, or the output folder holds files already.
        ReadError: the source has not the expected files.
    """
    readers: dict[str, Callable[[Path], tuple[list[DrawnImage], list[dict[str, Any]], list[Skipped]]]] = {
        "coco": read_coco,
        "yolo": read_yolo,
        "labelme": read_labelme,
        "cvat": read_cvat,
        "buu-lspine": read_buu_lspine,
        "lumos": read_lumos,
    }
    if kind not in readers:
        raise ConfigError(f"import {kind!r}: choose one of {', '.join(readers)}")
    if out.is_dir() and any(out.iterdir()):
        raise ConfigError(f"{out}: the folder is not empty; choose a new one, so that nothing is mixed")
    images, rows, skipped = readers[kind](source)
    if not images:
        reasons = "; ".join(f"{s.path.name}: {s.reason}" for s in skipped[:3])
        raise ReadError(f"{source}: nothing to import as {kind} ({reasons or 'no file of this format'})")
    return _write(images, rows, skipped, out)


def _write(
    images: Sequence[DrawnImage], rows: Sequence[Mapping[str, Any]], skipped: Iterable[Skipped], out: Path
) -> ImportReport:
    places: dict[Path, DrawnImage] = {}
    left_out = list(skipped)
    for image in images:
        target = out / safe_name(image.study) / f"{image.view}{_stored_suffix(image.path)}"
        if target in places:
            left_out.append(Skipped(image.path, f"second {image.view} image of study {image.study}"))
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        _store(image.path, target)
        places[target.resolve()] = image
    rois = []
    studies = index_cohort(out).studies
    for study in studies:
        for _, path in study.images:
            drawn = places.get(path.resolve())
            if drawn is not None:
                rois += [
                    [study.study_uid, str(drawn.view), str(b.level), *(round(v, 2) for v in b.corners)]
                    for b in drawn.rois
                ]
    if rois:
        columns = ["study_uid", "view", "level", "x0", "y0", "x1", "y1"]
        pd.DataFrame(rois, columns=columns).to_csv(out / "rois.csv", index=False)
    if rows:
        pd.DataFrame(list(rows)).to_csv(out / "cohort.csv", index=False)
    return ImportReport(len(studies), len(places), len(rois), tuple(left_out))


def _stored_suffix(path: Path) -> str:
    return ".png" if path.suffix == ".npy" else path.suffix.lower()


def _store(source: Path, target: Path) -> None:
    """Copy an image; an array becomes a 16-bit PNG."""
    if source.suffix != ".npy":
        shutil.copyfile(source, target)
        return
    array_as_png(source, target)
