"""Every setting of a class by its dotted key, with its default, what it may be, and what it does."""

from __future__ import annotations

import types
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

PLAIN: dict[type, str] = {int: "integer", float: "number", bool: "true or false", str: "text", Path: "path"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting.

    Attributes:
        key: dotted, from the top of the settings.
        default: when nothing is given; None of every setting of a section that is absent by default.
        expected: type, bounds or choices, in words.
        description: one line.
    """

    key: str
    default: object
    expected: str
    description: str


def settings_of(kind: type[BaseModel]) -> tuple[Setting, ...]:
    """All settings of a class, those of its sections included, in the order of the class."""
    return tuple(_settings(kind, {name: default_of(field) for name, field in kind.model_fields.items()}, ""))


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The class of settings that a field holds; None where it holds a value."""
    for candidate in (field.annotation, *get_args(field.annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def default_of(field: FieldInfo) -> object:
    """The default of a field; None where it has none."""
    return None if field.is_required() else field.get_default(call_default_factory=True)


def expected_of(field: FieldInfo) -> str:
    """What a field takes, in words: "an integer, 64 to 1024, multiple of 32"."""
    words = [_with_article(_words(field.annotation)), *_bounds(field.metadata)]
    return ", ".join(words)


def _settings(kind: type[BaseModel], values: dict[str, object], above: str) -> list[Setting]:
    settings: list[Setting] = []
    for name, field in kind.model_fields.items():
        section, value = section_of(field), values.get(name)
        if section is None:
            shown = value.value if isinstance(value, Enum) else str(value) if isinstance(value, Path) else value
            settings.append(
                Setting(
                    key=f"{above}{name}",
                    default=shown,
                    expected=expected_of(field),
                    description=field.description or "",
                )
            )
        else:
            inside = {inner: getattr(value, inner) for inner in section.model_fields} if value is not None else {}
            settings += _settings(section, inside, f"{above}{name}.")
    return settings


def _words(annotation: object) -> str:
    if isinstance(annotation, type) and annotation in PLAIN:
        return PLAIN[annotation]
    if get_origin(annotation) is not None:
        return _words_of_generic(get_origin(annotation), get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return f"one of {', '.join(str(member.value) for member in annotation)}"
    return getattr(annotation, "__name__", str(annotation))


def _words_of_generic(origin: object, inside: tuple[object, ...]) -> str:
    if origin is Annotated:
        return _words(inside[0])
    if origin is Literal:
        return f"one of {', '.join(str(choice) for choice in inside)}"
    if origin in (Union, types.UnionType):
        return " or ".join("null" if part is type(None) else _words(part) for part in inside)
    if origin is tuple and Ellipsis not in inside:
        return f"[{', '.join(_words(part) for part in inside)}]"
    return f"list of {_words(inside[0])}"


def _with_article(words: str) -> str:
    if words.startswith(("integer", "number", "list")):
        return f"{'an' if words.startswith('integer') else 'a'} {words}"
    return words


def _bounds(metadata: Sequence[object]) -> list[str]:
    """Bounds of a value, or of the number of its items."""
    known = {
        name: value
        for entry in metadata
        for name in ("ge", "gt", "le", "lt", "multiple_of", "pattern", "min_length", "max_length")
        if (value := getattr(entry, name, None)) is not None
    }
    if "ge" in known and "le" in known:
        bounds = [f"{known['ge']} to {known['le']}"]
    else:
        words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
        bounds = [f"{word} {known[name]}" for name, word in words.items() if name in known]
    if "multiple_of" in known:
        bounds.append(f"multiple of {known['multiple_of']}")
    if "pattern" in known:
        bounds.append(f"like {known['pattern']}")
    if "min_length" in known:
        bounds.append(f"at least {known['min_length']} item{'s' if known['min_length'] > 1 else ''}")
    if "max_length" in known:
        bounds.append(f"at most {known['max_length']} items")
    return bounds
