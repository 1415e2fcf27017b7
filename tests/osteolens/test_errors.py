"""The tree of errors that the docstring draws is the tree of the classes."""

from __future__ import annotations

import inspect
import re

from osteolens import errors
from osteolens.errors import OsteoLensError


def test_every_error_stands_in_the_tree_once() -> None:
    classes = [name for name, _ in inspect.getmembers(errors, inspect.isclass)]
    drawn = re.findall(r"^(?:[│ ]*[├└]── )?(\w+)(?: {2,}|$)", errors.__doc__ or "", re.MULTILINE)
    assert sorted(drawn) == sorted(classes)


def test_every_error_can_be_caught_as_one() -> None:
    for _, kind in inspect.getmembers(errors, inspect.isclass):
        assert issubclass(kind, OsteoLensError)
