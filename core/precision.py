"""In which precision a device trains fastest.

bfloat16 has the range of single precision and half its memory, so nothing needs a scale. It pays where
the hardware multiplies matrices of it: on GPUs, and on CPUs with AMX (as much as twice as fast). A CPU
that only converts it takes as long as in single precision, or half as long again. Weights, their
averages and the loss are in single precision in any case.
"""

from __future__ import annotations

import torch

__all__ = ["AUTO", "precision_on"]

AUTO = "auto"


def precision_on(device: str, wanted: str = AUTO) -> str:
    """Lightning's precision flag for a type of device, "cpu" or "cuda"; what isn't `AUTO` stays as it is."""
    if wanted != AUTO:
        return wanted
    fast = {"cpu": torch.cpu._is_amx_tile_supported, "cuda": torch.cuda.is_bf16_supported}
    return "bf16-mixed" if device in fast and fast[device]() else "32-true"
