"""Pages hold together: links and paths lead somewhere, a table stands once, results of weights stand apart."""

from __future__ import annotations

import ast
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests import ROOT

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^[ ]*```.*?^[ ]*```", re.M | re.S)
HEADING = re.compile(r"^#+ (.*)$", re.M)
REPOSITORY_PATH = re.compile(r"`((?:[\w.-]+/)+[\w-]+\.(?:py|sh|csv|json|yaml|md|jinja))`")
ROOMS = (
    *("osteolens", "cohort", "detect", "classify", "phantom", "pipeline", "cli"),
    *("tests", "docs", "scripts", "benchmarks", "weights", "examples"),
)
"""A path in backticks that begins with one of these is held to exist."""

METRIC = re.compile(
    r"\b(?:AUC|mAP50\S*|AP50-95\S*|IoU|Dice|kappa|Brier|sensitivity|specificity|PPV|NPV|recall)\b", re.I
)
MEASURED = re.compile(r"\|\s*\**[<>+-]?\s?\d+(?:\.\d+\s?%?|\s?%)[^|`]*(?=\|)")
"""A cell that begins with a number of some precision or a percentage."""

PRECISE = re.compile(r"\|\s*\**[+-]?(?:\d\.\d{3}|\d+(?:\.\d+)?\s?%)[^|`]*(?=\|)")
"""A cell that begins with three decimals or a percentage; some of these make a table of results, whatever its words."""

SOME = 3

RESULTS_MAY_STAND = ("docs/results/", "weights/README.md")
OF_THE_COHORT = ("docs/explanation/in-silico-cohort.md",)
"""Its audit describes simulated patients, whatever the weights."""

REPEATED = 3
"""Lines of a table from which two places hold the same table."""


def tracked_pages() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


PAGES = tracked_pages()


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    return FENCED.sub("", page.read_text("utf-8"))


def tables(text: str) -> Iterator[list[str]]:
    """Rows of every table, the line under its head left out."""
    rows: list[str] = []
    for line in [*text.splitlines(), ""]:
        if line.lstrip().startswith("|"):
            rows.append(re.sub(r"\s+", " ", line.strip()))
        elif rows:
            yield [row for row in rows if set(row) - set("|-: ")]
            rows = []


def anchors(page: Path) -> set[str]:
    """Names of a page's headings, as GitHub makes them."""
    titles = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title) for title in HEADING.findall(prose(page)))
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


def measured_tables(text: str) -> list[list[str]]:
    """Tables that name a metric and hold numbers that were measured, or that hold some precise ones."""
    found = []
    for rows in tables(text):
        names_a_metric = any(METRIC.search(row) for row in rows)
        precise = sum(len(PRECISE.findall(row)) for row in rows[1:])
        if precise >= SOME or (names_a_metric and any(MEASURED.search(row) for row in rows[1:])):
            found.append(rows)
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        place = (page.parent / path).resolve() if path else page
        if not place.exists() or (anchor and place.suffix == ".md" and anchor not in anchors(place)):
            broken.append(target)
    assert not broken, f"{name_of(page)}: nothing is at {', '.join(broken)}"


OF_THEIR_TIME = ("CHANGELOG.md", "docs/decisions/", "docs/results/")
"""Pages that may name what was."""


@pytest.mark.parametrize("page", [page for page in PAGES if not name_of(page).startswith(OF_THEIR_TIME)], ids=name_of)
def test_paths_of_the_repository_exist(page: Path) -> None:
    named = [path for path in REPOSITORY_PATH.findall(prose(page)) if path.split("/")[0] in ROOMS]
    gone = [path for path in named if not (ROOT / path).exists()]
    assert not gone, f"{name_of(page)} names {', '.join(gone)}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_results_of_weights_stand_with_the_results(page: Path) -> None:
    if name_of(page).startswith(RESULTS_MAY_STAND) or name_of(page) in OF_THE_COHORT:
        return
    found = measured_tables(prose(page))
    assert not found, f"{name_of(page)}: a table of results belongs into docs/results: {found[0][0]}"


FILLED = re.compile(r"<!-- table: \w+ -->.*?<!-- end of table -->", re.S)
"""Tables of one version's results, which another version may share where a part of it or its patients are the same."""


def test_a_table_stands_once() -> None:
    places: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for page in PAGES:
        for rows in tables(FILLED.sub("", prose(page))):
            for k in range(len(rows) - REPEATED + 1):
                places[tuple(rows[k : k + REPEATED])].add(name_of(page))
    twice = {rows[0]: sorted(pages) for rows, pages in places.items() if len(pages) > 1}
    assert not twice, "\n".join(f"{' and '.join(pages)}: {row}" for row, pages in twice.items())


def test_every_image_of_the_docs_is_shown() -> None:
    shown = {(page.parent / target).resolve() for page in PAGES for target in LINK.findall(page.read_text("utf-8"))}
    unused = [path.name for path in sorted((ROOT / "docs" / "images").iterdir()) if path.resolve() not in shown]
    assert not unused, f"no page shows {', '.join(unused)}"


def test_a_table_of_metrics_is_told_from_a_table_of_words() -> None:
    assert measured_tables("| AUC | normal |\n|---|---|\n| both | 0.918 |\n")
    assert measured_tables("| finding | recall |\n|---|---|\n| implant | **96 %** |\n")
    assert measured_tables("| cut | noticed |\n|---|---|\n| L1 | 96.6 % |\n| L4 | 95.3 % |\n| all | 97.8 % |\n")
    assert not measured_tables("| option | default | meaning |\n|---|---|---|\n| `--margin` | `0.02` | of the AUC |\n")
    assert not measured_tables("| file | content |\n|---|---|\n| `a.json` | AUC of each class |\n")
    assert not measured_tables("| weight | 0.5 |\n|---|---|\n| height | 1.5 |\n")


def test_a_link_in_a_block_of_code_is_none(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A title, told\n```python\nprices[0](1)\n```\n[here](#a-title-told)\n", "utf-8")
    assert LINK.findall(prose(page)) == ["#a-title-told"]
    assert anchors(page) == {"a-title-told"}


def messages_of_the_program() -> list[str]:
    """Texts of the product's code; what is filled in stands as three dots."""
    texts = []
    for path in (file for room in ROOMS[:7] for file in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                texts.append("".join(str(p.value) if isinstance(p, ast.Constant) else "..." for p in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return texts


def test_messages_of_the_faq_are_those_of_the_program() -> None:
    page = (ROOT / "docs" / "get-started" / "faq.md").read_text("utf-8")
    quoted = [found for found in re.findall(r"^### `(.+?)`", page, re.M) if len(found) > len("...") * 3]
    assert len(quoted) >= 15
    texts = messages_of_the_program()
    for message in quoted:
        parts = [re.escape(part.strip()) for part in message.split("...") if part.strip()]
        pattern = re.compile(".*".join(parts), re.S)
        assert any(pattern.search(text) for text in texts), f"no error of the program reads {message!r}"
