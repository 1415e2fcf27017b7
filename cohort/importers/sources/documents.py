"""Text, JSON, YAML and XML of other tools, read with limits; and images found by the name of their labels."""

from __future__ import annotations

import codecs
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import yaml
from defusedxml import DefusedXmlException
from defusedxml import ElementTree as SafeElementTree
from defusedxml.common import DTDForbidden, EntitiesForbidden, ExternalReferenceForbidden
from pydantic import ValidationError

from cohort.exporters.manifest import NAME as MANIFEST
from cohort.io.dicom.read import DICOM_SUFFIXES
from cohort.io.radiograph import PLAIN_SUFFIXES
from osteolens.documents.json_document import quoted
from osteolens.documents.text import visible
from osteolens.errors import ReadError

MAX_BYTES = 512 * 2**20
"""Largest label file that is read; LabelMe may hold the picture itself."""

MAX_INTEGER_DIGITS = 300
"""Digits of an integer beyond which it counts as infinite, since no float holds it."""

IMAGE_SUFFIXES = (*PLAIN_SUFFIXES, *DICOM_SUFFIXES)
"""Endings of names that are taken for images, compared without regard to case."""

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def read_bytes(path: Path) -> bytes:
    """All bytes of a regular file.

    Raises:
        ReadError: no regular file, unreadable, or larger than MAX_BYTES.
    """
    name = visible(path.name)
    try:
        if not path.is_file():
            raise ReadError(f"{name}: no such file; expected labels")
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ReadError(f"{name}: cannot be opened ({error.strerror}); expected labels") from error
    if len(raw) > MAX_BYTES:
        raise ReadError(f"{name}: more than {MAX_BYTES // 2**20} MiB; expected labels alone")
    return raw


def read_text(path: Path) -> str:
    """Text in UTF-8, or in UTF-16 with its mark.

    Raises:
        ReadError: no file, too large, another encoding, or zero bytes inside.
    """
    raw, name = read_bytes(path), visible(path.name)
    encoding = next((candidate for mark, candidate in _MARKS if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise ReadError(f"{name}: byte {error.start} is no {encoding}; save the labels as UTF-8 text") from error
    if "\0" in text:
        raise ReadError(
            f"{name}: character {text.index(chr(0))} is a zero byte; this is no text, or the file is damaged"
        )
    return text


def load_json(path: Path, what: str) -> dict[str, Any]:
    """The object of a JSON file, as `load_any_json` reads it.

    Raises:
        ReadError: as `load_any_json`, or no object at its top.
    """
    document = load_any_json(path, what)
    if not isinstance(document, dict):
        raise ReadError(f"{visible(path.name)}: found {quoted(document)} at its top, expected {what}")
    return document


def load_any_json(path: Path, what: str) -> object:
    """What a JSON file holds; numbers that no float holds come as infinity.

    Args:
        path: the file.
        what: the document that is expected, for messages.

    Raises:
        ReadError: no file, no text, no JSON, or nested too deeply.
    """
    text, name = read_text(path), visible(path.name)
    try:
        document: object = json.loads(text, parse_int=_integer)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise ReadError(f"{name} {where}: no complete JSON ({error.msg}); expected {what}; export it again") from error
    except RecursionError as error:
        raise ReadError(f"{name}: it is nested too deeply; expected {what}") from error
    return document


def load_yaml(path: Path, what: str) -> dict[str, Any]:
    """The mapping of a YAML file.

    Raises:
        ReadError: no file, no text, no YAML, nested too deeply, or no mapping at its top.
    """
    text, name = read_text(path), visible(path.name)
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark is not None else ""
        raise ReadError(f"{name}{where}: no YAML ({getattr(error, 'problem', error)}); expected {what}") from error
    except (RecursionError, ValueError, OverflowError) as error:
        raise ReadError(f"{name}: no YAML of {what} ({type(error).__name__})") from error
    if not isinstance(document, dict):
        raise ReadError(f"{name}: found {type(document).__name__} at its top, expected {what}")
    return document


def load_xml(path: Path, what: str) -> Element:
    """The root of an XML file without DTD and entities, which may expand without end.

    Raises:
        ReadError: no file, no XML, or a DTD.
    """
    name = visible(path.name)
    try:
        root: Element = SafeElementTree.fromstring(read_bytes(path), forbid_dtd=True)
    except (DTDForbidden, EntitiesForbidden, ExternalReferenceForbidden) as error:
        raise ReadError(f"{name}: holds a DTD or entities; {what} has none; export the annotations again") from error
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError) as error:
        raise ReadError(f"{name}: cannot be read as XML ({visible(error)}); expected {what}") from error
    return root


def _integer(text: str) -> int | float:
    return int(text) if len(text) <= MAX_INTEGER_DIGITS else float(text)


def first_error(error: ValidationError, where: str) -> str:
    """What is wrong with an entry, by its path from the top of the document."""
    first = error.errors(include_url=False)[0]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
    value = "" if first["type"] == "missing" else f", found {quoted(first['input'])}"
    return f"{where}{path}: {first['msg'].lower()}{value}"


def without_suffix(name: str) -> str:
    """A file name without its last suffix where that is of an image; dots before it are part of the name."""
    suffix = Path(name).suffix
    return name[: -len(suffix)] if suffix.lower() in IMAGE_SUFFIXES else name


def images_under(root: Path) -> Iterator[Path]:
    """Every file below a folder whose name is an image's, in a stable order, without hidden ones."""
    for path in sorted(root.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if path.suffix.lower() in IMAGE_SUFFIXES and not hidden and path.is_file():
            yield path


def image_named(stem: str, images: Iterable[Path]) -> Path | None:
    """The image of a label file: its name is the stem and one suffix, or the whole stem (`a.jpg.txt`).

    Raises:
        ReadError: several images fit.
    """
    near = [path for path in images if without_suffix(path.name).casefold() == stem.casefold()]
    exact = [path for path in near if without_suffix(path.name) == stem] or near
    matches = [path for path in images if path.name == stem] or exact
    if len(matches) > 1:
        raise ReadError(f"{', '.join(visible(path.name) for path in matches)} fit one label; keep one of them")
    return matches[0] if matches else None


def siblings(path: Path) -> list[Path]:
    """Files in the folder of a path that may not exist."""
    try:
        return sorted(file for file in path.parent.iterdir() if file.is_file())
    except (OSError, ValueError):
        return []


def is_file(path: Path) -> bool:
    """Whether a path from a document is a file; a name that no file can have is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def documents_of(source: Path, suffixes: Sequence[str]) -> list[Path]:
    """The file itself, or those of a folder, or else of the folders below it, that have one of some suffixes.

    Raises:
        ReadError: none fits.
    """
    if is_file(source):
        return [source]
    files: list[Path] = []
    for paths in (source.glob("*"), source.rglob("*")) if source.is_dir() else ():
        files = files or sorted(p for p in paths if p.suffix.lower() in suffixes and p.name != MANIFEST and p.is_file())
    if not files:
        raise ReadError(f"{source}: found no file {' or '.join(f'*{suffix}' for suffix in suffixes)}, expected one")
    return files


def copy_file(path: Path, target: Path) -> None:
    """Copy a file byte for byte.

    Raises:
        ReadError: the file cannot be opened.
        OSError: the target cannot be written.
    """
    try:
        stream = path.open("rb")
    except OSError as error:
        raise ReadError(f"cannot be opened ({error.strerror})") from error
    with stream, target.open("wb") as written:
        shutil.copyfileobj(stream, written, 2**20)
