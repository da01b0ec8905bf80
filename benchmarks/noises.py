"""What noise suits graphs? `python -m unnoise.benchmarks.noises --out runs/noises`.

Trains the `cpu` preset of a task under each noise for the same time, and draws graphs with 8, 24 and 100
evaluations of each network: MMDs to the validation graphs and the share that is connected, as a table, as
`noises.json` and as one figure, `noises.svg`; what is there already isn't measured again. Nothing is chosen on test graphs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import networkx as nx
import numpy as np
import torch
import typer
from matplotlib.figure import Figure

from unnoise.benchmarks.charts import svg
from unnoise.core.checkpoint import atomic_write
from unnoise.core.model import Model
from unnoise.core.random import seeded
from unnoise.core.training import Fit, fit
from unnoise.domains.graphs.fitted import FittedGraphs, draw_sizes
from unnoise.domains.graphs.metrics import describe, graph_mmd
from unnoise.domains.graphs.model import Noising
from unnoise.domains.graphs.scores import STATISTICS
from unnoise.domains.graphs.tasks import TASKS, drawn, published

__all__ = ["main"]

COSTS = (8, 24, 100)
TRIED = 30  # steps by which the time of one is measured
OWN = ("community-small",)  # laws of our own; the rest are files


def main(
    task: Annotated[list[str], typer.Option(help="Tasks of graphs.")] = ["community-small"],  # noqa: B006
    noise: Annotated[list[Noising], typer.Option(help="Noises.")] = list(Noising),  # noqa: B006
    network: Annotated[str, typer.Option(help="edge, pgsn or sparse.")] = "edge",
    seconds: Annotated[float, typer.Option(help="Of training, each.")] = 300.0,
    samples: Annotated[int, typer.Option(help="Graphs drawn at every cost.")] = 256,
    out: Annotated[Path, typer.Option(help="Where results go.")] = Path("runs/noises"),
    threads: Annotated[int, typer.Option(help="Of torch.")] = 1,
) -> None:
    """Noises side by side at equal time."""
    torch.set_num_threads(threads)
    kept = out / "noises.json"
    rows: list[dict[str, Any]] = json.loads(kept.read_text()) if kept.exists() else []
    done = {(row["task"], row["noise"], row["network"]) for row in rows}
    for name in task:
        for noising in (n for n in noise if (name, n, network) not in done):
            rows += measured(name, noising, network, seconds, samples)
            atomic_write(kept, json.dumps(rows, indent=1))
            for row in rows[-len(COSTS) :]:
                print(json.dumps(row), flush=True)
    atomic_write(out / "noises.svg", svg(figure(rows)))


def measured(
    name: str, noising: Noising, network: str, seconds: float, samples: int
) -> list[dict[str, Any]]:
    """A noise and a network of a task: a row a cost."""
    task = TASKS[name]()
    own = task.presets["cpu" if noising is Noising.ABSORBING else f"cpu-{noising}"]
    preset = replace(own, network={**own.network, "kind": network})
    problem = drawn(name) if name in OWN else published(name)
    splits = task.data()

    def trained(how: Fit) -> tuple[Model, float]:
        torch.manual_seed(0)
        model = task.model(splits, preset)
        history = fit(model, splits.train, how, None, seed=0, progress=False)
        return model.eval(), history.seconds

    assert preset.fit is not None
    tried = trained(replace(preset.fit, steps=TRIED))[1] / TRIED
    steps = max(TRIED, int(seconds / tried))
    ema = min(preset.fit.ema, 1 - 5 / steps)
    model, spent = trained(replace(preset.fit, steps=steps, ema=ema))
    fitted = FittedGraphs(model, problem.alphabet, problem.sizes)
    sizes = draw_sizes(problem.sizes, samples, seeded(1))
    reference = describe(problem.valid)
    made = []
    for nfe in COSTS:
        graphs = fitted.sample(sizes, 2, nfe)
        found = describe(graphs)
        scores = {n: graph_mmd(reference, found, s).value for n, s in STATISTICS.items()}
        connected = float(np.mean([nx.is_connected(g) for g in graphs]))
        about: dict[str, Any] = {
            "task": name,
            "noise": str(noising),
            "network": network,
            "steps": steps,
            "seconds": round(spent),
        }
        made.append({**about, "nfe": nfe, **scores, "connected": connected})
    return made


def figure(rows: Sequence[dict[str, Any]]) -> Figure:
    """MMDs and connectedness against evaluations: a row of axes a task, a line a noise and network."""
    tasks, titles = sorted({r["task"] for r in rows}), [*STATISTICS, "connected"]
    made = Figure(figsize=(11, 2.5 * len(tasks)), layout="constrained")
    grid = made.subplots(len(tasks), len(titles), squeeze=False)
    for axes, task in zip(grid, tasks, strict=True):
        for ax, title in zip(axes, titles, strict=True):
            for line in dict.fromkeys((r["noise"], r["network"]) for r in rows):
                some = [r for r in rows if (r["task"], r["noise"], r["network"]) == (task, *line)]
                x, y = ([r[key] for r in some] for key in ("nfe", title))
                ax.plot(x, y, "o-", ms=4, label=", ".join(line))
            ax.set_xscale("log")
            ax.set_xticks(COSTS, [str(c) for c in COSTS])
            ax.minorticks_off()
            ax.set_title(
                f"{task}: {title}" + ("" if title == "connected" else ", MMD² (emd)"), fontsize=7
            )
            if title != "connected":
                ax.set_yscale("log")
        axes[0].legend(fontsize=7)
        axes[0].set_xlabel("evaluations", fontsize=8)
    return made


if __name__ == "__main__":
    typer.run(main)
