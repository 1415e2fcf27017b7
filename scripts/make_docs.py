"""Write the pages of docs/reference that are generated from the code; a test holds that they are up to date.

Usage: python scripts/make_docs.py [--check]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from cli.main import app  # noqa: E402

NOTICE = "<!-- written by scripts/make_docs.py from the code; do not edit -->"


def cli_page() -> str:
    """docs/reference/cli.md: every command with its arguments and options."""
    lines = ["# Command line", "", NOTICE, ""]
    lines += [
        "`osteolens COMMAND --help` prints the same. Exit codes: 0 done (rejections are results), 1 an error that the"
    ]
    lines += ["program can explain, 2 wrong usage, 3 done but some studies failed, 130 stopped by a signal.", ""]
    for name, command in _commands(get_command(app), "osteolens"):
        lines += [f"## `{name}`", "", *(_paragraphs(command.help)), ""]
        parameters = [p for p in command.params if p.name != "help" and not getattr(p, "hidden", False)]
        if parameters:
            lines += ["| argument or option | default | meaning |", "|---|---|---|"]
            lines += [_parameter(parameter) for parameter in parameters]
            lines += [""]
    return "\n".join(lines).rstrip() + "\n"


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "commands"):
        for own, sub in command.commands.items():
            yield from _commands(sub, f"{name} {own}")
    else:
        yield name, command


def _paragraphs(text: str | None) -> list[str]:
    return [" ".join(part.split()) + "\n" for part in (text or "").split("\n\n")]


def _parameter(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        name = str(parameter.name).upper()
        shown = f"`{name}`" if parameter.required else f"`[{name}]`"
        default = ""
    else:
        shown = ", ".join(f"`{one}`" for one in (*parameter.opts, *parameter.secondary_opts))
        default = _default(parameter)
    return f"| {shown} | {default} | {_cell(getattr(parameter, 'help', None) or '')} |"


def _default(parameter: Any) -> str:
    value = parameter.default
    if value is None or value is False or callable(value) or value == () or getattr(parameter, "count", False):
        return ""
    return "on" if value is True else f"`{value}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


PAGES = {"docs/reference/cli.md": cli_page}
"""What is generated, by its place."""


def main() -> None:
    """Write the pages, or say which differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where a page differs")
    check = parser.parse_args().check
    stale = [place for place, page in PAGES.items() if not is_current(place)]
    for place in () if check else stale:
        (ROOT / place).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / place).write_text(PAGES[place](), "utf-8")
    print("\n".join(f"{place} {'differs' if check else 'written'}" for place in stale) or "all pages are up to date")
    sys.exit(bool(check and stale))


def is_current(place: str) -> bool:
    """Whether a page says what the code says."""
    path = ROOT / place
    return path.is_file() and path.read_text("utf-8") == PAGES[place]()


if __name__ == "__main__":
    main()
