"""Packages outside the base install are asked for by name, without loading them."""

from __future__ import annotations

import sys

import pytest

from osteolens.errors import MissingExtra
from osteolens.extras import require


def test_what_is_installed_is_not_loaded() -> None:
    before = set(sys.modules)
    require("anything", "json", "wave")
    assert "wave" in before or "wave" not in sys.modules


def test_the_first_missing_package_is_named_with_what_to_install() -> None:
    with pytest.raises(
        MissingExtra, match=r"train x needs the package no-such-package, .*pip install 'osteolens\[train\]'"
    ):
        require("train x", "json", "no_such_package", "no_other_package")


def test_a_submodule_of_a_missing_package_is_missing() -> None:
    with pytest.raises(MissingExtra, match="no-such-package"):
        require("train x", "no_such_package.inside")
