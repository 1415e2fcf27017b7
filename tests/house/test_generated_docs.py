"""Generated pages say what the code says."""

from __future__ import annotations

import csv
import importlib.util
import json
import re

import pytest

from tests import ROOT

spec = importlib.util.spec_from_file_location("make_docs", ROOT / "scripts" / "make_docs.py")
assert spec is not None and spec.loader is not None
VERSION: str = json.loads((ROOT / "weights" / "manifest.json").read_text("utf-8"))["version"]

make_docs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make_docs)


@pytest.mark.parametrize("place", make_docs.PAGES)
def test_generated_pages_are_up_to_date(place: str) -> None:
    assert make_docs.is_current(place), f"{place} differs from the code; run python scripts/make_docs.py"


def cells(table: str) -> list[list[str]]:
    path = ROOT / "docs" / "results" / VERSION / f"{table}.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def test_the_readme_quotes_the_results_of_the_shipped_weights() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert f"docs/results/{VERSION}.md" in readme
    auc = next(row[3] for row in cells("fresh_osteoporosis") if row[0] == "all")
    overlaps = [row[4] for row in cells("fresh_detection") if row[1] == "L1-L4"]
    right = next(row[3] for row in cells("fresh_detection_by_site") if row[0] == "all")
    value, interval = auc.rstrip(")").split(" (")
    assert f"{value} (95 % {interval})" in readme
    assert f"{overlaps[0]} (AP), {overlaps[1]} (lateral)" in readme
    assert f"{right} %" in readme


def test_a_page_of_results_shows_every_table_beside_it() -> None:
    folder = ROOT / "docs" / "results" / VERSION
    shown = re.findall(r"<!-- table: (\w+) -->", page_text())
    assert sorted(shown) == sorted(path.stem for path in folder.glob("*.csv"))


def page_text() -> str:
    return (ROOT / "docs" / "results" / f"{VERSION}.md").read_text("utf-8")
