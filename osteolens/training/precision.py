"""Which numbers to train with: bfloat16 where the hardware multiplies it, else float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def bfloat16_is_fast(device: torch.device | str = "cpu") -> bool:
    """Whether a torch device (its name, or Fabric's `auto`) multiplies bfloat16 itself.

    A CPU without AVX-512 emulates it, far slower than float32.
    """
    import torch

    kind = getattr(device, "type", str(device))
    if kind == "cuda" or (kind == "auto" and torch.cuda.is_available()):
        return True
    return torch.backends.cpu.get_cpu_capability() not in ("AVX2", "DEFAULT")


def training_precision(device: torch.device | str) -> str:
    """Precision of a run for Fabric: "bf16-mixed" or "32-true"."""
    return "bf16-mixed" if bfloat16_is_fast(device) else "32-true"
