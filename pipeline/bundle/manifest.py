"""The manifest of a folder of weights as a type: every field known, bounded, and named where it is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError

from classify.calibration import Calibration
from classify.config import PreprocessSpec
from classify.files import PARTS, part_path
from classify.training.config import ClassifierTraining
from cohort.spine import View
from osteolens.config import StrictConfig
from osteolens.errors import ReadError, WeightsError
from osteolens.json_document import quoted, read_json
from osteolens.text import visible
from osteolens.validation import first_problem

MANIFEST = "manifest.json"
FORMAT = 1

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


class ManifestFile(StrictConfig):
    """One file of the weights."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="hex digest")
    bytes: int | None = Field(None, ge=0, description="size")


class ManifestPart(StrictConfig):
    """What is known of one part; metrics are whatever its runs and tests printed."""

    architecture: str = Field("", description="of the network")
    metrics: dict[str, Any] = Field({}, description="on validation and test cohorts")
    training: str | None = Field(None, description="what it was trained on")


class DetectorPart(ManifestPart):
    """The detector."""

    settings: dict[str, Any] = Field({}, description="of its training")
    input_px: int | None = Field(None, ge=32, le=8192, description="side of its input")
    classes: list[str] = Field([], description="view and level of each class")


class SegmenterPart(ManifestPart):
    """The segmenter of bodies."""

    settings: dict[str, Any] = Field({}, description="of its training")


class ClassifierPart(ManifestPart):
    """The classifier, with all that its inference needs to know."""

    preprocess: PreprocessSpec = Field(description="that it was trained with")
    calibration: Calibration = Field(Calibration(), description="fitted on validation studies")
    settings: ClassifierTraining = Field(description="of its training")


class ManifestParts(StrictConfig):
    """The parts by name; weights without a segmenter have none."""

    detector: DetectorPart = Field(description="finds levels")
    classifier: ClassifierPart = Field(description="classes the crops")
    segmenter: SegmenterPart | None = Field(None, description="outlines bodies")


class Manifest(StrictConfig):
    """The whole document."""

    format: Literal[1] = Field(description="of this document")
    version: str = Field(min_length=1, max_length=100, description="that every prediction names")
    licence: str = Field("", description="of the weights")
    notice: str = Field("", description="what they may be used for")
    files: dict[str, ManifestFile] = Field(description="every file, by its name")
    models: ManifestParts = Field(description="what is known of each part")


Kind = TypeVar("Kind", bound=StrictConfig)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder, complete: it names every file that a stage loads, and no other place.

    Raises:
        WeightsError: it is missing or malformed (the field is named), of another format, lists a file outside the
            folder, or lacks one that a stage loads.
    """
    path = folder / MANIFEST
    try:
        document = read_json(path)
    except ReadError as error:
        raise WeightsError(f"{folder}: {error}; expected the weights' manifest; see --weights") from error
    if not isinstance(document, dict):
        raise WeightsError(f"{path}: found {type(document).__name__}, expected the weights' manifest; see --weights")
    found = document.get("format")
    if found != FORMAT or isinstance(found, bool):
        raise WeightsError(f"{path}: format {quoted(found)}, expected {FORMAT}; update OsteoLens or the weights")
    manifest = checked(Manifest, document, path)
    _check_names(manifest, folder)
    return manifest


def checked(kind: type[Kind], document: Any, path: Path) -> Kind:
    """A document as one of these types, without turning text into numbers or the like.

    Raises:
        WeightsError: with the field, what was found and what was expected.
    """
    try:
        return kind.model_validate_json(json.dumps(document), strict=True)
    except ValidationError as error:
        problem = first_problem(error)
        what = "the detector's, segmenter's and classifier's parts"
        if "classifier." in problem or kind in (Calibration, PreprocessSpec, ClassifierTraining):
            what = "preprocessing, calibration and settings of a classifier that this version knows"
        raise WeightsError(f"{path}: {problem} (expected {what}); update OsteoLens or the weights") from error


def loaded_files(manifest: Manifest) -> list[str]:
    """Names of every file that a stage loads, by what the manifest says of the parts."""
    parts = ["detector", "classifier", *(["segmenter"] if manifest.models.segmenter is not None else [])]
    views = manifest.models.classifier.settings.views
    unused = {part_path(Path(), view.value.lower()).name for view in View if view not in views}
    return [name for part in parts for name in PART_FILES[part] if name not in unused]


def _check_names(manifest: Manifest, folder: Path) -> None:
    path = folder / MANIFEST
    if not manifest.files:
        raise WeightsError(f"{path}: files is empty; expected {_list(loaded_files(manifest))} with their SHA-256")
    for name in manifest.files:
        if Path(name).name != name or name in ("", ".", "..") or any(c in name for c in "\\:\0"):
            raise WeightsError(
                f"{path}: files lists '{visible(name)}', which leads out of the folder, so it is missing in it; "
                "expected plain file names"
            )
    lacking = [name for name in loaded_files(manifest) if name not in manifest.files]
    known = [name for names in PART_FILES.values() for name in names]
    lacking += [n for n in known if n not in (*lacking, *manifest.files) and (folder / n).is_file()]
    if lacking:
        raise WeightsError(
            f"{path}: files does not list {_list(lacking)}; every file that a stage loads needs its SHA-256; "
            "copy the whole weights folder, or assemble it anew with osteolens weights"
        )


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
