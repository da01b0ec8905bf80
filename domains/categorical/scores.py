"""Metrics of outputs of models of codes: what the report's rows are."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from unnoise.core.likelihood import LikelihoodResult
from unnoise.domains.categorical.metrics import (
    in_rounds,
    marginal_tv,
    mean_score,
    mmd_hamming,
    pair_tv,
)
from unnoise.domains.categorical.outputs import Rows
from unnoise.domains.task import Metric, Score, Splits

__all__ = ["BITS", "GAP", "KL", "MARGINALS", "MMD", "NATS", "ORDERED", "PAIRS", "bits", "mmd"]

ROUNDS = 10  # of disjoint sets, whose spread is the standard error


def bits(
    which: Callable[[Rows], LikelihoodResult | None],
) -> Callable[[Rows, Splits], Score | None]:
    """Bits a dimension, pooled: all nats over all entries, since rows may be padded."""

    def score(outputs: Rows, splits: Splits) -> Score | None:
        result = which(outputs)
        if result is None:
            return None
        pooled = result.pooled_bits_per_dim()
        return Score(pooled.value, pooled.stderr)

    return score


def _nats(outputs: Rows, splits: Splits) -> Score | None:
    return None if outputs.bound is None else mean_score(-outputs.bound.nats.double())


def _gap(outputs: Rows, splits: Splits) -> Score | None:
    if outputs.bound is None or outputs.truth is None:
        return None
    return mean_score(outputs.truth - outputs.bound.nats.double())


def _ordered_gap(outputs: Rows, splits: Splits) -> Score | None:
    if outputs.ordered is None or outputs.truth is None:
        return None
    nats = outputs.ordered.nats.double()
    return mean_score(outputs.truth[: len(nats)] - nats)


def mmd(rows: Tensor, splits: Splits) -> Score:
    """MMD of rows and test rows in disjoint rounds of at most 4096."""
    real, made = (x.flatten(1).long() for x in (splits.test.x, rows))
    rounds = max(2, min(ROUNDS, len(made) // 4000))
    some = min(len(real), len(made)) // rounds * rounds
    return in_rounds(mmd_hamming, real[:some], made[:some], rounds)


NATS = Metric(_nats, "lower", "-log p of test rows (bound)", "nats/row", "upper bound")
BITS = Metric(bits(lambda o: o.bound), "lower", "bits/dim (bound)", "bits/dim", "upper bound")
ORDERED = Metric(
    bits(lambda o: o.ordered), "lower", "bits/dim, columns revealed in order", "bits/dim", "exact"
)
GAP = Metric(_gap, "lower", "NELBO - entropy, on the same test rows", "nats", "upper bound")
KL = Metric(
    _ordered_gap, "lower", "KL to the truth, columns revealed in order", "nats", "estimate"
)
MMD = Metric(lambda o, s: mmd(o.rows, s), "lower", "MMD, exp(-.1 Hamming), unbiased")
MARGINALS = Metric(
    lambda o, s: marginal_tv(s.test.x.flatten(1).long(), o.rows.flatten(1).long()),
    "lower", "total variation of columns, mean",
)  # fmt: skip
PAIRS = Metric(
    lambda o, s: pair_tv(s.test.x.flatten(1).long(), o.rows.flatten(1).long()),
    "lower", "total variation of pairs of columns, mean",
)  # fmt: skip
