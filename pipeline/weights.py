"""The weights' manifest: which files, their hashes, and the preprocessing they were trained with."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from classify.calibration import NO_CALIBRATION, Calibration
from classify.config import ClassifierTraining, NetworkSpec, PreprocessSpec, network_spec
from classify.export import PARTS, part_path
from cohort.errors import WeightsError

MANIFEST = "manifest.json"
SEGMENTER = "segmenter.onnx"
CLASSIFIER_PARTS = tuple(part_path(Path(), part).name for part in PARTS)
"""Tensors that classifier.onnx reads, by branch so that no file is large."""
BRANCH_FILES = (part_path(Path(), "ap").name, part_path(Path(), "lateral").name)
"""A classifier of one view lacks one of them."""
PART_FILES = {
    "detector": ("detector.onnx", "detector.safetensors"),
    "segmenter": (SEGMENTER,),
    "classifier": ("classifier.onnx", *CLASSIFIER_PARTS),
}
"""Files of each part of the weights; the segmenter may be absent."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Checked weights, ready to load.

    Attributes:
        detector: ONNX of the detector.
        classifier: ONNX of the classifier.
        preprocess: preprocessing of the classifier.
        identifiers: name, version and hash of each, written into every prediction.
        segmenter: ONNX of the body segmenter, or None where the weights have none.
        calibration: of the classifier; none where the manifest holds none.
        network: inputs of the classifier.
        working_px: side that the classifier averages crops down to.
    """

    detector: Path
    classifier: Path
    preprocess: PreprocessSpec
    identifiers: dict[str, str]
    segmenter: Path | None = None
    calibration: Calibration = NO_CALIBRATION
    network: NetworkSpec = field(default_factory=NetworkSpec)
    working_px: int = 256


def sha256(path: Path) -> str:
    """Hex digest of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def load_weights(folder: Path | None = None) -> Weights:
    """Read the manifest of the shipped weights or of another folder and check every file's SHA-256.

    Raises:
        WeightsError: manifest or file missing, or a hash that does not match.
    """
    if folder is None:
        folder = Path(str(files("weights")))
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"{path}: cannot be read ({error}); expected the weights' manifest; see --weights"
        ) from error
    if manifest.get("format") != 1:
        raise WeightsError(f"{path}: format {manifest.get('format')!r}, expected 1; update OsteoLens or the weights")
    identifiers: dict[str, str] = {"version": str(manifest["version"])}
    for name, entry in manifest["files"].items():
        _check(folder, name, entry["sha256"])
        if name.endswith(".onnx") or name.startswith("classifier_"):
            identifiers[Path(name).stem] = entry["sha256"][:16]
    try:
        preprocess = PreprocessSpec(**manifest["models"]["classifier"]["preprocess"])
        calibration = Calibration(**manifest["models"]["classifier"].get("calibration", {}))
        settings = ClassifierTraining(**manifest["models"]["classifier"]["settings"])
    except (KeyError, ValidationError) as error:
        raise WeightsError(
            f"{path}: no preprocessing, calibration and settings of a classifier that this version knows "
            f"({_short(error)}); update OsteoLens or the weights"
        ) from error
    network = network_spec(settings, preprocess)
    segmenter = folder / SEGMENTER if SEGMENTER in manifest["files"] else None
    return Weights(
        folder / "detector.onnx",
        folder / "classifier.onnx",
        preprocess,
        identifiers,
        segmenter,
        calibration,
        network,
        settings.stages[-1][0],
    )


def _short(error: Exception) -> str:
    """One line of an error, without pydantic's links."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])} = {first['input']!r}: {first['msg']}"
    return f"{error} is missing"


def _check(folder: Path, name: str, expected: str) -> None:
    path = folder / name
    if Path(name).name != name or not path.is_file():
        raise WeightsError(f"{folder}: {name} is missing; the manifest lists it; copy the whole weights folder")
    found = sha256(path)
    if found != expected:
        raise WeightsError(f"{path}: SHA-256 is {found[:12]}..., the manifest says {expected[:12]}...; do not use it")


def write_manifest(folder: Path, version: str, notice: str, models: dict[str, Any]) -> None:
    """Hash the weights in a folder and write its manifest."""
    names = [name for part in PART_FILES.values() for name in part]
    entries = {
        name: {"sha256": sha256(folder / name), "bytes": (folder / name).stat().st_size}
        for name in names
        if (folder / name).is_file()
    }
    document = {
        "format": 1,
        "version": version,
        "licence": "AGPL-3.0-or-later",
        "notice": notice,
        "files": entries,
        "models": models,
    }
    (folder / MANIFEST).write_text(json.dumps(document, indent=1) + "\n", "utf-8")
