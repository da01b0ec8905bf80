r"""Valid, unique, novel: whether a generator makes new graphs of the right family.

Of m generated graphs, a share is valid (a predicate), connected, and novel (isomorphic to no
training graph); these are means over independent graphs. Unique is the number of isomorphism
classes over m, and V.U.N. the number of valid, novel classes over m: of equal graphs only the
first counts. Both fall as m grows, so they mean nothing without it. Dropping a graph takes a class
away if the graph is alone in it, which gives the jackknife's standard error in closed form,

.. math:: \sqrt{s (1 - s) / (m - 1)},

with s the share of graphs that are alone in a class that counts; of a plain share it is the usual
one.

Novelty presumes that test graphs are novel too. Of community_small half of them aren't: score the
test set first.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import networkx as nx

from unnoise.core.progress import track
from unnoise.domains.graphs.metrics.isomorphism import Classes, isomorphism_classes
from unnoise.domains.graphs.metrics.validity import is_connected
from unnoise.domains.task import Score

__all__ = ["Vun", "valid_unique_novel"]

Predicate = Callable[[nx.Graph], bool]


@dataclass(frozen=True)
class Vun:
    """Shares of the generated graphs, in [0, 1], higher is better: see the module."""

    connected: Score
    valid: Score
    unique: Score
    novel: Score
    vun: Score


def valid_unique_novel(
    made: Sequence[nx.Graph], train: Sequence[nx.Graph], valid: Predicate = is_connected
) -> Vun:
    """All five shares.

    Args:
        made: Generated graphs. Those without nodes are in: invalid, and equal to each other.
        train: The graphs that aren't new.
        valid: Whether a graph is of the family.

    Raises:
        ValueError: For no generated graph.
    """
    if not len(made):
        raise ValueError("made: need at least one graph")
    known = Classes(train)
    classes = isomorphism_classes(made)
    novel = [graph not in known for graph in track(made, "looking for known graphs")]
    right = [valid(graph) for graph in track(made, "checking graphs")]
    counts = [a and b for a, b in zip(novel, right, strict=True)]
    everything = [True] * len(made)
    return Vun(
        connected=_share([is_connected(graph) for graph in made]),
        valid=_share(right),
        unique=_distinct(classes, everything),
        novel=_share(novel),
        vun=_distinct(classes, counts),
    )


def _share(holds: Sequence[bool]) -> Score:
    return _distinct(range(len(holds)), holds)


def _distinct(classes: Sequence[int], counts: Sequence[bool]) -> Score:
    """Classes that count, over all graphs."""
    m, members = len(classes), Counter(classes)
    found = len({c for c, holds in zip(classes, counts, strict=True) if holds})
    alone = sum(holds and members[c] == 1 for c, holds in zip(classes, counts, strict=True)) / m
    return Score(found / m, math.sqrt(alone * (1 - alone) / (m - 1)) if m > 1 else None)
