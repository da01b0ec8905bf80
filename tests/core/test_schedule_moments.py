"""Every SDE against a numerical solve of its moment equations, with the drift and diffusion of its paper."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from unnoise.core.schedule import (
    BBED,
    EDM,
    OUVE,
    VE,
    Cosine,
    GeometricVP,
    LinearLogSNR,
    LinearVP,
    Rectified,
    Schedule,
    SchroedingerBridge,
    SubVP,
)

Function = Callable[[float], float]


@dataclass(frozen=True)
class SDE:
    """dx = f x dt + g dw from time `start`, where x has mean x_0 m and variance v.

    `published` says whether the paper's time is the textbook's, else it is the suite's own.
    """

    schedule: Schedule
    f: Function
    g2: Function
    published: bool = False
    start: float = 0.0
    end: float = 1.0
    m: float = 1.0
    v: float = 0.0


def beta(t: float) -> float:
    return 0.1 + 19.9 * t


def sub_vp(t: float) -> float:
    integral = 0.1 * t + 19.9 * t**2 / 2
    return beta(t) * -math.expm1(-2 * integral)


def edm(t: float) -> float:
    """g^2 = 2 sigma sigma' (Karras et al. 2022, eq. 1), sigma(t) their eq. 5."""
    low, high = 0.002 ** (1 / 7), 80 ** (1 / 7)
    root = low + t * (high - low)
    return 2 * root**7 * 7 * root**6 * (high - low)


def geometric(t: float) -> float:
    """beta = v' / (1 - v) (Vahdat et al. 2021, appendix B)."""
    ratio = 0.999 / 3e-5
    variance = 3e-5 * ratio**t
    return math.log(ratio) * variance / (1 - variance)


def linear_log_snr(t: float) -> float:
    """VDM: g^2 = -log-SNR' sigma^2, here 18.3 sigmoid(-log-SNR)."""
    return 18.3 / (1 + math.exp(13.3 - 18.3 * t))


def tangent(t: float) -> float:
    return math.pi * math.tan(math.pi * t / 2)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def bridge(t: float) -> float:
    """VE that must be at the anchor at time 1 (Doob): drift g^2 (y - x) / int_t^1 g^2."""
    m = 2 * math.log(2.6)
    return m * 2.6 ** (2 * t) / (2.6**2 - 2.6 ** (2 * t))


CASES = {
    "LinearVP": SDE(LinearVP(log_snr_max=math.inf), lambda t: -beta(t) / 2, beta),
    "SubVP": SDE(SubVP(log_snr_max=math.inf), lambda t: -beta(t) / 2, sub_vp),
    "GeometricVP": SDE(
        GeometricVP(),
        lambda t: -geometric(t) / 2,
        geometric,
        m=math.sqrt(1 - 3e-5),
        v=3e-5,
    ),
    "LinearLogSNR": SDE(
        LinearLogSNR(),
        lambda t: -linear_log_snr(t) / 2,
        linear_log_snr,
        m=math.sqrt(sigmoid(13.3)),
        v=sigmoid(-13.3),
    ),
    "Cosine": SDE(Cosine(), lambda t: -tangent(t) / 2, tangent, published=True, end=0.99),
    "Rectified": SDE(
        Rectified(), lambda t: -1 / (1 - t), lambda t: 2 * t / (1 - t), published=True, end=0.99
    ),
    "VE": SDE(  # the published SDE with the variance that its code's kernel has at 0
        VE(0.01, 50),
        lambda t: 0.0,
        lambda t: (0.01 * 5000**t) ** 2 * 2 * math.log(5000),
        v=0.01**2,
    ),
    "VE from 0": SDE(
        OUVE(0.0, 0.01, 50),
        lambda t: 0.0,
        lambda t: (0.01 * 5000**t) ** 2 * 2 * math.log(5000),
        published=True,
    ),
    "EDM": SDE(EDM(), lambda t: 0.0, edm, v=0.002**2),
    "OUVE": SDE(
        OUVE(),
        lambda t: -1.5,
        lambda t: (0.05 * 10**t) ** 2 * 2 * math.log(10),
        published=True,
    ),
    "OUVE at 48 kHz": SDE(
        OUVE(2.0, 0.1, 1.0),
        lambda t: -2.0,
        lambda t: (0.1 * 10**t) ** 2 * 2 * math.log(10),
        published=True,
    ),
    "BBED": SDE(
        BBED(), lambda t: -1 / (1 - t), lambda t: 0.52 * 2.6 ** (2 * t), published=True, end=0.999
    ),
    "SchroedingerBridge": SDE(
        SchroedingerBridge(),
        lambda t: -bridge(t),
        lambda t: 0.4 * 2.6 ** (2 * t),
        published=True,
        end=0.999,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_schedule_solves_the_moment_equations_of_its_sde(case: str) -> None:
    """dm/dt = f m, dV/dt = 2 f V + g^2."""
    sde = CASES[case]
    times = np.linspace(sde.start, sde.end, 41)
    solved = solve_ivp(
        lambda t, y: [sde.f(t) * y[0], 2 * sde.f(t) * y[1] + sde.g2(t)],
        (sde.start, sde.end),
        [sde.m, sde.v],
        t_eval=times,
        method="DOP853",
        rtol=1e-12,
        atol=1e-15,
    )
    t = torch.from_numpy(times[1:])
    schedule = sde.schedule
    alpha, sigma = schedule.gauge(schedule.textbook_log_snr(t)) if sde.published else schedule(t)
    mean, variance = torch.from_numpy(solved.y[:, 1:])
    torch.testing.assert_close(alpha, mean, rtol=1e-9, atol=1e-14)
    torch.testing.assert_close(sigma**2, variance, rtol=1e-9, atol=1e-14)
