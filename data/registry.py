"""The data sets we know, as a plain dict: a new one is a new entry, and nothing else changes."""

from unnoise.data.errors import unknown
from unnoise.data.source import Source
from unnoise.data.sources.audio import AUDIO
from unnoise.data.sources.categorical import CATEGORICAL
from unnoise.data.sources.graphs import GRAPHS
from unnoise.data.sources.images import IMAGES
from unnoise.data.sources.series import SERIES
from unnoise.data.sources.tables import TABLES

__all__ = ["SOURCES", "lookup"]

SOURCES: dict[str, Source] = {
    source.name: source for source in (*IMAGES, *CATEGORICAL, *TABLES, *GRAPHS, *SERIES, *AUDIO)
}


def lookup(name: str) -> Source:
    """Returns the source of that name.

    Raises:
        UnknownSource: If there is none; the message offers the closest name.
    """
    if name in SOURCES:
        return SOURCES[name]
    raise unknown("data set", name, SOURCES)
