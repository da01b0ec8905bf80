"""Time series in one frame: what is published of them, and other readers as judges."""

from __future__ import annotations

import csv
import gzip
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from unnoise.data import SOURCES, DataError, UnknownSource, find, load_series

if TYPE_CHECKING:
    from collections.abc import Callable

    from unnoise.data import Source

    Here = Callable[[str], Source]
    StandIn = Callable[..., None]

HOUR = pd.Timedelta(hours=1)
SHAPES = {  # rows, columns, first and last stamp, gap, missing values
    "etth1": ((17420, 7), "2016-07-01 00:00", "2018-06-26 19:00", HOUR, 0),
    "etth2": ((17420, 7), "2016-07-01 00:00", "2018-06-26 19:00", HOUR, 0),
    "vic-elec": ((52608, 3), "2011-12-31 13:00Z", "2014-12-31 12:30Z", HOUR / 2, 0),
    "air-quality": ((9357, 13), "2004-03-10 18:00", "2005-04-04 14:00", HOUR, 16701),
    "beijing-pm25": ((43824, 8), "2010-01-01 00:00", "2014-12-31 23:00", HOUR, 2067),
}


@pytest.mark.parametrize("name", SHAPES)
def test_regular_sets(here: Here, name: str) -> None:
    here(name)
    frame = load_series(name, quiet=True)
    shape, first, last, gap, missing = SHAPES[name]
    assert frame.shape == shape
    assert frame.index[[0, -1]].tolist() == [pd.Timestamp(first), pd.Timestamp(last)]
    assert frame.index.freq == pd.tseries.frequencies.to_offset(gap)
    assert (np.diff(frame.index) == gap).all()
    assert frame.isna().sum().sum() == missing
    assert str(frame.index.tz) == ("UTC" if name == "vic-elec" else "None")


@pytest.mark.parametrize("name", ["etth1", "etth2"])
def test_transformers_hold_the_numbers_of_their_files(here: Here, name: str) -> None:
    source = here(name)
    with gzip.open(find(source) / source.files[0].path, "rt") as file:
        header, *rows = csv.reader(file)
    frame = load_series(name, quiet=True)
    assert ["date", *frame.columns] == header
    assert frame.iloc[-1].tolist() == [float(value) for value in rows[-1][1:]]
    assert (frame.to_numpy() == np.array([row[1:] for row in rows], dtype=float)).all()


def test_new_year_is_a_holiday_in_victoria(here: Here) -> None:
    """The stamps are UTC: only so do holidays begin at midnight of Melbourne."""
    here("vic-elec")
    frame = load_series("vic-elec", quiet=True)
    assert list(frame.columns) == ["Demand", "Temperature", "Holiday"]
    assert frame["Holiday"].dtype == bool
    local = frame.index.tz_convert("Australia/Melbourne")
    for year in (2013, 2014):  # that of 2012 was a Sunday
        assert frame["Holiday"][
            local.normalize() == pd.Timestamp(f"{year}-01-01", tz=local.tz)
        ].all()
    days = frame["Holiday"].groupby(local.date)
    assert (days.nunique() == 1).all()
    assert days.size().isin([46, 48, 50]).all()  # the clocks change


def test_missing_values_of_sensors(here: Here) -> None:
    """UCI: -200 stands for a missing value, and hours without the reference are many."""
    here("air-quality")
    frame = load_series("air-quality", quiet=True)
    share = frame.isna().mean()
    assert share["NMHC(GT)"] == pytest.approx(0.902, abs=5e-4)
    assert share[["CO(GT)", "NOx(GT)", "NO2(GT)"]].round(3).tolist() == [0.18, 0.175, 0.175]
    assert frame.min().min() > -10  # degrees C are the only ones below zero
    down = frame["T"].isna()
    assert (frame.loc[down, ["RH", "AH", "C6H6(GT)"]].isna()).all(axis=None)
    # AH is the absolute humidity: the vapour's pressure, by Magnus's formula, over temperature.
    vapour = frame["RH"] * np.exp(17.62 * frame["T"] / (243.12 + frame["T"]))
    assert (vapour / (273.15 + frame["T"])).corr(frame["AH"]) > 0.998


def test_weather_of_beijing(here: Here) -> None:
    here("beijing-pm25")
    frame = load_series("beijing-pm25", quiet=True)
    assert list(frame.columns) == ["pm2.5", "DEWP", "TEMP", "PRES", "cbwd", "Iws", "Is", "Ir"]
    assert set(frame["cbwd"]) == {"NW", "NE", "SE", "cv"}
    assert frame["pm2.5"].isna().sum() == frame.isna().sum().sum() == 2067  # UCI's count
    assert (frame["DEWP"] <= frame["TEMP"] + 1).all()  # both are rounded
    warm = frame["TEMP"].groupby(frame.index.hour).mean()
    assert 13 <= warm.idxmax() <= 16  # local time


