"""Schedules: pinned ends, inverses, derivatives, gauges, and the formulas of their papers."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from unnoise.core.schedule import (
    BBED,
    EDM,
    OUVE,
    VE,
    Cosine,
    GeometricVP,
    Level,
    LinearLogSNR,
    LinearVP,
    Rectified,
    Schedule,
    SchroedingerBridge,
    SubVP,
)

DOUBLE = torch.float64
SINGLE_EPS = torch.finfo(torch.float32).eps
TIMES = torch.linspace(0, 1, 101, dtype=DOUBLE)
INSIDE = torch.linspace(0.05, 0.95, 19, dtype=DOUBLE)


def test_ends_are_pinned(schedule: Schedule) -> None:
    start, end = schedule.log_snr(torch.tensor([0.0, 1.0], dtype=DOUBLE)).tolist()
    assert start == pytest.approx(schedule.log_snr_max, abs=1e-9)
    assert end == pytest.approx(schedule.log_snr_min, abs=1e-9)


def test_time_inverts_log_snr(schedule: Schedule) -> None:
    torch.testing.assert_close(schedule.time(schedule.log_snr(TIMES)), TIMES, atol=1e-11, rtol=0)


def test_log_snr_falls(schedule: Schedule) -> None:
    assert (schedule.log_snr(TIMES).diff() < 0).all()


def test_slope_is_the_finite_difference(schedule: Schedule) -> None:
    h = 1e-4  # five points: the error is h^4 / 30 of the fifth derivative

    def difference(f: Callable[[Tensor], Tensor]) -> Tensor:
        wide, near = (f(INSIDE + k * h) - f(INSIDE - k * h) for k in (2, 1))
        return (8 * near - wide) / (12 * h)

    alpha, sigma, log_snr = schedule.slope(INSIDE)
    torch.testing.assert_close(alpha, difference(lambda t: schedule(t)[0]), rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(sigma, difference(lambda t: schedule(t)[1]), rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(log_snr, difference(schedule.log_snr), rtol=1e-7, atol=1e-9)


def test_slope_ignores_the_grad_mode(schedule: Schedule) -> None:
    slopes = schedule.slope(INSIDE)
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert all(map(torch.equal, schedule.slope(INSIDE), slopes))
    assert all(map(torch.equal, schedule.slope(INSIDE.clone().requires_grad_()), slopes))


def test_log_snr_is_that_of_the_gauge(schedule: Schedule) -> None:
    alpha, sigma = schedule(TIMES)
    torch.testing.assert_close(2 * torch.log(alpha / sigma), schedule.log_snr(TIMES))


def test_gauge(schedule: Schedule) -> None:
    alpha, sigma = schedule(TIMES)
    match schedule:
        case VE() | EDM():
            constant = alpha
        case Rectified():
            constant = alpha + sigma
        case Cosine():
            constant = alpha**2 + (sigma / schedule.data_std) ** 2
        case SubVP():
            constant = alpha**2 + sigma
        case OUVE():
            constant = alpha * torch.exp(1.5 * (0.03 + 0.97 * TIMES))
        case BBED():
            constant = alpha + 0.03 + 0.969 * TIMES
        case SchroedingerBridge():
            total = 0.4 * (2.6**2 - 1) / (2 * math.log(2.6))
            constant = sigma**2 / (total * alpha * (1 - alpha))
        case _:
            constant = alpha**2 + sigma**2
    loose = 1e-11 if isinstance(schedule, SchroedingerBridge) else 1e-14  # 1 - alpha cancels
    torch.testing.assert_close(constant, torch.ones_like(TIMES), rtol=loose, atol=0)


def test_between_moves_the_window_only(schedule: Schedule) -> None:
    t, before = torch.tensor([0.0, 1.0], dtype=DOUBLE), schedule.log_snr(TIMES)
    other = schedule.between(5.0, -3.0)
    assert type(other) is type(schedule)
    torch.testing.assert_close(other.log_snr(t), torch.tensor([5.0, -3.0], dtype=DOUBLE))
    assert torch.equal(schedule.log_snr(TIMES), before)
    for mine, theirs in zip(other.gauge(before), schedule.gauge(before), strict=True):
        assert torch.equal(mine, theirs)
    # the same curve, walked at another speed: the textbook's time is affine in both
    common = torch.linspace(4.9, -2.9, 9, dtype=DOUBLE)
    bends = other.time(common).diff() / schedule.time(common).diff()
    torch.testing.assert_close(bends, bends[:1].expand(8), rtol=1e-7, atol=0)


def test_single_precision_is_exact_at_both_ends(schedule: Schedule) -> None:
    """Where `1 - alpha**2` has no digits left, alpha and sigma keep all but the last few bits of theirs."""
    log_snr = torch.tensor([schedule.log_snr_max, schedule.log_snr_min], dtype=torch.float32)
    for single, double in zip(
        schedule.gauge(log_snr), schedule.gauge(log_snr.double()), strict=True
    ):
        assert single.dtype == torch.float32
        # exp(v) turns an absolute rounding error of v, |v| eps, into a relative one
        torch.testing.assert_close(single.double(), double, rtol=20 * SINGLE_EPS, atol=0)


def test_single_precision_log_snr_is_as_good_as_its_time(schedule: Schedule) -> None:
    """A rounding error of t, or of its textbook's time, moves the log-SNR by slope x eps: nothing else may."""
    t = torch.cat([TIMES, 1e-4 * TIMES, 1 - 1e-4 * TIMES]).float()
    error = (schedule.log_snr(t).double() - schedule.log_snr(t.double())).abs()
    start, end = schedule._window
    textbook = max(abs(start), abs(end)) / (end - start)
    allowed = 4 * SINGLE_EPS * (textbook * schedule.slope(t.double())[2].abs() + 20)
    assert (error <= allowed).all()


