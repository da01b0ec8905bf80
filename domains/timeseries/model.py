r"""Models of series: residuals of a reference law, diffused by noise that is correlated in time.

    x_t = alpha r + sigma K^(1/2) z,     K_ij = exp(-|t_i - t_j| / scale)      (Bilos et al. 2023)

on the times of the observations, in the clock's units. DSPD and CSPD are this one process with an ancestral
sampler and with a flow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from unnoise.core.batch import Batch
from unnoise.core.checkpoint import read_weights
from unnoise.core.denoiser import Karras, MeanDenoiser
from unnoise.core.model import Model
from unnoise.core.noise import OU, Kernel
from unnoise.core.objective import Denoising, VelocityError
from unnoise.core.process import Gaussian
from unnoise.core.schedule import Cosine
from unnoise.domains.timeseries.networks import GridEncoder, SeriesNetwork, SetEncoder
from unnoise.domains.timeseries.patterns import Pattern
from unnoise.domains.timeseries.question import asked
from unnoise.domains.timeseries.questions import Questions
from unnoise.domains.timeseries.reference import Profile, Reference, Seasonal

__all__ = ["Network", "best_scale", "resized", "saved_reference", "series_model"]

_SCALES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # in typical gaps
_KINDS: dict[str, Callable[..., GridEncoder | SetEncoder]] = {
    "grid": GridEncoder,
    "recurrent": partial(GridEncoder, recurrent=True),
    "set": SetEncoder,
}
_PROBED = 64  # windows by which the scale is chosen
_SPARSE = 0.5  # filled share of the windows below which entries are gathered


@dataclass(frozen=True)
class Network:
    """The network's size, see `SeriesNetwork`.

    Attributes:
        kind: how the question is encoded, see `encoders`: by attention on the grid of times and channels or among
            what exists, or by recurrences in time; None: as a set where less than half of the windows' entries
            are known, as a grid elsewhere.
        width: of tokens.
        layers: of the encoder.
        decoder: layers of the decoder.
        head, dropout: of both.
    """

    kind: Literal["grid", "recurrent", "set"] | None = None
    width: int = 48
    layers: int = 3
    decoder: int = 2
    head: int = 16
    dropout: float = 0.0

    def chosen(self, batch: Batch) -> Network:
        """The same with a kind that suits training windows, if none is set."""
        if self.kind is not None:
            return self
        filled = 1.0 if batch.mask is None else batch.mask.double().mean().item()
        return replace(self, kind="set" if filled < _SPARSE else "grid")

    def build(self, channels: int, known: int, static: int, longest: float) -> SeriesNetwork:
        """A network of so many channels, features of a time and of a series, and for windows that span at most
        `longest` units of time.

        Raises:
            ValueError: if no kind is chosen.
        """
        if self.kind is None:
            raise ValueError("Network: no kind is chosen; see `chosen`")
        rest = (self.head, self.dropout)
        encoder = _KINDS[self.kind](
            channels, known, static, longest, self.width, self.layers, *rest
        )
        return SeriesNetwork(encoder, longest, self.width, self.decoder, *rest)


def series_model(
    shape: tuple[int, ...],
    network: nn.Module,
    reference: nn.Module,
    pattern: Pattern,
    scale: float,
) -> Model:
    """An untrained model of windows.

    Args:
        shape: of a window, (T, C).
        network: see `Network.build`.
        reference: what answers first.
        pattern: what training gives.
        scale: of the noise's correlation in time, in the clock's units.
    """
    process = Gaussian(Cosine(9.0, -9.0), Kernel(OU(scale)))
    denoiser = MeanDenoiser(network, Karras(1.0))
    objective = Questions(Denoising(VelocityError()), pattern, reference)
    return Model(process, denoiser, shape, objective=objective)


def saved_reference(path: Path) -> Seasonal:
    """The law that a saved model's residuals are of.

    Raises:
        CheckpointError: if the file is unreadable, or no model of series.
    """
    saved = read_weights(path, "objective.reference.")
    profile = Profile(saved["profile.frequencies"], saved["profile.beta"])
    return Seasonal(profile, Reference(*(saved[f"reference.{k}"] for k in ("tau", "S", "R"))))


def resized(model: Model, shape: tuple[int, ...]) -> Model:
    """The same networks for windows of another length."""
    return Model(model.process, model.denoiser, shape, model.transform, model.objective)


@torch.no_grad()
def best_scale(
    batch: Batch,
    reference: nn.Module,
    pattern: Pattern,
    generator: torch.Generator,
    gap: float = 1.0,
) -> float:
    """The scale of OU noise that residuals of the reference look most like: the one of greatest likelihood, among
    some multiples of the typical gap; judged on some of the training windows."""
    batch = batch.rows(slice(None, None, max(1, len(batch) // _PROBED)))
    question = asked(batch, pattern(batch, generator), reference)
    return max(
        (gap * s for s in _SCALES),
        key=lambda s: Kernel(OU(s)).log_prob(question.x, question).sum().item(),
    )
