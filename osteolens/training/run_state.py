"""State of a training on disk, from which it goes on: tensors and plain values in one safetensors file, no pickle.

Beside it lies a note of what a finished training was made from.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from osteolens.atomic import whole_file
from osteolens.documents.json_document import read_json, write_json
from osteolens.errors import ConfigError, ReadError
from osteolens.training.run_options import RunOptions
from osteolens.training.start import digest_of_start

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

FORMAT = "1"
"""Number that changes with what a state holds."""

STATE = "state.safetensors"

FINISHED = "finished.json"
"""Note of a run that came to its end: what it was made from, and the SHA-256 of its results."""

TRAINED_ALREADY = "is trained already"
"""What is told of a finished run that is to be gone on with."""

FREE_SETTINGS = ("max_minutes", "patience")
"""Settings that a run may go on with others of: they end a training and change no step of it."""

METRICS = "metrics.json"

SHOWN_FILES = ("history.csv", "curves.png", "curves.svg", METRICS)


class RunFiles:
    """The state of a run in its folder, with what the run was made from, so that no other run goes on with it."""

    def __init__(
        self,
        out: Path,
        settings: Mapping[str, object],
        options: RunOptions,
        made_from: Mapping[str, str],
        results: Sequence[str],
    ) -> None:
        """Look at a run folder; nothing is read or written yet.

        Args:
            out: run folder.
            settings: of the training, as JSON.
            options: seed, resuming and start.
            made_from: digests of what is trained on and validated by, by name.
            results: files and folders that the stage writes beside SHOWN_FILES.
        """
        self._path, self._options, self.out = out / STATE, options, out
        self._results = (*results, *SHOWN_FILES, "tensorboard")
        start = options.start_from
        self._free = {name: settings[name] for name in FREE_SETTINGS if name in settings}
        self._made_from: dict[str, object] = {
            **{f"setting {name}": value for name, value in settings.items() if name not in FREE_SETTINGS},
            **made_from,
            "seed": options.seed,
            "weights to start from": None if start is None else digest_of_start(start),
        }

    def finished(self) -> dict[str, float] | None:
        """Metrics of a run of the same that came to its end; None where none is to be gone on with, or where it is not
        finished, a result of it is not as it was written, or a setting that ends a training is another.

        Raises:
            ConfigError: it has other settings, studies, seed or start.
        """
        if not self._options.resume or not (self.out / FINISHED).is_file():
            return None
        try:
            note = read_json(self.out / FINISHED)
            metrics = read_json(self.out / METRICS)["validation"]
            former, free, results = note["made_from"], note["free"], note["results"]
            is_whole = results == {name: _sha256(self.out / name) for name in results}
        except (ReadError, KeyError, TypeError, OSError):
            return None
        now = json.loads(json.dumps(self._made_from))
        if former != now:
            raise ConfigError(self._difference(former if isinstance(former, dict) else {}, now))
        if not is_whole or free != self._free:
            return None
        return {name: math.nan if value is None else value for name, value in metrics.items()}

    def finish(self) -> None:
        """Note that the run came to its end; its metrics and results are written.

        Raises:
            OutputError: the note cannot be written.
        """
        kept = [name for name in (*self._results, METRICS) if Path(name).suffix in (".onnx", ".safetensors", ".json")]
        results = {name: _sha256(self.out / name) for name in kept if (self.out / name).is_file()}
        write_json(self.out / FINISHED, {"made_from": self._made_from, "free": self._free, "results": results})

    def resumed(self) -> dict[str, object] | None:
        """The state to go on with; None where there is none yet, or none is asked for. A new run removes what an
        earlier one left; a run whose state is gone is told to begin anew.

        Raises:
            ReadError: the state cannot be read.
            ConfigError: it is of a run with other settings, studies, seed or start.
        """
        for left in self.out.glob(f".{STATE}-*.partial"):  # of a run that was killed while it wrote its state
            left.unlink(missing_ok=True)
        (self.out / FINISHED).unlink(missing_ok=True)
        if not self._options.resume:
            for name in (STATE, *self._results):
                path = self.out / name
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
            return None
        if not self._path.is_file():
            if any((self.out / name).exists() for name in self._results):
                log.warning("%s: holds a run without its %s, so the training begins anew", self.out, STATE)
            return None
        state = read_state(self._path)
        former = state.pop("made_from", None)
        now = json.loads(json.dumps(self._made_from))
        if former != now:
            raise ConfigError(self._difference(former if isinstance(former, dict) else {}, now))
        return state

    def save(self, state: Mapping[str, object]) -> None:
        """Write the state of a finished epoch, whole or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        write_state(self._path, {"made_from": self._made_from, **state})

    def _difference(self, former: Mapping[str, object], now: Mapping[str, object]) -> str:
        name = next((key for key in {**now, **former} if former.get(key) != now.get(key)), None)
        found = "another program" if name is None else f"another {name}"
        if name is not None and (name.startswith("setting ") or name == "seed"):
            found = f"{name} {former.get(name)!r}, now {now.get(name)!r}"
        return (
            f"{self.out}: the run to go on with was made with {found}; give what it was made with, or train again "
            "without --resume"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_state(path: Path, state: Mapping[str, object]) -> None:
    """Write a state whole or not at all.

    Args:
        path: of the file.
        state: dictionaries, lists and tuples of tensors and plain values, such as optimisers' state_dict().

    Raises:
        OutputError: it cannot be written.
    """
    from safetensors.torch import save_file

    tensors: dict[str, Tensor] = {}
    document = json.dumps(_plain(state, tensors))
    with whole_file(path) as unfinished:
        save_file(tensors, unfinished, {"format": FORMAT, "state": document})


def read_state(path: Path) -> dict[str, object]:
    """The state as it was written, tensors on the CPU.

    Raises:
        ReadError: the file is no state of a training of this version.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            if header.get("format") != FORMAT:
                raise ValueError("another format")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        state = _restored(json.loads(header["state"]), tensors)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ReadError(
            f"{path}: is no state of a training of this version ({error}); train again without --resume"
        ) from error
    if not isinstance(state, dict):
        raise ReadError(f"{path}: is no state of a training; train again without --resume")
    return state


def _plain(value: object, tensors: dict[str, Tensor]) -> object:
    """A value as JSON; tensors go into `tensors` and leave their number."""
    import torch

    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"items": [[_plain(key, tensors), _plain(one, tensors)] for key, one in value.items()]}
    if isinstance(value, (list, tuple)):
        return {type(value).__name__: [_plain(one, tensors) for one in value]}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{type(value).__name__} is no part of a training's state")


def _restored(value: object, tensors: Mapping[str, Tensor]) -> object:
    """What `_plain` was given."""
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "items":
        return {_restored(key, tensors): _restored(one, tensors) for key, one in content}
    parts = [_restored(one, tensors) for one in content]
    return tuple(parts) if kind == "tuple" else parts
