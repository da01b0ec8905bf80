"""Data sets: what they are, where they lie, and how they become arrays.

A data set is looked for in this order, and the first copy found is used:

1. `$UNNOISE_DATA/<folder>`, as in `$UNNOISE_DATA/images/MNIST`: files that you placed yourself.
   It is only read. A copy there that is incomplete or damaged is an error, never passed over.
2. `$XDG_CACHE_HOME/unnoise/<folder>`, or `~/.cache/unnoise/<folder>`: files that we downloaded.
   A damaged one is replaced.
3. The network: the files are downloaded into that cache.

Every file is pinned by its size and SHA-256, and checked before its first use.

    load_mnist(), load_digits()     pictures, as arrays
    load_chorales(), load_text(name), load_debd(name)
                                    music, texts, binary rows
    load_table(name), load_adult()  data frames; these need pandas, and anes96 statsmodels
    load_bayesnet(name), parse_bif(text, name)
                                    a `BayesNet`: a law of categories, known exactly
    load_graphs(name)               networkx graphs in three parts; needs networkx
    load_series(name)               time series as data frames; needs pandas, and some statsmodels
    load_aqi36(), load_exchange_nips(), load_physionet2012()
                                    time series with a published protocol; these need pandas
    load_recordings(name), load_pairs()
                                    sound, as rows of samples; these need soundfile
    load_voices(), load_coloured()  synthetic speech and coloured noise, made at run time
    SOURCES, lookup(name)           what there is: files, licence, citation
    locate(source), find(source)    the folder of a sound copy; `find` downloads if need be
    read_idx(path), extract(…)      formats

All of these raise `DataError`, whose message says what is wrong, where, and what to do.
"""

from unnoise.data.archive import extract
from unnoise.data.audio import Pair, Recording, load_pairs, load_recordings
from unnoise.data.bayesnet import BayesNet
from unnoise.data.bif import load_bayesnet, parse_bif
from unnoise.data.binary import load_debd
from unnoise.data.chorales import load_chorales
from unnoise.data.errors import DataError, UnknownSource
from unnoise.data.graphs import load_graphs
from unnoise.data.idx import read_idx
from unnoise.data.loaders import load_digits, load_mnist
from unnoise.data.registry import SOURCES, lookup
from unnoise.data.series import load_series
from unnoise.data.series_aqi36 import Aqi36, load_aqi36
from unnoise.data.series_exchange import ExchangeNips, load_exchange_nips
from unnoise.data.series_physionet import Physionet2012, PhysionetGrid, load_physionet2012
from unnoise.data.source import File, Source
from unnoise.data.store import cache, find, locate, provided
from unnoise.data.tables import load_adult, load_table
from unnoise.data.text import load_text
from unnoise.data.voices import load_coloured, load_voices

__all__ = [
    "SOURCES",
    "Aqi36",
    "BayesNet",
    "DataError",
    "ExchangeNips",
    "File",
    "Pair",
    "Physionet2012",
    "PhysionetGrid",
    "Recording",
    "Source",
    "UnknownSource",
    "cache",
    "extract",
    "find",
    "load_adult",
    "load_aqi36",
    "load_bayesnet",
    "load_chorales",
    "load_coloured",
    "load_debd",
    "load_digits",
    "load_exchange_nips",
    "load_graphs",
    "load_mnist",
    "load_pairs",
    "load_physionet2012",
    "load_recordings",
    "load_series",
    "load_table",
    "load_text",
    "load_voices",
    "locate",
    "lookup",
    "parse_bif",
    "provided",
    "read_idx",
]
