"""Which numbers to train with: bfloat16 where the hardware multiplies it and a step is faster for it, else float32."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

FASTER = 0.9
"""Fraction of a float32 step's time that a bfloat16 step may take at most; less is gained than precision is lost."""

TIMED_STEPS = 2


class PrecisionChoice(StrEnum):
    """Setting of the precision of a training."""

    AUTO = "auto"
    BFLOAT16 = "bfloat16"
    FLOAT32 = "float32"


@dataclass(frozen=True, slots=True)
class Precision:
    """Numbers that a run is trained with.

    Attributes:
        name: "bfloat16" or "float32".
        float32_s: seconds of a measured step in float32; None where nothing was measured.
        bfloat16_s: likewise in bfloat16.
    """

    name: str
    float32_s: float | None = None
    bfloat16_s: float | None = None

    @property
    def is_bfloat16(self) -> bool:
        """Whether forward passes run in bfloat16."""
        return self.name == PrecisionChoice.BFLOAT16

    def as_json(self) -> dict[str, str | float | None]:
        """For the record of a run."""
        return asdict(self)

    def __str__(self) -> str:
        """One line for people."""
        if self.float32_s is None or self.bfloat16_s is None:
            return f"trains in {self.name}"
        return (
            f"trains in {self.name}: a measured step takes {self.float32_s:.2g} s in float32, {self.bfloat16_s:.2g} s "
            "in bfloat16"
        )


def chosen_precision(choice: PrecisionChoice, device: torch.device, step: Callable[[bool], None]) -> Precision:
    """The precision of a run, measured once where the setting is `auto` and the hardware has bfloat16.

    Args:
        choice: setting.
        device: that trains.
        step: one step of training, in bfloat16 if told so; it must change neither network nor random state.
    """
    if choice is not PrecisionChoice.AUTO:
        return Precision(choice.value)
    if not bfloat16_is_fast(device):
        return Precision(PrecisionChoice.FLOAT32.value)
    plain, short = (_seconds(step, bfloat16, device) for bfloat16 in (False, True))
    name = PrecisionChoice.BFLOAT16 if short <= FASTER * plain else PrecisionChoice.FLOAT32
    return Precision(name.value, round(plain, 4), round(short, 4))


def _seconds(step: Callable[[bool], None], bfloat16: bool, device: torch.device) -> float:
    """The shortest of some steps after one that warms up."""
    import torch

    times = []
    for _ in range(1 + TIMED_STEPS):
        started = time.perf_counter()
        step(bfloat16)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - started)
    return min(times[1:])


def bfloat16_is_fast(device: torch.device) -> bool:
    """Whether a torch device has bfloat16 of its own.

    A CPU without AVX-512 emulates it, far slower than float32; so does a GPU before Ampere.
    """
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return torch.backends.cpu.get_cpu_capability() not in ("AVX2", "DEFAULT")
