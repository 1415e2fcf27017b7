"""One line on what a document lacks, from the errors of pydantic."""

from __future__ import annotations

from pydantic import ValidationError

from osteolens.documents.json_document import quoted
from osteolens.documents.text import visible


def first_problem(error: ValidationError) -> str:
    """One line on the first thing that a document lacks: the field by its path, what was found and expected."""
    first = error.errors(include_url=False)[0]
    field = ""
    for part in first["loc"]:
        field += f"[{part}]" if isinstance(part, int) else f".{visible(part)[:60]}"
    field = field.lstrip(".") or "the document"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        return f"{field} is missing"
    if first["type"] == "extra_forbidden":
        return f"{field} is unknown; expected no such key"
    if first["type"] == "value_error" and isinstance(first["input"], dict):
        return f"{field}: {message}"
    return f"{field} is {quoted(first['input'])}, {_expected(message)}"


def _expected(message: str) -> str:
    """A message of pydantic in the style of ours: `expected ...`."""
    if message.startswith("Input should"):
        return message.replace("Input should be ", "expected ", 1).replace("Input should ", "expected to ", 1)
    return f"{message[:1].lower()}{message[1:]}"
