"""What a task of graphs is about: three parts, their alphabet, and what makes a graph one of the
family."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import networkx as nx
import torch

from unnoise.core.batch import Batch
from unnoise.core.transform import Codes
from unnoise.domains.graphs.alphabet import Alphabet
from unnoise.domains.graphs.fitted import draw_sizes
from unnoise.domains.graphs.metrics import Statistics, describe, is_connected
from unnoise.domains.task import Splits

__all__ = ["FLOOR", "GraphSet"]

FLOOR = 2_000  # training graphs that stand for a perfect sampler: an MMD costs their square


@dataclass(frozen=True, eq=False)
class GraphSet:
    """Graphs in three parts.

    Attributes:
        train, valid, test: the parts.
        source: the file and the split, or the law, as titles name it.
        family: whether a graph is one of theirs.
    """

    train: Sequence[nx.Graph]
    valid: Sequence[nx.Graph]
    test: Sequence[nx.Graph]
    source: str
    family: Callable[[nx.Graph], bool] = is_connected

    @cached_property
    def alphabet(self) -> Alphabet:
        """The kinds that occur in any part: an alphabet is no secret of the test graphs."""
        return Alphabet.of([*self.train, *self.valid, *self.test])

    @cached_property
    def nodes(self) -> int:
        """Of the largest graph of all parts."""
        return max(len(g) for part in (self.train, self.valid, self.test) for g in part)

    @cached_property
    def sizes(self) -> dict[int, int]:
        """How many training graphs have each number of nodes."""
        return dict(Counter(len(g) for g in self.train))

    @cached_property
    def statistics(self) -> tuple[Statistics, Statistics]:
        """Of training graphs, at most `FLOOR`, and of the test graphs."""
        return describe(self.train[:FLOOR]), describe(self.test)

    def splits(self) -> Splits:
        """As a task has them."""
        train, valid, test = (
            self.alphabet.encode(part, self.nodes) for part in (self.train, self.valid, self.test)
        )
        return Splits(train, valid, test, Codes())

    def empty(self, n: int, generator: torch.Generator) -> Batch:
        """n states to be drawn, of sizes as in training."""
        sizes = torch.tensor(draw_sizes(self.sizes, n, generator))
        return self.alphabet.batch(sizes, self.nodes)
