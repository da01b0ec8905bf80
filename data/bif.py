"""The Bayesian interchange format (BIF) to a `BayesNet`.

A text declares variables with their states, then the probabilities of each given its parents:

    variable rain { type discrete [ 2 ] { yes, no }; }
    variable wet { type discrete [ 2 ] { yes, no }; }
    probability ( rain ) { table 0.2, 0.8; }
    probability ( wet | rain ) { (yes) 0.9, 0.1; (no) 0.2, 0.8; }

A row in brackets gives the states of the parents, in their order. What the eight networks do
not use is refused rather than guessed: `default` rows, and one `table` over several parents.
Probabilities are rounded in the text, so a row is divided by its sum.
"""

import math
import re
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from unnoise.data.bayesnet import BayesNet
from unnoise.data.errors import DataError, unknown
from unnoise.data.registry import SOURCES
from unnoise.data.store import find

__all__ = ["load_bayesnet", "parse_bif"]

ROUNDING = 1e-3  # how far from 1 the sum of a row may be

_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"[^"]*"|[{}()\[\],;|]|[^\s{}()\[\],;|]+', re.DOTALL)


def load_bayesnet(name: str, *, quiet: bool = False) -> BayesNet:
    """Loads a network: alarm, asia, cancer, child, earthquake, insurance, sachs or survey.

    Raises:
        DataError: If there is none of that name, or its file is not here or damaged.
    """
    source = SOURCES["bayesnets"]
    known = [file.path.removesuffix(".bif") for file in source.files]
    if name not in known:
        raise unknown("Bayesian network", name, known)
    return parse_bif((find(source, quiet=quiet) / f"{name}.bif").read_text("utf-8"), name)


def parse_bif(text: str, name: str) -> BayesNet:
    """Reads a network; its variables keep the order of the text where parents allow it.

    Args:
        text: The whole text.
        name: What messages call the network.

    Raises:
        DataError: If the text is not a whole network; the message names the variable and line.
    """
    reader = _Reader(name, text)
    draft = _Draft(reader)
    while reader.more:
        match reader.word():
            case "network":
                reader.word()
                reader.take("{")
                reader.remarks()
            case "variable":
                draft.variable()
            case "probability":
                draft.probability()
            case other:
                raise reader.error(f"{other!r}, not network, variable or probability")
    return draft.finish()


