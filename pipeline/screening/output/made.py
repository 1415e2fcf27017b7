"""What became of one kind of object of a study."""

from __future__ import annotations

from typing import NamedTuple


class Made(NamedTuple):
    """Objects of one kind of a study.

    Attributes:
        written: whether they lie in the folder of results.
        reason: why they were not made, or an image is not referenced; empty where nothing is amiss.
    """

    written: bool
    reason: str = ""
