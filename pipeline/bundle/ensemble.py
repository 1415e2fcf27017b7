"""Weights whose classifier is the mean of those of other weights, such as of the folds of a cross-validation."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from classify.calibration import NO_CALIBRATION
from cohort.io.new_folder import check_new, new_folder
from osteolens.documents.text import visible
from osteolens.errors import ConfigError, WeightsError
from osteolens.extras import require
from pipeline.bundle.assemble import NOTICE
from pipeline.bundle.load import load_bundle
from pipeline.bundle.manifest import (
    PART_FILES,
    ClassifierPart,
    Manifest,
    Part,
    read_manifest,
    write_manifest,
)
from pipeline.bundle.member import Member

SAME = ("network", "preprocess", "working_px")
"""Of the classifiers, since all see the same input."""


def ensemble_weights(folders: Sequence[Path], out: Path, release: str) -> tuple[str, ...]:
    """Write weights whose class probabilities and T-scores are the means of the calibrated ones of several classifiers.

    Detector and segmenter are those of the members. Temperature and T-score correction of each member stand in the
    graph. Prediction sets and thresholds of one network do not hold for the mean, and results of single folds tell
    nothing of it, so that these are reset: sets hold every class, and nothing is ruled in or out, until
    `weights recalibrate` fits them.

    Args:
        folders: two or more folders of weights.
        out: new folder of weights.
        release: name of the new weights.

    Returns:
        what a user should know.

    Raises:
        MissingExtra: the extra 'train' is not installed.
        ConfigError: fewer than two folders, a folder that is not new, or a name that is empty or too long.
        WeightsError: a member is not sound, is an ensemble itself, stands twice, or differs from the first one in its
            detector, its segmenter or the inputs of its classifier.
    """
    require("weights ensemble", "torch", "segmentation_models_pytorch", "safetensors", "onnx")
    from classify.network.ensemble import Member as Network
    from classify.network.ensemble import write_ensemble

    check_new(out)
    if len(folders) < 2:
        raise ConfigError(f"{len(folders)} folder of weights; an ensemble needs 2 or more")
    if not 1 <= len(release) <= 100:
        raise ConfigError(f"the name of the release has {len(release)} characters, expected 1 to 100 characters")
    for folder in folders:
        load_bundle(folder)
    manifests = [read_manifest(folder) for folder in folders]
    _check_members(folders, manifests)
    first = manifests[0]
    parts = [manifest.models.classifier for manifest in manifests]
    joined = ClassifierPart(
        architecture=f"mean of {len(parts)} networks: {parts[0].architecture}",
        training=parts[0].training if len({part.training for part in parts}) == 1 else None,
        network=parts[0].network,
        working_px=parts[0].working_px,
        preprocess=parts[0].preprocess,
        calibration=NO_CALIBRATION,
        members=[_member(manifest) for manifest in manifests],
    )
    notice = first.notice if len({manifest.notice for manifest in manifests}) == 1 else NOTICE
    with new_folder(out) as staging:
        for name in _others(first):
            shutil.copyfile(folders[0] / name, staging / name)
        networks = [Network(folder=f, calibration=p.calibration) for f, p in zip(folders, parts, strict=True)]
        write_ensemble(networks, staging, parts[0].preprocess)
        models = first.models.model_copy(update={Part.CLASSIFIER.value: joined})
        write_manifest(staging, release, notice, models)
        load_bundle(staging)
    return (
        "prediction sets hold every class, and nothing is ruled in or out: those of one network do not hold for the "
        "mean; osteolens weights recalibrate fits them on patients that no member was trained on",
        "patients of the folds were trained on by members: judge these weights on others",
    )


def _check_members(folders: Sequence[Path], manifests: Sequence[Manifest]) -> None:
    first = manifests[0]
    seen: dict[tuple[str, ...], int] = {}
    for place, (folder, manifest) in enumerate(zip(folders, manifests, strict=True)):
        part = manifest.models.classifier
        if part.members:
            raise WeightsError(f"{folder}: is an ensemble of {len(part.members)} networks; give its members instead")
        same = seen.setdefault(tuple(_hashes(manifest).values()), place)
        if same != place:
            raise WeightsError(f"{folder}: holds the classifier of {folders[same]}; a member counts once")
        for name in sorted({*_others(first), *_others(manifest)}):
            ours, theirs = (m.files[name].sha256[:12] if name in m.files else "none" for m in (first, manifest))
            if ours != theirs:
                raise WeightsError(
                    f"{folder}: {name} is {theirs}, that of {folders[0]} is {ours}; an ensemble has one detector and "
                    "one segmenter; assemble its members with the same"
                )
        for name in SAME:
            expected, found = getattr(first.models.classifier, name), getattr(part, name)
            if found != expected:
                raise WeightsError(
                    f"{folder}: {name} of the classifier is {visible(str(found))}, that of {folders[0]} is "
                    f"{visible(str(expected))}; expected members that see the same input"
                )


def _hashes(manifest: Manifest) -> dict[str, str]:
    """SHA-256 of the files of a classifier."""
    return {n: manifest.files[n].sha256 for n in PART_FILES[Part.CLASSIFIER] if n in manifest.files}


def _others(manifest: Manifest) -> list[str]:
    """Files of the other parts."""
    return [name for name in manifest.files if name not in PART_FILES[Part.CLASSIFIER]]


def _member(manifest: Manifest) -> Member:
    part = manifest.models.classifier
    return Member(
        release=manifest.version,
        files=_hashes(manifest),
        calibration=part.calibration,
        recalibration=part.recalibration,
        training=part.training,
        settings=part.settings,
        metrics=part.metrics,
    )
