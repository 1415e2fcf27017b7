"""Settings: typed, bounded, strict. Defaults < YAML file or recipe < command line, merged here and nowhere else."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from osteolens.documents.json_document import quoted
from osteolens.documents.text import visible
from osteolens.documents.yaml_document import MOST_BYTES, parse_yaml
from osteolens.errors import ConfigError
from osteolens.settings import default_of, expected_of, section_of, settings_of

LIST_COMMAND = "osteolens config show"


class StrictConfig(BaseModel):
    """Base of every settings class: frozen, numbers are finite, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    recipes: ClassVar[str | None] = None
    """Package whose folder `recipes` holds shipped settings of the class."""


C = TypeVar("C", bound=StrictConfig)


def load_config(kind: type[C], config: Path | str | None = None, overrides: Sequence[str] = ()) -> C:
    """Settings from defaults, then a YAML file or recipe, then `key=value` overrides.

    Values inside a section merge into the default that the field of the section has.

    Args:
        kind: class of the settings.
        config: path of a YAML file, or the name of a shipped recipe.
        overrides: `dotted.key=value`, the value in YAML.

    Raises:
        ConfigError: unreadable file, unknown key (with the closest known one) or a value out of bounds.
    """
    given = [] if config is None else list(_of_file(kind, config))
    given += [_of_override(item) for item in overrides]
    values: dict[str, object] = {}
    for item in given:
        _assign(kind, kind, values, item)
    try:
        return kind(**values)
    except ValidationError as error:
        raise ConfigError(_problem(kind, error, values)) from error


def recipes_of(kind: type[StrictConfig]) -> tuple[str, ...]:
    """Names of the shipped recipes of a class of settings."""
    return tuple(sorted(_recipes(kind)))


@dataclass(frozen=True, slots=True)
class _Given:
    """A value, the dotted key that it is for, and where it was given, for messages."""

    key: tuple[str, ...]
    value: object
    source: str


def _recipes(kind: type[StrictConfig]) -> dict[str, Traversable]:
    if kind.recipes is None:
        return {}
    folder = files(kind.recipes) / "recipes"
    recipes = (path for path in folder.iterdir() if path.name.endswith(".yaml"))
    return {path.name.removesuffix(".yaml").replace("_", "-"): path for path in recipes}


def _of_file(kind: type[StrictConfig], config: Path | str) -> Iterator[_Given]:
    path: Traversable = Path(config)
    if not path.is_file():
        recipes = _recipes(kind)
        if str(config) not in recipes:
            raise ConfigError(_no_file(str(config), recipes))
        path = recipes[str(config)]
    name = visible(path.name)
    try:
        with path.open("rb") as stream:
            text = stream.read(MOST_BYTES + 1).decode("utf-8")
        document = parse_yaml(text)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{name}: cannot be read as settings ({error}); expected YAML lines `key: value`") from error
    if document is not None and not isinstance(document, dict):
        raise ConfigError(f"{name}: found {type(document).__name__}, expected YAML lines `key: value`")
    for key, value in (document or {}).items():
        yield _Given(tuple(str(key).split(".")), value, f"{name}: ")


def _no_file(name: str, recipes: Mapping[str, Traversable]) -> str:
    close = difflib.get_close_matches(name, recipes, n=1)
    shipped = f"shipped are {', '.join(recipes)}" if recipes else "no recipe is shipped for these settings"
    hint = f"did you mean {close[0]!r}?" if close else f"expected YAML lines `key: value`; {shipped}"
    return f"{visible(name)!r} is neither a file nor the name of a recipe; {hint}"


def _of_override(item: str) -> _Given:
    key, separator, text = item.partition("=")
    names = tuple(key.strip().split("."))
    if not separator or not all(names):
        raise ConfigError(f"--set {visible(item)[:100]!r}: expected key=value, such as detection.min_score=0.1")
    try:
        return _Given(names, parse_yaml(text), "")
    except ValueError as error:
        raise ConfigError(f"--set {visible(item)[:100]!r}: the value cannot be read ({error})") from error


def _assign(
    root: type[StrictConfig],
    kind: type[BaseModel],
    values: dict[str, object],
    given: _Given,
    above: tuple[str, ...] = (),
) -> None:
    """Put a value at its place, filling a section that it belongs to with the default of the section's field."""
    name, *inside = given.key
    field = kind.model_fields.get(name)
    section = None if field is None else section_of(field)
    if field is None or (inside and section is None):
        raise ConfigError(f"{given.source}{_unknown(root, '.'.join((*above, *given.key)))}")
    if section is None or (not inside and given.value is None):
        values[name] = given.value
        return
    if inside:
        parts = {tuple(inside): given.value}
    elif isinstance(given.value, dict):
        parts = {tuple(str(key).split(".")): value for key, value in given.value.items()}
    else:
        keys = ", ".join(".".join((*above, name, inner)) for inner in section.model_fields)
        section_key = ".".join((*above, name))
        raise ConfigError(
            f"{given.source}setting {section_key!r} is {quoted(given.value)}, expected its settings ({keys})"
        )
    section_values = _values_of(values.get(name, default_of(field)))
    values[name] = section_values
    for key, value in parts.items():
        _assign(root, section, section_values, _Given(key, value, given.source), (*above, name))


def _values_of(section: object) -> dict[str, object]:
    """Values of a section by name; none of one that is absent."""
    if isinstance(section, BaseModel):
        return {name: getattr(section, name) for name in type(section).model_fields}
    return section if isinstance(section, dict) else {}


def _unknown(root: type[StrictConfig], key: str) -> str:
    """Message for an unknown key, with the closest known one, which may lie in another section."""
    known = [setting.key for setting in settings_of(root)]
    last = {candidate.rpartition(".")[2]: candidate for candidate in reversed(known)}
    name = key.rpartition(".")[2]
    same = [last[name]] if name in last else []
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.75) if not same else []
    near = difflib.get_close_matches(name, last, n=1)
    meant = [*same, *close, *(last[candidate] for candidate in near)]
    hint = f"did you mean {meant[0]!r}?" if meant else f"{LIST_COMMAND} lists all"
    return f"setting {visible(key)[:100]!r} is unknown; {hint}"


def _problem(kind: type[StrictConfig], error: ValidationError, values: dict[str, object]) -> str:
    """The first thing that is wrong, by its dotted key, with what was found and expected."""
    first = error.errors(include_url=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    keys: list[str] = []
    value: object = values
    section: type[BaseModel] | None = kind
    expected = ""
    for part in first["loc"]:
        field = None if section is None else section.model_fields.get(str(part))
        if field is None:
            break
        keys.append(str(part))
        value, expected, section = _values_of(value).get(str(part)), expected_of(field), section_of(field)
    if not keys:
        return message
    key = ".".join(keys)
    if first["type"] == "missing" and value is None:
        return f"setting {key!r} is missing, expected {expected}"
    said = message if first["type"] == "value_error" else f"expected {expected}"
    return f"setting {key!r} is {quoted(value)}, {said}"
