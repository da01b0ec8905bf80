"""One small data set carried to another: moons to eight spots, by rectified flow with independent pairs, optimally
transported pairs, and pairs of the flow itself.

    python examples/transport.py [steps of training]
"""

import sys

import torch
from sklearn.datasets import make_moons
from torch import Tensor, nn

from unnoise.core.batch import Batch
from unnoise.core.coupling import (
    Empirical,
    FlowMatching,
    Paired,
    independent,
    optimal,
    reflow,
    straightness,
    transport,
)
from unnoise.core.denoiser import MeanDenoiser, Velocity
from unnoise.core.model import Model
from unnoise.core.noise import Noise
from unnoise.core.objective import Denoising
from unnoise.core.process import Gaussian
from unnoise.core.random import normal, seeded
from unnoise.core.sampler import AdamsBashforth, Sampler
from unnoise.core.schedule import Rectified
from unnoise.core.training import Fit, fit


class MLP(nn.Module):
    """A network F(scaled state, log-SNR) that reads no condition, so it can't see its partner."""

    def __init__(self, width: int = 96) -> None:
        super().__init__()
        hidden = [m for _ in range(2) for m in (nn.Linear(width, width), nn.SiLU())]
        self.layers = nn.Sequential(nn.Linear(4, width), nn.SiLU(), *hidden, nn.Linear(width, 2))

    def forward(self, x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
        t = torch.sigmoid(-0.5 * log_snr[:, None])
        out: Tensor = self.layers(torch.cat([x, t, t * t], 1))
        return out


def moons(n: int, seed: int) -> Tensor:
    points = torch.tensor(make_moons(n, noise=0.05, random_state=seed)[0], dtype=torch.float32)
    return (points - torch.tensor([0.5, 0.25])) * 1.3


def spots(n: int, seed: int) -> Tensor:
    angle = torch.arange(n) % 8 * (torch.pi / 4)
    centres = 2 * torch.stack([angle.cos(), angle.sin()], 1)
    return centres + 0.15 * normal(torch.empty(n, 2), seeded(seed))


def trained(data: Batch, x_1: Noise, steps: int) -> Model:
    torch.manual_seed(0)
    process = Gaussian(Rectified(13.3, -20.0), x_1)  # alpha = 5e-5 of the data is left at t = 1
    objective = Denoising(weight=FlowMatching())
    model = Model(process, MeanDenoiser(MLP(), Velocity()), (2,), objective=objective)
    fit(model, data, Fit(steps, batch=256, lr=3e-3), progress=False)
    return model


def energy_distance(x: Tensor, y: Tensor) -> float:
    """2 E|x - y| - E|x - x'| - E|y - y'|, 0 for equal laws."""
    cross, own, other = (torch.cdist(a, b) for a, b in ((x, y), (x, x), (y, y)))
    n, m = len(x), len(y)
    return float(2 * cross.mean() - own.sum() / (n * (n - 1)) - other.sum() / (m * (m - 1)))


def main(steps: int = 2000) -> dict[str, tuple[float, float, float]]:
    """Energy distance to held-out spots in 32 steps and in one, and straightness, of each flow."""
    starts, held_out = Batch(moons(2000, seed=1)), spots(2000, seed=1)
    one_step = Sampler(AdamsBashforth(1), steps=1, path=None, denoise=False)
    data, source = Batch(spots(4096, seed=0)), moons(4096, seed=0)
    models = {
        "independent pairs": trained(data, Empirical(source, independent), steps),
        "optimal transport": trained(data, Empirical(source, optimal), steps),
    }
    pairs = reflow(models["independent pairs"], Batch(source))
    models["reflow"] = trained(pairs, Paired(), steps)
    figures = {"moons themselves": (energy_distance(starts.x, held_out),) * 2 + (0.0,)}
    for name, model in models.items():
        many, one = (transport(model, starts, how) for how in (None, one_step))
        bend = straightness(model, starts).mean().item()
        figures[name] = (energy_distance(many, held_out), energy_distance(one, held_out), bend)
    return figures


if __name__ == "__main__":
    print(f"{'energy distance to the spots':30} 32 steps  one step  straightness")
    for name, (many, one, bend) in main(*map(int, sys.argv[1:])).items():
        print(f"{name:30} {many:8.4f}  {one:8.4f}  {bend:12.4f}")
