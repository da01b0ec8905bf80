r"""One denoiser for discrete and continuous diffusion of graphs: the process alone tells them apart.

An entry of a state, a pair or the kind of a node, has K levels. Its own noisy reading is evidence about
them, whatever the noise is,

    codes     e_k = log q_t(k -> x)                              jumps
    numbers   e_k = snr (y v_k - v_k^2 / 2),  y = x / alpha       Gaussian noise of the levels' values v

and with the frequencies f of the levels it makes a belief, softmax(e + log f). These beliefs are all
that the network sees: noise fades out of them by itself, and an adjacency matrix of them is exact at
the data and the mean graph at the noise, so walks and distances on it are what is known of them. What
the network says, F, is about the other entries, and Bayes' rule puts both together:

    p(x_0 = k | x_t) ~ f_k exp(F_k + e_k)

Training starts from F = 0, where entries are independent. What is given of a graph is evidence, too.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser
from unnoise.core.posterior import Categories, Levels, Parts
from unnoise.core.process import Gaussian, Jump, Process
from unnoise.core.process.jump import flat
from unnoise.core.rates.base import elapsed
from unnoise.core.schedule import Level
from unnoise.domains.graphs.alphabet import EDGES, NODES, Alphabet
from unnoise.domains.graphs.networks.base import GraphNetwork, Noisy
from unnoise.domains.graphs.pairs import count, dense, nodes_of, pairs

__all__ = ["GraphDenoiser", "Reader", "frequencies"]

_SURE = 40.0  # nats: what is left of doubt is below the rounding of single precision
Given = tuple[Tensor, Tensor]  # states and where they are given, (B, D)


class Reader(nn.Module):
    """What a part's own noisy entries say, and what its belief is.

    Args:
        process: of the part: jumps, or Gaussian noise of `values`.
        frequencies: of the levels, (K,).
        values: of the levels (K,), of a Gaussian process.

    Raises:
        TypeError: for another process.
        ValueError: if a Gaussian process has no values.
    """

    def __init__(
        self, process: Process[Any], frequencies: Tensor, values: Tensor | None = None
    ) -> None:
        super().__init__()
        if not isinstance(process, Jump | Gaussian):
            raise TypeError(
                f"Reader: no evidence under {type(process).__name__}; jumps or Gaussian"
            )
        if isinstance(process, Gaussian) and values is None:
            raise ValueError("Reader: a Gaussian process of levels needs their values")
        self.rates = process.rates if isinstance(process, Jump) else None
        self.odds: Tensor
        self.register_buffer("odds", frequencies.double().clamp(min=1e-9).log().float())
        self.values: Tensor
        self.register_buffer("values", torch.zeros(0) if values is None else values.clone())

    def evidence(self, x_t: Tensor, level: Level, given: Given | None = None) -> Tensor:
        """e, (B, D, K), up to a constant an entry; what is given is beyond doubt."""
        e = self._noisy(x_t, level)
        if given is None:
            return e
        x, observed = given
        code = x.long() if self.rates else (x[..., None] - self.values.to(x)).abs().argmin(-1)
        sure = _SURE * one_hot(code.clamp(0, len(self.odds) - 1), len(self.odds)).to(e)
        return torch.where(observed[..., None], sure, e)

    def _noisy(self, x_t: Tensor, level: Level) -> Tensor:
        if self.rates is not None:
            x = x_t.long()
            column = self.rates.column(x, elapsed(flat(level), x_t))[..., : len(self.odds)]
            return column.clamp(min=torch.finfo(x_t.dtype).tiny).log()
        alpha, sigma = (torch.as_tensor(v).to(x_t) for v in (level.alpha, level.sigma))
        snr, v = (alpha / sigma).square(), self.values.to(x_t)
        return snr[..., None] * ((x_t / alpha)[..., None] * v - 0.5 * v.square())

    def belief(self, logits: Tensor) -> Categories | Levels:
        """What softmax(logits) (B, D, K) is called under the process."""
        if self.rates is not None:
            return Categories(logits)
        return Levels(logits, torch.eye(len(self.odds)).to(logits), self.values.to(logits))


class GraphDenoiser(Denoiser[Any]):
    """A graph network as the denoiser of any process.

    Args:
        network: with as many node and edge outputs as there are levels.
        edges: the reader of pairs.
        nodes: that of kinds of nodes; None: nodes have none.
        condition: turns a batch's conditions into the network's, (B, width); None: there are none.
    """

    def __init__(
        self,
        network: GraphNetwork,
        edges: Reader,
        nodes: Reader | None = None,
        condition: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.edges = edges
        self.nodes = nodes
        self.condition = condition

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Any:
        n = nodes_of(x_t.shape[1]) - int(self.nodes is not None)
        exists = self._exists(batch, n)
        split = [x_t.shape[1] - count(n), count(n)]
        (kinds, wires), given = x_t.split(split, 1), _given(batch, split)
        e = self.edges.evidence(wires, level, given[1])
        seen = torch.softmax(e + self.edges.odds, -1)
        both = exists[:, :, None] & exists[:, None, :]
        matrix = dense(seen) * both[..., None]
        adjacency = matrix[..., 1:].sum(-1)
        if self.nodes is None:
            own, said = x_t.new_zeros(len(x_t), n, 0), None
        else:
            said = self.nodes.evidence(kinds, level, given[0]) + self.nodes.odds
            own = torch.softmax(said, -1) * exists[..., None]
        cond = None if self.condition is None else self.condition(batch)
        h, F = self.network(Noisy(own, matrix, adjacency, exists), level.condition(x_t), cond)
        edges = self.edges.belief(pairs(F).to(x_t.dtype) + e + self.edges.odds)
        if self.nodes is None or said is None:
            return edges
        return Parts({NODES: self.nodes.belief(h.to(x_t.dtype) + said), EDGES: edges})

    def _exists(self, batch: Batch, n: int) -> Tensor:
        """Which nodes exist, (B, n): the first ones, as many as the mask says."""
        if batch.mask is None:
            return torch.ones(len(batch), n, dtype=torch.bool, device=batch.x.device)
        mask = batch.mask.expand_as(batch.x)
        if self.nodes is not None:
            return mask[:, :n]
        sizes = (1 + (1 + 8 * mask.sum(1)).double().sqrt()) / 2
        return torch.arange(n, device=mask.device) < sizes.round()[:, None]


def _given(batch: Batch, split: list[int]) -> list[Given | None]:
    """What is given of each part."""
    if batch.observed is None:
        return [None, None]
    observed = batch.observed.expand_as(batch.x)
    return list(zip(batch.x.split(split, 1), observed.split(split, 1), strict=True))


def frequencies(alphabet: Alphabet, states: Batch) -> dict[str, Tensor]:
    """Of the levels of every part, (K,), among the entries that exist, with one count in all added."""
    levels, n = alphabet.levels(), alphabet.size(states.x.shape[1])
    split = list(alphabet.width(n).values())
    mask = torch.ones_like(states.x).bool() if states.mask is None else states.mask
    out = {}
    for (part, k), x, exists in zip(
        levels.items(), states.x.split(split, 1), mask.split(split, 1), strict=True
    ):
        counts = torch.bincount(x[exists].long(), minlength=k).double()
        out[part] = (counts + 1 / k) / (counts.sum() + 1)
    return out
