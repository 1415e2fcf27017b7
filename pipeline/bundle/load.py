"""A bundle: weights that were checked against their manifest, and the settings of their inference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from classify.calibration import Calibration
from classify.config import NetworkSpec, PreprocessSpec
from cohort.io.digest import sha256_of
from osteolens.documents.text import visible
from osteolens.errors import WeightsError
from osteolens.inference.choices import Precision
from osteolens.shipped import shipped_weights
from pipeline.bundle.manifest import SEGMENTER, ManifestFile, read_manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Checked weights, ready to load.

    Attributes:
        version: of the whole, written into every prediction.
        hashes: start of the SHA-256 of each file that a stage loads, by its stem, and of a calibration that a site
            fitted anew; written there too.
        detector: ONNX of the detector.
        segmenter: ONNX of the body segmenter, or None where the weights have none.
        classifier: ONNX of the classifier.
        network: inputs of the classifier.
        working_px: side that the classifier averages crops down to.
        preprocess: preprocessing of the classifier.
        calibration: of the classifier.
        precisions: beside fp32 that these weights have passed the gate of.
        members: networks whose mean the classifier is; 0 for one network.
    """

    version: str
    hashes: Mapping[str, str]
    detector: Path
    segmenter: Path | None
    classifier: Path
    network: NetworkSpec
    working_px: int
    preprocess: PreprocessSpec
    calibration: Calibration
    precisions: tuple[Precision, ...] = ()
    members: int = 0

    @property
    def networks(self) -> dict[str, Path]:
        """ONNX file of each network, by its name in the settings of inference."""
        networks = {"detector": self.detector, "classifier": self.classifier}
        return networks if self.segmenter is None else {**networks, "segmenter": self.segmenter}

    @property
    def identifiers(self) -> dict[str, str]:
        """Version and hashes."""
        return {"version": self.version, **self.hashes}


def load_bundle(folder: Path | None = None) -> Bundle:
    """Read the manifest of the shipped weights or of another folder and check every file's SHA-256.

    Raises:
        WeightsError: a manifest that is missing, malformed or incomplete, a file that is missing or leads out of the
            folder, or a hash that does not match.
    """
    folder = shipped_weights() if folder is None else folder
    manifest = read_manifest(folder)
    hashes = {}
    for name, entry in manifest.files.items():
        _check(folder, name, entry)
        if name.endswith(".onnx") or name.startswith("classifier_"):
            hashes[Path(name).stem] = entry.sha256[:16]
    classifier = manifest.models.classifier
    if classifier.recalibration is not None:
        hashes["calibration"] = _digest_of(classifier.calibration)
    return Bundle(
        version=manifest.version,
        hashes=hashes,
        detector=folder / "detector.onnx",
        segmenter=folder / SEGMENTER if SEGMENTER in manifest.files else None,
        classifier=folder / "classifier.onnx",
        network=classifier.network,
        working_px=classifier.working_px,
        preprocess=classifier.preprocess,
        calibration=classifier.calibration,
        precisions=tuple(name for name, record in manifest.precisions.items() if record.passed),
        members=len(classifier.members),
    )


def _digest_of(calibration: Calibration) -> str:
    """Start of the SHA-256; limits enter where there are any, so that calibrations without them keep theirs."""
    unused = set() if calibration.distance_limits else {"distance_limits"}
    return sha256(calibration.model_dump_json(exclude=unused).encode()).hexdigest()[:16]


def check_precision(bundle: Bundle, precision: Precision) -> None:
    """Refuse a precision whose gate these weights have not passed.

    Raises:
        WeightsError: they have not.
    """
    if precision is not Precision.FP32 and precision not in bundle.precisions:
        raise WeightsError(
            f"weights {bundle.version}: have not passed the gate of {precision}; try it on a validation cohort with "
            f"osteolens weights verify --precision {precision} --cohort FOLDER, or choose --precision fp32"
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
        size, digest = path.stat().st_size, sha256_of(path)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); expected a file of the weights") from error
    if entry.bytes is not None and size != entry.bytes:
        raise WeightsError(f"{path}: {size:,} bytes, the manifest says {entry.bytes:,}; do not use it")
    if digest != entry.sha256:
        raise WeightsError(
            f"{path}: SHA-256 is {digest[:12]}..., the manifest says {entry.sha256[:12]}...; do not use it"
        )
