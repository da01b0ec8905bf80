"""Training objectives: what a denoiser, and whatever else has parameters, is trained by."""

from unnoise.core.objective.base import Integral, Objective, weighed
from unnoise.core.objective.codes import CrossEntropy, RatioMatching
from unnoise.core.objective.denoising import Denoising, Weighted
from unnoise.core.objective.masks import MaskedColumns
from unnoise.core.objective.nats import InformationMSE, Variational
from unnoise.core.objective.score import ImplicitScoreMatching, SlicedScoreMatching
from unnoise.core.objective.weight import Elbo, MinSNR, Simple, VelocityError, Weight

__all__ = [
    "CrossEntropy",
    "Denoising",
    "Elbo",
    "ImplicitScoreMatching",
    "InformationMSE",
    "Integral",
    "MaskedColumns",
    "MinSNR",
    "Objective",
    "RatioMatching",
    "Simple",
    "SlicedScoreMatching",
    "Variational",
    "VelocityError",
    "Weight",
    "Weighted",
    "weighed",
]
