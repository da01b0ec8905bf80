"""Scripts that measure costs: what they print is what they measured, in processes of their own."""

from __future__ import annotations

import numpy as np
import pytest

from unnoise.benchmarks import graph_cost, series_cost
from unnoise.benchmarks.apart import apart, peak_gib


def test_a_process_of_its_own_says_what_it_measured() -> None:
    row = apart("unnoise.benchmarks.series_cost", "recurrent,32", 1)
    assert (row["network"], row["window"]) == ("recurrent", 32)
    assert row["CPU ms"] > 0
    assert 0.1 < row["peak GiB"] < 8


def test_one_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="octopus"):
        apart("unnoise.benchmarks.graph_cost", "octopus,20,2", 1)


def test_the_peak_never_falls() -> None:
    before = peak_gib()
    held = bytearray(2**26)
    during = peak_gib()
    del held
    assert 0 < before <= during <= peak_gib()


@pytest.mark.parametrize("end", series_cost.ENDS)
def test_long_frames_go_through_the_front_ends(end: str) -> None:
    row = series_cost.whole(end, 2, 150)
    assert (row["series"], row["points"]) == (2, 150)


def test_graphs_of_every_network() -> None:
    for kind in graph_cost.NETWORKS:
        row = graph_cost.measured(kind, 8, 2, 1)
        assert (row["nodes"], row["graphs"]) == (8, 2)
    rows = [
        {"network": kind, "nodes": 20, "graphs": graphs, "CPU ms": 4, "peak GiB": 0.5}
        for kind, graphs in (("edge", 2), ("sparse", 4))
    ]
    left, right = graph_cost.figure(rows).axes
    for line, ms in zip(left.lines, (2, 1), strict=True):
        np.testing.assert_array_equal(line.get_xydata(), [[20, ms]])  # of a graph, not of a step
    np.testing.assert_array_equal(right.lines[0].get_xydata(), [[20, 0.5]])
