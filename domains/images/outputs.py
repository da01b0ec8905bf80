"""What an image model is scored on: samples, likelihoods, completions; of the model, of a perfect
sampler, and of a trivial model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.likelihood import (
    Bound,
    ExactTrace,
    Flow,
    Hutchinson,
    Likelihood,
    LikelihoodResult,
)
from unnoise.core.model import Model
from unnoise.core.progress import track
from unnoise.core.random import Generator, seeded
from unnoise.core.sampler import AdamsBashforth, AnyNoise, DPMSolver, LogSNRGrid, Sampler
from unnoise.core.schedule import Cosine
from unnoise.domains.images.baseline import Pixels, exact
from unnoise.domains.task import Preset, Splits

__all__ = [
    "FORMATS",
    "Completions",
    "Images",
    "Settings",
    "SweepPoint",
    "complete",
    "conditions",
    "independent_pixels",
    "model_images",
    "real_images",
    "sample",
    "tiles",
    "write",
]

FORMATS = (".png", ".npy")  # that `write` knows
EVALUATIONS = 32  # of the network, for each sample of the headline figures
SWEEP = (4, 8, 16, 32)
COMPLETED, EACH = 32, 4  # test images whose lower half is drawn anew, and how often
SAMPLERS: dict[str, Callable[[int, float], Sampler]] = {
    "Adams–Bashforth 3, angle": lambda nfe, std: Sampler(
        AdamsBashforth(3), nfe - 1, path=Cosine(data_std=std)
    ),
    "DPM-Solver++ 2M, log-SNR": lambda nfe, std: Sampler(
        DPMSolver(2), nfe - 1, LogSNRGrid(), path=None
    ),
    "ancestral, angle": lambda nfe, std: Sampler(AnyNoise(1.0), nfe - 1),
}


@dataclass(frozen=True)
class Settings:
    """How much to generate: the keywords of `Preset.generate`.

    Attributes:
        samples: class-conditional samples (equal shares).
        bound_draws: noise levels for each test image in the bound.
        flow_images: test images whose flow likelihood is computed.
        label_images: test images whose bound given the label is computed; None: all.
        sweep_samples: samples at each number of evaluations.
        batch: images at once.
        exact_trace: exact divergence in the flow, instead of one Hutchinson probe.
    """

    samples: int
    bound_draws: int
    flow_images: int
    sweep_samples: int
    label_images: int | None = None
    batch: int = 250
    exact_trace: bool = False


@dataclass(frozen=True)
class Completions:
    """Originals (N, C, H, W), what was given of them (the same shape), and completions (N, K, C,
    H, W)."""

    originals: Tensor
    observed: Tensor
    completions: Tensor


@dataclass(frozen=True)
class SweepPoint:
    """Samples of one sampler at one cost."""

    sampler: str
    nfe: int
    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Images:
    """Outputs of an image model, in levels; None: not made.

    Attributes:
        images: samples (N, C, H, W).
        labels: what they were asked to be (N,).
        bound: variational bound of the test images, unconditional.
        bound_given_label: the same of the first test images, given their labels.
        flow: flow likelihood of the first test images, unconditional.
        profile: log-SNRs, and the bound's integrand at them in bits/dim per unit of log-SNR,
            averaged over test images.
        sweep: samples at other costs and of other samplers.
        completions: inpainted test images.
        nfe: network evaluations of each sample.
    """

    images: Tensor
    labels: Tensor
    bound: LikelihoodResult | None = None
    bound_given_label: LikelihoodResult | None = None
    flow: LikelihoodResult | None = None
    profile: tuple[Tensor, Tensor] | None = None
    sweep: Sequence[SweepPoint] = ()
    completions: Completions | None = None
    nfe: int | None = None


def model_images(model: Model, splits: Splits, preset: Preset, generator: Generator) -> Images:
    """Everything that the report shows of a model."""
    how = Settings(**preset.generate)
    test, unlabelled = splits.test, splits.test.without_condition()
    sampler = next(iter(SAMPLERS.values()))(EVALUATIONS, _data_std(splits))
    labels = _balanced(how.samples, splits)
    images = sample(
        model, labels, sampler, generator, how.batch, f"samples ({sampler.nfe} evaluations)"
    )
    bound = Bound(how.bound_draws)
    trace = ExactTrace() if how.exact_trace else Hutchinson(1)
    flow = Flow(64, trace, LogSNRGrid())  # the flow of quantised data is stiff: see Flow
    few = unlabelled.rows(slice(how.flow_images))
    return Images(
        images,
        labels,
        bound=_likelihood(model, unlabelled, bound, generator, how.batch, "bits/dim (bound)"),
        bound_given_label=_likelihood(
            model,
            test.rows(slice(how.label_images)),
            bound,
            generator,
            how.batch,
            "bits/dim given the label",
        ),
        flow=_likelihood(model, few, flow, generator, min(how.batch, 50), "bits/dim (flow)"),
        profile=_profile(model, unlabelled.rows(slice(min(len(test), how.batch))), generator),
        sweep=_sweep(model, splits, how, generator),
        completions=complete(model, test.rows(slice(COMPLETED)), generator),
        nfe=sampler.nfe,
    )


def sample(
    model: Model,
    labels: Tensor,
    sampler: Sampler,
    generator: Generator,
    batch: int,
    title: str,
    guidance: float = 1.0,
) -> Tensor:
    """Samples of given labels, on the CPU, `batch` at a time."""
    device = next(model.parameters()).device
    parts = []
    for rows in track(labels.split(batch), title):
        blank = Batch.empty(len(rows), model.shape, {"label": rows}).to(device)
        parts.append(model.sample(blank, sampler, guidance=guidance, generator=generator).cpu())
    return torch.cat(parts)


def complete(model: Model, given: Batch, generator: Generator, each: int = EACH) -> Completions:
    """The lower half of images drawn anew, `each` times, from their upper half; labels are not
    told."""
    device = next(model.parameters()).device
    observed = _upper_half(given.x)
    many = (
        given.replace(observed=observed)
        .without_condition()
        .map(lambda v: v.repeat_interleave(each, 0))
        .to(device)
    )
    drawn = model.sample(many, Sampler(AnyNoise(2.0), steps=63), generator=generator).cpu()
    return Completions(given.x.cpu(), observed.cpu(), drawn.unflatten(0, (len(given), each)))


def real_images(splits: Splits, preset: Preset) -> Images:
    """The perfect sampler: training images, as many as the model draws."""
    n = min(Settings(**preset.generate).samples, len(splits.train))
    return Images(splits.train.x[:n], splits.train.cond["label"][:n])


def independent_pixels(splits: Splits, preset: Preset) -> Images:
    """The trivial model: independent pixels, of all images or of each class."""
    values = splits.transform.values
    assert values is not None
    k, generator, test = len(values), seeded(0), splits.test
    labels = _balanced(Settings(**preset.generate).samples, splits)
    everyone = Pixels.fit(splits.train.x, k)
    classes = {
        c: Pixels.fit(splits.train.x[splits.train.cond["label"] == c], k)
        for c in splits.train.cond["label"].unique().tolist()
    }
    images = torch.empty(len(labels), *test.x.shape[1:], dtype=torch.long)
    given_label = torch.empty(len(test))
    for c, pixels in classes.items():
        images[labels == c] = pixels.sample(int((labels == c).sum()), generator)
        rows = test.cond["label"] == c
        given_label[rows] = pixels.log_prob(test.x[rows])
    bound = exact(everyone.log_prob(test.x), test)
    some = test.rows(slice(COMPLETED))
    drawn = torch.stack([everyone.sample(len(some), generator) for _ in range(EACH)], 1)
    done = Completions(some.x, _upper_half(some.x), drawn)
    return Images(images, labels, bound, exact(given_label, test), flow=bound, completions=done)


def _upper_half(x: Tensor) -> Tensor:
    observed = torch.zeros_like(x, dtype=torch.bool)
    observed[..., : x.shape[-2] // 2, :] = True
    return observed


def _likelihood(
    model: Model, batch: Batch, method: Likelihood, generator: Generator, size: int, title: str
) -> LikelihoodResult | None:
    device = next(model.parameters()).device
    starts = range(0, len(batch), size)
    parts = [
        model.log_prob(batch.rows(slice(i, i + size)).to(device), method, generator)
        for i in track(starts, title)
    ]
    return LikelihoodResult.cat(parts) if parts else None


@torch.no_grad()
def _profile(
    model: Model, batch: Batch, generator: Generator, points: int = 24
) -> tuple[Tensor, Tensor]:
    process = model.process
    encoded = model.encode(batch.to(next(model.parameters()).device))
    window = torch.linspace(process.schedule.log_snr_min, process.schedule.log_snr_max, points)
    rates = []
    for log_snr in window:
        level = process.schedule.level_of(log_snr.to(encoded.x).expand(len(batch)), encoded.x.ndim)
        x_t = process.marginal(encoded.x, level, encoded).sample(generator)
        rate = process.rate(encoded.x, x_t, level, model.denoiser(x_t, level, encoded), encoded)
        rates.append((rate / encoded.dims()).mean().cpu() / math.log(2))
    return window, torch.stack(rates)


def conditions(splits: Splits, n: int, label: int | None) -> dict[str, Tensor]:
    """Labels of n samples: one class, or all in turn.

    Raises:
        ValueError: if there is no such class.
    """
    labels = _balanced(n, splits)
    classes = int(splits.train.cond["label"].max()) + 1
    if label is not None and not 0 <= label < classes:
        raise ValueError(f"there is no class {label}; labels are 0 to {classes - 1}")
    return {"label": labels if label is None else torch.full_like(labels, label)}


def write(images: Tensor, path: Path) -> None:
    """Levels (N, C, H, W) as one picture (.png) or as an array (.npy).

    Raises:
        ValueError: for any other suffix.
    """
    if path.suffix not in FORMATS:
        raise ValueError(f"{path}: images are written as {' or '.join(FORMATS)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, images.numpy(), allow_pickle=False)
    else:
        from matplotlib.image import imsave

        columns = math.ceil(len(images) ** 0.5)
        padded = torch.cat([images, images.new_zeros(-len(images) % columns, *images.shape[1:])])
        imsave(path, tiles(padded.unflatten(0, (-1, columns))).numpy(), cmap="gray_r")


def tiles(grid: Tensor) -> Tensor:
    """Images (R, K, 1, H, W) as one grey picture with a pixel of margin."""
    framed = torch.nn.functional.pad(grid[:, :, 0].float(), (0, 1, 0, 1))
    rows, columns, height, width = framed.shape
    return framed.permute(0, 2, 1, 3).reshape(rows * height, columns * width)


def _sweep(model: Model, splits: Splits, how: Settings, generator: Generator) -> list[SweepPoint]:
    labels = _balanced(how.sweep_samples, splits)
    points = []
    for name, sampler in SAMPLERS.items() if how.sweep_samples else ():
        for nfe in SWEEP:
            draw = sampler(nfe, _data_std(splits))
            images = sample(
                model, labels, draw, generator, how.batch, f"{name}, {nfe} evaluations"
            )
            points.append(SweepPoint(name, draw.nfe, images, labels))
    return points


def _data_std(splits: Splits) -> float:
    return splits.transform.encode(splits.train.x[:1000]).std().item()


def _balanced(n: int, splits: Splits) -> Tensor:
    classes = int(splits.train.cond["label"].max()) + 1
    return torch.arange(n) % classes
