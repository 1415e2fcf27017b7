"""Features that are kept in place of images: parts in a folder, beside a note of what they were made from."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classify.training.crops.crop_set import StudyArrays, concatenated
from classify.training.head.features import Features
from classify.training.head.origin import PARTS, FeatureOrigin, read_origin
from classify.training.head.side import Side
from cohort.bmd import BMD_CLASSES
from cohort.cache_key import digest_of_parts
from cohort.io.digest import sha256_of
from cohort.spine import View
from osteolens.atomic import whole_file
from osteolens.errors import ConfigError, ReadError
from osteolens.training.resources import check_disk

STUDIES = "studies"
"""Entry of a part's header with the identifiers of its studies."""

DIMENSIONS: dict[str, tuple[int, ...]] = {
    "present": (2,),
    "covariates": (6,),
    "labels": (),
    "t_scores": (),
    "level_t_scores": (4,),
}
"""What a part holds of each study beside its features."""

KINDS = {name: np.dtype(np.int64 if name == "labels" else np.float32) for name in DIMENSIONS}

MOST_BYTES = 4 * 2**30
"""Of a part's file; a larger one is not opened."""


def write_part(path: Path, side: Side | None, origin: FeatureOrigin) -> None:
    """Write the features of some studies in half precision, whole or not at all.

    Args:
        path: of the file.
        side: studies with their features, in the order of the views; None for a part whose patients are all left out.
        origin: what they are made from.

    Raises:
        ConfigError: features that are too large for half precision.
        OutputError: it cannot be written.
    """
    from safetensors.numpy import save_file

    arrays: dict[str, npt.NDArray[np.generic]] = {}
    named: dict[str, object] = {"study_uids": (), "patient_ids": (), "origin": origin.digest}
    if side is not None:
        studies = side.studies
        arrays = {name: np.ascontiguousarray(getattr(studies, name)) for name in DIMENSIONS}
        arrays |= {f"features.{k}": _halves(own[studies.rows]) for k, own in enumerate(side.features)}
        named |= {"study_uids": studies.study_uids, "patient_ids": studies.patient_ids}
    with whole_file(path) as unfinished:
        save_file(arrays, unfinished, {STUDIES: json.dumps(named)})  # one entry: the order of several varies


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFeatures:
    """A folder of features.

    Attributes:
        folder: where they lie.
        origin: what they are made from.
        parts: its files and their studies, whose rows count within the part.
    """

    folder: Path
    origin: FeatureOrigin
    parts: Mapping[Path, StudyArrays]

    @property
    def patient_ids(self) -> set[str]:
        """Of all parts."""
        return {patient for studies in self.parts.values() for patient in studies.patient_ids}

    @property
    def studies(self) -> int:
        """Number of them."""
        return sum(len(studies.labels) for studies in self.parts.values())

    @property
    def digest(self) -> str:
        """Of what the features are made from, and of all that is known of their studies."""
        return digest_of_parts([studies.digest for studies in self.parts.values()])


def read_stored(folder: Path) -> StoredFeatures:
    """A folder of features; the features themselves stay on the disk.

    Raises:
        ReadError: it is no folder of features, holds none, or a part of it is damaged.
    """
    origin = read_origin(folder)
    parts = {path: _studies_of(path, origin) for path in sorted(folder.glob(PARTS))}
    stored = StoredFeatures(folder=folder, origin=origin, parts={p: s for p, s in parts.items() if len(s.labels)})
    if not stored.parts:
        raise ReadError(f"{folder}: holds no features of eligible patients; give others, or other criteria")
    uids = [uid for studies in stored.parts.values() for uid in studies.study_uids]
    if len(set(uids)) < len(uids):
        raise ReadError(f"{folder}: {len(uids) - len(set(uids))} studies stand in it twice; simulate the features anew")
    return stored


def check_stored(stored: Sequence[StoredFeatures], run: FeatureOrigin, patients: Collection[str]) -> None:
    """Check that a run's head can be fitted on stored features beside its own studies.

    Args:
        stored: folders.
        run: what the run's own features are made from.
        patients: who is in the run's cohorts, on whichever side.

    Raises:
        ConfigError: features of other branches or crops, or a patient who is in a cohort or in another folder too.
    """
    seen, where = set(patients), "the cohorts"
    for features in stored:
        own = features.origin
        differing = [
            name
            for name in ("preprocess", "working_px", "variants", "boxes", "criteria")
            if getattr(own, name) != getattr(run, name)
        ]
        if any(own.branches.get(view) != digest for view, digest in run.branches.items()):
            differing.insert(0, "branches")
        if differing:
            raise ConfigError(
                f"{features.folder}: its features have other {', '.join(differing)} than this run; start from the "
                "weights that made them, with the same settings, or run `osteolens simulate features` with its own"
            )
        if both := len(seen & features.patient_ids):
            raise ConfigError(
                f"{features.folder}: {both} of its {len(features.patient_ids)} patients stand in {where} too; expected "
                "others, of another --seed"
            )
        seen |= features.patient_ids
        where = "the cohorts or in another folder of features"


