"""Reading of YAML settings with limits: plain values, each key once, no anchors."""

from __future__ import annotations

from collections.abc import Hashable

import yaml

from osteolens.documents.text import visible

MOST_BYTES = 2**20
"""Largest text; settings have a few hundred bytes."""

MOST_DEPTH = 16
"""Mappings and lists within each other; settings have four."""


class _PlainLoader(yaml.SafeLoader):
    """A loader for which a key that stands twice in one mapping is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for number, key in enumerate(keys):
            if key in keys[:number]:
                raise ValueError(f"line {node.start_mark.line + 1}: {visible(repr(key))[:60]} stands twice")
        return super().construct_mapping(node, deep)


def parse_yaml(text: str) -> object:
    """The plain value of a text; None of an empty one.

    Raises:
        ValueError: too large, no YAML, nested too deeply, an anchor, a tag, or a key that stands twice; with the line.
    """
    if len(text) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES // 2**20} MiB")
    try:
        _check_events(text)
        value: object = yaml.load(text, Loader=_PlainLoader)
        return value
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark is not None else ""
        problem = getattr(error, "problem", None) or error
        raise ValueError(f"{where}{visible(str(problem))[:200]}") from error
    except (RecursionError, OverflowError, TypeError) as error:
        raise ValueError(f"it holds no plain values ({type(error).__name__})") from error


def _check_events(text: str) -> None:
    """Check depth, anchors and tags on the events alone, whose memory does not grow with what anchors repeat.

    Raises:
        ValueError: with the line.
    """
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent))
        depth -= isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent))
        where = f"line {event.start_mark.line + 1}" if event.start_mark is not None else "the text"
        if depth > MOST_DEPTH:
            raise ValueError(f"{where}: it is nested too deeply")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise ValueError(f"{where}: it holds an anchor; write the value out")
        if getattr(event, "tag", None) is not None:
            raise ValueError(f"{where}: it holds a tag; write a plain value")
