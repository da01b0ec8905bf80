"""Time series with a protocol: its published counts, and figures of baselines measured before."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from unnoise.data import (
    DataError,
    load_aqi36,
    load_exchange_nips,
    load_series,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from unnoise.data import Source

    Here = Callable[[str], Source]
    StandIn = Callable[..., None]


def test_air_of_beijing(here: Here) -> None:
    here("aqi36")
    air = load_aqi36(quiet=True)
    assert air.truth.shape == air.given.shape == (8759, 36)
    hours = pd.date_range("2014-05-01 01:00", "2015-04-30 23:00", freq="h")
    assert (air.truth.index == hours).all()
    assert air.truth.isna().mean().mean() == pytest.approx(0.1325, abs=5e-5)
    assert air.given.isna().mean().mean() == pytest.approx(0.2458, abs=5e-5)
    known = air.given.notna()
    assert (air.given.where(known) == air.truth.where(known))[known].stack().all()
    # Within a degree of Beijing.
    assert (air.stations - [39.9, 116.4]).abs().lt(1).all(axis=None)


def test_held_out_air_is_the_published_choice(here: Here) -> None:
    here("aqi36")
    air = load_aqi36(quiet=True)
    parts = air.parts
    assert air.held_out.sum() == 35737
    assert air.held_out[parts["test"]].sum() == 20434
    assert sum(parts.values()).tolist() == [1] * 8759  # type: ignore[union-attr]
    assert set(air.truth.index.month[parts["test"]]) == {3, 6, 9, 12}
    assert set(air.truth.index.month[parts["valid"]]) == {1}


def test_baselines_on_air_are_those_measured(here: Here) -> None:
    """Mean of a station 55.9, last value 21.1, mean of the other stations 19.3, in ug/m3."""
    here("aqi36")
    air = load_aqi36(quiet=True)
    test = air.parts["test"]
    tested = air.held_out & test[:, None]

    def error(guess: pd.DataFrame | pd.Series) -> float:
        whole = np.broadcast_to(guess.to_numpy(), air.truth.shape)
        return float(np.abs(air.truth.to_numpy() - whole)[tested].mean())

    assert error(air.given[~test].mean()) == pytest.approx(55.9, abs=0.05)
    assert error(air.given.ffill()) == pytest.approx(21.1, abs=0.05)
    others = air.given.mean(axis=1).interpolate().bfill()  # at some hours all are down
    assert error(others.to_frame()) == pytest.approx(19.3, abs=0.05)


STATIONS = b"sensor_id,latitude,longitude\n001,40,116\n002,39.5,116.5\n"


def hours(*rows: str) -> bytes:
    lines = [f"2014/05/01 0{i}:00:00,{row}" for i, row in enumerate(rows, 1)]
    return gzip.compress("\n".join(["datetime,001,002", *lines]).encode())


def test_small_air(stand_in: StandIn) -> None:
    stand_in("aqi36", hours("1,2", ",4", "5,6"), hours("1,", ",4", "5,6"), STATIONS)
    air = load_aqi36()
    assert air.held_out.tolist() == [[False, True], [False, False], [False, False]]
    assert air.stations.loc["002"].tolist() == [39.5, 116.5]
    assert air.parts["train"].all()


@pytest.mark.parametrize(
    ("given", "stations", "fault"),
    [
        (("1,", ",5", "5,6"), STATIONS, "missing.txt.gz: 002 at 2014-05-01 02:00:00 is not"),
        (("1,", "7,4", "5,6"), STATIONS, "missing.txt.gz: 001 at 2014-05-01 02:00:00 is not"),
        (("1,", ",4"), STATIONS, "missing.txt.gz: not the hours and stations of"),
        (("1,", ",4", "5,6"), STATIONS[:-16], "latlng.txt: not the stations of"),
    ],
    ids=["other value", "value not in the whole", "hour lacking", "station lacking"],
)
def test_air_that_does_not_agree(
    stand_in: StandIn, given: tuple[str, ...], stations: bytes, fault: str
) -> None:
    stand_in("aqi36", hours("1,2", ",4", "5,6"), hours(*given), stations)
    with pytest.raises(DataError, match=fault):
        load_aqi36()


def test_forecasts_of_exchange_rates(here: Here) -> None:
    here("exchange-nips")
    exchange = load_exchange_nips(quiet=True)
    assert exchange.rates.shape == (6221, 8) and exchange.rates.index.freqstr == "B"
    assert exchange.rates.index[0] == pd.Timestamp("1990-01-01")
    assert len(exchange.train) == 6071
    windows = exchange.forecasts
    assert [len(past) for past, _ in windows] == [6071, 6101, 6131, 6161, 6191]
    for past, future in windows:
        assert len(future) == 30 and (future.index > past.index[-1]).all()
    assert exchange.origins.equals(pd.DatetimeIndex([future.index[0] for _, future in windows]))
    # The last value: CRPS of the sum .00621 and, of the columns, .00931, measured elsewhere.
    last = [np.abs(future - past.iloc[-1]) for past, future in windows]
    total = [np.abs((future - past.iloc[-1]).sum(axis=1)) for past, future in windows]
    size = [future.to_numpy().sum() for _, future in windows]
    assert np.sum([each.sum() for each in total]) / sum(size) == pytest.approx(0.00621, abs=5e-6)
    assert np.sum([each.to_numpy().sum() for each in last]) / sum(size) == pytest.approx(
        0.00931, abs=5e-6
    )


def test_exchange_rates_are_those_without_stamps(here: Here) -> None:
    here("exchange-nips")
    here("exchange")
    rates, plain = load_exchange_nips(quiet=True).rates, load_series("exchange", quiet=True)
    assert list(rates.columns) == list(plain.columns)
    np.testing.assert_allclose(rates.to_numpy(), plain[:6221].to_numpy(), rtol=0)


def packed(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def nips(train: int, *test: int, odd: float = 0) -> bytes:
    """Eight series k, k + 1, ..., so long each."""

    def lines(*lengths: int) -> str:
        series = [
            {"start": "1990-01-01 00:00:00", "target": [channel + i for i in range(length)]}
            for length in lengths
            for channel in range(8)
        ]
        series[0]["target"][0] += odd  # type: ignore[index]
        return "".join(json.dumps(each) + "\n" for each in series)

    parts = {"train": lines(train), "test": lines(*test).replace("[0.5", "[0", 1)}
    return packed({f"exchange_rate_nips/{k}/{k}.json": text for k, text in parts.items()})


def test_small_forecasts(stand_in: StandIn) -> None:
    stand_in("exchange-nips", nips(3, 33, 63))
    exchange = load_exchange_nips()
    assert exchange.rates["GBP"].tolist() == [*range(1, 64)]
    assert exchange.train["AUD"].tolist() == [0, 1, 2]
    assert exchange.origins.tolist() == [pd.Timestamp("1990-01-04"), pd.Timestamp("1990-02-15")]


def test_damaged_forecasts(stand_in: StandIn) -> None:
    stand_in("exchange-nips", nips(3, 33, 63, odd=0.5))
    with pytest.raises(DataError, match="nips.tar.gz: its series are not the starts of one; put"):
        load_exchange_nips()
    stand_in("exchange-nips", packed({"train.json": ""}))
    with pytest.raises(DataError, match="has no file exchange_rate_nips/train/train.json; put"):
        load_exchange_nips()
