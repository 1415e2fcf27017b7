"""Weights that were checked against their manifest: every file, its hash, and the preprocessing of the classifier."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from classify.calibration import NO_CALIBRATION, Calibration
from classify.config import NetworkSpec, PreprocessSpec
from classify.training.config import network_spec
from osteolens.errors import WeightsError
from osteolens.json_document import write_json
from osteolens.text import visible
from pipeline.bundle.manifest import FORMAT, MANIFEST, PART_FILES, SEGMENTER, ManifestFile, read_manifest


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
        WeightsError: a manifest that is missing, malformed or incomplete, a file that is missing or leads out of the
            folder, or a hash that does not match.
    """
    if folder is None:
        folder = Path(str(files("weights")))
    manifest = read_manifest(folder)
    identifiers = {"version": manifest.version}
    for name, entry in manifest.files.items():
        _check(folder, name, entry)
        if name.endswith(".onnx") or name.startswith("classifier_"):
            identifiers[Path(name).stem] = entry.sha256[:16]
    identifiers["version"] = manifest.version
    classifier = manifest.models.classifier
    return Weights(
        folder / "detector.onnx",
        folder / "classifier.onnx",
        classifier.preprocess,
        identifiers,
        folder / SEGMENTER if SEGMENTER in manifest.files else None,
        classifier.calibration,
        network_spec(classifier.settings, classifier.preprocess),
        classifier.settings.resolution_schedule[-1][0],
    )


def _check(folder: Path, name: str, entry: ManifestFile) -> None:
    path = folder / name
    if not path.is_file():
        raise WeightsError(
            f"{folder}: {visible(name)} is missing; the manifest lists it; copy the whole weights folder"
        )
    if path.resolve().parent != folder.resolve():
        raise WeightsError(
            f"{path}: is a link that leads out of the folder; expected the file itself; copy the whole weights folder"
        )
    try:
        size, found = path.stat().st_size, sha256(path)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); expected a file of the weights") from error
    if entry.bytes is not None and size != entry.bytes:
        raise WeightsError(f"{path}: {size:,} bytes, the manifest says {entry.bytes:,}; do not use it")
    if found != entry.sha256:
        raise WeightsError(
            f"{path}: SHA-256 is {found[:12]}..., the manifest says {entry.sha256[:12]}...; do not use it"
        )


def write_manifest(folder: Path, version: str, notice: str, models: dict[str, Any]) -> None:
    """Hash the weights in a folder and write its manifest."""
    names = [name for part in PART_FILES.values() for name in part]
    entries = {
        name: {"sha256": sha256(folder / name), "bytes": (folder / name).stat().st_size}
        for name in names
        if (folder / name).is_file()
    }
    document = {
        "format": FORMAT,
        "version": version,
        "licence": "AGPL-3.0-or-later",
        "notice": notice,
        "files": entries,
        "models": models,
    }
    write_json(folder / MANIFEST, document)
