"""Numbers and their ranks: against laws that are known, and that nothing is lost on the way."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats

from unnoise.domains.categorical import Numeric
from unnoise.domains.categorical.table.numeric import NumberColumn
from unnoise.domains.categorical.table.quantiles import Quantiles
from unnoise.domains.categorical.table.spelling import Cells

Array = NDArray[np.float64]

N = 20_000
MIDDLES = (np.arange(N) + 0.5) / N  # ranks of a sample without chance


def mixture_cdf(v: Array) -> Array:
    return np.asarray(0.3 * stats.norm.cdf(v, -3, 0.2) + 0.7 * stats.norm.cdf(v, 1, 2))


def mixture_logpdf(v: Array) -> Array:
    parts = 0.3 * stats.norm.pdf(v, -3, 0.2) + 0.7 * stats.norm.pdf(v, 1, 2)
    return np.asarray(np.log(parts))


def mixture(u: Array) -> Array:
    """The mixture's quantiles, by inversion of a fine table."""
    v = np.linspace(-12, 14, 2_000_001)
    return np.interp(u, mixture_cdf(v), v)


LAWS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "normal": (lambda u: stats.norm.ppf(u, 5, 3), lambda v: stats.norm.logpdf(v, 5, 3)),
    "log-normal": (lambda u: stats.lognorm.ppf(u, 1.0), lambda v: stats.lognorm.logpdf(v, 1.0)),
    "mixture": (mixture, mixture_logpdf),
}


def column(values: Array | list[float], **settings: int) -> NumberColumn:
    made = Numeric(**settings).fit(pd.Series(values, name="x"))  # type: ignore[arg-type]
    assert isinstance(made, NumberColumn)
    return made


def cells(values: Array | list[float]) -> Cells:
    return Cells.of(pd.Series(values, name="x"), ())


@pytest.mark.parametrize("law", LAWS)
def test_log_density_is_that_of_a_known_law(law: str) -> None:
    quantile, log_density = LAWS[law]
    found = column(quantile(MIDDLES))
    v = quantile(np.linspace(0.002, 0.998, 997))
    error = found.quantiles.log_scale(v) - log_density(v)
    assert np.abs(error).mean() < 0.015  # of 282 straight pieces
    assert np.quantile(np.abs(error), 0.95) < 0.05
    assert found.size == 0


@pytest.mark.parametrize("decimals", [0, 2])
def test_a_grid_counts_as_a_density(decimals: int) -> None:
    """P(v) / step, whatever the step: that of N(0, 50^2) and of N(0, .5^2)."""
    scale = 50.0 / 10**decimals
    found = column(np.round(stats.norm.ppf(MIDDLES, scale=scale), decimals), knots=5_000)
    v = np.round(stats.norm.ppf(np.linspace(0.02, 0.98, 97), scale=scale), decimals)
    atoms = np.isin(v, found.quantiles.atoms / 10**decimals)
    step = np.where(atoms, 10.0**-decimals, 1.0)  # atoms count as probabilities
    error = found.quantiles.log_scale(v) - stats.norm.logpdf(v, scale=scale) - np.log(step)
    assert np.abs(error).max() < 0.02


def test_whole_numbers_have_probabilities_of_sum_one() -> None:
    rng = np.random.default_rng(0)
    values = rng.geometric(0.01, 3_000).astype(float)
    found = column(values).quantiles
    everything = np.arange(-200_000.0, 200_000.0)
    low, width = found.interval(everything)
    np.testing.assert_allclose(low[1:], (low + width)[:-1], atol=1e-12)  # no rank is lost
    assert np.exp(found.log_scale(everything)).sum() == pytest.approx(width.sum())
    assert width.sum() == pytest.approx(1, abs=3e-6)  # the rest lies farther out


def test_real_numbers_have_a_density_of_integral_one() -> None:
    values = np.where(np.arange(300) % 50 == 0, 2.0, np.random.default_rng(0).normal(size=300))
    found = column(values).quantiles
    assert found.atoms.tolist() == [2.0]
    inner = np.sort(np.concatenate([found.points[:1], found.points, found.points[-1:]]))
    middles, lengths = (inner[1:] + inner[:-1]) / 2, np.diff(inner)
    mass = (np.exp(found.log_scale(middles)) * lengths)[lengths > 0].sum()  # straight between
    atom = np.exp(found.log_scale(np.array([2.0])))[0]
    tails = found.ranks[0] + 1 - found.ranks[-1]
    assert atom == pytest.approx(6 / 300, rel=0.01)
    assert mass + atom + tails == pytest.approx(1)


