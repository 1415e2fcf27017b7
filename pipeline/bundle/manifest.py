"""The manifest of a folder of weights as a type: every field known, bounded, and named where it is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, JsonValue, ValidationError, model_validator

from classify.calibration import Calibration
from classify.config import NetworkSpec, PreprocessSpec
from classify.files import PARTS, part_path
from classify.inputs import branch_name
from cohort.io.digest import sha256_of
from cohort.spine import View
from osteolens.config import StrictConfig
from osteolens.documents.json_document import quoted, read_json, write_json
from osteolens.documents.text import visible
from osteolens.documents.validation import first_problem
from osteolens.errors import ReadError, WeightsError
from osteolens.inference.choices import Precision
from pipeline.bundle.format_1 import upgraded
from pipeline.bundle.member import Member
from pipeline.bundle.recalibration import Recalibration

MANIFEST = "manifest.json"
FORMAT: Literal[2] = 2
"""Of the manifests that this version writes; those of format 1 are read."""

LICENCE = "AGPL-3.0-or-later"
SEGMENTER = "segmenter.onnx"
CLASSIFIER_PARTS = tuple(part_path(Path(), part).name for part in PARTS)
"""Tensors that classifier.onnx reads, by branch so that no file is large."""

BRANCH_FILES = {view: part_path(Path(), branch_name(view)).name for view in View}
"""Tensors of the branch of each view; a classifier of one view lacks one of them."""


class Part(StrEnum):
    """A stage whose weights a folder holds."""

    DETECTOR = "detector"
    SEGMENTER = "segmenter"
    CLASSIFIER = "classifier"


PART_FILES: dict[Part, tuple[str, ...]] = {
    Part.DETECTOR: ("detector.onnx", "detector.safetensors"),
    Part.SEGMENTER: (SEGMENTER,),
    Part.CLASSIFIER: ("classifier.onnx", *CLASSIFIER_PARTS),
}
"""Files of each part of the weights; the segmenter may be absent."""

Record = dict[str, JsonValue]
"""What a run wrote down of itself; nobody parses it."""


class ManifestFile(StrictConfig):
    """One file of the weights."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="hex digest")
    bytes: int | None = Field(None, ge=0, description="size")


class ManifestPart(StrictConfig):
    """Provenance, settings and metrics of one part."""

    architecture: str = Field("", description="of the network")
    settings: Record = Field({}, description="of its training, as a record")
    metrics: Record = Field({}, description="on validation and test cohorts, as its runs and tests printed them")
    training: str | None = Field(None, description="what it was trained on")


class DetectorPart(ManifestPart):
    """The detector."""

    input_px: int | None = Field(None, ge=32, le=8192, description="side of its input")
    classes: list[str] = Field([], description="view and level of each class")


class SegmenterPart(ManifestPart):
    """The segmenter of bodies."""


class ClassifierPart(ManifestPart):
    """The classifier, with the settings of its inference."""

    network: NetworkSpec = Field(description="inputs that it takes")
    working_px: int = Field(ge=32, le=1024, description="side that it averages crops down to")
    preprocess: PreprocessSpec = Field(description="that it was trained with")
    calibration: Calibration = Field(Calibration(), description="fitted on validation studies")
    recalibration: Recalibration | None = Field(
        None, description="on whom a site fitted the calibration anew, and what it was before"
    )
    members: list[Member] = Field([], description="classifiers of whose outputs these are the means; of one, none")

    @model_validator(mode="after")
    def _crops_fit(self) -> ClassifierPart:
        if self.network.crops != self.preprocess.crops:
            raise ValueError(
                f"network.crops is {self.network.crops}, but preprocess.roi {self.preprocess.roi} gives "
                f"{self.preprocess.crops}"
            )
        if self.working_px > self.preprocess.size_px:
            raise ValueError(f"working_px is {self.working_px}, expected at most {self.preprocess.size_px}")
        return self


class ManifestParts(StrictConfig):
    """The parts by name; weights without a segmenter have none."""

    detector: DetectorPart = Field(description="finds levels")
    classifier: ClassifierPart = Field(description="classes the crops")
    segmenter: SegmenterPart | None = Field(None, description="outlines bodies")

    @property
    def by_name(self) -> dict[Part, ManifestPart]:
        """Those that are there."""
        parts = {Part.DETECTOR: self.detector, Part.SEGMENTER: self.segmenter, Part.CLASSIFIER: self.classifier}
        return {name: part for name, part in parts.items() if part is not None}


