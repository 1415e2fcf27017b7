"""Results of several folders of screenings in one, as one screening would have written them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from osteolens.atomic import cannot_write, make_folder, write_csv
from osteolens.documents.json_document import read_json, write_json


def join_results(folders: Sequence[Path], out: Path) -> None:
    """Write the results of some folders into one, which is made anew.

    Args:
        folders: of results, of different studies.
        out: folder for all.

    Raises:
        ReadError: a folder has no record of its run.
        OutputError: the folder cannot be written.
    """
    if out.exists():
        shutil.rmtree(out)
    tables, records = [], []
    for folder in folders:
        for part in ("studies", "overlays"):
            make_folder(out / part)
            for path in sorted((folder / part).iterdir()):
                _copy(path, out / part / path.name)
        tables.append(pd.read_csv(folder / "predictions.csv", dtype=str, keep_default_na=False))
        records.append(read_json(folder / "run.json"))
    write_csv(out / "predictions.csv", pd.concat(tables).sort_values("study_uid"))
    names = {name for record in records for name in record["counts"]}
    counts = {name: sum(record["counts"].get(name, 0) for record in records) for name in sorted(names)}
    write_json(out / "run.json", {**records[0], "counts": counts})


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise cannot_write(target, error) from error
