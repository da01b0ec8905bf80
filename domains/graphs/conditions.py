r"""What graphs are conditioned on: labels, and numbers of a graph as a whole.

The law is p(graph | c). A label is a code, a number is standardised on the training graphs,

    label    code k of K          one-hot of k, and 0 if not told
    number   [1, (v - m) / s]     and [0, 0] if not told

so that nothing told is no evidence, and a network learns p(graph) beside p(graph | c) from the graphs
whose conditions were hidden in training. Guidance needs both (Ho & Salimans 2022).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from numbers import Real
from typing import Any

import networkx as nx
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from unnoise.core.batch import Batch

__all__ = ["Asked", "Condition", "Conditions", "Label", "Number", "Told", "gathered"]

Asked = Mapping[str, Any] | Iterable[str]  # values by name, or names of attributes of the graphs


class Condition(ABC):
    """What may be told of a graph."""

    @abstractmethod
    def encode(self, values: Sequence[Any], name: str) -> Tensor:
        """As rows of `Batch.cond`.

        Raises:
            ValueError: for a value that can't be told.
        """

    @abstractmethod
    def untold(self, n: int) -> Tensor:
        """n rows that tell nothing."""

    @abstractmethod
    def features(self, rows: Tensor) -> Tensor:
        """What a network is given of rows, (n, width)."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Features."""


@dataclass(frozen=True)
class Label(Condition):
    """One of some classes: strings, whole numbers or booleans; codes (n,), -1 if not told."""

    classes: tuple[str | int, ...]

    @staticmethod
    def of(values: Sequence[Any], name: str) -> Label:
        for k, v in enumerate(values):
            if not isinstance(v, str | int):
                raise TypeError(
                    f"condition {name!r}: graph {k} has {v!r}; a label is a string, a whole number "
                    "or a boolean, and a number has to be told of all graphs"
                )
        return Label(tuple(sorted(set(values), key=lambda v: (str(type(v)), v))))

    def encode(self, values: Sequence[Any], name: str) -> Tensor:
        place = {v: k for k, v in enumerate(self.classes)}
        for v in values:
            if v not in place:
                known = ", ".join(map(repr, self.classes))
                raise ValueError(f"condition {name!r}: {v!r} is none of {known}")
        return torch.tensor([place[v] for v in values], dtype=torch.long)

    def untold(self, n: int) -> Tensor:
        return torch.full((n,), -1)

    def features(self, rows: Tensor) -> Tensor:
        return one_hot(rows + 1, len(self.classes) + 1)[:, 1:]

    @property
    def width(self) -> int:
        return len(self.classes)


@dataclass(frozen=True)
class Number(Condition):
    """A real number, standardised; rows [1, (v - mean) / sd] (n, 2), zeros if not told."""

    mean: float
    sd: float

    @staticmethod
    def of(values: Sequence[Any], name: str) -> Number:
        x = _finite(values, name)
        return Number(float(x.mean()), float(x.std()))

    def encode(self, values: Sequence[Any], name: str) -> Tensor:
        z = torch.from_numpy((_finite(values, name) - self.mean) / self.sd)
        return torch.stack([torch.ones_like(z), z], 1).float()

    def untold(self, n: int) -> Tensor:
        return torch.zeros(n, 2)

    def features(self, rows: Tensor) -> Tensor:
        return rows

    @property
    def width(self) -> int:
        return 2


