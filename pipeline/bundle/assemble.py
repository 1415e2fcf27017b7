"""A folder of weights from training runs; what no run replaces comes from the folder itself or the shipped weights."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from classify.config import PreprocessSpec
from detect.config import CLASSES
from osteolens.errors import ReadError, WeightsError
from osteolens.json_document import read_json
from pipeline.bundle.load import load_weights, write_manifest
from pipeline.bundle.manifest import (
    BRANCH_FILES,
    MANIFEST,
    PART_FILES,
    ClassifierPart,
    DetectorPart,
    ManifestPart,
    SegmenterPart,
    checked,
)

NOTICE = "Research use; not a medical device."

PART_KINDS: dict[str, type[ManifestPart]] = {
    "detector": DetectorPart,
    "segmenter": SegmenterPart,
    "classifier": ClassifierPart,
}


def assemble_weights(
    out: Path,
    version: str,
    runs: Mapping[str, Path],
    tests: Mapping[str, Any] | None = None,
    provenance: Mapping[str, str] | None = None,
) -> None:
    """Copy weights, write the manifest, and check that the result loads.

    Args:
        out: folder of weights, made or updated.
        version: name of the whole.
        runs: run folders by part: detector, segmenter, classifier.
        tests: figures on a test cohort by part, kept in the manifest.
        provenance: what each part was trained on, and `notice`.

    Raises:
        WeightsError: a run lacks its files, or the result does not load.
    """
    tests, provenance = tests or {}, provenance or {}
    entries = {part: _entry(part, run) for part, run in runs.items()}
    base = out if (out / MANIFEST).is_file() else Path(str(files("weights")))
    load_weights(base)
    former = read_json(base / MANIFEST)
    _make_folder(out)
    models = dict(former["models"])
    for part, names in PART_FILES.items():
        source = runs.get(part, base)
        if part in runs:
            models[part] = entries[part]
            models[part]["training"] = provenance.get(part)
        if part in tests and part in models:
            models[part].setdefault("metrics", {})["test"] = tests[part]
        for name in names if part in models else ():
            if name in BRANCH_FILES and not (source / name).is_file():
                (out / name).unlink(missing_ok=True)
                continue
            if not (source / name).is_file():
                raise WeightsError(f"{source}: {name} is missing; expected a finished run of osteolens train {part}")
            if source.resolve() != out.resolve():
                _copy(source / name, out / name)
    notice = provenance.get("notice", former["notice"] if not runs else NOTICE)
    write_manifest(out, version, notice, models)
    load_weights(out)


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WeightsError(f"{out}: cannot be made ({error.strerror}); choose another folder") from error


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise WeightsError(f"{target}: cannot be written ({error.strerror}); choose another folder") from error


def _entry(part: str, run: Path) -> dict[str, Any]:
    """What the manifest says of a part, from its run; checked before any file is copied."""
    figures = _object(run / "metrics.json", run, part, nan_is_null=True)
    settings = figures.get("config")
    if not isinstance(settings, dict) or "validation" not in figures:
        raise WeightsError(
            f"{run}: no metrics of a finished run of osteolens train {part} (config or validation lacks)"
        )
    entry: dict[str, Any] = {"settings": settings, "metrics": {"validation": figures["validation"]}}
    if part == "detector":
        classes = [f"{view}_{level}" for view, level in CLASSES]
        entry |= {"architecture": settings.get("model"), "input_px": settings.get("image_px"), "classes": classes}
    elif part == "segmenter":
        entry |= {"architecture": f"U-Net, {settings.get('encoder')}"}
    else:
        entry |= {
            "architecture": "dual-channel DenseNet-121 with covariates",
            "preprocess": figures.get("preprocess", PreprocessSpec().model_dump()),
            "calibration": _object(run / "calibration.json", run, part),
        }
    checked(PART_KINDS[part], entry, run / "metrics.json")
    return entry


def _object(path: Path, run: Path, part: str, nan_is_null: bool = False) -> dict[str, Any]:
    """The object of a run's JSON file."""
    try:
        found = read_json(path, nan_is_null=nan_is_null)
    except ReadError as error:
        raise WeightsError(f"{run}: no metrics of a finished run of osteolens train {part} ({error})") from error
    if not isinstance(found, dict):
        raise WeightsError(f"{path}: found {type(found).__name__}, expected what osteolens train {part} wrote")
    return found
