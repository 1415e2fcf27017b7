"""What every engine gives: a loaded network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

Tensor = npt.NDArray[np.float32]

Shape = tuple[int | None, ...]
"""Sizes of an input or output; None where any size is taken."""


class Network(Protocol):
    """A loaded network; one instance serves any number of studies.

    Attributes:
        inputs: shapes by name, in order.
        outputs: shapes by name, in order.
    """

    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]

    def run(self, feed: Mapping[str, Tensor]) -> list[Tensor]:
        """All outputs, in order.

        Args:
            feed: an array for each input, by name.
        """


OpenNetwork = Callable[[Path], Network]
"""Loads an ONNX file; raises WeightsError where it cannot."""
