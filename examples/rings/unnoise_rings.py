"""A modality unnoise has never heard of, points in the plane: install it, and `bench list` has it."""

import torch
from sklearn.datasets import make_moons
from torch import Tensor, nn

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Karras, MeanDenoiser
from unnoise.core.model import Model
from unnoise.core.process import Gaussian
from unnoise.core.schedule import Cosine
from unnoise.core.training import Fit
from unnoise.core.transform import Affine
from unnoise.domains.images.metrics import sliced_wasserstein
from unnoise.domains.task import Metric, Preset, Score, Splits, Task


class MLP(nn.Module):  # any network F(scaled state, log-SNR, batch) will do
    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = [m for _ in range(3) for m in (nn.Linear(width, width), nn.SiLU())]
        self.layers = nn.Sequential(nn.Linear(3, width), *hidden, nn.Linear(width, 2))

    def forward(self, x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
        return self.layers(torch.cat([x, log_snr[:, None] / 4], 1))


def load() -> Splits:
    moons = (make_moons(n, noise=0.05, random_state=n)[0] for n in (5000, 1001, 1002))
    parts = [Batch(torch.tensor(points, dtype=torch.float32)) for points in moons]
    return Splits(*parts, transform=Affine(shift=0.5, scale=0.8))


def model(splits: Splits, preset: Preset) -> Model:
    denoiser = MeanDenoiser(MLP(**preset.network), Karras(data_std=1.0))
    return Model(Gaussian(Cosine(8.0, -6.0)), denoiser, (2,), splits.transform)


def distance(points: Tensor, splits: Splits) -> Score:
    return Score(sliced_wasserstein(points, splits.test.x))


def two_moons() -> Task:
    return Task(
        "two moons in the plane",
        data=load,
        model=model,
        generate=lambda model, splits, preset, rng: model.sample(1000, generator=rng),
        metrics={"sliced_w2": Metric(distance, "lower", "sliced Wasserstein-2")},
        presets={"smoke": Preset(Fit(1500, batch=256, lr=3e-3, ema=0.99), {"width": 128})},
        floor=lambda splits, preset: splits.train.x[:1000],
        baseline=lambda splits, preset: splits.train.x.mean(0).expand(1000, 2),
    )


DOMAIN = {"two-moons": two_moons}
