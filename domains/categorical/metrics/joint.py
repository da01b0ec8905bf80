"""Divergence from a joint law whose states can all be listed."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["kl_to_joint"]


def kl_to_joint(log_p: Tensor, log_q: Tensor) -> float:
    r"""The divergence of a model q from the truth p in nats (lower is better, exact).

    .. math:: \mathrm{KL}(p \,\|\, q) = \sum_x p(x) (\ln p(x) - \ln q(x)), \qquad 0 \ln 0 = 0

    It is infinite where q gives no probability to a state that p does. A lower bound in the
    place of log q, whose probabilities sum to less than one, gives an upper bound.

    Args:
        log_p: Log probabilities in nats of all states under the truth, any shape.
        log_q: Of the same states under the model.

    Raises:
        ValueError: For unequal shapes, NaN, or p that doesn't sum to 1.

    >>> log_p = torch.tensor([0.5, 0.5, 0.0]).log()
    >>> round(kl_to_joint(log_p, torch.tensor([0.25, 0.5, 0.25]).log()), 4)  # half of ln 2
    0.3466
    """
    if log_p.shape != log_q.shape:
        raise ValueError(
            f"log_p, log_q: need the same states, got {tuple(log_p.shape)} and "
            f"{tuple(log_q.shape)}"
        )
    log_p, log_q = log_p.double(), log_q.double()
    if log_p.isnan().any() or log_q.isnan().any():
        raise ValueError("log_p, log_q: hold NaN")
    p = log_p.exp()
    if not math.isclose(float(p.sum()), 1.0, rel_tol=1e-5):
        raise ValueError(f"log_p: its probabilities sum to {float(p.sum())}, not to 1")
    return float(torch.where(p > 0, p * (log_p - log_q), 0.0).sum())
