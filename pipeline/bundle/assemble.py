"""A folder of weights from training runs; what no run replaces comes from the folder itself or the shipped weights."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from classify.config import PreprocessSpec
from detect.config import CLASSES
from osteolens.documents.json_document import read_json
from osteolens.errors import ConfigError, ReadError, WeightsError
from osteolens.shipped import shipped_weights
from pipeline.bundle.format_1 import inference_of
from pipeline.bundle.load import load_bundle
from pipeline.bundle.manifest import (
    BRANCH_FILES,
    MANIFEST,
    PART_FILES,
    ClassifierPart,
    DetectorPart,
    ManifestPart,
    ManifestParts,
    Part,
    Record,
    SegmenterPart,
    checked,
    read_manifest,
    write_manifest,
)

NOTICE = "Research use; not a medical device."
"""Of weights that are trained on data of users' own, unless they say more."""


def assemble_weights(
    out: Path,
    version: str,
    runs: Mapping[Part, Path],
    tests: Mapping[Part, Record] | None = None,
    provenance: Mapping[str, str] | None = None,
    base: Path | None = None,
) -> None:
    """Copy weights, write the manifest, and check that the result loads.

    Args:
        out: folder of weights, made or updated.
        version: name of the whole.
        runs: run folders by part.
        tests: metrics on a test cohort by part, kept in the manifest.
        provenance: what each part was trained on, by its name, and `notice`.
        base: folder of weights that gives what no run replaces; `out` where it holds weights, else the shipped ones.

    Raises:
        ConfigError: a name that is empty or too long.
        WeightsError: a run lacks its files, or the result does not load.
    """
    if not 1 <= len(version) <= 100:
        raise ConfigError(f"the name of the release has {len(version)} characters, expected 1 to 100 characters")
    tests, provenance = tests or {}, provenance or {}
    trained = {part: _trained_part(part, run).model_copy(update={"training": provenance.get(part)})
               for part, run in runs.items()}  # fmt: skip
    if base is None:
        base = out if (out / MANIFEST).is_file() else shipped_weights()
    load_bundle(base)
    former = read_manifest(base)
    models = {**former.models.by_name, **trained}
    for part, metrics in tests.items():
        if part in models:
            models[part] = models[part].model_copy(update={"metrics": {**models[part].metrics, "test": metrics}})
    for part in models:
        _check_files(part, runs.get(part, base))
    _make_folder(out)
    for part in models:
        _copy_part(part, runs.get(part, base), out)
    notice = provenance.get("notice", former.notice if not runs else NOTICE)
    write_manifest(out, version, notice, ManifestParts.model_validate({**models}))
    load_bundle(out)


def _check_files(part: Part, source: Path) -> None:
    """Check that a run or a folder of weights is complete; a branch may be absent."""
    for name in PART_FILES[part]:
        if name not in BRANCH_FILES.values() and not (source / name).is_file():
            raise WeightsError(f"{source}: {name} is missing; expected a finished run of osteolens train {part}")


def _copy_part(part: Part, source: Path, out: Path) -> None:
    for name in PART_FILES[part]:
        if not (source / name).is_file():
            (out / name).unlink(missing_ok=True)
        elif source.resolve() != out.resolve():
            _copy(source / name, out / name)


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


def _trained_part(part: Part, run: Path) -> ManifestPart:
    """The manifest's record of a part, from its run; checked before any file is copied."""
    path = run / "metrics.json"
    document = _object(path, run, part, nan_is_null=True)
    settings = document.get("config")
    if not isinstance(settings, dict) or "validation" not in document:
        raise WeightsError(f"{run}: no metrics of a finished run of osteolens train {part} (no config or validation)")
    record = {"settings": settings, "metrics": {"validation": document["validation"]}}
    if part is Part.DETECTOR:
        classes = [f"{view}_{level}" for view, level in CLASSES]
        more = {"architecture": settings.get("model"), "input_px": settings.get("image_px"), "classes": classes}
        return checked(DetectorPart, {**more, **record}, path)
    if part is Part.SEGMENTER:
        return checked(SegmenterPart, {"architecture": f"U-Net, {settings.get('encoder')}", **record}, path)
    preprocess = document.get("preprocess", PreprocessSpec().model_dump())
    inference = inference_of({"settings": settings, "preprocess": preprocess})
    inference |= {name: document[name] for name in ("network", "working_px") if name in document}
    more = {
        "architecture": _architecture(inference.get("network")),
        "preprocess": preprocess,
        "calibration": _object(run / "calibration.json", run, part),
    }
    return checked(ClassifierPart, {**more, **inference, **record}, path)


def _architecture(network: object) -> str:
    """A classifier in words."""
    known = network if isinstance(network, dict) else {}
    backbone, covariates = known.get("backbone", "densenet121"), known.get("covariates", True)
    name = "DenseNet-121" if backbone == "densenet121" else backbone
    return f"dual-channel {name} {'with' if covariates else 'without'} covariates"


def _object(path: Path, run: Path, part: Part, nan_is_null: bool = False) -> Record:
    """The object of a run's JSON file."""
    try:
        document = read_json(path, nan_is_null=nan_is_null)
    except ReadError as error:
        raise WeightsError(f"{run}: no metrics of a finished run of osteolens train {part} ({error})") from error
    if not isinstance(document, dict):
        raise WeightsError(f"{path}: found {type(document).__name__}, expected what osteolens train {part} wrote")
    return document
