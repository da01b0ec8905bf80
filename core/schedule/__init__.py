r"""Noise schedules: how much of the data is left at time t.

A Gaussian channel $x_t = \alpha_t x_0 + \sigma_t z$ carries as much information as its log
signal-to-noise ratio $\lambda_t = \log(\alpha_t^2 / \sigma_t^2)$ says; the common scale of
$\alpha$ and $\sigma$ is a gauge that a change of units undoes. So a schedule here is two formulas,
$\lambda(\tau)$ and its inverse in the textbook's own time $\tau$, and a gauge:

    preserving   alpha^2 + sigma^2 = 1     (VP: diffusion)
    exploding    alpha = 1                 (VE, EDM)
    straight     alpha + sigma = 1         (rectified flow)
    bridge       the published one         (OUVE, BBED, Schroedinger bridge; see `schedule.bridge`)

The suite's time t in [0, 1] is $\tau$ stretched linearly over the window in which $\lambda$ falls
from `log_snr_max` (t = 0, data) to `log_snr_min` (t = 1, noise): endpoints are pinned, never
"almost infinite". $\alpha$ and $\sigma$ are computed from $\lambda$ by sigmoids, which is exact to
the last bit at both ends, where `1 - alpha**2` in float32 is not.
"""

from unnoise.core.schedule.base import Level, Scalar, Schedule
from unnoise.core.schedule.bridge import BBED, OUVE, SchroedingerBridge
from unnoise.core.schedule.exploding import EDM, VE
from unnoise.core.schedule.learned import Learned
from unnoise.core.schedule.preserving import (
    Cosine,
    GeometricVP,
    LinearLogSNR,
    LinearVP,
    SubVP,
)
from unnoise.core.schedule.rectified import Rectified

__all__ = [
    "BBED",
    "EDM",
    "OUVE",
    "VE",
    "Cosine",
    "GeometricVP",
    "Learned",
    "Level",
    "LinearLogSNR",
    "LinearVP",
    "Rectified",
    "Scalar",
    "Schedule",
    "SchroedingerBridge",
    "SubVP",
]
