"""Settings: typed, bounded, strict. Defaults < YAML file < command line, merged here and nowhere else."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from osteolens.errors import ConfigError


class StrictConfig(BaseModel):
    """Base of every settings class: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


C = TypeVar("C", bound=StrictConfig)


def load_config(kind: type[C], path: Path | None = None, overrides: Sequence[str] = ()) -> C:
    """Settings from defaults, then a YAML file, then `key=value` overrides.

    Raises:
        ConfigError: unreadable file, unknown key (with the closest known one) or a value out of bounds.
    """
    values: dict[str, Any] = {}
    if path is not None:
        try:
            loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"{path}: cannot be read as YAML ({error}); expected `key: value` lines") from error
        if loaded is not None and not isinstance(loaded, dict):
            raise ConfigError(f"{path}: found {type(loaded).__name__}, expected `key: value` lines")
        values.update(loaded or {})
    for item in overrides:
        key, separator, text = item.partition("=")
        if not separator:
            raise ConfigError(f"--set {item!r}: expected key=value")
        values[key.strip()] = yaml.safe_load(text)
    for key in values:
        if key not in kind.model_fields:
            close = difflib.get_close_matches(str(key), kind.model_fields, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(kind.model_fields)}"
            raise ConfigError(f"setting {key!r} is unknown; {hint}")
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"setting {where!r} = {first['input']!r}: {first['msg']}") from error
