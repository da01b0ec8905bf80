"""The raw files behind the reference's figures, read without the loaders, and small laws."""

import csv
import json
import os
import re
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

TOY = torch.tensor(
    [[0.30, 0.05, 0.05], [0.02, 0.25, 0.03], [0.10, 0.05, 0.15]], dtype=torch.float64
)


@pytest.fixture(scope="session")
def raw() -> Path:
    """The folder of the raw files; without it the test is skipped."""
    if "UNNOISE_DATA" not in os.environ:
        pytest.skip("needs the raw files of categorical/ in $UNNOISE_DATA, which is unset")
    return Path(os.environ["UNNOISE_DATA"]) / "categorical"


@pytest.fixture(scope="session")
def debd(raw: Path) -> Callable[[str], tuple[Tensor, Tensor]]:
    """Training and test rows of zeros and ones, by name."""

    def read(name: str) -> tuple[Tensor, Tensor]:
        paths = (raw / "debd" / name / f"{name}.{part}.data" for part in ("train", "test"))
        lines = ([line.split(",") for line in path.read_text().split()] for path in paths)
        train, test = (torch.from_numpy(np.array(rows).astype(np.int64)) for rows in lines)
        return train, test

    return read


@pytest.fixture(scope="session")
def table(raw: Path) -> Callable[[str], tuple[Tensor, Tensor, list[int]]]:
    """Training and test rows and the sizes of a table of names, by file: the first 70 and the
    last 20 per cent in the order of RandomState(0)."""

    def read(name: str) -> tuple[Tensor, Tensor, list[int]]:
        with (raw / "tables" / f"{name}.csv").open() as file:
            rows = np.array([row for row in csv.reader(file, quotechar="'") if row])
        headed = name != "breast-cancer"
        columns = [np.unique(c, return_inverse=True) for c in rows[headed:].T]
        x = torch.from_numpy(np.stack([codes for _, codes in columns], axis=1))
        order = torch.from_numpy(np.random.RandomState(0).permutation(len(x)))
        train, test = order[: int(0.7 * len(x))], order[int(0.8 * len(x)) :]
        return x[train], x[test], [len(names) for names, _ in columns]

    return read


@pytest.fixture(scope="session")
def chorales(raw: Path) -> dict[str, list[Tensor]]:
    """Songs (steps, 4) of 129 symbols, of which the last is silence."""
    parts = json.loads((raw / "jsb_chorales" / "Jsb16thSeparated.json").read_text())
    songs = {part: [torch.tensor(song) for song in parts[part]] for part in parts}
    return {part: [song.where(song >= 0, 128) for song in songs[part]] for part in songs}


@pytest.fixture(scope="session")
def text(raw: Path) -> Callable[[str], tuple[Tensor, Tensor, int]]:
    """The first 90 and the last 5 per cent of a text and its number of characters, by name."""

    def read(name: str) -> tuple[Tensor, Tensor, int]:
        whole = (raw / "text" / f"{name}.txt").read_text("utf-8")
        if name == "republic_clean":
            whole = re.sub("[^a-z]+", " ", whole.lower()).strip()
        names, codes = np.unique(list(whole), return_inverse=True)
        x = torch.from_numpy(codes)
        return x[: int(0.9 * len(x))], x[int(0.95 * len(x)) :], len(names)

    return read


@pytest.fixture(scope="session")
def states() -> Callable[[list[int]], Tensor]:
    """Makes all rows of given sizes, (product of the sizes, D)."""
    return lambda sizes: torch.tensor(list(product(*map(range, sizes))))


@pytest.fixture
def toy() -> Tensor:
    """The joint law of two columns of three levels whose entropies the reference gives."""
    return TOY


@pytest.fixture
def toy_rows() -> Tensor:
    """A hundred rows with exactly the frequencies of `toy`."""
    counts = (100 * TOY).round().long().flatten()
    return torch.tensor(list(product(range(3), range(3)))).repeat_interleave(counts, 0)
