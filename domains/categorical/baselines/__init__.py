"""Classical models of categorical data, fitted in one pass and with exact likelihoods.

They are what a diffusion model of the same data has to beat: `Independent` columns, the
`ColumnMarkov` chain, the `ChowLiu` tree; for voices `StepUnigram` and `StepMarkov`; for text
`WittenBell`.
"""

from unnoise.domains.categorical.baselines.chow_liu import ChowLiu, mutual_information
from unnoise.domains.categorical.baselines.forest import Forest
from unnoise.domains.categorical.baselines.independent import Independent
from unnoise.domains.categorical.baselines.markov import ColumnMarkov, StepMarkov, StepUnigram
from unnoise.domains.categorical.baselines.ngram import WittenBell

__all__ = [
    "ChowLiu",
    "ColumnMarkov",
    "Forest",
    "Independent",
    "StepMarkov",
    "StepUnigram",
    "WittenBell",
    "mutual_information",
]