def test_log_density_is_the_slope_of_the_ranks() -> None:
    found = column(stats.norm.ppf(MIDDLES[::20])).quantiles
    v = np.array([-7.0, -3.3, -0.512345, 0.1, 2.2, 3.9, 50.0])
    h = 1e-6 * np.maximum(1, np.abs(v))
    slope = (found.interval(v + h)[0] - found.interval(v - h)[0]) / (2 * h)
    np.testing.assert_allclose(np.log(slope), found.log_scale(v), atol=1e-4)


def test_ranks_and_numbers_are_inverse_to_each_other() -> None:
    values = np.random.default_rng(0).standard_t(2, size=5_000)
    found = column(values).quantiles
    np.testing.assert_allclose(found.decode(found.interval(values)[0]), values, rtol=1e-9)


@pytest.mark.parametrize("law", LAWS)
def test_ranks_decode_to_the_law_of_the_column(law: str) -> None:
    values = LAWS[law][0](np.random.default_rng(1).random(5_000))
    found = column(values).quantiles
    decoded = found.decode(MIDDLES)
    assert stats.ks_2samp(decoded, values).statistic < 1 / len(found.points) + 1 / 5_000


def test_ties_keep_their_frequencies_and_gaps_stay_empty() -> None:
    """Nothing is drawn between a limit of 1,000 and 0, or between two clusters."""
    rng = np.random.default_rng(0)
    clusters = np.concatenate([1_000 + rng.random(800), 5_000 + rng.random(1_100)])
    values = np.concatenate([np.zeros(60), clusters, np.full(40, 1_000.25)])
    found = Quantiles.fit(values, 1_000)
    decoded = found.decode(MIDDLES)
    for atom, count in ((0.0, 60), (1_000.25, 40)):
        assert (decoded == atom).mean() == pytest.approx(count / 2_000, abs=2 / 2_000)
    between = (decoded > 0) & (decoded < 1_000) | (decoded > 1_001) & (decoded < 5_000)
    assert between.mean() < 2 / 2_000


def test_knots_are_few() -> None:
    values = np.random.default_rng(0).normal(size=50_000)
    assert len(column(values).quantiles.points) < 1_000
    assert len(column(values, knots=50).quantiles.points) < 100


def test_beyond_the_ends_everything_is_possible_and_nothing_is_generated() -> None:
    found = column(stats.expon.ppf(MIDDLES[::20])).quantiles
    far = np.array([-1e9, -1.0, 100.0, 1e9])
    assert np.isfinite(found.log_scale(far)).all()
    low, _ = found.interval(far)
    assert ((low > 0) & (low < 1)).all()
    low, high = found.decode(np.array([0.0, 1.0]))
    assert (low, high) == found.ends


def test_spikes_are_codes_and_their_numbers_tell_nothing() -> None:
    rest = stats.norm.ppf(MIDDLES[::20])
    found = column(np.concatenate([np.zeros(500), np.full(30, 7.0), rest]))
    assert found.spikes.tolist() == [0.0, 7.0]
    assert found.size == 3
    encoded = found.encode(cells([0.0, 7.0, 0.5]), holes=False)
    assert encoded.codes is not None
    assert encoded.width is not None
    assert (encoded.codes.tolist(), encoded.width.tolist()) == ([1, 2, 0], [1, 1, 0])
    assert np.asarray(encoded.log_scale)[:2].tolist() == [0, 0]
    assert np.asarray(encoded.log_scale)[2] == pytest.approx(stats.norm.logpdf(0.5), abs=0.05)
    back = found.decode(np.array([1, 2, 0]), np.array([0.3, 0.9, 0.5]))
    assert back.tolist()[:2] == [0.0, 7.0]
    assert back[2] == pytest.approx(0, abs=2e-3)


@pytest.mark.parametrize("values", [[5.0] * 40, [1.5] * 20 + [2.5] * 20, [0.1, 0.7], [3.0, 3.0]])
def test_columns_of_next_to_nothing_work(values: list[float]) -> None:
    found = column(values)
    encoded = found.encode(cells(values), holes=False)
    assert encoded.low is not None
    assert encoded.width is not None
    ranks = encoded.low + 0.5 * encoded.width
    assert found.decode(encoded.codes, ranks).tolist() == pytest.approx(values)
    assert np.isfinite(found.quantiles.log_scale(np.array([2.0]))).all()


def test_single_precision_is_no_grid_of_its_own() -> None:
    """All of 0.1, 0.2, ... are written exactly by one decimal, in single precision too."""
    tenths = np.arange(1_000, dtype=np.float32) / np.float32(10)
    series = pd.Series(tenths, name="x")
    found = Numeric().fit(series)
    assert isinstance(found, NumberColumn)
    assert found.quantiles.decimals == 1
    assert column(np.random.default_rng(0).random(1_000)).quantiles.decimals is None
    assert column([math.pi * k for k in range(200)]).quantiles.decimals is None
