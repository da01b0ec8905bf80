"""Frames in files: CSV, or Parquet, which keeps types, zones and the index."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

__all__ = ["read_frame", "write_frame"]

_CSV = (".csv", ".csv.gz")
_PARQUET = (".parquet", ".pq")


def read_frame(path: Path | str) -> pd.DataFrame:
    """The frame of a file; the columns of a CSV are read as they are, stamps as text.

    Args:
        path: its suffix says what it is: .csv, .csv.gz, .parquet or .pq.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if the suffix is another, or the file isn't what it says.
    """
    path = Path(path)
    suffix = _suffix(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        if suffix in _PARQUET:
            return pd.read_parquet(path)
        frame = pd.read_csv(path, low_memory=False)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: byte {error.start} isn't UTF-8; read it by pandas.read_csv(..., encoding=...)"
        ) from error
    except (ValueError, OSError) as error:
        kind = "Parquet" if suffix in _PARQUET else "CSV"
        raise ValueError(f"{path}: can't be read as {kind}: {error}") from error
    head = str(frame.columns[0])
    if not isinstance(frame.index, pd.RangeIndex) or (len(frame.columns) == 1 and ";" in head):
        raise ValueError(
            f"{path}: its columns aren't separated by commas, or rows have more of them than the header; read it by pandas.read_csv(..., sep=...)"
        )
    return frame


def write_frame(frame: pd.DataFrame, path: Path | str) -> None:
    """Write a frame; a named or dated index becomes the first columns of a CSV.

    Args:
        frame: the rows.
        path: its suffix says what it will be: .csv, .csv.gz, .parquet or .pq.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if the suffix is another.
    """
    path = Path(path)
    suffix = _suffix(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent}: no such folder; make it first")
    if suffix in _PARQUET:
        frame.to_parquet(path)
    else:
        counts = isinstance(frame.index, pd.RangeIndex) and frame.index.name is None
        frame.to_csv(path, index=not counts)


def _suffix(path: Path) -> str:
    known = (*_CSV, *_PARQUET)
    found = next((s for s in known if path.name.lower().endswith(s)), None)
    if found is None:
        raise ValueError(f"{path}: unknown suffix; it must be one of {', '.join(known)}")
    return found
