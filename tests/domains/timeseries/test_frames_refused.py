"""Frames that can't be read: what is wrong is named, with its column and row."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from unnoise.domains.timeseries.frames import Long, Wide, layout_of

STAMPS = ["2024-01-01 00:00", "2024-01-01 01:00", "2024-01-01 02:00"]


def frame(stamps: object = STAMPS, **columns: object) -> pd.DataFrame:
    base = {"ts": stamps, "a": [1.0, 2.0, 3.0], "b": [0.0, np.nan, 1.0]}
    return pd.DataFrame({**base, **columns}, index=["x", "y", "z"])


def dates(*stamps: object) -> pd.Series:
    return pd.Series(list(stamps), index=["x", "y", "z"], dtype=object)


T = [pd.Timestamp(s) for s in STAMPS]
WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "twice": (
        lambda: Wide("ts").read(frame([STAMPS[0], STAMPS[1], STAMPS[0]])),
        r"'ts': row 0 \(label x\) and row 2 \(label z\) have the same stamp 2024-01-01 00:00; drop one or take their mean; if these are several series, pass item=",
    ),
    "twice in a series": (
        lambda: Wide("ts", "id").read(frame([STAMPS[0]] * 3, id=["p", "q", "q"])),
        r"row 1 \(label y\) and row 2 \(label z\) have the same stamp .* of series 'q'",
    ),
    "twice in the index": (
        lambda: Wide().read(frame().set_index(pd.DatetimeIndex([T[0], T[0], T[1]]))[["a"]]),
        "the index: row 0 .* and row 1 .* have the same stamp",
    ),
    "single precision": (
        lambda: Wide("ts").read(frame(np.array([1.7e9, 1.7e9 + 60, 1.7e9 + 600], np.float32))),
        "'ts': row 0 .* float32 numbers can't tell such stamps apart, so read them as float64",
    ),
    "nullable single precision": (
        lambda: Wide("ts").read(frame(pd.array([1.7e9, 1.7e9 + 60, 1.7e9 + 600], "Float32"))),
        "Float32 numbers can't tell such stamps apart",
    ),
    "nanoseconds": (
        lambda: Wide("ts").read(frame([t.value for t in T])),
        r"row 0 .* beyond 2\^53; Unix stamps become dates by pd.to_datetime\(..., unit='ns'\)",
    ),
    "NaT": (
        lambda: Wide("ts").read(frame([T[0], pd.NaT, T[2]])),
        r"'ts': row 1 \(label y\) has no stamp",
    ),
    "NaN": (
        lambda: Wide("ts").read(frame([0.0, np.nan, 1.0])),
        r"'ts': row 1 \(label y\) has no stamp",
    ),
    "infinite stamp": (
        lambda: Wide("ts").read(frame([0.0, np.inf, 1.0])),
        r"row 1 \(label y\) has inf",
    ),
    "no date": (
        lambda: Wide("ts").read(frame([STAMPS[0], "soon", STAMPS[2]])),
        r"row 1 \(label y\) has 'soon', which isn't a date in ISO 8601",
    ),
    "ambiguous date": (
        lambda: Wide("ts").read(frame(["01/02/2024", "02/02/2024", "03/02/2024"])),
        r"row 0 \(label x\) has '01/02/2024', .* pd.to_datetime\(..., format=...\)",
    ),
    "zones": (
        lambda: Wide("ts").read(frame(dates(T[0].tz_localize("Asia/Tokyo"), *_utc()[1:]))),
        "mixes time zones, .* in row 1 .* utc=True",
    ),
    "offsets": (
        lambda: Wide("ts").read(
            frame([STAMPS[0] + "+01:00", *(s + "+02:00" for s in STAMPS[1:])])
        ),
        "mixes time zones, '2024-01-01 00:00[+]01:00' and '2024-01-01 01:00[+]02:00' in row 1",
    ),
    "naive and aware": (
        lambda: Wide("ts").read(frame(dates(T[0], _utc()[1], T[2]))),
        "mixes stamps with and without zone, .* in row 1",
    ),
    "another zone": (
        lambda: Wide("ts").read(frame(_utc()), like=Wide("ts").read(frame())),
        "stamps have one, and the clock has no time zone; tz_localize",
    ),
    "out of bounds": (
        lambda: Wide("ts").read(frame(np.array(["0001-01-01"] * 3, "datetime64[s]"))),
        "outside the years 1678 to 2261",
    ),
    "truth values as stamps": (
        lambda: Wide("ts").read(frame([True, False, True])),
        "row 0 .* has True, which isn't a date",
    ),
    "infinite": (
        lambda: Wide("ts").read(frame(a=[1.0, 2.0, -np.inf])),
        r"column 'a': row 2 \(label z\) is infinite",
    ),
    "names": (
        lambda: Wide("ts").read(frame(city=["u", "v", "w"])),
        r"'city' has type object; pass targets=\[...\]",
    ),
    "names as targets": (
        lambda: Wide("ts", targets=["a", "city"]).read(frame(city=pd.Categorical(list("uvw")))),
        "column 'city': has type category, which isn't one of numbers",
    ),
    "truth values as targets": (
        lambda: Wide("ts", targets=["a", "on"]).read(frame(on=[True, False, True])),
        "column 'on': has type bool",
    ),
    "no targets": (lambda: Wide("ts").read(frame()[["ts"]]), "or there are none"),
    "no such target": (
        lambda: Wide("ts", targets=["c"]).read(frame()),
        "no column 'c'; its columns are 'ts', 'a', 'b'",
    ),
    "no such time": (lambda: Wide("when").read(frame()), "the frame has no column 'when'"),
    "no value": (lambda: Long("ts", "a", "value").read(frame()), "no column 'value'"),
    "no rows": (lambda: Wide("ts").read(frame().iloc[:0]), "the frame has no rows"),
    "two of a name": (
        lambda: Wide("ts").read(frame().set_axis(["ts", "a", "a"], axis=1)),
        "two columns are named 'a'",
    ),
    "levels": (
        lambda: Wide().read(frame().set_index(["ts", "a"])),
        r"several levels of rows or columns; reset_index\(\)",
    ),
    "a covariate with holes": (
        lambda: Wide("ts", known=["b"]).read(frame()),
        r"'b': row 1 \(label y\) is missing, and covariates are known at all times",
    ),
    "static that varies": (
        lambda: Wide("ts", static=["a"]).read(frame()),
        "'a': row 0 .* has 1, and another row of one series has 3; they must agree",
    ),
    "text for a list": (lambda: Wide("ts", targets="a"), r"targets: must be .* \['a'\]"),
    "two roles": (lambda: Wide("ts", known=["a"], static=["a"]), "'a' is both known and static"),
    "values of too few": (
        lambda: Wide("ts").write(frame(), Wide("ts").read(frame()), []),
        "values of 0 series, the panel has 1",
    ),
    "values of another frame": (
        lambda: Wide("ts").write(frame()[:2], Wide("ts").read(frame()), [np.zeros((3, 2))]),
        "the frame has 2 stamps of 1 series, and there are values of 3 stamps of 1; pass the frame",
    ),
    "guess: no time": (
        lambda: layout_of(frame()[["a"]].reset_index(drop=True)),
        "no column holds dates, and the index may only count rows; pass time=, or make",
    ),
    "guess: years as text": (
        lambda: layout_of(frame(["2001", "2002", "2003"])),
        "no column holds dates",
    ),
    "guess: two times": (
        lambda: layout_of(frame(end=T).reset_index(drop=True)),
        "'ts', 'end' hold dates; say which .* time='ts'",
    ),
    "guess: names": (
        lambda: layout_of(frame(city=["u", "v", "w"])),
        r"'city' has type object; if it names series pass item='city', if it names channels use",
    ),
    "guess: names beside series": (
        lambda: layout_of(frame(city=["u", "v", "w"], id=1), item="id"),
        "'city' has type object; if it names channels use",
    ),
    "guess: no such column": (lambda: layout_of(frame(), item="id"), "no column 'id'"),
}


def _utc() -> list[pd.Timestamp]:
    return [t.tz_localize("UTC") for t in T]


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(case: str) -> None:
    act, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        act()


def test_a_frame_is_one_of_pandas() -> None:
    with pytest.raises(TypeError, match="needs a pandas DataFrame, got dict"):
        Wide().read({"a": [1]})


def test_doubles_keep_what_singles_lose() -> None:
    stamps = 1.7e9 + np.array([0.0, 1.0, 2.0])
    (series,) = Wide("ts").read(frame(stamps)).series
    assert series.times.tolist() == [0, 1, 2]


def test_objects_that_are_dates_are_read() -> None:
    (series,) = Wide("ts").read(frame(dates(*(t.to_pydatetime() for t in T)))).series
    assert series.times.tolist() == [0, 1, 2]
