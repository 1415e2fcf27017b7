"""Reading of JSON with limits, and writing of JSON that every parser takes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osteolens.atomic import write_whole
from osteolens.documents.text import visible
from osteolens.errors import ReadError

MOST_BYTES = 16 * 2**20
"""Largest JSON file that is read; a study's result has some ten kilobytes."""

MOST_DIGITS = 18
"""Digits of an integer that every reader holds without loss (64 bits)."""

MOST_DEPTH = 64
"""Objects and lists within each other; a study's result has five."""

SHOWN = 60
"""Characters of a wrong value that a message quotes."""


@dataclass(frozen=True, slots=True)
class _Unfit:
    """A number that no result may hold, and its text."""

    text: str


def read_json(path: Path, most_bytes: int = MOST_BYTES, nan_is_null: bool = False) -> Any:
    """The document of a file whose numbers are all finite and whose keys each stand once.

    Args:
        path: of the file.
        most_bytes: largest size that is read.
        nan_is_null: take a bare NaN for null, as in metrics that Python's `json` wrote.

    Raises:
        ReadError: no regular file, too large, no text, no JSON, nested too deeply, a key twice, or a number that is
            NaN, infinite or too long; with the line, or the field by its path from the top.
    """
    name = visible(path.name)
    try:
        if not path.is_file():
            raise ReadError(f"{name}: is no file; expected a JSON document")
        size = path.stat().st_size
        if size > most_bytes:
            raise ReadError(f"{name}: {size:,} bytes, expected at most {most_bytes:,}; this is no JSON of OsteoLens")
        with path.open("rb") as stream:
            raw = stream.read(most_bytes + 1)
    except (OSError, ValueError) as error:
        raise ReadError(f"{name}: cannot be opened ({_reason(error)}); expected a JSON document") from error
    return parse_json(raw, name, nan_is_null)


def parse_json(raw: bytes, name: str, nan_is_null: bool = False) -> Any:
    """The document of some bytes; `name` is what messages call them.

    Raises:
        ReadError: as `read_json`.
    """
    try:
        document = json.loads(
            raw.decode(json.detect_encoding(raw)),
            parse_constant=lambda text: None if nan_is_null and text == "NaN" else _Unfit(text),
            parse_float=_number,
            parse_int=_integer,
            object_pairs_hook=_once,
        )
    except json.JSONDecodeError as error:
        raise ReadError(
            f"{name} line {error.lineno} column {error.colno}: no complete JSON ({error.msg}); write the file anew"
        ) from error
    except UnicodeDecodeError as error:
        raise ReadError(f"{name}: byte {error.start} is no {error.encoding}; expected JSON in UTF-8") from error
    except RecursionError as error:
        raise ReadError(f"{name}: it is nested too deeply; expected a JSON document of OsteoLens") from error
    except ValueError as error:
        raise ReadError(f"{name}: {error}") from error
    if not _is_fit(document):
        _refuse_unfit(document, name)
    return document


def json_ready(document: object) -> object:
    """A copy that any reader of JSON takes: NaN and infinity become null, and lone surrogates are written out."""
    if isinstance(document, float):
        return float(document) if math.isfinite(document) else None
    if isinstance(document, str):
        return document if document.isascii() else document.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(document, Mapping):
        return {json_ready(key): json_ready(value) for key, value in document.items()}
    if isinstance(document, (list, tuple)):
        return [json_ready(value) for value in document]
    return document


def write_json(path: Path, document: object) -> None:
    """Write a document as `json_ready` makes it, whole or not at all.

    Raises:
        OutputError: the disk is full, or the folder cannot be written.
    """
    write_whole(path, json.dumps(json_ready(document), indent=1, ensure_ascii=False, allow_nan=False))


def quoted(value: object) -> str:
    """A wrong value as a message shows it: one line, short."""
    text = visible(repr(value))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _number(text: str) -> float | _Unfit:
    value = float(text)
    return value if math.isfinite(value) else _Unfit(f"{text[:SHOWN]}, beyond every number")


def _integer(text: str) -> int | _Unfit:
    digits = len(text.lstrip("-"))
    return int(text) if digits <= MOST_DIGITS else _Unfit(f"an integer of {digits} digits")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {quoted(twice)} stands twice in one object; expected each once")
    return unique


def _is_fit(document: object) -> bool:
    """Whether every number is finite and nothing is nested too deeply; the place of what is not costs time to tell."""
    level = [document]
    for _ in range(MOST_DEPTH + 1):
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                below += value.values()
            elif isinstance(value, list):
                below += value
            elif isinstance(value, _Unfit):
                return False
        if not below:
            return True
        level = below
    return False


def _refuse_unfit(document: object, name: str) -> None:
    waiting: list[tuple[str, int, object]] = [("", 0, document)]
    while waiting:
        where, depth, value = waiting.pop()
        if isinstance(value, _Unfit):
            raise ReadError(f"{name}: {where or 'the document'} is {value.text}, expected a finite number")
        if depth > MOST_DEPTH:
            raise ReadError(f"{name}: {where[:SHOWN]} is nested too deeply; expected a JSON document of OsteoLens")
        if isinstance(value, dict):
            waiting += [
                (f"{where}.{visible(key)[:SHOWN]}".lstrip("."), depth + 1, child) for key, child in value.items()
            ]
        elif isinstance(value, list):
            waiting += [(f"{where}[{k}]", depth + 1, child) for k, child in enumerate(value)]


def _reason(error: Exception) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else "its name holds a null"
