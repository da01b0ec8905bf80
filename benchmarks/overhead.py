"""What the core costs beside the network: `python -m unnoise.benchmarks.overhead`.

Sampling: microseconds per network evaluation over calling the bare network that often on a 64 x 1
    x 8 x 8 batch. Training: milliseconds per step of `Denoising` over the
bare forward, backward and optimizer step. Exact divergence: times the cost of one forward pass an
entry, on 256 states of 64 entries. One process, one thread, CPU time; the network does next
to nothing. Ours and the bare loop take turns, and the median of the paired differences is printed
with its range, since these machines are noisy.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.denoiser import Eps, MeanDenoiser
from unnoise.core.likelihood import ExactTrace
from unnoise.core.objective import Denoising
from unnoise.core.process import Gaussian
from unnoise.core.random import seeded
from unnoise.core.sampler import AdamsBashforth, AnyNoise, DPMSolver, Heun, Sampler
from unnoise.core.schedule import Cosine

__all__ = ["main"]

SHAPE = (64, 1, 8, 8)
STEPS = 200
REPEATS = 15


class Null(nn.Module):
    """A network that does nothing."""

    def forward(self, x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
        return x


class Scale(nn.Module):
    """The least network that can be trained."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
        return x * self.scale


def sampling(sampler: Sampler) -> tuple[float, float, float]:
    """Microseconds per evaluation over the bare network: median, least, most."""
    process, network, batch = Gaussian(Cosine()), Null(), Batch(torch.zeros(SHAPE))
    denoiser, generator = MeanDenoiser(network, Eps()), seeded(0)
    x, log_snr = torch.randn(SHAPE, generator=generator), torch.zeros(len(batch))

    def bare() -> None:
        with torch.no_grad():
            for _ in range(sampler.nfe):
                network(x, log_snr, batch)

    excess = _paired(lambda: sampler(process, denoiser, batch, x=x, generator=generator), bare)
    return _summary([1e6 * e / sampler.nfe for e in excess])


def training() -> tuple[float, float, float]:
    """Milliseconds a step over forward, backward and optimizer: median, least, most."""
    process, network, batch = Gaussian(Cosine()), Scale(), Batch(torch.zeros(SHAPE))
    denoiser, objective, generator = MeanDenoiser(network, Eps()), Denoising(), seeded(0)
    optimizer = torch.optim.AdamW(network.parameters())
    log_snr = torch.zeros(len(batch))

    def step(loss: Callable[[], Tensor]) -> Callable[[], None]:
        def run() -> None:
            for _ in range(STEPS):
                optimizer.zero_grad()
                torch.autograd.backward(loss())
                optimizer.step()

        return run

    ours = step(lambda: objective(process, denoiser, batch, generator))
    bare = step(lambda: network(batch.x, log_snr, batch).square().mean())
    return _summary([1e3 * e / STEPS for e in _paired(ours, bare)])


class Attention(nn.Module):
    """Convolutions around self-attention over the positions of a grid."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.enter, self.leave = (
            nn.Conv2d(1, width, 3, padding=1),
            nn.Conv2d(width, 1, 3, padding=1),
        )
        self.qkv = nn.Conv2d(width, 3 * width, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = nn.functional.silu(self.enter(x))
        q, k, v = self.qkv(h).flatten(2).mT.chunk(3, -1)
        out: Tensor = self.leave(h + scaled_dot_product_attention(q, k, v).mT.reshape(h.shape))
        return out


def fields(n: int = 256, d: int = 64) -> dict[str, tuple[Callable[[Tensor], Tensor], Tensor]]:
    """Maps of states to themselves: the exact denoiser of five Gaussians, and two networks."""
    x, means = torch.randn(n, d, generator=seeded(0)), torch.randn(5, d, generator=seeded(1))
    (level,) = Cosine().levels(torch.tensor([0.5]))
    law = Mixture(torch.ones(5), means, torch.eye(d).expand(5, d, d) / 4)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mlp = nn.Sequential(nn.Linear(d, 256), nn.SiLU(), nn.Linear(256, 256), nn.SiLU(), nn.Linear(256, d))  # fmt: skip
        attention = Attention()
    return {
        "mixture": (lambda y: law(y, level, Batch(y)).mean, x),
        "MLP": (mlp, x),
        "attention": (attention, x.reshape(n, 1, 8, -1)),
    }


def divergence(field: Callable[[Tensor], Tensor], x: Tensor) -> tuple[float, float, float]:
    """The exact trace, in forward passes an entry: median, least, most."""

    @torch.no_grad()
    def bare() -> None:
        for _ in range(x[0].numel()):
            field(x)

    def ours() -> None:
        ExactTrace()(field, x, None)

    ours()
    bare()
    return _summary([_seconds(ours) / _seconds(bare) for _ in range(REPEATS)])


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    samplers = {
        "DPM-Solver++ 2M": Sampler(DPMSolver(2), STEPS),
        "DPM-Solver++ 3M": Sampler(DPMSolver(3), STEPS),
        "Adams–Bashforth 2": Sampler(AdamsBashforth(2), STEPS),
        "Adams–Bashforth 3": Sampler(AdamsBashforth(3), STEPS),
        "Heun": Sampler(Heun(), STEPS // 2),
        "DDIM": Sampler(AnyNoise(0.0), STEPS),
        "ancestral": Sampler(AnyNoise(1.0), STEPS),
    }
    print(f"{'':22} {'median':>8} {'least':>8} {'most':>8}")
    for name, sampler in samplers.items():
        print(
            f"{name:22} "
            + " ".join(f"{v:8.1f}" for v in sampling(sampler))
            + "   us per evaluation"
        )
    for name, (field, x) in fields().items():
        row = " ".join(f"{v:8.2f}" for v in divergence(field, x))
        print(f"{'divergence, ' + name:22} {row}   forward passes an entry")
    print(f"{'training step':22} " + " ".join(f"{v:8.3f}" for v in training()) + "   ms")


def _paired(ours: Callable[[], object], bare: Callable[[], object]) -> list[float]:
    """Seconds of ours less those of bare, in turn."""
    ours(), bare()
    return [_seconds(ours) - _seconds(bare) for _ in range(REPEATS)]


def _seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def _summary(values: list[float]) -> tuple[float, float, float]:
    return statistics.median(values), min(values), max(values)


if __name__ == "__main__":
    main()