def test_mixed_precision_leaves_a_schedule_alone(schedule: Schedule) -> None:
    """A loss evaluates its schedule under autocast: not a bit of it may be bfloat16."""
    t = TIMES.float()
    exact = (schedule.log_snr(t), *schedule(t), schedule.time(schedule.log_snr(t)))
    with torch.autocast("cpu", torch.bfloat16):
        mixed = (schedule.log_snr(t), *schedule(t), schedule.time(schedule.log_snr(t)))
    assert all(map(torch.equal, mixed, exact))


def test_levels_agree_with_level(schedule: Schedule) -> None:
    """A sampler's floats and a loss's tensors are the same points."""
    floats, tensors = schedule.levels(INSIDE), schedule.level(INSIDE, ndim=3)
    again = schedule.level_of(schedule.log_snr(INSIDE), ndim=3)
    for name in ("t", "alpha", "sigma", "log_snr"):
        column = torch.tensor([getattr(level, name) for level in floats], dtype=DOUBLE)
        for shaped in (getattr(tensors, name), getattr(again, name)):
            assert shaped.shape == (19, 1, 1)
            torch.testing.assert_close(shaped.flatten(), column, rtol=1e-10, atol=1e-12)


def test_a_level_conditions_each_row() -> None:
    x = torch.zeros(3, 2)
    assert torch.equal(Level(0.5, 0.8, 0.6, 1.25).condition(x), torch.full((3,), 1.25))
    each = torch.tensor([1.0, 2.0, 3.0], dtype=DOUBLE)[:, None]
    assert torch.equal(Level(each, each, each, each).condition(x), torch.tensor([1.0, 2.0, 3.0]))
    assert torch.equal(Level(each, each, each, each[:1]).condition(x), torch.ones(3))


def test_linear_vp_solves_its_moment_equations(paper: LinearVP) -> None:
    """alpha' = -beta alpha / 2 and (sigma^2)' = beta (1 - sigma^2), in the paper's own time."""
    t = TIMES[1:]
    beta = 0.1 + 19.9 * t
    (alpha, sigma), (d_alpha, d_sigma, _) = paper(t), paper.slope(t)
    torch.testing.assert_close(d_alpha, -0.5 * beta * alpha)
    torch.testing.assert_close(2 * sigma * d_sigma, beta * (1 - sigma**2))


def test_linear_vp_is_the_papers(paper: LinearVP) -> None:
    integral = 0.1 * TIMES + 19.9 * TIMES**2 / 2
    alpha, sigma = paper(TIMES)
    torch.testing.assert_close(alpha**2, torch.exp(-integral), rtol=1e-12, atol=0)
    torch.testing.assert_close(sigma**2, -torch.expm1(-integral), rtol=1e-12, atol=0)


def test_sub_vp_squares_the_noise_of_vp(paper: LinearVP) -> None:
    """alpha = e^(-B/2), sigma = 1 - e^(-B) (Song et al. 2021, eq. 29)."""
    alpha, sigma = SubVP(log_snr_max=math.inf)(TIMES)
    vp_alpha, vp_sigma = paper(TIMES)
    torch.testing.assert_close(alpha, vp_alpha, rtol=1e-12, atol=0)
    torch.testing.assert_close(sigma, vp_sigma**2, rtol=1e-12, atol=0)


def test_geometric_vp_has_a_geometric_variance() -> None:
    alpha, sigma = GeometricVP(3e-5, 0.999)(TIMES)
    variance = 3e-5 * (0.999 / 3e-5) ** TIMES
    torch.testing.assert_close(sigma**2, variance, rtol=1e-12, atol=0)
    torch.testing.assert_close(alpha**2, 1 - variance, rtol=1e-11, atol=0)


