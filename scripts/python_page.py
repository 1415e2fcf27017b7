"""The page docs/reference/python.md, from `osteolens.__all__`, signatures and docstrings."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
from typing import Any

import osteolens

KINDS = {
    "Screen": ("Screener", "screen_folder", "load_predictions", "Prediction"),
    "Evaluate": ("evaluate", "compare_rois"),
    "Train and simulate": ("train_detector", "train_segmenter", "train_classifier", "simulate_cohort"),
    "Cohorts and images": ("index_cohort", "read_radiograph", "Study", "Radiograph", "Covariates"),
    "Words": ("VertebraBox", "View", "VertebralLevel", "BmdClass"),
}
"""Order of the page; a public name that stands in none is an error."""

LONG = 40
"""Characters of a default value above which a signature shows `...`."""

HEAD = """The public names of `import osteolens as ol`. They are loaded when they are used, so the import takes less
than 0.1 s and loads no numpy. Examples: [use from Python](../how-to/use-from-python.md). Other modules can be
imported by their folder names (`from cohort.io.folder import ...`), but their names may change between versions."""

SHOWN_METHODS = {"Screener": ("screen",), "Prediction": ("status", "suspected_fractures", "as_json", "from_json")}
"""Methods and properties of classes whose others serve the program itself; every public one of the other classes."""


def python_page(notice: str) -> str:
    """docs/reference/python.md.

    Raises:
        ValueError: a public name that stands in no part of the page.
    """
    told = {name for names in KINDS.values() for name in names}
    if missing := set(osteolens.PUBLIC) ^ told:
        raise ValueError(f"scripts/python_page.py: KINDS and osteolens.PUBLIC differ by {', '.join(sorted(missing))}")
    lines = ["# Python", "", notice, "", HEAD, "", "| name | what |", "|---|---|"]
    for names in KINDS.values():
        for name in names:
            lines.append(f"| [`{name}`](#{name.lower()}) | {_first(getattr(osteolens, name))} |")
    lines.append("| [`errors`](#errors), `__version__` | what is raised, and the version |")
    for names in KINDS.values():
        for name in names:
            lines += ["", *_entry(name, getattr(osteolens, name))]
    lines += ["", "## errors", "", *_text(inspect.getdoc(osteolens.errors) or ""), ""]
    for name, error in vars(osteolens.errors).items():
        if inspect.isclass(error) and issubclass(error, Exception):
            lines.append(f"- `ol.errors.{name}` ({error.__mro__[1].__name__}): {_first(error)}")
    return "\n".join(lines).rstrip() + "\n"


def _first(thing: Any) -> str:
    """First sentence of a docstring."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split()).replace("|", r"\|")


def _entry(name: str, thing: Any) -> list[str]:
    lines = [f"## {name}", ""]
    if isinstance(thing, type) and issubclass(thing, enum.Enum):
        values = ", ".join(f'`"{member.value}"`' for member in thing)
        return [*lines, *_text(inspect.getdoc(thing) or ""), "", f"Values, which are text too: {values}."]
    lines += ["```text", _signature(name, thing), "```", "", *_text(inspect.getdoc(thing) or "")]
    if inspect.isclass(thing):
        for own, member in vars(thing).items():
            chosen = own in SHOWN_METHODS.get(name, (own,)) and not own.startswith("_")
            if chosen and (isinstance(member, property | classmethod) or inspect.isfunction(member)):
                lines += ["", f"### {name}.{own}", ""]
                if not isinstance(member, property):
                    lines += ["```text", _signature(own, getattr(thing, own)), "```", ""]
                lines += _text(inspect.getdoc(member) or "")
    return lines


def _signature(name: str, thing: Any) -> str:
    """Name with parameters one a line, long defaults cut."""
    signature = inspect.signature(thing)
    parameters = [parameter for parameter in signature.parameters.values() if parameter.name != "self"]
    keyword_only = (
        inspect.isclass(thing) and dataclasses.is_dataclass(thing) and parameters[0].kind.name == "KEYWORD_ONLY"
    )
    shown = ["*", *map(_parameter, parameters)] if keyword_only else list(map(_parameter, parameters))
    given = signature.return_annotation
    ends = "" if inspect.isclass(thing) or given is signature.empty else f" -> {given}"
    one_line = f"{name}({', '.join(shown)}){ends}"
    if len(one_line) <= 100:
        return one_line
    return "\n".join([f"{name}(", *(f"    {one}," for one in shown), f"){ends}"])


def _parameter(parameter: inspect.Parameter) -> str:
    annotation = "" if parameter.annotation is parameter.empty else f": {parameter.annotation}"
    if parameter.default is parameter.empty:
        return f"{parameter.name}{annotation}"
    default = repr(parameter.default)
    is_short = len(default) <= LONG and not default.startswith("<")
    return f"{parameter.name}{annotation} = {default if is_short else '...'}"


def _text(docstring: str) -> list[str]:
    """A docstring in Google's style as Markdown: paragraphs, and a list for each of its sections."""
    lines: list[str] = []
    section = False
    for line in docstring.splitlines():
        if re.fullmatch(r"(Args|Raises|Attributes|Source|Returns|Yields):", line):
            lines += [f"**{line[:-1]}**", ""]
            section = True
        elif section and (found := re.fullmatch(r"    (\w[\w ,*.]*): (.*)", line)):
            lines.append(f"- `{found[1]}`: {found[2]}")
        elif section and line.startswith("     "):
            lines.append(f"  {line.strip()}")
        else:
            section = section and (not line or line.startswith(" "))
            lines.append(line.strip())
    return lines
