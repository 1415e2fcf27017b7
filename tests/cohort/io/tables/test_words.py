"""Words of tables and headers."""

from __future__ import annotations

import pytest

from cohort.io.tables.words import named_patient


@pytest.mark.parametrize("text", ["ANONYMOUS", "anonymized", "unknown", "", " Anon ", "n/a"])
def test_an_identifier_of_anybody_names_no_patient(text: str) -> None:
    assert named_patient(text) is None and named_patient(None) is None
    assert named_patient("ANON-0012") == "ANON-0012"