def test_currencies(here: Here) -> None:
    here("exchange")
    frame = load_series("exchange", quiet=True)
    assert frame.shape == (7588, 8)
    assert frame.index.equals(pd.RangeIndex(7588)) and frame.index.name == "day"
    assert (frame.to_numpy() > 0).all()
    # From 1990 to 2016, a dollar was 75 to 161 yen, and 4 to 9 yuan.
    assert (1 / frame["JPY"]).between(75, 161).all()
    assert (1 / frame["CNY"]).between(4, 9.2).all()
    assert frame["GBP"].min() > frame["AUD"].max()  # a pound is always worth more


def test_visits_of_patients(here: Here) -> None:
    """survival's documentation: 312 randomised patients, measured at `day`."""
    here("pbcseq")
    frame = load_series("pbcseq", quiet=True)
    assert frame.shape == (1945, 19)
    patients = frame.groupby("id")
    assert len(patients) == 312
    assert (patients["day"].min() == 0).all()
    assert (patients["day"].diff().dropna() > 0).all()
    fixed = ["futime", "status", "trt", "age", "sex"]
    assert (patients[fixed].nunique() == 1).all(axis=None)
    assert (frame["day"] <= frame["futime"]).all()
    assert frame["trt"].isin([0, 1]).all()
    assert frame["chol"].isna().mean() == pytest.approx(0.422, abs=5e-4)


def test_embedded_series() -> None:
    """Facts of each that its documentation and history know."""
    co2 = load_series("co2")
    assert co2.shape == (2284, 1) and co2.isna().sum().item() == 59
    assert co2.index.freqstr == "W-SAT"
    nile = load_series("nile")
    assert nile.index.freqstr == "YS-JAN" and nile.index.year[[0, -1]].tolist() == [1871, 1970]
    assert nile["volume"].mean() == 919.35
    sunspots = load_series("sunspots")["SUNACTIVITY"]
    assert sunspots.index.year[[0, -1]].tolist() == [1700, 2008]
    assert (sunspots.idxmax(), sunspots.max()) == (pd.Timestamp("1957-01-01"), 190.2)
    sea = load_series("elnino")["temperature"]
    assert sea.index.freqstr == "MS" and sea.index[-1] == pd.Timestamp("2010-12-01")
    assert sea.iloc[:2].tolist() == [23.11, 24.2]
    assert {*sea.nlargest(2).index.year} == {1983, 1998}  # the strongest El Niños
    economy = load_series("macrodata")
    assert economy.shape == (203, 12) and economy.index.freqstr == "QS-JAN"
    assert economy.index[-1] == pd.Timestamp("2009-07-01")
    assert economy["realgdp"].pct_change().idxmin() == pd.Timestamp("1980-04-01")


def test_embedded_series_have_no_files() -> None:
    for name in ("co2", "elnino", "macrodata", "nile", "sunspots"):
        with pytest.raises(
            DataError, match=rf"statsmodels, and unnoise.data.load_series\('{name}'"
        ):
            find(SOURCES[name])


def test_values_are_those_of_the_file(stand_in: StandIn) -> None:
    lines = "Date;Time;CO(GT);T;;\n31/12/2004;23.00.00;2,6;-200;;\n"
    lines += "01/01/2005;00.00.00;3;-1,5;;\n;;;;;\n"
    stand_in("air-quality", gzip.compress(lines.encode()))
    frame = load_series("air-quality")
    assert frame.index.tolist() == [pd.Timestamp("2004-12-31 23:00"), pd.Timestamp("2005-01-01")]
    assert frame["CO(GT)"].tolist() == [2.6, 3.0]
    assert np.isnan(frame["T"].iloc[0]) and frame["T"].iloc[1] == -1.5
    wind = "No,year,month,day,hour,pm2.5,cbwd\n1,2012,2,28,23,NA,cv\n2,2012,2,29,0,7,NW\n"
    stand_in("beijing-pm25", gzip.compress(wind.encode()))
    frame = load_series("beijing-pm25")
    assert frame.index[1] - frame.index[0] == HOUR
    assert frame["cbwd"].tolist() == ["cv", "NW"] and frame["pm2.5"].iloc[1] == 7


def test_wrong_names() -> None:
    with pytest.raises(UnknownSource, match="time series is named 'etth'; did you mean 'etth"):
        load_series("etth")
    with pytest.raises(UnknownSource, match="known: air-quality, aqi36, beijing-pm25, co2"):
        load_series("solar")


@pytest.mark.parametrize(
    ("name", "loader"),
    [
        ("aqi36", "load_aqi36"),
        ("exchange-nips", "load_exchange_nips"),
        ("physionet2012", "load_physionet2012"),
    ],
)
def test_sets_with_a_protocol_name_their_loader(name: str, loader: str) -> None:
    with pytest.raises(DataError, match=rf"{name} comes with a protocol; {loader}\(\) reads it"):
        load_series(name)
