"""A modality that unnoise has never heard of, points in the plane, in one file. Install it and
`unnoise bench list` shows it."""

import torch
from sklearn.datasets import make_moons
from torch import Tensor, nn

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Karras, MeanDenoiser
from unnoise.core.likelihood import Flow
from unnoise.core.model import Model
from unnoise.core.process import Gaussian
from unnoise.core.random import Generator
from unnoise.core.schedule import EDM
from unnoise.core.training import Fit
from unnoise.core.transform import Affine
from unnoise.domains.images.metrics import sliced_wasserstein
from unnoise.domains.task import Metric, Preset, Score, Splits, Task


class MLP(nn.Module):
    """Any network F(scaled state, log-SNR, batch) will do."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers = [
            nn.Linear(3, width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, 2),
        ]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
        return self.layers(torch.cat([x, log_snr[:, None] / 4], 1))


def load() -> Splits:
    parts = (
        make_moons(n, noise=0.05, random_state=seed)[0]
        for seed, n in enumerate((5000, 1000, 1000))
    )
    return Splits(
        *(Batch(torch.tensor(x, dtype=torch.float32)) for x in parts),
        transform=Affine(shift=0.5, scale=0.8),
    )


def model(splits: Splits, preset: Preset) -> Model:
    network = MeanDenoiser(MLP(**preset.network), Karras(data_std=1.0))
    return Model(Gaussian(EDM()), network, shape=(2,), transform=splits.transform)


def generate(
    model: Model, splits: Splits, preset: Preset, generator: Generator
) -> dict[str, Tensor]:
    nats = model.log_prob(splits.test, Flow(16), generator).nats
    return {"points": model.sample(1000, generator=generator), "nats": nats}


METRICS = {
    "nats": Metric(
        lambda o, s: Score(o["nats"].mean().item()) if "nats" in o else None,
        "higher",
        "log-likelihood",
        "nats",
    ),
    "sliced_w2": Metric(
        lambda o, s: Score(sliced_wasserstein(o["points"], s.test.x)),
        "lower",
        "sliced Wasserstein-2",
    ),
}
PRESETS = {"smoke": Preset(Fit(1500, lr=3e-3), network={"width": 64})}
REFERENCES = {
    "floor": lambda s, p: {"points": s.train.x[:1000]},
    "baseline": lambda s, p: {
        "points": s.train.x.std(0)
        * torch.randn(1000, 2, generator=torch.Generator().manual_seed(0))
        + s.train.x.mean(0)
    },
}
DOMAIN = {
    "two-moons": lambda: Task(
        "two moons in the plane", load, model, generate, METRICS, PRESETS, **REFERENCES
    )
}
