"""How time and memory grow with size, as one figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

__all__ = ["Measured", "growth"]

Measured = tuple[int, float, float]  # size, CPU milliseconds, peak of memory in GiB


def growth(curves: Mapping[str, Sequence[Measured]], size: str, time: str) -> Figure:
    """Time and memory against size, a line a name.

    Args:
        curves: what was measured, by name; of the same sizes.
        size: label of the sizes.
        time: label of the times.
    """
    made = Figure(figsize=(8, 3), layout="constrained")
    left, right = made.subplots(1, 2)
    for name, rows in curves.items():
        sizes, ms, gib = zip(*rows, strict=True)
        left.plot(sizes, ms, "o-", ms=4, label=name)
        right.plot(sizes, gib, "o-", ms=4, label=name)
    ticks = sorted({n for rows in curves.values() for n, *_ in rows})
    left.set_ylabel(time)
    right.set_ylabel("peak memory of the process, GiB")
    for axes in (left, right):
        axes.set_xscale("log")
        axes.set_xticks(ticks, [str(n) for n in ticks])
        axes.minorticks_off()
        axes.set_xlabel(size)
        axes.legend(fontsize=8)
    left.set_yscale("log")
    return made