def test_cosine_turns_gaussian_data_at_constant_speed() -> None:
    """alpha = cos, sigma = s_d sin of an angle linear in t: N(0, s_d^2) keeps its variance all along."""
    schedule = Cosine(data_std=0.3)
    start, end = (math.atan(math.exp(-v / 2) / 0.3) for v in (13.3, -10.0))
    angle = start + (end - start) * TIMES
    alpha, sigma = schedule(TIMES)
    torch.testing.assert_close(alpha, angle.cos(), rtol=1e-11, atol=0)
    torch.testing.assert_close(sigma, 0.3 * angle.sin(), rtol=1e-11, atol=0)


def test_edm_is_karras_et_al() -> None:
    _, sigma = EDM(0.002, 80, rho=7)(TIMES)
    root = 0.002 ** (1 / 7) + TIMES * (80 ** (1 / 7) - 0.002 ** (1 / 7))
    torch.testing.assert_close(sigma, root**7, rtol=1e-11, atol=0)


def test_ve_is_geometric() -> None:
    _, sigma = VE(0.01, 50)(TIMES)
    torch.testing.assert_close(sigma, 0.01 * 5000**TIMES, rtol=1e-11, atol=0)


def test_rectified_and_linear_log_snr_are_straight() -> None:
    for line in (*Rectified()(TIMES), LinearLogSNR().log_snr(TIMES)):
        torch.testing.assert_close(line.diff(), (line[-1:] - line[:1]).expand(100) / 100)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Cosine(log_snr_max=-1, log_snr_min=1),
        lambda: Rectified(log_snr_max=2, log_snr_min=2),
        lambda: LinearLogSNR(log_snr_max=math.nan),
        lambda: LinearVP(log_snr_max=-11),
        lambda: LinearVP(beta_min=-0.1),
        lambda: LinearVP(beta_min=2, beta_max=2),
        lambda: SubVP(beta_min=2, beta_max=1),
        lambda: SubVP(log_snr_max=-11),
        lambda: GeometricVP(variance_min=0),
        lambda: GeometricVP(variance_max=1),
        lambda: Cosine(data_std=0),
        lambda: Cosine(data_std=math.nan),
        lambda: VE(sigma_min=0),
        lambda: VE(sigma_min=2, sigma_max=1),
        lambda: EDM(sigma_min=-1),
        lambda: EDM(rho=0),
        lambda: OUVE(theta=-1),
        lambda: OUVE(sigma_min=0.5, sigma_max=0.05),
        lambda: OUVE(start=1, end=0.03),
        lambda: BBED(k=1),
        lambda: BBED(k=11),
        lambda: BBED(theta=0),
        lambda: BBED(end=1),
        lambda: SchroedingerBridge(k=0.5),
        lambda: SchroedingerBridge(c=-1),
        lambda: SchroedingerBridge(start=-0.1),
        lambda: SchroedingerBridge(end=1),
        lambda: Cosine().between(-1, 1),
    ],
)
def test_bad_arguments_are_refused(make: Callable[[], Schedule]) -> None:
    with pytest.raises(ValueError, match=r"must|needs"):
        make()


class Cubic(Schedule):
    """log-SNR = bend tau - tau^3, which rises near 0 if bend is positive."""

    def __init__(self, bend: float, offset: float = 0.0) -> None:
        super().__init__(8.0, -8.0)
        self.bend, self.offset = bend, offset

    def textbook_log_snr(self, tau: Tensor) -> Tensor:
        return self.bend * tau - tau**3

    def textbook_time(self, log_snr: Tensor) -> Tensor:
        return torch.sign(-log_snr) * log_snr.abs() ** (1 / 3) + self.offset

    def gauge(self, log_snr: Tensor) -> tuple[Tensor, Tensor]:
        return torch.sigmoid(log_snr).sqrt(), torch.sigmoid(-log_snr).sqrt()


@pytest.mark.parametrize(
    "schedule",
    [
        Cubic(bend=2.0),  # not monotone
        Cubic(bend=0.0, offset=0.1),  # monotone, with an inverse that isn't
        Rectified(log_snr_min=-90),  # 1 - tau = e^-45 is nothing beside 1
        LinearLogSNR(log_snr_max=math.inf),
        GeometricVP().between(math.inf, -5),
    ],
    ids=["bent", "shifted", "out of reach", "infinite", "no variance"],
)
def test_a_window_that_the_formula_does_not_walk_is_refused(schedule: Schedule) -> None:
    with pytest.raises(ValueError, match="must fall all the way from .* a window that it reaches"):
        schedule.log_snr(TIMES)
