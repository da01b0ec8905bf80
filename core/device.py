"""The device of this machine, and in which precision it trains fastest.

bfloat16 has the range of single precision and half its memory, so nothing needs a scale. It pays where
the hardware multiplies matrices of it: on GPUs, and on CPUs with AMX (as much as twice as fast). A CPU
that only converts it takes as long as in single precision, or half as long again. Weights, their
averages and the loss are in single precision in any case.
"""

from __future__ import annotations

import torch

__all__ = ["best_device", "precision_on"]


def best_device() -> torch.device:
    """The accelerator, if there is one."""
    best = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return best or torch.device("cpu")


def precision_on(device: str, wanted: str = "auto") -> str:
    """Lightning's precision flag for a type of device, "cpu" or "cuda"; what isn't "auto" stays as it is."""
    if wanted != "auto":
        return wanted
    fast = (device == "cpu" and torch.cpu._is_amx_tile_supported()) or (
        device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    )
    return "bf16-mixed" if fast else "32-true"
