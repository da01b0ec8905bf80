r"""Noisy speech from speech and noise, at a signal-to-noise ratio that is met exactly.

    y = s + g n,   g^2 = L(s) / (P(n) 10^(SNR / 10))

P is the mean square and L the level of the speech: its mean square too, or the active level of
ITU-T P.56. Nothing is clipped or scaled afterwards: y may exceed full scale, s is as it was.

For training, pairs are drawn without end: an utterance, a recording of noise, a crop of each and
an SNR, all uniformly. Speech shorter than the crop lies in the middle of zeros; noise goes round.
A crop in which there is next to nothing, 40 dB below its recording, is drawn anew, as its SNR
would mean nothing. For validation each utterance is whole and each pair has a stream of its own,
so that a set is the same whenever, and in whatever company, it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from unnoise.core.random import seeded
from unnoise.domains.audio.levels import Level, power

__all__ = ["Mixer", "Mixture", "Room", "mix", "whole_mixtures"]

Room = Callable[[Tensor, torch.Generator], tuple[Tensor, Tensor]]
"""From speech (n,) to what is heard of it in a room and to its direct sound, (n,) both: the
mixture has the first, and the second is the truth."""

Filter = Callable[[Tensor, torch.Generator], Tensor]
"""From a signal (n,) to another of that length, as `tone.Tone`."""

_QUIET = 1e-4  # of the power of its recording: a crop with less is drawn anew
_TRIES = 50


def mix(clean: Tensor, noise: Tensor, snr: float | Tensor, level: Level = power) -> Tensor:
    """The mixture of both at that SNR.

    Args:
        clean: Speech, (..., n).
        noise: (..., n), as loud as it happens to be.
        snr: In dB, a number or (...).
        level: Of the speech.

    Raises:
        ValueError: If shapes differ, or there is silence that has no SNR.

    >>> s, n = torch.tensor([1.0, -1.0]), torch.tensor([5.0, 5.0])
    >>> mix(s, n, 0.0), mix(s, n, 20.0)
    (tensor([2., 0.]), tensor([ 1.1000, -0.9000]))
    """
    if clean.shape != noise.shape:
        raise ValueError(
            f"clean has shape {tuple(clean.shape)}, noise {tuple(noise.shape)}; crop to match"
        )
    loud, hiss = level(clean), power(noise)
    for name, of in (("clean", loud), ("noise", hiss)):
        silent = torch.nonzero(~(of.reshape(-1) > 0))
        if len(silent):
            raise ValueError(
                f"{name}: signal {int(silent[0])} is silent or NaN, so it has no SNR; crop elsewhere"
            )
    ratio = 10 ** (torch.as_tensor(snr, dtype=torch.float64, device=clean.device) / 10)
    gain = (loud / (hiss * ratio)).sqrt()
    return (clean.double() + gain[..., None] * noise.double()).to(clean.dtype)


@dataclass(frozen=True, eq=False)
class Mixture:
    """Pairs of one length, or one pair.

    Attributes:
        clean: The truth, (n,) or (B, n).
        noisy: The mixture, of that shape.
        snr: In dB, () or (B,), float64; relative to the reverberant speech if there is a room.
    """

    clean: Tensor
    noisy: Tensor
    snr: Tensor


@dataclass(frozen=True, eq=False)
class Mixer:
    """Random pairs, for training.

    Attributes:
        speech: Utterances, (n,) each, of one rate.
        noise: Recordings of noise, (n,) each, of the same rate.
        length: Samples of a pair.
        snr: The least and the largest, in dB.
        level: Of the speech, that the SNR relates to.
        room: What the speech goes through first; None: nothing.
        tones: What a crop of speech, and one of noise, goes through before all else; None: nothing.

    Raises:
        ValueError: If there is no speech or no noise, one of them is silent, the length is not
            positive or the range of SNRs empty.
    """

    speech: Sequence[Tensor]
    noise: Sequence[Tensor]
    length: int
    snr: tuple[float, float] = (-2.0, 18.0)
    level: Level = power
    room: Room | None = None
    tones: tuple[Filter, Filter] | None = None

    def __post_init__(self) -> None:
        _audible("speech", self.speech)
        _audible("noise", self.noise)
        if self.length < 1:
            raise ValueError(f"length: need 1 sample or more, got {self.length}")
        if not self.snr[0] <= self.snr[1]:
            raise ValueError(f"snr: {self.snr[0]} dB is above {self.snr[1]} dB; turn them round")

    def pair(self, generator: torch.Generator) -> Mixture:
        """One pair, (length,)."""
        clean = self._crop(self.speech, self._floors[0], _padded, generator)
        noise = self._crop(self.noise, self._floors[1], _circular, generator)
        if self.tones is not None:
            clean, noise = self.tones[0](clean, generator), self.tones[1](noise, generator)
        low, high = self.snr
        draw = torch.rand((), generator=generator, dtype=torch.float64)
        return _mixture(clean, noise, low + (high - low) * draw, self.level, self.room, generator)

    def batch(self, n: int, generator: torch.Generator) -> Mixture:
        """The next n pairs of a stream, (n, length)."""
        return _stacked([self.pair(generator) for _ in range(n)])

    def fixed(self, n: int, seed: int) -> Mixture:
        """Always the same n pairs, (n, length); the first of more are the same."""
        return _stacked([self.pair(seeded(seed, i)) for i in range(n)])

    @cached_property
    def _floors(self) -> tuple[list[Tensor], list[Tensor]]:
        """Energies under which a crop is drawn anew, of each utterance and each noise."""
        return _energies(self.speech, self.length), _energies(self.noise, self.length)

    def _crop(
        self,
        recordings: Sequence[Tensor],
        floors: Sequence[Tensor],
        cut: Callable[[Tensor, int, torch.Generator], Tensor],
        generator: torch.Generator,
    ) -> Tensor:
        for _ in range(_TRIES):
            i = _integer(len(recordings), generator)
            crop = cut(recordings[i], self.length, generator)
            if power(crop) * len(crop) > floors[i]:
                return crop
        raise ValueError(
            f"{_TRIES} crops of {self.length} samples had next to nothing in them; take longer "
            "ones, or leave out recordings that are mostly silent"
        )


def whole_mixtures(
    speech: Sequence[Tensor],
    noise: Sequence[Tensor],
    snrs: Sequence[float],
    seed: int,
    level: Level = power,
    room: Room | None = None,
) -> list[Mixture]:
    """Whole utterances, for validation and tests: always the same for a seed.

    SNRs take turns, and after a round of them the noise changes, so that every noise meets every
    SNR if there is speech enough. Where the noise begins is drawn.

    Args:
        speech: Utterances, (n,) each, of one rate.
        noise: Recordings of noise, (n,) each, of the same rate.
        snrs: In dB.
        seed: Of what is drawn; pair i depends on no other.
        level: Of the speech, that the SNR relates to.
        room: What the speech goes through first; None: nothing.

    Raises:
        ValueError: If there is no speech, no noise or no SNR, or silence among them.
    """
    _audible("speech", speech)
    _audible("noise", noise)
    if not snrs:
        raise ValueError("snrs: need at least one, in dB")
    mixtures = []
    for i, clean in enumerate(speech):
        generator = seeded(seed, i)
        under = _circular(noise[i // len(snrs) % len(noise)], len(clean), generator)
        snr = torch.tensor(snrs[i % len(snrs)], dtype=torch.float64)
        mixtures.append(_mixture(clean, under, snr, level, room, generator))
    return mixtures


def _mixture(
    clean: Tensor, noise: Tensor, snr: Tensor, level: Level, room: Room | None,
    generator: torch.Generator,
) -> Mixture:  # fmt: skip
    heard, truth = (clean, clean) if room is None else room(clean, generator)
    return Mixture(truth, mix(heard, noise, snr, level), snr)


def _stacked(pairs: Sequence[Mixture]) -> Mixture:
    return Mixture(
        torch.stack([pair.clean for pair in pairs]),
        torch.stack([pair.noisy for pair in pairs]),
        torch.stack([pair.snr for pair in pairs]),
    )


def _padded(x: Tensor, length: int, generator: torch.Generator) -> Tensor:
    """A crop at a random place; what is shorter lies in the middle of zeros."""
    spare = len(x) - length
    if spare >= 0:
        start = _integer(spare + 1, generator)
        return x[start : start + length]
    return torch.nn.functional.pad(x, (-spare // 2, -spare - -spare // 2))


def _circular(x: Tensor, length: int, generator: torch.Generator) -> Tensor:
    """A crop at a random place: of what is long enough without its end, of the rest in circles."""
    spare = len(x) - length
    start = _integer(spare + 1 if spare >= 0 else len(x), generator)
    if spare >= 0:
        return x[start : start + length]
    return x[(start + torch.arange(length, device=x.device)) % len(x)]


def _energies(recordings: Sequence[Tensor], length: int) -> list[Tensor]:
    """Next to nothing, for a crop of each."""
    return [_QUIET * power(whole) * min(length, len(whole)) for whole in recordings]


def _integer(n: int, generator: torch.Generator) -> int:
    return int(torch.randint(n, (), generator=generator, device=generator.device))


def _audible(name: str, recordings: Sequence[Tensor]) -> None:
    if not recordings:
        raise ValueError(f"{name}: need at least one recording")
    for i, x in enumerate(recordings):
        if x.ndim != 1 or not len(x) or not x.isfinite().all():
            raise ValueError(
                f"{name} {i}: need one channel of finite samples, (n,), got {tuple(x.shape)}"
            )
        if not x.any():
            raise ValueError(f"{name} {i}: is silent, so it has no SNR; leave it out")
