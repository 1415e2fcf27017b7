"""What is fuzzed: seeds, mutators, and how a mutated file is read and judged."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cohort.io.annotations import read_outlines, read_readings, read_rois
from cohort.io.dicom.read import read_header
from cohort.io.folder import index_cohort
from cohort.io.radiograph import read_radiograph
from cohort.io.tables.cohort_tables import read_cohort_csv, read_dxa_csv
from cohort.study import Study
from osteolens.documents.text import visible
from osteolens.errors import OsteoLensError
from pipeline.bundle.load import load_bundle
from pipeline.bundle.manifest import MANIFEST, PART_FILES, ManifestParts, write_manifest
from pipeline.evaluation.studies.results import read_results
from tests.fuzz.byte_mutators import BYTE_MUTATORS, Mutator, splice
from tests.fuzz.dicom_mutators import DICOM_MUTATORS
from tests.fuzz.dicom_seeds import dicom_seeds
from tests.fuzz.plain_seeds import plain_seeds
from tests.fuzz.stream_mutators import PLAIN_MUTATORS
from tests.fuzz.text_mutators import JSON_MUTATORS, TABLE_MUTATORS
from tests.fuzz.text_seeds import cohort_text, dxa_text, outlines_text, result_text, rois_text

WEIGHTS = Path(__file__).parents[2] / "weights"

SPLICED = 0.06
"""Share of the files that are made of two seeds."""


LONGEST_MESSAGE = 500
"""Characters of a rejection or a note."""


class Wrong(AssertionError):
    """What was read breaks a promise."""


@dataclass(frozen=True, slots=True)
class Target:
    """A kind of file.

    Attributes:
        name: of the kind.
        seeds: files to begin with, by name.
        mutators: that know the format of a seed, by the seed's name.
        read: reads one file in a folder of its own; raises OsteoLensError where it refuses, Wrong where it lies.
        read_folder: reads a folder of several mutated files at once, or None.
    """

    name: str
    seeds: Mapping[str, bytes]
    mutators: Callable[[str], Sequence[Mutator]]
    read: Callable[[Path], None]
    read_folder: Callable[[Path], None] | None = None

    def mutated(self, seed: int, number: int) -> tuple[str, str, bytes]:
        """(name of the seed, names of the mutators, bytes) of one file; the same for the same two numbers."""
        rng = random.Random(f"{self.name} {seed} {number}")
        name = rng.choice(list(self.seeds))
        raw, done = self.seeds[name], []
        if rng.random() < SPLICED:
            raw = splice(raw, self.seeds[rng.choice(list(self.seeds))], rng)
            return name, "splice", raw
        own = self.mutators(name)
        kinds = own if rng.random() < 0.65 else BYTE_MUTATORS
        first = rng.choice(list(kinds))
        raw, done = first(raw, rng), [first.__name__]
        while rng.random() < 0.25:
            more = rng.choice(list(BYTE_MUTATORS))
            raw, done = more(raw, rng), [*done, more.__name__]
        return name, "+".join(done), raw


def check_message(text: str, start: str) -> None:
    """One short line that names the file; never a page of what the file holds.

    Raises:
        Wrong: it is not.
    """
    if not text.startswith(start) or visible(text) != text or len(text) > LONGEST_MESSAGE:
        raise Wrong(f"says {text[:200]!r} ({len(text)} characters)")


def read_image(path: Path) -> None:
    """Read a file as the film reader does and hold what comes out to its type."""
    try:
        radiograph = read_radiograph(path, with_full_range=True)
        study_uid = read_header(path).study_uid if radiograph.stored_shape is not None else None
    except OsteoLensError as error:
        check_message(str(error), path.name)
        raise
    for note in radiograph.notes:
        check_message(note, "")
    for what, pixels in (("pixels", radiograph.pixels), ("full_range", radiograph.full_range)):
        if pixels is None:
            continue
        if pixels.dtype != np.float32 or pixels.ndim != 2 or pixels.size == 0:
            raise Wrong(f"{what} are {pixels.dtype} {pixels.shape}, expected float32 (rows, columns)")
        if not np.isfinite(pixels).all():
            raise Wrong(f"{what} are not finite")
        if pixels.min() < 0 or pixels.max() > 1:
            raise Wrong(f"{what} go from {pixels.min()} to {pixels.max()}, expected 0 to 1")
    spacing = radiograph.pixel_spacing_mm
    if spacing is not None and not all(np.isfinite(value) and 0 < value < 100 for value in spacing):
        raise Wrong(f"pixel_spacing_mm is {spacing}")
    if not np.isfinite(radiograph.bits):
        raise Wrong(f"bits are {radiograph.bits}")
    if study_uid == "":
        raise Wrong("study_uid is empty, expected None")


def read_folder(folder: Path) -> None:
    """Index a folder; every file is in a study or has its line."""
    index = index_cohort(folder)
    told = {item.path for item in index.skipped}
    told |= {path for study in index.studies for _, path in study.images}
    told |= {path for study in index.studies for _, path, _ in study.set_aside}
    lost = {path for path in folder.iterdir() if path.is_file()} - told
    if lost:
        raise Wrong(f"in no study and not skipped: {sorted(path.name for path in lost)}")


def _image_mutators(name: str) -> Sequence[Mutator]:
    return DICOM_MUTATORS if name.endswith(".dcm") else PLAIN_MUTATORS


def images() -> Target:
    """DICOM, PNG, JPEG and TIFF."""
    seeds = {f"{name}.dcm": raw for name, raw in dicom_seeds().items()} | plain_seeds()
    return Target("images", seeds, _image_mutators, read_image, read_folder)


def _read_table(path: Path) -> None:
    """By the name of the seed; strictly, and line by line, which must agree on whether the table is whole."""
    if path.suffix == ".json":
        folder = path.parent
        study = Study(study_uid="s1", patient_id="p1", ap=folder / "AP.png", lateral=folder / "LATERAL.png")
        for polygons in read_outlines(path, [study]).values():
            if not all(np.isfinite(polygon).all() and polygon.shape[1] == 2 for polygon in polygons.values()):
                raise Wrong("outlines are not finite (n, 2)")
        return
    kind = path.name.split("-")[-1].split(".")[0]
    read: Any = {"cohort": read_cohort_csv, "dxa": read_dxa_csv, "rois": read_rois, "readers": read_readings}[kind]
    wrong: list[str] = []
    told = read(path, wrong)
    try:
        strict = read(path)
    except OsteoLensError:
        if not wrong:
            raise Wrong("refused as a whole, yet no line is told to be wrong") from None
        raise
    if wrong or strict != told:
        raise Wrong("read as a whole, yet lines are told to be wrong")
    if kind == "rois":
        for boxes in told.values():
            if not all(np.isfinite((b.x0, b.y0, b.x1, b.y1)).all() and b.x1 > b.x0 and b.y1 > b.y0 for b in boxes):
                raise Wrong("boxes are not finite or have no extent")


def tables() -> Target:
    """cohort.csv, dxa.csv, rois.csv, readers.csv and outlines.json."""
    seeds = {
        "cohort.csv": cohort_text(), "dxa.csv": dxa_text(), "rois.csv": rois_text(False),
        "readers.csv": rois_text(True), "outlines.json": outlines_text(),
    }  # fmt: skip
    return Target(
        "tables", seeds, lambda name: JSON_MUTATORS if name.endswith(".json") else TABLE_MUTATORS, _read_table
    )


def _read_result(path: Path) -> None:
    """A result among good ones; or a manifest beside weights that match it."""
    folder = path.parent / "read"
    if path.name.endswith("manifest.json"):
        _weights_folder(folder)
        shutil.copy(path, folder / MANIFEST)
        load_bundle(folder)
        return
    (folder / "studies").mkdir(parents=True, exist_ok=True)
    shutil.copy(path, folder / "studies" / "a.json")
    (folder / "studies" / "b.json").write_bytes(result_text("good"))
    found = read_results(folder)
    json.dumps([prediction.as_json() for prediction in found.predictions], allow_nan=False)
    if len(found.names) != 2 or len(found.damaged) > 1:
        raise Wrong(f"{len(found.predictions)} results and {len(found.damaged)} damaged files of 2")
    if found.damaged and "a.json" not in found.damaged[0] and "b.json" not in found.damaged[0]:
        raise Wrong(f"no file is named: {found.damaged[0]}")


def _weights_folder(folder: Path) -> bytes:
    """A folder of files in place of networks, and its manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    for names in PART_FILES.values():
        for name in names:
            (folder / name).write_bytes(name.encode())
    shipped = json.loads((WEIGHTS / MANIFEST).read_text("utf-8"))["models"]
    for part in shipped.values():
        part["metrics"] = {}
    write_manifest(folder, "1", "", ManifestParts.model_validate(shipped))
    return (folder / MANIFEST).read_bytes()


def results(scratch: Path) -> Target:
    """Results of `process`, and manifests of weights."""
    seeds = {"result.json": result_text("s1"), "manifest.json": _weights_folder(scratch / "read")}
    return Target("results", seeds, lambda _: JSON_MUTATORS, _read_result)


def targets(what: str, scratch: Path) -> list[Target]:
    """Kinds by their name; `all` is every one."""
    made: dict[str, Callable[[], Target]] = {"images": images, "tables": tables, "results": lambda: results(scratch)}
    return [make() for name, make in made.items() if what in (name, "all")]
