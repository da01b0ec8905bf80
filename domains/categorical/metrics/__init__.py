"""Judges of generated codes, tables, text and music: pure functions that return a `Score`."""

from unnoise.domains.categorical.metrics.classifier import auc, classifier_auc
from unnoise.domains.categorical.metrics.energy import energy_distance
from unnoise.domains.categorical.metrics.frames import frame_codes
from unnoise.domains.categorical.metrics.hamming import hamming_counts, mmd_hamming
from unnoise.domains.categorical.metrics.joint import kl_to_joint
from unnoise.domains.categorical.metrics.marginals import (
    column_tv,
    marginal_tv,
    numeric_tv,
    pair_tv,
    quantile_codes,
)
from unnoise.domains.categorical.metrics.music import hellinger, histograms, outliers
from unnoise.domains.categorical.metrics.rounds import in_rounds, mean_score, two_sample_floor

__all__ = [
    "auc",
    "classifier_auc",
    "column_tv",
    "energy_distance",
    "frame_codes",
    "hamming_counts",
    "hellinger",
    "histograms",
    "in_rounds",
    "kl_to_joint",
    "marginal_tv",
    "mean_score",
    "mmd_hamming",
    "numeric_tv",
    "outliers",
    "pair_tv",
    "quantile_codes",
    "two_sample_floor",
]
