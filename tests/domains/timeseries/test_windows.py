"""Windows, units and covariates: between a panel and a batch."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from unnoise.domains.timeseries.clock import Clock
from unnoise.domains.timeseries.covariates import Covariates
from unnoise.domains.timeseries.imputer import windows as covering
from unnoise.domains.timeseries.panel import Panel, Series
from unnoise.domains.timeseries.standard import Standard, Units
from unnoise.domains.timeseries.windows import Windows


def series(values: np.ndarray, name: object = None, known: np.ndarray | None = None) -> Series:
    n = len(values)
    return Series(name, np.arange(n) * 1.0, values, np.zeros((n, 0)) if known is None else known)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("points", "length", "stride"), [(10, 4, 3), (10, 4, 2), (3, 4, 1), (4, 4, 9)]
)
def test_windows_cover_a_series_and_end_with_it(points: int, length: int, stride: int) -> None:
    starts = Windows(length, stride).starts(points)
    seen = {k for s in starts for k in range(s, min(s + length, points))}
    assert seen == set(range(points)) or stride > length
    assert starts[0] == 0 and starts[-1] + length >= points


@pytest.mark.parametrize(
    ("points", "length"), [(100, 10), (37, 10), (10, 10), (7, 10), (11, 10), (5, 1)]
)
def test_of_windows_that_overlap_each_point_is_kept_once(points: int, length: int) -> None:
    kept = [k for _, part in covering(points, length) for k in range(part.start, part.stop)]
    assert kept == list(range(points))
    for window, part in covering(points, length):
        assert window.start <= part.start and part.stop <= window.stop <= points


def test_padding_exists_nowhere_and_its_times_rise() -> None:
    short, long = series(np.array([[1.0], [2.0]]), "a"), series(np.arange(5.0)[:, None], "b")
    panel = Panel([short, long], ("y",))
    batch = Windows(4).cut(panel, Units.of(panel))
    assert batch.mask is not None and batch.coords is not None
    assert batch.mask[0, :, 0].tolist() == [True, True, False, False]
    assert (batch.coords.diff(dim=1) > 0).all()
    assert len(batch) == 3


def test_amounts_have_roots_and_come_back() -> None:
    rng = np.random.default_rng(0)
    x = np.stack([rng.normal(size=500), rng.exponential(size=500) ** 1.5, rng.random(500)], 1)
    standard = Standard.of(Panel([series(x)], ("a", "b", "c")))
    assert standard.amount.tolist() == [False, True, False]
    z = standard.encode(x)
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(z.std(0), 1, rtol=1e-12)
    np.testing.assert_allclose(standard.decode(z), x, rtol=1e-12, atol=1e-12)
    step = 1e-6
    slope = (standard.encode(x + step) - standard.encode(x - step)) / (2 * step)
    far = x[:, 1] > 1e-3  # of the root's pole
    np.testing.assert_allclose(standard.log_det(x)[far], np.log(slope)[far], atol=1e-5)
    assert (standard.decode(np.array([[-9.0, -9.0, -9.0]]))[0, 1] == 0).all()
    again = Standard.from_json(standard.to_json())
    assert (again.encode(x) == z).all()


def test_series_of_different_levels_have_units_of_their_own() -> None:
    rng = np.random.default_rng(1)
    apart = Panel([series(k * 100 + rng.normal(size=(50, 1)), k) for k in range(4)], ("y",))
    alike = Panel([series(rng.normal(size=(50, 1)), k) for k in range(4)], ("y",))
    assert Units.of(apart).own and not Units.of(alike).own
    units = Units.of(apart)
    z = units(apart.series[3]).encode(apart.series[3].values)
    assert abs(z.mean()) < 1e-12 and abs(z.std() - 1) < 1e-12
    assert Units.from_json(units.to_json()).own


def test_a_channel_that_never_varies_is_refused() -> None:
    with pytest.raises(ValueError, match="'b' has no two different values"):
        Standard.of(Panel([series(np.array([[1.0, 2.0], [3.0, 2.0]]))], ("a", "b")))


def test_covariates_are_standardised_and_have_the_calendar_beside() -> None:
    known = np.arange(72.0)[:, None]
    clock = Clock(pd.Timestamp("2024-01-01"), pd.Timedelta(1, "h"))
    panel = Panel([series(np.arange(72.0)[:, None], known=known)], ("y",), ("z",), (), clock)
    covariates = Covariates.of(panel)
    told = covariates(panel.series[0])
    assert covariates.widths == (3, 0)
    np.testing.assert_allclose(told.known[:, 0], (known[:, 0] - 35.5) / known.std())
    np.testing.assert_allclose(
        told.known[:, 1], np.sin(2 * np.pi * np.arange(72) / 24), atol=1e-12
    )
    again = Covariates.from_json(covariates.to_json(), clock)
    assert (again(panel.series[0]).known == told.known).all()


def test_lengths_are_positive() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Windows(0)
