"""Random streams of one patient or image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True, slots=True)
class RandomStreams:
    """Two seeded streams.

    Attributes:
        numbers: single values: angles, sizes, choices.
        fields: whole grids, such as texture and noise, on the device where they are used.
    """

    numbers: np.random.Generator
    fields: torch.Generator

    @property
    def device(self) -> torch.device:
        """Where the grids are made."""
        return self.fields.device
