"""Results keep their type: few untyped dictionaries, dataclasses of many fields by keyword."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.house.test_architecture import FILES, name_of

MOST_UNTYPED_DICTIONARIES, MOST_ANY = 49, 79
"""A third of what there was (149 and 239) before results were types."""

MOST_POSITIONAL_FIELDS, MOST_PARAMETERS = 4, 9


def code_of(path: Path) -> str:
    """A file without its imports."""
    return re.sub(r"^from typing import .*$", "", path.read_text("utf-8"), flags=re.M)


def test_untyped_values_stay_at_the_edge() -> None:
    dictionaries = {name_of(p): len(re.findall(r"dict\[str, Any\]", code_of(p))) for p in FILES}
    anything = {name_of(p): len(re.findall(r"\bAny\b", code_of(p))) for p in FILES}
    assert sum(dictionaries.values()) <= MOST_UNTYPED_DICTIONARIES, _most(dictionaries)
    assert sum(anything.values()) <= MOST_ANY, _most(anything)


def _most(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in sorted(counts.items(), key=lambda item: -item[1])[:25])


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_dataclasses_of_many_fields_are_keyword_only(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.ClassDef):
            continue
        decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
        if any(text.startswith("dataclass") for text in decorators):
            fields = [item for item in node.body if isinstance(item, ast.AnnAssign)]
            assert len(fields) <= MOST_POSITIONAL_FIELDS or "kw_only=True" in "".join(decorators), node.name
