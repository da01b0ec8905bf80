"""Data sets: what they are, where they lie, and how they become arrays.

A data set is looked for in this order, and the first copy found is used:

1. `$UNNOISE_DATA/<folder>`, as in `$UNNOISE_DATA/images/MNIST`: files that you placed yourself.
   It is only read. A copy there that is incomplete or damaged is an error, never passed over.
2. `$XDG_CACHE_HOME/unnoise/<folder>`, or `~/.cache/unnoise/<folder>`: files that we downloaded.
   A damaged one is replaced.
3. The network: the files are downloaded into that cache.

Every file is pinned by its size and SHA-256, and checked before its first use.

    load_mnist(), load_digits()     arrays of one data set
    SOURCES, lookup(name)           what there is: files, licence, citation
    locate(source), find(source)    the folder of a sound copy; `find` downloads if need be
    read_idx(path), extract(…)      formats

All of these raise `DataError`, whose message says what is wrong, where, and what to do.
"""

from unnoise.data.archive import extract
from unnoise.data.errors import DataError, UnknownSource
from unnoise.data.idx import read_idx
from unnoise.data.loaders import load_digits, load_mnist
from unnoise.data.registry import SOURCES, lookup
from unnoise.data.source import File, Source
from unnoise.data.store import cache, find, locate, provided

__all__ = [
    "SOURCES",
    "DataError",
    "File",
    "Source",
    "UnknownSource",
    "cache",
    "extract",
    "find",
    "load_digits",
    "load_mnist",
    "locate",
    "lookup",
    "provided",
    "read_idx",
]
