"""What an enhancer is, whether it has learnt anything or not."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Enhances", "Floats"]

Floats = NDArray[np.float64]


class Enhances(Protocol):
    """From noisy speech to an estimate of the clean one."""

    def __call__(self, noisy: Floats, rate: int) -> Floats:
        """Enhances one channel.

        Args:
            noisy: The mixture, (n,); any n from 1.
            rate: Samples a second.

        Returns:
            As many samples, (n,); zeros for zeros.

        Raises:
            ValueError: If the signal is no finite row, or the rate is not positive.
        """
        ...
