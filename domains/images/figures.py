"""Figures of image models for the report."""

from __future__ import annotations

from collections.abc import Callable

import torch
from matplotlib.figure import Figure
from torch import Tensor

from unnoise.domains.images.outputs import Images, tiles
from unnoise.domains.task import Splits

__all__ = ["bits_by_noise_level", "completions", "quality_by_cost", "sample_grid"]

ROWS = 6


def sample_grid(outputs: Images, splits: Splits) -> Figure:
    """Samples by class on the left, test images by class on the right."""
    labels = splits.test.cond["label"]
    classes = int(labels.max()) + 1
    made = _by_class(outputs.images, outputs.labels, classes)
    real = _by_class(splits.test.x, labels, classes)
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    for axes, image, title in zip(
        figure.subplots(1, 2), (made, real), ("samples", "test images"), strict=True
    ):
        axes.imshow(image.numpy(), cmap="gray_r", interpolation="nearest")
        axes.set_title(title, fontsize=10)
        axes.axis("off")
    return figure


def completions(outputs: Images, splits: Splits) -> Figure | None:
    """Originals, what was given of them, and completions drawn from the model, a column an
    image."""
    done = outputs.completions
    if done is None:
        return None
    top = int(splits.test.x.max())
    given = torch.where(done.observed, done.originals, top // 4)
    rows = [part[:8] for part in (done.originals, given, *done.completions.unbind(1))]
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    axes.imshow(tiles(torch.stack(rows)).numpy(), cmap="gray_r", interpolation="nearest")
    height = rows[0].shape[-2] + 1
    axes.set_yticks(
        [height * (k + 0.5) - 1 for k in range(len(rows))],
        ["original", "given", *["drawn"] * (len(rows) - 2)],
    )
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def bits_by_noise_level(outputs: Images, splits: Splits) -> Figure | None:
    """The bound's integrand: where along the noise the bits are spent."""
    if outputs.profile is None:
        return None
    log_snr, rate = outputs.profile
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.plot(log_snr.numpy(), rate.numpy())
    axes.fill_between(log_snr.numpy(), rate.numpy(), alpha=0.15)
    axes.set_xlabel("log-SNR (noise on the left, data on the right)")
    axes.set_ylabel("bits/dim per unit of log-SNR")
    axes.set_ylim(bottom=0)
    return figure


def quality_by_cost(
    distance: Callable[[Images, Splits], float], label: str
) -> Callable[[Images, Splits], Figure | None]:
    """A figure of a distance against network evaluations, a line a sampler."""

    def figure_of(outputs: Images, splits: Splits) -> Figure | None:
        if not outputs.sweep:
            return None
        figure = Figure(figsize=(6, 3.8), layout="constrained")
        axes = figure.subplots()
        for name in dict.fromkeys(point.sampler for point in outputs.sweep):
            points = [p for p in outputs.sweep if p.sampler == name]
            values = [distance(Images(p.images, p.labels), splits) for p in points]
            axes.plot([p.nfe for p in points], values, marker="o", label=name)
        n = len(outputs.sweep[0].images)
        floor = distance(Images(splits.train.x[:n], splits.train.cond["label"][:n]), splits)
        axes.axhline(floor, color="gray", linestyle=":", label=f"floor: {n} training images")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks([p.nfe for p in points], [str(p.nfe) for p in points])
        axes.set_xlabel("network evaluations a sample")
        axes.set_ylabel(label)
        axes.legend(fontsize=8)
        return figure

    return figure_of


def _by_class(images: Tensor, labels: Tensor, classes: int) -> Tensor:
    """A picture of ROWS x classes images, a column a class; blank where a class has too few."""
    grid = images.new_zeros(ROWS, classes, *images.shape[1:])
    for c in range(classes):
        some = images[labels == c][:ROWS]
        grid[: len(some), c] = some
    return tiles(grid)
