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

Numbers of nodes and of edges, of unit variance, are seen as m = E[x_0 | x_t] = c x_t if they were normal,
which fades out as well. A weight w is there as far as its edge is, and a free normal number otherwise:

    E[w | x_t] = P (c x_t + c_out F) + (1 - P) c x_t = c x_t + P c_out F,   P = P(edge | x_t)

So F is about weights of edges alone, and where there is no edge, nothing is to be learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, threshold

from unnoise.core.batch import Batch
from unnoise.core.denoiser import Denoiser, Karras
from unnoise.core.posterior import Categories, Levels, Mean, Parts
from unnoise.core.process import Gaussian, Jump, Process
from unnoise.core.process.jump import flat
from unnoise.core.rates.base import elapsed
from unnoise.core.schedule import Level
from unnoise.domains.graphs.alphabet import EDGES, FEATURES, NODES, WEIGHTS, Alphabet
from unnoise.domains.graphs.networks.base import GraphNetwork, Noisy
from unnoise.domains.graphs.pairs import dense, pairs

__all__ = ["GraphDenoiser", "Reader", "frequencies"]

_UNIT = Karras(1.0)
_SURE = 40.0  # nats: what is left of doubt is below the rounding of single precision
_SEEN = 1e-7  # a belief under single precision's rounding is 0: powers of it are slow, subnormal numbers
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

    @property
    def levels(self) -> int:
        """K."""
        return len(self.odds)

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
        alphabet: what states are made of.
        network: of as many node and edge outputs as there are levels and numbers.
        edges: the reader of pairs.
        nodes: that of kinds of nodes; None: nodes have none.
        condition: turns a batch's conditions into the network's, (B, width); None: there are none.
    """

    def __init__(
        self,
        alphabet: Alphabet,
        network: GraphNetwork,
        edges: Reader,
        nodes: Reader | None = None,
        condition: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.alphabet = alphabet
        self.network = network
        self.edges = edges
        self.nodes = nodes
        self.condition = condition

    def forward(self, x_t: Tensor, level: Level, batch: Batch) -> Any:
        x, given = self.alphabet.split(x_t), _given(self.alphabet, batch)
        exists = self._exists(batch)
        logits = {EDGES: self.edges.evidence(x[EDGES], level, given.get(EDGES)) + self.edges.odds}
        if self.nodes is not None:
            e = self.nodes.evidence(x[NODES], level, given.get(NODES))
            logits[NODES] = e + self.nodes.odds
        noisy = self._seen(x, logits, level, given, exists)
        cond = None if self.condition is None else self.condition(batch)
        h, F = self.network(noisy, level.condition(x_t), cond)
        F = pairs(F).to(x_t.dtype)
        of_edges, of_nodes = self.edges.levels, 0 if self.nodes is None else self.nodes.levels
        beliefs: dict[str, Any] = {EDGES: self.edges.belief(F[..., :of_edges] + logits[EDGES])}
        if self.nodes is not None:
            said = h[..., :of_nodes].to(x_t.dtype) + logits[NODES]
            beliefs[NODES] = self.nodes.belief(said)
        if WEIGHTS in x:
            P = 1 - torch.softmax(beliefs[EDGES].logits.detach(), -1)[..., :1]
            said = P * F[..., of_edges:]
            beliefs[WEIGHTS] = _mean(said, x[WEIGHTS], level, given.get(WEIGHTS))
        if FEATURES in x:
            said = h[..., of_nodes:].to(x_t.dtype)
            beliefs[FEATURES] = _mean(said, x[FEATURES], level, given.get(FEATURES))
        return beliefs[EDGES] if len(x) == 1 else Parts({part: beliefs[part] for part in x})

    def _seen(
        self, x: Mapping[str, Tensor], logits: Mapping[str, Tensor], level: Level,
        given: Mapping[str, Given], exists: Tensor,
    ) -> Noisy:  # fmt: skip
        """What the network is shown: beliefs of codes from their own readings, and numbers."""
        seen = threshold(dense(torch.softmax(logits[EDGES], -1)), _SEEN, 0.0)
        seen = seen * (exists[:, :, None] & exists[:, None, :])[..., None]
        own, wires = [x[EDGES].new_zeros(*exists.shape, 0)], [seen]
        if NODES in logits:
            own.append(torch.softmax(logits[NODES], -1))
        if FEATURES in x:
            read = _reading(x[FEATURES], level, given.get(FEATURES))
            own.append(self._rows(read, FEATURES))
        if WEIGHTS in x:
            may = 1 - torch.softmax(logits[EDGES] - self.edges.odds, -1)[..., :1]
            read = _reading(x[WEIGHTS], level, given.get(WEIGHTS))
            wires.append(dense(may * self._rows(read, WEIGHTS)))
        nodes = torch.cat(own, -1) * exists[..., None]
        return Noisy(nodes, torch.cat(wires, -1), seen[..., 1:].sum(-1), exists)

    def _rows(self, read: tuple[Tensor, Tensor], part: str) -> Tensor:
        """Numbers (B, rows D) as features (B, rows, 2 D)."""
        width = self.alphabet.scales()[part].width
        each = [v.reshape(len(v), v.shape[1] // width, width) for v in read]
        return torch.cat(each, -1)

    def _exists(self, batch: Batch) -> Tensor:
        """Which nodes exist, (B, N): the first ones, as many as the mask says."""
        n = self.alphabet.size(batch.x.shape[1])
        if batch.mask is None:
            return torch.ones(len(batch), n, dtype=torch.bool, device=batch.x.device)
        mask = self.alphabet.split(batch.mask.expand_as(batch.x))
        if NODES in mask:
            return mask[NODES]
        sizes = (1 + (1 + 8 * mask[EDGES].sum(1)).double().sqrt()) / 2
        return torch.arange(n, device=batch.x.device) < sizes.round()[:, None]


def _reading(x_t: Tensor, level: Level, given: Given | None) -> tuple[Tensor, Tensor]:
    """What numbers say themselves: E[x_0 | x_t], and whether it is given."""
    m = _UNIT.coefficients(level)[1] * x_t
    if given is None:
        return m, torch.zeros_like(m)
    x, observed = given
    return torch.where(observed, x, m), observed.to(m)


def _mean(F: Tensor, x_t: Tensor, level: Level, given: Given | None) -> Mean:
    """The belief about numbers (B, rows D) of which a network says F (B, rows, D)."""
    _, c_skip, c_out = _UNIT.coefficients(level)
    mean = c_skip * x_t + c_out * F.flatten(1)
    return Mean(mean if given is None else torch.where(given[1], given[0], mean))


def _given(alphabet: Alphabet, batch: Batch) -> dict[str, Given]:
    """What is given of each part; nothing if nothing is. A weight is given with its edge: alone, it
    would give away that there is one."""
    if batch.observed is None:
        return {}
    x, observed = (alphabet.split(v) for v in (batch.x, batch.observed.expand_as(batch.x)))
    if alphabet.weights is not None:
        edges = observed[EDGES] & (x[EDGES] > 0)
        observed[WEIGHTS] = edges.repeat_interleave(alphabet.weights.width, 1)
    return {part: (x[part], observed[part]) for part in x}


def frequencies(alphabet: Alphabet, states: Batch) -> dict[str, Tensor]:
    """Of the levels of every part of codes, (K,), among the entries that exist, with one count in all
    added."""
    mask = torch.ones_like(states.x).bool() if states.mask is None else states.mask
    x, exists = alphabet.split(states.x), alphabet.split(mask)
    out = {}
    for part, k in alphabet.levels().items():
        counts = torch.bincount(x[part][exists[part]].long(), minlength=k).double()
        out[part] = (counts + 1 / k) / (counts.sum() + 1)
    return out
