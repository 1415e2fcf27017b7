"""Write the pages and tables of the docs that are generated from the code and from results; a test holds that they are
up to date. Tables of results stand as CSV in docs/results/VERSION and in the page of that version.

Usage: python scripts/make_docs.py [--check]
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from typer.main import get_command

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.performance.page import page_of  # noqa: E402
from cli.config import SETTINGS, USED_BY, settings_class  # noqa: E402
from cli.main import app  # noqa: E402
from cohort.io.tables.words import AMBIGUOUS, FEMALE, MALE, NEITHER, UNKNOWN  # noqa: E402
from cohort.mapping.header_words import CONTEXT_WORDS, HEADER_LANGUAGES, HEADER_WORDS  # noqa: E402
from cohort.mapping.units import UNIT_WORDS  # noqa: E402
from cohort.rejection_codes import LevelCode, RejectionCode  # noqa: E402
from osteolens.config import recipes_of  # noqa: E402
from osteolens.settings import settings_of  # noqa: E402
from scripts.python_page import python_page  # noqa: E402
from scripts.zoo_page import zoo_page  # noqa: E402

SPECIAL_COLUMNS = {
    "z_score": "Z-score (not read)",
    "any_id": "an identifier of a patient or a study, settled by the radiographs",
    "any_date": "a day of a radiograph or a scan, settled by the rest of the table",
}
"""Words that name no column of OsteoLens."""

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


def _plain(text: str) -> str:
    """A cell whose brackets, stars and backslashes are themselves, not Markdown."""
    return _cell(re.sub(r"([\\\[\]*<>])", r"\\\1", text))


def settings_page() -> str:
    """docs/reference/settings.md: every setting of every group."""
    lines = ["# Settings", "", NOTICE, ""]
    lines += [
        "`--config FILE` reads settings from YAML, `--set key=value` sets one. Both may name a part of a section, the"
    ]
    lines += ["rest of which keeps its defaults. `osteolens config show NAME` prints the same.", ""]
    for name in SETTINGS:
        recipes = ", ".join(f"`--config {recipe}`" for recipe in recipes_of(settings_class(name)))
        lines += [f"## {name}", "", f"Taken by: {USED_BY[name]}.{f' Recipes: {recipes}.' if recipes else ''}", ""]
        lines += ["| key | default | expected | meaning |", "|---|---|---|---|"]
        for setting in settings_of(settings_class(name)):
            default = "" if setting.default in (None, "") else f"`{_cell(str(setting.default))}`"
            row = (f"`{setting.key}`", default, _plain(setting.expected), _cell(setting.description))
            lines.append(f"| {' | '.join(row)} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def codes_page() -> str:
    """docs/reference/rejection-codes.md: why an image, a study or a level does not count."""
    lines = ["# Rejection codes", "", NOTICE, ""]
    lines += [
        "## Images and studies",
        "",
        "`rejection.code` of a result, and the code before the reason of an image.",
        "",
    ]
    lines += [
        "| code | meaning |",
        "|---|---|",
        *(f"| `{code}` | {_cell(code.meaning)} |" for code in RejectionCode),
        "",
    ]
    lines += ["## Levels", "", "`levels.L1.code` and the like: why one of L1-L4 is left out of the class.", ""]
    lines += ["| code | meaning |", "|---|---|", *(f"| `{code}` | {_cell(code.meaning)} |" for code in LevelCode)]
    return "\n".join(lines) + "\n"


def words_page() -> str:
    """docs/reference/table-words.md: words of columns, units and cells, by language."""
    lines = ["# Words of tables", "", NOTICE, ""]
    lines += [
        "`osteolens cohort check` proposes what the columns of a table hold by these words; case, accents, blanks and",
        "punctuation do not count. Units and cells are below.",
        "",
        "## Columns",
        "",
    ]
    for column, texts in HEADER_WORDS.items():
        name = SPECIAL_COLUMNS.get(column, f"`{column}`")
        languages = zip(HEADER_LANGUAGES, texts, strict=False)
        words = "; ".join(f"{language}: {text.strip()}" for language, text in languages if text)
        lines.append(f"- {name}. {words}")
    lines += ["", "## Parts of the body and examinations", ""]
    lines += [f"- {kind}. {'; '.join(texts)}" for kind, texts in CONTEXT_WORDS.items()]
    lines += ["", "## Units", ""]
    for column, units in UNIT_WORDS.items():
        lines.append(f"- `{column}`. {'; '.join(f'**{unit}**: {words}' for unit, words in units.items())}")
    lines += ["", "## Cells", ""]
    for kind, cells in (("female", FEMALE), ("male", MALE), ("neither, taken as unknown", NEITHER)):
        lines.append(f"- {kind}: {', '.join(sorted(cells))}")
    lines.append(f"- unknown: {', '.join(f'`{word}`' for word in sorted(UNKNOWN - {''}))}, and an empty cell")
    lines.append(f"- ambiguous, and so an error: {', '.join(f'`{word}` ({why})' for word, why in AMBIGUOUS.items())}")
    return "\n".join(lines) + "\n"


def results_page(place: str) -> str:
    """A page of results with its tables as the CSV files beside it hold them."""
    page = ROOT / place

    def filled(found: re.Match[str]) -> str:
        with (page.with_suffix("") / f"{found[1]}.csv").open(encoding="utf-8", newline="") as stream:
            head, *rows = csv.reader(stream)
        lines = [head, ["---"] * len(head), *rows]
        table = "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)
        return f"<!-- table: {found[1]} -->\n{table}\n<!-- end of table -->"

    return TABLE.sub(filled, page.read_text("utf-8"))


def speed_page() -> str:
    """docs/results/speed.md: the last run of `python -m benchmarks.performance` that was kept."""
    return page_of(json.loads((ROOT / SPEED).with_suffix(".json").read_text("utf-8")))


SPEED = "docs/results/speed.md"

TABLE = re.compile(r"<!-- table: (\w+) -->\n(?:.*?\n)??<!-- end of table -->", re.S)

RESULTS = ("docs/results/2026.11.5.md", "docs/results/2026.11.6.md", "docs/results/2026.11.8.md")

PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/cli.md": cli_page,
    "docs/reference/settings.md": settings_page,
    "docs/reference/python.md": partial(python_page, NOTICE),
    "docs/reference/rejection-codes.md": codes_page,
    "docs/reference/table-words.md": words_page,
    "docs/results/model-zoo.md": partial(zoo_page, NOTICE),
    **{place: partial(results_page, place) for place in RESULTS},
    **({SPEED: speed_page} if (ROOT / SPEED).with_suffix(".json").is_file() else {}),
}
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
