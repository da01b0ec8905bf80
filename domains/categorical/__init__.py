"""Categorical data: jump diffusion of codes; tables, binary rows, text, music, and laws whose
entropy is known."""

from collections.abc import Callable

import pandas  # noqa: F401  (what tables are made of: without it the domain names its extra)

from unnoise.domains.categorical.table import Nominal, Numeric, Ordinal, TableSynthesizer
from unnoise.domains.categorical.tasks import (
    bayesnet,
    binary,
    chorales,
    graycode,
    mixed,
    tables,
    text,
    toy,
)
from unnoise.domains.task import Task

__all__ = ["DOMAIN", "Nominal", "Numeric", "Ordinal", "TableSynthesizer"]

DOMAIN: dict[str, Callable[[], Task]] = (
    toy.TASKS
    | graycode.TASKS
    | bayesnet.TASKS
    | binary.TASKS
    | tables.TASKS
    | mixed.TASKS
    | text.TASKS
    | chorales.TASKS
)
