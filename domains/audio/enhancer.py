"""Speech enhancement: noisy speech in, speech out, of any length, rate and number of channels.

    made = Enhancer().fit(pairs, 16_000)            pairs: `Pairs`, or `Mixer` for speech and noise
    made.save(path), Enhancer.load(path)
    made(waveform, 44_100, seed=0)                  the same shape, rate and level
    made.enhance_file("in.flac", "out.flac")        in the memory of a few chunks
    made.log_prob(clean, noisy, 16_000)             nats of clean speech given noisy speech

What a seed, a file and a checkpoint make on one machine is always the same. Noise is drawn by place and by channel,
so a channel's result depends on no other, but for the level: a file is divided by its peak.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unnoise.core.likelihood import Likelihood, LikelihoodResult
from unnoise.core.random import seeded
from unnoise.core.training import Fit, fit
from unnoise.domains.audio.learned import Learned
from unnoise.domains.audio.model import Bridge, Kind, resized, states
from unnoise.domains.audio.normalise import Level
from unnoise.domains.audio.sampling import Recipe
from unnoise.domains.audio.spectrogram import SPEECH_16K, Spectrogram
from unnoise.domains.audio.stream import Stream
from unnoise.domains.audio.training import Source
from unnoise.domains.audio.unet import SMALL, Size

__all__ = ["Enhancer"]

_CHANNELS = 64  # more rows than that, and than samples, are a wave on its side
_DEFAULT = Fit(
    3_000, batch=8, lr=1e-3, warmup=100, ema=0.998
)  # 45 minutes of a core, with crops of 1 s


class Enhancer:
    """A diffusion model of clean speech given noisy speech.

    Args:
        kind: the process.
        front: the spectrogram, and with it the rate.
        size: of the network.
        recipe: how to sample; None: as suits the process. It goes into the checkpoint.
        fit: how to train; None: 3,000 steps.
        first: a trained enhancer that predicts speech first, see `model`; its `front` and this
            one's must be the same.
    """

    def __init__(
        self,
        kind: Kind | None = None,
        *,
        front: Spectrogram = SPEECH_16K,
        size: Size = SMALL,
        recipe: Recipe | None = None,
        fit: Fit | None = None,
        first: Enhancer | None = None,
    ) -> None:
        self.kind = kind or Bridge()
        self.front = front
        self.size = size
        self.recipe = recipe or self.kind.recipe
        self.how = fit or _DEFAULT
        self.first = first
        self._learned: Learned | None = None

    @staticmethod
    def of(learned: Learned) -> Enhancer:
        """The enhancer of a model made elsewhere."""
        made = Enhancer(
            learned.kind, front=learned.front, size=learned.size, recipe=learned.recipe
        )
        made._learned = learned
        return made

    @property
    def learned(self) -> Learned:
        """The model, and what stands between it and waves.

        Raises:
            RuntimeError: before `fit`.
        """
        if self._learned is None:
            raise RuntimeError(
                "Enhancer: nothing learned yet; call fit(pairs, rate), or load(path)"
            )
        return self._learned

    def fit(
        self,
        source: Source,
        sample_rate: int,
        seed: int = 0,
        progress: bool = True,
        folder: Path | str | None = None,
        **trainer: Any,
    ) -> Enhancer:
        """Learn from pairs; anything learned before is forgotten.

        Args:
            source: draws them: `training.Pairs` of recordings, or `mixing.Mixer` of speech and noise.
            sample_rate: of all of them, in Hz.
            seed: of weights, pairs and noise.
            progress: show a progress bar.
            folder: where a resumable state is kept; the same call goes on from it.
            **trainer: passed on to `lightning.Trainer`.

        Returns:
            The enhancer.

        Raises:
            ValueError: if the rate isn't that of the front end.
        """
        self._require_rate(sample_rate, "fit")
        frames = self.front.frames(source.length)
        new = Learned.untrained(
            self.front, self.kind, self.size, self.recipe, seed=seed, frames=frames,
            first=self.first.learned if self.first else None,
        )  # fmt: skip
        drawn = new.drawn(source)
        history = fit(
            new.taught(drawn), drawn.blank(self.how.batch), self.how, folder,
            seed=seed, progress=progress, **trainer,
        )  # fmt: skip
        self._learned = replace(new, history=history)
        new.model.eval()
        return self

    def to(self, device: torch.device | str) -> Enhancer:
        """The enhancer, its network moved to a device. Noise is that of the CPU everywhere."""
        self.learned.to(device)
        return self

    def __call__(
        self,
        waveform: Tensor,
        sample_rate: int,
        seed: int = 0,
        nfe: int | None = None,
        n_samples: int = 1,
    ) -> Tensor:
        """Enhanced speech.

        Args:
            waveform: (N,) or (C, N); channels are enhanced one by one.
            sample_rate: in Hz; speech goes to the model's rate and back.
            seed: of all randomness.
            nfe: evaluations of the network; None: as the checkpoint says.
            n_samples: draws, which differ by noise; the first is the same however many there are. With one
                evaluation of a bridge they are the mean, and hardly differ.

        Returns:
            As the waveform, float32, on its device; (S, ..., N) for more draws than one.

        Raises:
            ValueError: for another shape, an empty waveform, NaN or infinite samples, a rate that
                isn't positive, or fewer than one draw.
            RuntimeError: before `fit`.
        """
        wave = _checked(waveform, n_samples)
        stream = Stream(self.learned, sample_rate, wave.shape[1], float(wave.abs().max()))
        recipe = self._recipe(nfe)
        draws = [
            torch.cat(list(stream([wave], recipe, seed, s)), 1).reshape(waveform.shape)
            for s in range(n_samples)
        ]
        return (draws[0] if n_samples == 1 else torch.stack(draws)).to(waveform.device)

    def enhance_file(
        self, source: Path | str, target: Path | str, seed: int = 0, nfe: int | None = None
    ) -> None:
        """Enhance a file into another, of its rate, channels and coding; the samples are those that
        a call on the whole wave gives.

        Args:
            source: WAV, FLAC, OGG or MP3.
            target: its suffix chooses the container; it appears when all is written.
            seed, nfe: as in a call.

        Warns:
            UserWarning: of what the file's owner should know, as clipping.

        Raises:
            FileNotFoundError: if there is no such file, or no such folder.
            AudioError: if the file is unreadable, empty, damaged, or holds NaN.
            RuntimeError: before `fit`.
        """
        from unnoise.domains.audio.files import Survey, blocks, writing  # needs soundfile

        learned, recipe = self.learned, self._recipe(nfe)
        survey = Survey.of(source)
        for remark in survey.remarks:
            warnings.warn(f"{source}: {remark}", stacklevel=2)
        stream = Stream(learned, survey.form.rate, survey.samples, max(survey.peaks), str(source))
        with writing(target, survey.form) as put:
            for block in stream(blocks(source), recipe, seed, 0):
                put(block)

    def log_prob(
        self, clean: Tensor, noisy: Tensor, sample_rate: int, method: Likelihood | None = None,
        seed: int = 0,
    ) -> LikelihoodResult:  # fmt: skip
        """log p(clean | noisy) of one pair (N,), in nats: a density over real and imaginary parts
        of the clean wave's spectrogram, see `spectrogram`.

        Args:
            clean, noisy: waves of one length.
            sample_rate: the model's: resampling isn't one to one.
            method: None: the bound in continuous time.
            seed: of all randomness.

        Raises:
            ValueError: for another rate, waves of unlike shape, or silence as noisy speech.
            RuntimeError: before `fit`.
        """
        self._require_rate(sample_rate, "log_prob")
        if clean.shape != noisy.shape:
            raise ValueError(
                f"log_prob: clean is {tuple(clean.shape)}, noisy {tuple(noisy.shape)}; cut them to one length"
            )
        y, x = _checked(noisy, 1), _checked(clean, 1)
        if len(y) != 1 or not y.any():
            raise ValueError("log_prob: noisy must be one channel (N,) with sound in it")
        learned, level = self.learned, Level.of(y)
        y, x = level.apply(y), level.apply(x)
        batch = learned.told(states(learned.front, y, x).to(learned.device), seeded(seed, 1))
        model = resized(learned.model, batch.x.shape[3])
        result = model.log_prob(batch, method, seeded(seed))
        per_dim = -level.peak.log().to(result.nats)  # X is p times what the model sees
        turned = learned.front.log_det(learned.front.stft(x)).to(result.nats)
        return replace(result, nats=result.nats + turned + result.dims * per_dim)

    def save(self, path: Path | str) -> None:
        """Write all that enhancement needs in one file: weights (safetensors) with a JSON header.

        Raises:
            RuntimeError: before `fit`.
        """
        self.learned.save(path)

    @staticmethod
    def load(path: Path | str) -> Enhancer:
        """The enhancer that was saved.

        Raises:
            CheckpointError: if the file is missing, unreadable, or no enhancer.
        """
        return Enhancer.of(Learned.load(path))

    def _recipe(self, nfe: int | None) -> Recipe:
        recipe = self.learned.recipe
        return recipe if nfe is None else replace(recipe, nfe=nfe)

    def _require_rate(self, rate: int, what: str) -> None:
        if rate != self.front.rate:
            raise ValueError(
                f"{what}: the front end is for {self.front.rate} Hz, got {rate} Hz; use Resampler({rate}, {self.front.rate}), or another front end"
            )


def _checked(waveform: Tensor, n_samples: int) -> Tensor:
    """The waveform as float32 (C, N) on the CPU.

    Raises:
        ValueError: see `Enhancer.__call__`.
    """
    shape = tuple(waveform.shape)
    if n_samples < 1:
        raise ValueError(f"Enhancer: n_samples must be at least 1, got {n_samples}")
    if len(shape) not in (1, 2) or 0 in shape:
        raise ValueError(f"Enhancer: a waveform is (N,) or (C, N), with samples; got {shape}")
    if not waveform.is_floating_point():
        raise ValueError(
            f"Enhancer: samples must be floats in [-1, 1], got {waveform.dtype}; divide integers by full scale"
        )
    if len(shape) == 2 and shape[0] > max(shape[1], _CHANNELS):
        raise ValueError(f"Enhancer: a waveform is (C, N), got {shape}; transpose it")
    bad = int((~waveform.isfinite()).sum())
    if bad:
        raise ValueError(f"Enhancer: {bad} samples are NaN or infinite; replace them")
    return waveform.detach().float().cpu().reshape(-1, shape[-1])
