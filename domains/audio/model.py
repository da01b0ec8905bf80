r"""Models of clean speech given noisy speech: anchored diffusions of spectrograms.

With x_0 the state of clean speech and y that of noisy speech (`spectrogram`),

    x_t = alpha x_0 + (1 - alpha) y + sigma z,

so what is diffused is x_0 - y, and each paper is a schedule (`core.schedule.bridge`). Data
prediction asks for x_0 itself, with one weight at every level (Jukić et al. 2024, eq. 18):

    loss = E |x_0 - x_hat|^2 / s^2,   x_hat - y = c_skip (x_t - y) + c_out F,

s the standard deviation of x_0 - y and c that of Karras et al., so that F has unit variance. An
untrained network is 0, and the answer c_skip (x_t - y) + y is that of white Gaussian residuals.

With a first stage, which predicts clean speech by d(y), y is also told, but the anchor is d (StoRM,
Lemercier et al. 2023): what is left to the diffusion is smaller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from unnoise.core import schedule as published
from unnoise.core.batch import Batch
from unnoise.core.denoiser import Karras, MeanDenoiser
from unnoise.core.model import Model
from unnoise.core.objective import Denoising, Objective, Weight
from unnoise.core.process import Gaussian
from unnoise.core.random import Generator
from unnoise.core.schedule import Level, Schedule
from unnoise.core.transform import Anchored
from unnoise.domains.audio.placed import Placed
from unnoise.domains.audio.sampling import Predict, Recipe
from unnoise.domains.audio.spectrogram import Spectrogram

__all__ = [
    "BBED",
    "OUVE",
    "Bridge",
    "DataError",
    "Kind",
    "enhancement_model",
    "kind_from_json",
    "kind_to_json",
    "predicted",
    "resized",
    "states",
]

RESIDUAL = 0.07  # standard deviation of x_0 - y; .069 on the ten pairs of vbdmd


@dataclass(frozen=True)
class Bridge:
    """`core.schedule.SchroedingerBridge`, which begins at the noisy speech itself."""

    k: float = 2.6
    c: float = 0.4
    start: float = 0.03
    end: float = 1 - 1e-4

    def schedule(self) -> Schedule:
        return published.SchroedingerBridge(self.k, self.c, self.start, self.end)

    @property
    def recipe(self) -> Recipe:
        return Recipe(1)  # by validation the best after an hour of training


@dataclass(frozen=True)
class OUVE:
    """`core.schedule.OUVE`, with SGMSE's sampler by default."""

    theta: float = 1.5
    sigma_min: float = 0.05
    sigma_max: float = 0.5
    start: float = 0.03
    end: float = 1.0

    def schedule(self) -> Schedule:
        return published.OUVE(self.theta, self.sigma_min, self.sigma_max, self.start, self.end)

    @property
    def recipe(self) -> Recipe:
        return Recipe(61, 1.0, 0.5)


@dataclass(frozen=True)
class BBED:
    """`core.schedule.BBED`, by default from its paper's warm start in the middle."""

    k: float = 2.6
    theta: float = 0.52
    start: float = 0.03
    end: float = 0.5

    def schedule(self) -> Schedule:
        return published.BBED(self.k, self.theta, self.start, self.end)

    @property
    def recipe(self) -> Recipe:
        return Recipe(31, 1.0, 0.5)


Kind = Bridge | OUVE | BBED
_KINDS: Mapping[str, type[Bridge | OUVE | BBED]] = {"bridge": Bridge, "ouve": OUVE, "bbed": BBED}


def kind_to_json(kind: Kind) -> dict[str, Any]:
    """A process by its name and numbers."""
    (name,) = (name for name, cls in _KINDS.items() if type(kind) is cls)
    return {"name": name, **asdict(kind)}


def kind_from_json(told: Mapping[str, Any]) -> Kind:
    """The inverse of `kind_to_json`.

    Raises:
        ValueError: for a name that isn't known.
    """
    name = told["name"]
    if name not in _KINDS:
        raise ValueError(f"no process of speech {name!r}; there are {', '.join(_KINDS)}")
    return _KINDS[name](**{k: v for k, v in told.items() if k != "name"})


@dataclass(frozen=True)
class DataError(Weight):
    r"""2 / (snr s^2): the loss is $E|x_0 - \hat x_0|^2 / s^2$, the same at every level."""

    std: float = 1.0

    def __call__(self, level: Level, schedule: Schedule) -> Tensor:
        log_snr = torch.as_tensor(level.log_snr).reshape(-1)
        return 2 / self.std**2 * torch.exp(-log_snr)


def enhancement_model(
    kind: Kind,
    network: nn.Module,
    shape: tuple[int, int, int],
    residual: float = RESIDUAL,
    objective: Objective | None = None,
    anchor: str = "noisy",
) -> Model:
    """An untrained model of clean speech, conditioned on noisy speech.

    Args:
        kind: the process.
        network: as `UNet`.
        shape: of a state, (2, F, T).
        residual: s, the standard deviation of x_0 - y.
        objective: None: data prediction.
        anchor: y, by its name in `Batch.cond`.
    """
    return Model(
        Gaussian(kind.schedule(), Placed(), residual),
        MeanDenoiser(network, Karras(residual)),
        shape,
        Anchored(anchor),
        Denoising(DataError(residual)) if objective is None else objective,
    )


def resized(model: Model, frames: int) -> Model:
    """The same networks for states of another length."""
    shape = (*model.shape[:-1], frames)
    return Model(model.process, model.denoiser, shape, model.transform, model.objective)


def predicted(first: Model, batch: Batch, generator: Generator = None) -> Batch:
    """The batch with what a first stage makes of its noisy speech, as `cond["predicted"]`."""
    d = resized(first, batch.x.shape[3]).sample(batch, Predict(), generator=generator)
    return batch.replace(cond={**batch.cond, "predicted": d})


def states(front: Spectrogram, noisy: Tensor, clean: Tensor | None = None) -> Batch:
    """Waves (B, N) at the model's level as a batch: states of the clean ones (None: zeros, to be
    drawn) given those of the noisy ones; what can't exist is masked."""
    y = front.encode(noisy)
    x = torch.zeros_like(y) if clean is None else front.encode(clean)
    mask = front.exists(y.device).expand(len(y), -1, -1, -1)
    return Batch(x, mask, cond={"noisy": y})
