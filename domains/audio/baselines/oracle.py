r"""The ideal ratio mask: what a mask could do at best, if it knew the speech.

    G = sqrt( |S|^2 / (|S|^2 + |N|^2) ),   N = Y - S

The phase stays that of the mixture, so this is the ceiling of all enhancers that only mask.

References:
    Wang, Narayanan, Wang (2014), On training targets for supervised speech separation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unnoise.domains.audio.baselines.contract import Floats
from unnoise.domains.audio.baselines.frames import Frames
from unnoise.domains.audio.baselines.noise import TINY

__all__ = ["OracleMask"]


@dataclass(frozen=True, eq=False)
class OracleMask:
    """The mask of one file.

    Attributes:
        clean: The speech that is in the mixture, (n,).
    """

    clean: Floats

    def __call__(self, noisy: Floats, rate: int) -> Floats:
        """As `Enhances` says.

        Raises:
            ValueError: If the mixture is not as long as the speech, or not finite.
        """
        if noisy.shape != self.clean.shape:
            raise ValueError(
                f"noisy has shape {noisy.shape}, the clean speech {self.clean.shape}; "
                "the mask is of one mixture"
            )
        frames = Frames.at(rate)
        y, s = frames.spectra(noisy), frames.spectra(self.clean)
        speech, noise = np.abs(s) ** 2, np.abs(y - s) ** 2
        return frames.signal(y * np.sqrt(speech / np.maximum(speech + noise, TINY)), len(noisy))
