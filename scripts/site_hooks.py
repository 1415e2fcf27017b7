"""Hooks of mkdocs.yml: the navigation by rooms, and pages of the repository that lie outside docs/.

Pages stay as they read in the repository; here their links are turned to where the site has them.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig  # type: ignore[import-not-found]
    from mkdocs.structure.files import Files  # type: ignore[import-not-found]
    from mkdocs.structure.pages import Page  # type: ignore[import-not-found]

ROOT = Path(__file__).resolve().parent.parent

ROOMS = {
    "Get started": "get-started",
    "How-to": "how-to",
    "Reference": "reference",
    "Explanation": "explanation",
    "Results": "results",
    "Decisions": "decisions",
}
"""Tabs of the site and their folders of docs/."""

FIRST = {
    "get-started": ("quickstart", "tutorial", "faq", "cite"),
    "how-to": (
        "screen-a-folder",
        "review",
        "tables",
        "import-annotations",
        "train-on-your-data",
        "evaluate-against-dxa",
    ),
    "results": ("model-zoo",),
    "decisions": ("README",),
}
"""Pages that stand first in their room, in this order; the others follow by name."""

OUTSIDE = {
    "weights/README.md": "results/model-card.md",
    "examples/README.md": "get-started/examples.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
}
"""Pages of the repository that the site shows too, and where."""

LINK = re.compile(r"(!?\[(?:[^\]\[]|\[[^\]]*\])*\])\(([^)\s]+)\)")
MARKED = re.compile(r"^```(\w+) [\w-]+$", re.M)
"""The head of a block with a mark for the tests, which Markdown of the site does not know."""

CODE = re.compile(r"(^[ ]*```.*?^[ ]*```|`[^`\n]+`(?!\]))", re.M | re.S)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Navigation: a tab a room, pages as the folders hold them."""
    nav: list[dict[str, Any]] = [{"Home": ["index.md", "intended-use.md"]}]
    nav += [{title: pages_of(room)} for title, room in ROOMS.items()]
    nav.append({"Project": pages_of("project")})
    config["nav"] = nav
    return config


def pages_of(room: str) -> list[str]:
    """Pages of a room in their order."""
    names = sorted(path.stem for path in (ROOT / "docs" / room).glob("*.md"))
    names += [Path(place).stem for place in OUTSIDE.values() if place.startswith(f"{room}/")]
    first = [name for name in FIRST.get(room, ()) if name in names]
    return [f"{room}/{name}.md" for name in (*first, *(name for name in names if name not in first))]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Pages from outside docs/ join the site."""
    from mkdocs.structure.files import File

    for source, place in OUTSIDE.items():
        files.append(File.generated(config, place, content=(ROOT / source).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Links of a page, turned to the site."""
    place = page.file.src_uri
    markdown = MARKED.sub(r"```\1", markdown)
    source = next((source for source, shown in OUTSIDE.items() if shown == place), f"docs/{place}")
    return "".join(
        part if k % 2 else LINK.sub(lambda found: turned(found, source, place), part)
        for k, part in enumerate(CODE.split(markdown))
    )


def turned(found: re.Match[str], source: str, place: str) -> str:
    """One link of a page that lies at `source` in the repository and at `place` on the site.

    A link to a file that the site does not hold becomes its text, a path of the repository.
    """
    text, target = found[1], found[2]
    if target.startswith("#") or re.match(r"[a-z]+:", target):
        return found[0]
    path, mark, anchor = target.partition("#")
    wanted = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    if wanted in OUTSIDE:
        shown = OUTSIDE[wanted]
    elif wanted.startswith("docs/"):
        shown = wanted.removeprefix("docs/")
    elif (ROOT / wanted).exists():
        return text.lstrip("!").strip("[]")
    else:
        return found[0]
    return f"{text}({posixpath.relpath(shown, posixpath.dirname(place) or '.')}{mark}{anchor})"
