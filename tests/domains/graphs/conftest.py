"""The published files of graphs, read without the loaders."""

import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import networkx as nx
import pytest

Parts = dict[str, list[nx.Graph]]

PUBLISHED = {
    "com_small GraphGDP": ("community_small/community_small_graphgdp.json", "graphgdp"),
    "com_small GDSS": ("community_small/community_small_gdss.json", "gdss"),
    "ego_small GraphGDP": ("ego_small/ego_small.json", "graphgdp"),
    "ego_small GDSS": ("ego_small/ego_small.json", "gdss"),
    "planar": ("planar/planar.json", "spectre_seed1234"),
    "sbm": ("sbm/sbm.json", "spectre_seed1234"),
}


@pytest.fixture(scope="session")
def published() -> Callable[[str], Parts]:
    """The parts (train, test, and some have val) of a published data set, by file and split."""
    if not os.environ.get("UNNOISE_DATA"):
        pytest.skip("needs the files of graphs/ in $UNNOISE_DATA, which is unset")
    folder = Path(os.environ["UNNOISE_DATA"]) / "graphs"

    @cache
    def parts(name: str) -> Parts:
        file, split = PUBLISHED[name]
        held = json.loads((folder / file).read_text())
        graphs = [nx.empty_graph(entry["n"]) for entry in held["graphs"]]
        for graph, entry in zip(graphs, held["graphs"], strict=True):
            graph.add_edges_from(entry["edges"])
        rows = held["splits"][split].items()
        return {part: [graphs[i] for i in indices] for part, indices in rows}

    return parts