class _Reader:
    """The tokens of a text in turn, and errors that say where it stands."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.variable = ""  # the one it is at, for messages
        self._tokens = [
            (match[0], text.count("\n", 0, match.start()) + 1)
            for match in _TOKEN.finditer(text)
            if not match[0].startswith(("//", "/*"))
        ]
        self._place = 0

    @property
    def more(self) -> bool:
        return self._place < len(self._tokens)

    @property
    def next(self) -> str:
        if not self.more:
            raise self.error("the text ends too early")
        return self._tokens[self._place][0]

    def error(self, what: str) -> DataError:
        """What is wrong at the token just taken."""
        line = self._tokens[self._place - 1][1] if self._place else 1
        about = f"variable {self.variable!r}: " if self.variable else ""
        return DataError(f"network {self.name}, line {line}: {about}{what}")

    def word(self) -> str:
        """Takes a token that is no punctuation."""
        token = self.next
        self._place += 1
        if token in "{}()[],;|":
            raise self.error(f"{token!r} where a word should be")
        return token

    def take(self, *expected: str) -> str:
        """Takes a token that must be one of those given."""
        token = self.next
        self._place += 1
        if token not in expected:
            raise self.error(f"{token!r}, not {' or '.join(map(repr, expected))}")
        return token

    def words(self, end: str) -> list[str]:
        """Takes words with commas between them, and what ends them."""
        found = [self.word()]
        while self.take(",", end) == ",":
            found.append(self.word())
        return found

    def remark(self) -> None:
        """Takes the rest of a property."""
        while self.next != ";":
            self._place += 1
        self.take(";")

    def remarks(self) -> None:
        """Takes properties up to the end of a block, and passes over them."""
        while self.take("property", "}") == "property":
            self.remark()


@dataclass
class _Draft:
    """What is known of the variables so far."""

    reader: _Reader
    levels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    parents: dict[str, tuple[str, ...]] = field(default_factory=dict)
    tables: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def variable(self) -> None:
        """Reads the block of a variable, after its first word."""
        reader = self.reader
        name = reader.variable = reader.word()
        if name in self.levels:
            raise reader.error("is declared twice")
        for part in ("{", "type", "discrete", "["):
            reader.take(part)
        size = reader.word()
        for part in ("]", "{"):
            reader.take(part)
        levels = reader.words("}")
        if str(len(levels)) != size or len(set(levels)) < len(levels):
            raise reader.error(f"{', '.join(levels)} are not {size} different states")
        reader.take(";")
        reader.remarks()
        self.levels[name] = tuple(levels)
        reader.variable = ""

    def probability(self) -> None:
        """Reads the block of a variable's probabilities, after its first word."""
        reader = self.reader
        reader.take("(")
        name = reader.variable = reader.word()
        parents = tuple(reader.words(")")) if reader.take("|", ")") == "|" else ()
        family = (*parents, name)
        for variable in family:
            if variable not in self.levels:
                raise reader.error(f"{variable!r} is not declared before")
        if name in self.tables:
            raise reader.error("has two blocks of probabilities")
        if len(set(family)) < len(family):
            raise reader.error(f"depends twice on a variable, or on itself: {', '.join(parents)}")
        reader.take("{")
        self.parents[name] = parents
        self.tables[name] = self._table(family)
        reader.variable = ""

    def _table(self, family: tuple[str, ...]) -> NDArray[np.float64]:
        """Reads the rows of a block and its end."""
        reader, parents = self.reader, family[:-1]
        sizes = [len(self.levels[variable]) for variable in family]
        rows: dict[tuple[int, ...], list[float]] = {}
        while (start := reader.take("(", "table", "property", "}")) != "}":
            if start == "property":
                reader.remark()
                continue
            if start == "table" and parents:
                raise reader.error(
                    "one table over all parents: give a row for each of their states"
                )
            key = self._states(parents) if start == "(" else ()
            if key in rows:
                raise reader.error("a row is given twice")
            rows[key] = _probabilities(reader, sizes[-1])
        if len(rows) < math.prod(sizes[:-1]):
            raise reader.error(f"{len(rows)} rows of {math.prod(sizes[:-1])} are given")
        table = np.empty(sizes)
        for key, row in rows.items():
            table[key] = np.array(row) / sum(row)
        return table

    def _states(self, parents: tuple[str, ...]) -> tuple[int, ...]:
        """Reads the states that a row is about, after its bracket."""
        states = self.reader.words(")")
        if len(states) != len(parents):
            raise self.reader.error(f"a row about {len(states)} states, not {len(parents)}")
        for state, parent in zip(states, parents, strict=True):
            if state not in self.levels[parent]:
                raise self.reader.error(f"{state!r} is no state of {parent!r}")
        pairs = zip(states, parents, strict=True)
        return tuple(self.levels[parent].index(state) for state, parent in pairs)

    def finish(self) -> BayesNet:
        """Puts parents before children, and the children in the order of the text."""
        if not self.levels:
            raise DataError(f"network {self.reader.name}: declares no variable")
        order: list[str] = []
        waiting = list(self.levels)
        for name in waiting:
            if name not in self.tables:
                raise DataError(f"network {self.reader.name}: {name!r} has no probabilities")
        while waiting:
            free = [name for name in waiting if set(self.parents[name]) <= set(order)]
            if not free:
                raise DataError(f"network {self.reader.name}: a cycle among {', '.join(waiting)}")
            order.append(free[0])
            waiting.remove(free[0])
        return BayesNet(
            names=tuple(order),
            levels=tuple(self.levels[name] for name in order),
            parents=tuple(tuple(map(order.index, self.parents[name])) for name in order),
            tables=tuple(self.tables[name] for name in order),
        )


def _probabilities(reader: _Reader, size: int) -> list[float]:
    """Reads the numbers of a row and its end."""
    words = reader.words(";")
    try:
        row = [float(word) for word in words]
    except ValueError:
        raise reader.error(f"{', '.join(words)} are not all numbers") from None
    if len(row) != size:
        raise reader.error(f"{len(row)} probabilities for {size} states")
    if not (min(row) >= 0 and abs(sum(row) - 1) <= ROUNDING):  # "not", so that nan is refused
        raise reader.error(f"{', '.join(words)} are not probabilities that sum to 1")
    return row
