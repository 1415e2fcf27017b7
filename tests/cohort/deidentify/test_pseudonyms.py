"""Pseudonyms: the same for a key, others for another."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pydicom.uid import UID

from cohort.deidentify.pseudonyms import Pseudonyms, read_key
from osteolens.errors import ConfigError, ReadError

DAY = date(2020, 3, 10)


def test_a_key_decides_all() -> None:
    one, same, other = Pseudonyms(b"a" * 32), Pseudonyms(b"a" * 32), Pseudonyms(b"b" * 32)
    assert one.patient("x") == same.patient("x") != other.patient("x")
    assert one.uid("1.2.3") == same.uid("1.2.3") != other.uid("1.2.3")
    assert one.shifted(DAY, "x") == same.shifted(DAY, "x") != other.shifted(DAY, "x")
    assert Pseudonyms().patient("x") != Pseudonyms().patient("x")


def test_uids_are_valid() -> None:
    for k in range(200):
        uid = Pseudonyms(b"a" * 32).uid(f"1.2.{k}")
        assert UID(uid).is_valid
        assert len(uid) <= 64


def test_the_key_is_not_shown() -> None:
    assert "aaaa" not in repr(Pseudonyms(b"a" * 32))


def test_keys_are_read_within_bounds(tmp_path: Path) -> None:
    key = tmp_path / "key"
    with pytest.raises(ReadError, match="cannot be read"):
        read_key(key)
    key.write_bytes(b"short")
    with pytest.raises(ConfigError, match="16 to 4096") as caught:
        read_key(key)
    assert "short" not in str(caught.value)
    key.write_bytes(b"0123456789abcdef")
    assert read_key(key) == b"0123456789abcdef"