class PrecisionRecord(StrictConfig):
    """What the gate of a precision found; `pipeline.precision.gate.PrecisionGate` says what each figure is."""

    passed: bool = Field(description="whether it held every bar")
    studies: int = Field(ge=0, description="that were screened in both precisions")
    other_outcomes: int = Field(ge=0, description="studies that ended otherwise")
    other_names: int = Field(ge=0, description="studies with other levels")
    auc: float | None = Field(description="largest difference of the AUC of a class")
    iou: float | None = Field(description="difference of the mean IoU")
    t_score: float | None = Field(description="largest difference of a T-score")
    t_score_95: float | None = Field(description="95th percentile of the differences of T-scores")


class Manifest(StrictConfig):
    """The whole document."""

    format: Literal[2] = Field(description="of this document")
    version: str = Field(min_length=1, max_length=100, description="that every prediction names")
    licence: str = Field("", description="of the weights")
    notice: str = Field("", description="what they may be used for")
    files: dict[str, ManifestFile] = Field(description="every file, by its name")
    models: ManifestParts = Field(description="what is known of each part")
    precisions: dict[Precision, PrecisionRecord] = Field({}, description="gates of precisions that were tried")

    @property
    def loaded_files(self) -> list[str]:
        """Names of every file that a stage loads, by what is said of the parts."""
        views = self.models.classifier.network.views
        unused = {name for view, name in BRANCH_FILES.items() if view not in views}
        return [name for part in self.models.by_name for name in PART_FILES[part] if name not in unused]


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
    number = document.get("format")
    if type(number) is not int or number not in (1, FORMAT):
        raise WeightsError(
            f"{path}: format is {quoted(number)}, expected {FORMAT} or 1; update OsteoLens or the weights"
        )
    manifest = checked(Manifest, document if number == FORMAT else upgraded(document), path)
    _check_names(manifest, folder)
    return manifest


def write_manifest(folder: Path, version: str, notice: str, models: ManifestParts) -> None:
    """Hash the weights in a folder and write its manifest.

    Args:
        folder: of the weights.
        version: name of the release.
        notice: what they may be used for.
        models: what is known of each part.
    """
    names = [name for part in PART_FILES.values() for name in part if (folder / name).is_file()]
    entries = {name: ManifestFile(sha256=sha256_of(folder / name), bytes=_size(folder / name)) for name in names}
    manifest = Manifest(format=FORMAT, version=version, licence=LICENCE, notice=notice, files=entries, models=models)
    write_json(folder / MANIFEST, manifest.model_dump(mode="json", exclude_unset=True))


def note_precision(folder: Path, precision: Precision, record: PrecisionRecord) -> None:
    """Write into the manifest of a folder what the gate of a precision found.

    Raises:
        WeightsError: as `read_manifest`.
        OutputError: the folder cannot be written.
    """
    manifest = read_manifest(folder)
    document = read_json(folder / MANIFEST)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        document = manifest.model_dump(mode="json", exclude_unset=True)
    records = {**manifest.precisions, precision: record}
    noted = {name.value: of_one.model_dump(mode="json") for name, of_one in records.items()}
    write_json(folder / MANIFEST, {**document, "precisions": noted})


def checked(kind: type[Kind], document: object, path: Path, where: str = "") -> Kind:
    """A document as one of these types, without turning text into numbers or the like.

    Args:
        kind: the type.
        document: from a file.
        path: of the file.
        where: dotted path of the document in it, for the message.

    Raises:
        WeightsError: with the field, what was found and what was expected.
    """
    try:
        return kind.model_validate_json(json.dumps(document), strict=True)
    except ValidationError as error:
        problem = f"{where}.{first_problem(error)}" if where else first_problem(error)
        raise WeightsError(f"{path}: {problem}; update OsteoLens or the weights") from error


def _size(path: Path) -> int:
    return path.stat().st_size


def _check_names(manifest: Manifest, folder: Path) -> None:
    path = folder / MANIFEST
    if not manifest.files:
        raise WeightsError(f"{path}: files is empty; expected {_list(manifest.loaded_files)} with their SHA-256")
    for name in manifest.files:
        if Path(name).name != name or name in ("", ".", "..") or any(c in name for c in "\\:\0"):
            raise WeightsError(
                f"{path}: files lists '{visible(name)}', which leads out of the folder, so it is missing in it; "
                "expected plain file names"
            )
    lacking = [name for name in manifest.loaded_files if name not in manifest.files]
    known = [name for names in PART_FILES.values() for name in names]
    lacking += [n for n in known if n not in (*lacking, *manifest.files) and (folder / n).is_file()]
    if lacking:
        raise WeightsError(
            f"{path}: files does not list {_list(lacking)}; every file that a stage loads needs its SHA-256; "
            "copy the whole weights folder, or assemble it anew with osteolens weights assemble"
        )


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
