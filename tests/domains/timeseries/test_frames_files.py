"""Frames in files come back, and files that can't be read say why."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from unnoise.domains.timeseries.frames import Wide, layout_of, read_frame, write_frame


def frame() -> pd.DataFrame:
    index = pd.date_range("2024-01-01", periods=4, freq="h", tz="Europe/Berlin", name="ts")
    return pd.DataFrame({"a": [1.5, np.nan, 3, 4], "b": [1, 2, 3, 4]}, index=index)


@pytest.mark.parametrize("suffix", [".parquet", ".pq"])
def test_parquet_keeps_all(tmp_path: Path, suffix: str) -> None:
    write_frame(frame(), tmp_path / f"x{suffix}")
    assert_frame_equal(read_frame(tmp_path / f"x{suffix}"), frame(), check_freq=False)


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".CSV"])
def test_a_csv_is_read_as_the_same_panel(tmp_path: Path, suffix: str) -> None:
    write_frame(frame(), str(tmp_path / f"x{suffix}"))
    back = read_frame(str(tmp_path / f"x{suffix}"))
    assert layout_of(back) == Wide("ts", targets=("a", "b"))
    a, b = Wide().read(frame()).series[0], layout_of(back).read(back).series[0]
    assert (a.times == b.times).all()
    assert np.array_equal(a.values, b.values, equal_nan=True)


def test_an_index_that_only_counts_is_not_written(tmp_path: Path) -> None:
    write_frame(frame().reset_index(drop=True), tmp_path / "x.csv")
    assert list(read_frame(tmp_path / "x.csv").columns) == ["a", "b"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="x.csv: no such file"):
        read_frame(tmp_path / "x.csv")
    with pytest.raises(
        ValueError, match="x.xlsx: unknown suffix; it must be one of .csv, .csv.gz"
    ):
        read_frame(tmp_path / "x.xlsx")
    with pytest.raises(FileNotFoundError, match="none: no such folder; make it first"):
        write_frame(frame(), tmp_path / "none" / "x.csv")
    (tmp_path / "latin.csv").write_bytes("a,b\n1,\xe9\n".encode("latin-1"))
    with pytest.raises(ValueError, match="latin.csv: byte 6 isn't UTF-8"):
        read_frame(tmp_path / "latin.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(ValueError, match="empty.csv: can't be read as CSV: No columns"):
        read_frame(tmp_path / "empty.csv")
    (tmp_path / "bad.parquet").write_text("no parquet")
    with pytest.raises(ValueError, match="bad.parquet: can't be read as Parquet"):
        read_frame(tmp_path / "bad.parquet")
    (tmp_path / "bad.csv.gz").write_text("no gzip")
    with pytest.raises(ValueError, match="bad.csv.gz: can't be read as CSV"):
        read_frame(tmp_path / "bad.csv.gz")
    for text in ("a;b\n1;2\n", "a;b\n1,5;2\n"):
        (tmp_path / "semicolons.csv").write_text(text)
        with pytest.raises(ValueError, match="aren't separated by commas, .* sep="):
            read_frame(tmp_path / "semicolons.csv")
