"""Generated pages say what the code says."""

from __future__ import annotations

import importlib.util

import pytest

from tests import ROOT

spec = importlib.util.spec_from_file_location("make_docs", ROOT / "scripts" / "make_docs.py")
assert spec is not None and spec.loader is not None
make_docs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make_docs)


@pytest.mark.parametrize("place", make_docs.PAGES)
def test_generated_pages_are_up_to_date(place: str) -> None:
    assert make_docs.is_current(place), f"{place} differs from the code; run python scripts/make_docs.py"
