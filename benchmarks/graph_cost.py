"""What does a training step on graphs cost? `python -m unnoise.benchmarks.graph_cost --out runs/graph-cost`.

Milliseconds of the clock, and of all cores together, of forward, backward and optimizer step of a task's loss, in the
precision that is fast here, and the peak of memory, for graphs of 20 to 400 nodes and for the dense and the sparse
network: a table, `graph_cost.json` and `graph_cost.svg`. The median of five steps after two. Every size runs in a
process of its own, so that its peak is its own.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import networkx as nx
import torch
import typer
from matplotlib.figure import Figure

from unnoise.benchmarks.apart import apart, peak_gib
from unnoise.benchmarks.charts import svg
from unnoise.benchmarks.growth import growth
from unnoise.core.checkpoint import atomic_write
from unnoise.core.device import precision_on
from unnoise.core.random import seeded
from unnoise.domains.graphs.alphabet import Alphabet
from unnoise.domains.graphs.denoiser import frequencies
from unnoise.domains.graphs.model import graph_model
from unnoise.domains.graphs.networks import EdgeTransformer, SparseNetwork

__all__ = ["main"]

NETWORKS = {"edge": EdgeTransformer, "sparse": SparseNetwork}
SIZES = ((20, 32), (50, 8), (100, 4), (200, 2), (400, 1))  # nodes and graphs a step
DEGREE = 6.0  # of the graphs, on average


def main(
    out: Annotated[Path, typer.Option(help="Where results go.")] = Path("runs/graph-cost"),
    threads: Annotated[int, typer.Option(help="Of torch.")] = 2,
    one: Annotated[str, typer.Option(help="Measure NETWORK,NODES,GRAPHS and print it.")] = "",
) -> None:
    """Cost of a training step against the number of nodes."""
    if one:
        kind, nodes, batch = one.split(",")
        print(json.dumps(measured(kind, int(nodes), int(batch), threads)))
        return
    rows = [
        apart("unnoise.benchmarks.graph_cost", f"{kind},{nodes},{batch}", threads)
        for kind in NETWORKS
        for nodes, batch in SIZES
    ]
    out.mkdir(parents=True, exist_ok=True)
    atomic_write(out / "graph_cost.json", json.dumps(rows, indent=1))
    atomic_write(out / "graph_cost.svg", svg(figure(rows)))
    for row in rows:
        print(json.dumps(row))


def measured(kind: str, nodes: int, batch: int, threads: int) -> dict[str, Any]:
    """One network at one size."""
    torch.set_num_threads(threads)
    graphs = [nx.gnp_random_graph(nodes, DEGREE / nodes, seed=k) for k in range(batch)]
    alphabet = Alphabet.of(graphs)
    data = alphabet.encode(graphs)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = graph_model(alphabet, nodes, frequencies(alphabet, data), NETWORKS[kind])
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    precision, generator, spent = precision_on("cpu"), seeded(0), []
    for _ in range(7):
        start = time.perf_counter(), time.process_time()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            loss = model.loss(data, generator)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        spent.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    wall, cpu = (statistics.median(column) for column in zip(*spent[2:], strict=True))
    return {
        "network": kind,
        "nodes": nodes,
        "graphs": batch,
        "precision": precision,
        "ms": round(1_000 * wall),
        "CPU ms": round(1_000 * cpu),
        "peak GiB": round(peak_gib(), 2),
    }


def figure(rows: Sequence[dict[str, Any]]) -> Figure:
    """Time a graph, and peak memory, against nodes."""
    curves = {
        kind: [
            (r["nodes"], r["CPU ms"] / r["graphs"], r["peak GiB"])
            for r in rows
            if r["network"] == kind
        ]
        for kind in NETWORKS
    }
    return growth(curves, "nodes", "CPU ms a graph and training step")


if __name__ == "__main__":
    typer.run(main)
