r"""How much the notes of generated songs are those of the true ones.

Songs are completed from a given part, so that each has its own truth. Both metrics see which notes
a song has and how often, not their order:

* Hellinger's distance of the two histograms over all S symbols,
  :math:`\frac{1}{\sqrt 2} \lVert \sqrt p - \sqrt q \rVert_2`, in [0, 1];
* outliers, the share of notes that the true song doesn't have at all.

Published figures count all steps, the given ones among them, which dilutes what was generated;
so each function takes the positions to count. Say which ones beside every figure. A note is looked
for in the whole true song either way.

References:
    Campbell et al. (2022), A Continuous Time Framework for Discrete Denoising Models, section 6.3;
    Sun et al. (2023), Score-based Continuous-time Discrete Diffusion Models, whose published code
    counts all steps.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from unnoise.domains.categorical.metrics.rounds import mean_score
from unnoise.domains.task import Score

__all__ = ["hellinger", "histograms", "outliers"]


def hellinger(made: Tensor, truth: Tensor, levels: int, where: Tensor | None = None) -> Score:
    """Mean Hellinger distance of songs' note histograms (lower is better, in [0, 1]).

    Args:
        made: Generated songs, codes (N, ...), or several for each truth, (R, N, ...).
        truth: The true songs, (N, ...).
        levels: S, the number of symbols.
        where: Positions to count, bool (N, ...), the same ones in both songs; None: all.

    Returns:
        The mean over songs, and its standard error over songs (those of one truth are averaged
        first).

    Raises:
        ValueError: For shapes that don't fit, codes out of range, or a song without any position
            to count.
    """
    made = _several(made, truth)
    p = histograms(truth, levels, where)
    q = torch.stack([histograms(each, levels, where) for each in made])
    distances = (q.sqrt() - p.sqrt()).square().sum(-1).sqrt() / math.sqrt(2)
    return mean_score(distances.mean(0))


def outliers(made: Tensor, truth: Tensor, levels: int, where: Tensor | None = None) -> Score:
    """Mean share of notes that the true song never has (lower is better, in [0, 1]).

    Arguments, result and errors are those of `hellinger`; `where` selects the notes of the
    generated song, and the true song counts as a whole.
    """
    made = _several(made, truth)
    absent = (histograms(truth, levels, None) == 0).double()
    q = torch.stack([histograms(each, levels, where) for each in made])
    return mean_score((q * absent).sum(-1).mean(0))


def histograms(songs: Tensor, levels: int, where: Tensor | None = None) -> Tensor:
    """The share of each symbol in each song, (N, S), float64.

    Raises:
        ValueError: For codes out of range, `where` of another shape, or a song without any
            position to count.
    """
    if songs.numel() and not 0 <= int(songs.min()) <= int(songs.max()) < levels:
        raise ValueError(
            f"songs: hold {int(songs.min())} to {int(songs.max())}, but there are the symbols "
            f"0 to {levels - 1}"
        )
    where = torch.ones_like(songs, dtype=torch.bool) if where is None else where
    if where.shape != songs.shape:
        raise ValueError(f"where: has shape {tuple(where.shape)}, the songs {tuple(songs.shape)}")
    counted = where.flatten(1).double()
    total = counted.sum(1, keepdim=True)
    if not total.all():
        raise ValueError(f"where: song {int((total == 0).nonzero()[0, 0])} has nothing to count")
    counts = torch.zeros(len(songs), levels, dtype=torch.float64)
    return counts.scatter_add_(1, songs.flatten(1).long(), counted) / total


def _several(made: Tensor, truth: Tensor) -> Tensor:
    """Generated songs as (R, N, ...)."""
    made = made if made.ndim > truth.ndim else made[None]
    if truth.ndim < 2 or made.shape[1:] != truth.shape:
        raise ValueError(
            f"made: need {tuple(truth.shape)}, the shape of the truth, or several of them, got "
            f"{tuple(made.shape)}"
        )
    return made
