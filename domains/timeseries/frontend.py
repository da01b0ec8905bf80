"""What the two front ends have in common: how a frame is read, and how training is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from unnoise.core.training import Fit
from unnoise.domains.timeseries.frames import Layout, Long, Wide

__all__ = ["default_fit", "layout_from_json", "layout_to_json", "require_positive"]

_LAYOUTS: Mapping[str, type[Wide | Long]] = {"wide": Wide, "long": Long}


def default_fit(points: int) -> Fit:
    """Training that takes a minute or two: more points bear more steps."""
    steps = 300 if points < 1_000 else 1_000
    return Fit(steps, batch=16, lr=1e-3, warmup=50, ema=0.99 if steps < 1_000 else 0.997)


def layout_to_json(layout: Layout) -> dict[str, Any]:
    """A layout as JSON."""
    if not isinstance(layout, Wide | Long):
        raise TypeError(f"a {type(layout).__name__} can't be saved; use Wide or Long")
    kind = "wide" if isinstance(layout, Wide) else "long"
    return {"kind": kind, **asdict(layout)}


def layout_from_json(told: Mapping[str, Any]) -> Layout:
    """The layout that was saved."""
    rest = {k: tuple(v) if isinstance(v, list) else v for k, v in told.items() if k != "kind"}
    return _LAYOUTS[told["kind"]](**rest)


def require_positive(samples: int) -> None:
    """Refuse a number of samples that isn't positive.

    Raises:
        ValueError: if it is less than 1.
    """
    if samples < 1:
        raise ValueError(f"n_samples must be at least 1, got {samples}")
