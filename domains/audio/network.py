"""What a preset says of a model of speech, in names that a record and a checkpoint can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from unnoise.core.model import Model
from unnoise.domains.audio.learned import Learned
from unnoise.domains.audio.model import BBED, OUVE, Bridge, Kind
from unnoise.domains.audio.sampling import Recipe
from unnoise.domains.audio.spectrogram import Spectrogram
from unnoise.domains.audio.unet import LARGE, MEDIUM, SMALL, Size

__all__ = ["KINDS", "SIZES", "Network"]

TINY = Size((4, 2), (16, 24), 1, (1,), 1)  # for seconds of training

KINDS: Mapping[str, Kind] = {"bridge": Bridge(), "ouve": OUVE(), "bbed": BBED()}
SIZES: Mapping[str, Size] = {
    "tiny": TINY,
    "small": SMALL,
    "medium": MEDIUM,
    "large": LARGE,
}


@dataclass(frozen=True)
class Network:
    """A process and the size of its network: the keywords of `Preset.network`.

    Attributes:
        kind: a name in `KINDS`.
        size: a name in `SIZES`.

    Raises:
        ValueError: for a name that isn't there.
    """

    kind: str = "bridge"
    size: str = "small"

    def __post_init__(self) -> None:
        for name, known in ((self.kind, KINDS), (self.size, SIZES)):
            if name not in known:
                raise ValueError(f"Network: {name!r} is none of {', '.join(known)}")

    @property
    def recipe(self) -> Recipe:
        """How the process is sampled by default."""
        return KINDS[self.kind].recipe

    def untrained(self, front: Spectrogram, frames: int, seed: int) -> Learned:
        """With the random weights of a seed, for states of so many frames."""
        return Learned.untrained(
            front, KINDS[self.kind], SIZES[self.size], seed=seed, frames=frames
        )

    def around(self, model: Model, front: Spectrogram, recipe: Recipe) -> Learned:
        """A model that was made so, with what stands between it and waves."""
        return Learned(model, front, KINDS[self.kind], SIZES[self.size], recipe)
