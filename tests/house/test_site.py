"""The site of docs/: links of pages that lie elsewhere, the order of its rooms, nothing from a network."""

from __future__ import annotations

import importlib.util
import re
from types import SimpleNamespace

from tests import ROOT

spec = importlib.util.spec_from_file_location("site_hooks", ROOT / "scripts" / "site_hooks.py")
assert spec is not None and spec.loader is not None
hooks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hooks)


def shown(place: str, markdown: str) -> str:
    return str(hooks.on_page_markdown(markdown, SimpleNamespace(file=SimpleNamespace(src_uri=place))))


def test_a_page_outside_the_docs_is_linked_where_the_site_has_it() -> None:
    assert shown("index.md", "[card](../weights/README.md#limits)") == "[card](results/model-card.md#limits)"
    assert shown("results/model-card.md", "[AUC](../docs/results/2026.11.5.md)") == "[AUC](2026.11.5.md)"


def test_links_inside_the_docs_to_the_network_and_to_headings_stay() -> None:
    for link in (
        "[a](../reference/cli.md#x)",
        "[b](https://example.org/a.md)",
        "[c](#here)",
        "![d](../images/overlay.png)",
    ):
        assert shown("how-to/review.md", link) == link


def test_a_file_that_the_site_lacks_is_named_without_a_link_and_a_wrong_link_is_left_to_fail() -> None:
    assert shown("project/contributing.md", "see [LICENSE](LICENSE)") == "see LICENSE"
    assert shown("index.md", "[gone](../nothing.md)") == "[gone](../nothing.md)"


def test_links_in_code_are_none() -> None:
    block = "```python\nprices[0](../weights/README.md)\n```\n`x[0](../weights/README.md)`"
    assert shown("index.md", block) == block


def test_a_mark_for_the_tests_is_not_shown() -> None:
    assert shown("how-to/review.md", "```python no-run\nx\n```") == "```python\nx\n```"


def test_every_page_of_a_room_stands_in_the_navigation_the_first_ones_first() -> None:
    pages = hooks.pages_of("how-to")
    assert pages[:2] == ["how-to/screen-a-folder.md", "how-to/review.md"]
    assert len(pages) == len(set(pages)) == len(list((ROOT / "docs" / "how-to").glob("*.md")))
    assert "results/model-card.md" in hooks.pages_of("results")
    rooms = {path.parent.name for path in (ROOT / "docs").glob("*/*.md")}
    assert rooms == set(hooks.ROOMS.values())


def test_the_site_asks_the_network_for_nothing() -> None:
    config = (ROOT / "mkdocs.yml").read_text("utf-8")
    assert "font: false" in config and "polyfills: [javascripts/iframe-worker.js]" in config
    for path in (ROOT / "mkdocs.yml", *(ROOT / "docs" / "stylesheets").iterdir()):
        addresses = re.findall(r"https?://(?!www\.w3\.org/2000/svg)\S+", path.read_text("utf-8"))
        assert not addresses, f"{path.name} names {addresses}"
