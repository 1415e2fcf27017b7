"""Derived identifiers are valid, stable, and differ with each part."""

from __future__ import annotations

import re
import uuid

import pytest

from pipeline.dicom_objects.uids import derived_uid


@pytest.mark.parametrize("root", ["2.25", "1.2.3", "1.2.826.0.1.3680043.10.1234567"])
def test_they_are_valid_and_follow_from_their_parts(root: str) -> None:
    first = derived_uid(root, "a", "b")
    assert re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))*", first) and len(first) <= 64
    assert first.startswith(f"{root}.") and first == derived_uid(root, "a", "b")
    assert first not in {derived_uid(root, "ab"), derived_uid(root, "b", "a"), derived_uid(root, "a", "b", "")}


def test_the_default_root_holds_a_uuid() -> None:
    assert uuid.UUID(int=int(derived_uid("2.25", "x").removeprefix("2.25."))).version == 5