@dataclass(frozen=True)
class Conditions:
    """All conditions, by name; none if empty."""

    known: Mapping[str, Label | Number] = field(default_factory=dict)

    @staticmethod
    def of(values: Mapping[str, Sequence[Any]]) -> Conditions:
        """The conditions that values of the training graphs are of: numbers if one is a float.

        Raises:
            TypeError: for a value that is no label.
            ValueError: for a number that isn't finite, or a value that all graphs have.
        """
        known: dict[str, Label | Number] = {}
        for name, each in values.items():
            if all(v == each[0] for v in each):
                raise ValueError(
                    f"condition {name!r}: is {each[0]!r} of all graphs, which tells nothing; leave it out"
                )
            number = any(isinstance(v, float) for v in each)
            known[name] = Number.of(each, name) if number else Label.of(each, name)
        return Conditions(known)

    def encode(self, told: Mapping[str, Any] | None, n: int) -> dict[str, Tensor]:
        """`Batch.cond` of n graphs, of which all conditions are told or, if `told` is None, none.

        Args:
            told: a value for all graphs, or a list or array of one each, by name.
            n: how many.

        Raises:
            ValueError: for a name or label that isn't known, a condition that is missing, or another
                number of values.
        """
        if told is None:
            return {name: c.untold(n) for name, c in self.known.items()}
        for name in told:
            if name not in self.known:
                known = ", ".join(map(repr, self.known)) or "none: fit(graphs, conditions=...)"
                raise ValueError(f"condition {name!r}: wasn't learned; those that were: {known}")
        for name in self.known:
            if name not in told:
                raise ValueError(f"condition {name!r}: is missing; tell all of them, or none")
        return {name: c.encode(_each(told[name], n, name), name) for name, c in self.known.items()}

    def labels(self, cond: Mapping[str, Tensor]) -> list[tuple[int, ...]]:
        """The codes of all labels of every row; nothing if no condition is a label."""
        codes = [cond[name].tolist() for name, c in self.known.items() if isinstance(c, Label)]
        return list(zip(*codes, strict=True))

    @property
    def width(self) -> int:
        """Features of all of them."""
        return sum(c.width for c in self.known.values())

    def to_json(self) -> dict[str, Any]:
        return {name: asdict(c) for name, c in self.known.items()}

    @staticmethod
    def from_json(told: Mapping[str, Any]) -> Conditions:
        return Conditions(
            {
                name: Label(tuple(c["classes"])) if "classes" in c else Number(**c)
                for name, c in told.items()
            }
        )


class Told(nn.Module):
    """A batch's conditions as what a network is given, (B, width); nothing in it is learned."""

    def __init__(self, conditions: Conditions) -> None:
        super().__init__()
        self.conditions = conditions

    def forward(self, batch: Batch) -> Tensor:
        each = self.conditions.known.items()
        return torch.cat([c.features(batch.cond[k]).to(batch.x) for k, c in each], 1)


def gathered(graphs: Sequence[nx.Graph], asked: Asked | None) -> dict[str, list[Any]] | None:
    """Values of every graph, by name.

    Args:
        graphs: the graphs.
        asked: see `Asked`; None: nothing is told.

    Raises:
        ValueError: if a graph lacks the attribute, or there is another number of values.
    """
    if asked is None:
        return None
    if isinstance(asked, Mapping):
        return {str(name): _each(values, len(graphs), name) for name, values in asked.items()}
    return {
        name: [_attribute(g, k, name) for k, g in enumerate(graphs)]
        for name in ([asked] if isinstance(asked, str) else asked)
    }


def _attribute(graph: nx.Graph, k: int, name: str) -> Any:
    if name not in graph.graph:
        raise ValueError(f"condition {name!r}: graph {k} has no such attribute; set graph.graph[{name!r}]")  # fmt: skip
    return _plain(graph.graph[name])


def _each(values: Any, n: int, name: str) -> list[Any]:
    """A value a graph."""
    if not isinstance(values, list | np.ndarray | Tensor):
        return [_plain(values)] * n
    if len(values) != n:
        raise ValueError(f"condition {name!r}: has {len(values)} values for {n} graphs; give one each")  # fmt: skip
    return [_plain(v) for v in values]


def _plain(value: Any) -> Any:
    """A scalar of numpy or torch as Python's own."""
    return value.item() if isinstance(value, np.generic | Tensor) else value


def _finite(values: Sequence[Any], name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    for k, v in enumerate(values):
        if not isinstance(v, Real) or not math.isfinite(v):
            raise ValueError(f"condition {name!r}: graph {k} has {v!r}, which is no finite number")
    return np.array(values, dtype=np.float64)