def joined(own: Side, stored: Sequence[StoredFeatures], views: Sequence[View], folder: Path) -> Side:
    """Studies of a training and, behind them, those whose features are stored; all features in half precision, in
    files without a name that go with the process.

    Args:
        own: with the features of the run's branches.
        stored: folders, checked by `check_stored`.
        views: of the run's network.
        folder: on the disk for the files.

    Raises:
        ReadError: a part is damaged.
        OutputError: the disk has too little room.
    """
    views = [view for view in View if view in views]
    count = len(own.studies.rows) + sum(features.studies for features in stored)
    shapes = [(count, *branch.shape[1:]) for branch in own.features]
    check_disk(folder, sum(2 * int(np.prod(shape)) for shape in shapes), "features")
    with ExitStack() as files:
        places = [files.enter_context(tempfile.TemporaryFile(dir=folder)) for _ in shapes]
        whole = [np.memmap(file, np.float16, "w+", shape=shape) for file, shape in zip(places, shapes, strict=True)]
    studies = [replace(own.studies, rows=np.arange(len(own.studies.rows)))]
    for branch, values in zip(whole, own.features, strict=True):
        branch[: len(own.studies.rows)] = _halves(values[own.studies.rows])
    at = len(own.studies.rows)
    for features in stored:
        for path, of_part in features.parts.items():
            _read_features(path, features.origin, views, [branch[at : at + len(of_part.labels)] for branch in whole])
            studies.append(replace(of_part, rows=of_part.rows + at))
            at += len(of_part.labels)
    return Side(concatenated(studies).of_views(views), whole)


def _read_features(path: Path, origin: FeatureOrigin, views: Sequence[View], into: Features) -> None:
    """Copy the features of a part, view by view."""
    from safetensors import SafetensorError, safe_open

    known = [view for view in View if view in origin.branches]
    try:
        with safe_open(path, "np") as file:
            for view, place in zip(views, into, strict=True):
                values = file.get_tensor(f"features.{known.index(view)}")
                if values.dtype != np.float16 or values.shape != place.shape or not np.isfinite(values).all():
                    raise ValueError(f"features of shape {values.shape}; expected finite ones of {place.shape}")
                place[:] = values
    except (OSError, SafetensorError, ValueError, TypeError) as error:
        raise _damaged(path, error) from error


def _studies_of(path: Path, origin: FeatureOrigin) -> StudyArrays:
    """What a part says of its studies."""
    from safetensors import SafetensorError, safe_open

    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"of more than {MOST_BYTES} bytes")
        with safe_open(path, "np") as file:
            named = json.loads((file.metadata() or {})[STUDIES])
            uids, patients = (tuple(map(str, named[name])) for name in ("study_uids", "patient_ids"))
            if named["origin"] != origin.digest:
                raise ValueError("it was made from something else than features.json says, or by another version")
            count, shapes = len(uids), {name: file.get_slice(name).get_shape() for name in DIMENSIONS if uids}
            if len(patients) != count or any([*shapes[n]] != [count, *DIMENSIONS[n]] for n in shapes):
                raise ValueError(f"arrays of other shapes than {count} studies have")
            held = {name: file.get_tensor(name) for name in shapes}
        arrays = {name: held.get(name, np.zeros((0, *shape), KINDS[name])) for name, shape in DIMENSIONS.items()}
        _check_values(arrays)
        made_from = digest_of_parts(origin.digest, sha256_of(path))
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path, error) from error
    return StudyArrays(rows=np.arange(count), study_uids=uids, patient_ids=patients, made_from=made_from, **arrays)


def _check_values(arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
    """Check what a part says of its studies.

    Raises:
        ValueError: an array of another kind, or a value that no study has.
    """
    wrong = [name for name, values in arrays.items() if values.dtype != KINDS[name]]
    known = {name: np.asarray(arrays[name], np.float64) for name in arrays}
    wrong += [name for name in ("covariates", "t_scores") if not np.isfinite(known[name]).all()]
    wrong += ["level_t_scores"] if np.isinf(known["level_t_scores"]).any() else []
    wrong += ["labels"] if not np.isin(known["labels"], range(len(BMD_CLASSES))).all() else []
    present = known["present"]
    wrong += ["present"] if not (np.isin(present, (0, 1)).all() and present.any(1).all()) else []
    if wrong:
        raise ValueError(f"{', '.join(dict.fromkeys(wrong))}: values that no study has")


def _halves(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float16]:
    """Features in half precision.

    Raises:
        ConfigError: one is too large for it.
    """
    largest = float(np.abs(values).max(initial=0))
    if not largest < np.finfo(np.float16).max:
        raise ConfigError(
            f"features up to {largest:g} do not fit half precision; these branches cannot have their features stored"
        )
    return values.astype(np.float16)


def _damaged(path: Path, error: Exception) -> ReadError:
    return ReadError(
        f"{path}: is no part of a folder of features ({error}); delete it, and simulate the features again"
    )
