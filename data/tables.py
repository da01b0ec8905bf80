"""Tables to data frames: numbers where the documentation counts or measures, else strings.

A code such as the `1` and `2` of a verdict is a name, however it is written, so it stays the
string it is in the file: the type of a column says whether it may be averaged. Levels keep
their spelling. A missing value is the string "?", as the documentation of all of them has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unnoise.data.errors import DataError, unknown
from unnoise.data.registry import SOURCES
from unnoise.data.store import find

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

__all__ = ["load_adult", "load_table"]


@dataclass(frozen=True)
class _Form:
    """How a table is written.

    Attributes:
        names: Of the columns; none if the first row has them.
        numbers: Those of the columns that hold whole numbers.
        missing: How this copy writes a missing value.
    """

    names: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    missing: str = "?"


_BREAST_CANCER = _Form(
    names=(
        "age",
        "menopause",
        "tumor-size",
        "inv-nodes",
        "node-caps",
        "deg-malig",
        "breast",
        "breast-quad",
        "irradiat",
        "class",
    ),
    missing="nan",
)

_GERMAN = _Form(
    names=(
        "checking-account",
        "duration",
        "credit-history",
        "purpose",
        "credit-amount",
        "savings",
        "employment-since",
        "installment-rate",
        "personal-status-and-sex",
        "other-debtors",
        "residence-since",
        "property",
        "age",
        "other-installment-plans",
        "housing",
        "existing-credits",
        "job",
        "people-liable",
        "telephone",
        "foreign-worker",
        "class",
    ),
    numbers=(
        "duration",
        "credit-amount",
        "installment-rate",
        "residence-since",
        "age",
        "existing-credits",
        "people-liable",
    ),
)

_ADULT = _Form(
    names=(
        "age",
        "workclass",
        "fnlwgt",
        "education",
        "education-num",
        "marital-status",
        "occupation",
        "relationship",
        "race",
        "sex",
        "capital-gain",
        "capital-loss",
        "hours-per-week",
        "native-country",
        "income",
    ),
    numbers=(
        "age",
        "fnlwgt",
        "education-num",
        "capital-gain",
        "capital-loss",
        "hours-per-week",
    ),
)

_FORMS = {
    "breast-cancer": _BREAST_CANCER,
    "car": _Form(),
    "german": _GERMAN,
    "mushroom": _Form(),
}

_ANES96_COUNTS = ("popul", "TVnews", "age")
_ANES96_CODES = ("selfLR", "ClinLR", "DoleLR", "PID", "educ", "income", "vote")


def load_table(name: str, *, quiet: bool = False) -> pd.DataFrame:
    """Loads a table that is one piece; needs pandas.

    Args:
        name: anes96, breast-cancer, car, german or mushroom.
        quiet: Whether a download does without its progress bar.

    Returns:
        A column of numbers is int64 (float64: the `logpopul` of anes96), any other holds strings.
        Columns are named as in the file or its documentation.

    Raises:
        DataError: If there is none of that name, or its file is neither here nor to be had, or
            damaged.
    """
    if name == "anes96":
        return _anes96()
    if name == "adult":
        raise DataError("adult comes in two parts, train and test; load_adult() reads it")
    if name not in _FORMS:
        raise unknown("table", name, [*_FORMS, "anes96"])
    source = SOURCES[name]
    return _read(find(source, quiet=quiet) / source.files[0].path, _FORMS[name])


def load_adult(*, quiet: bool = False) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Loads the adult census as its authors split it, train and test; needs pandas.

    The test file ends its labels with a full stop, which is dropped.

    Returns:
        32,561 and 16,281 rows of 15 columns, six of them numbers (int64).

    Raises:
        DataError: If the files are neither here nor to be had, or damaged.
    """
    folder = find(SOURCES["adult"], quiet=quiet)
    train, test = (_read(folder / f"adult-{part}.csv", _ADULT) for part in ("train", "test"))
    test["income"] = test["income"].str.removesuffix(".")
    return train, test


def _read(path: Path, form: _Form) -> pd.DataFrame:
    """Reads a table without a guess at types or at what is missing."""
    import pandas as pd

    frame = pd.read_csv(
        path,
        names=form.names or None,
        header=None if form.names else 0,
        dtype=str,
        keep_default_na=False,
        skipinitialspace=True,
        quotechar="'",
    )
    frame = frame.replace(form.missing, "?")
    return frame.astype(dict.fromkeys(form.numbers, np.int64))


def _anes96() -> pd.DataFrame:
    """The voters of 1996, whose floats are counts and codes but for one logarithm."""
    from statsmodels.datasets import anes96

    frame = anes96.load_pandas().data
    whole = frame.astype(dict.fromkeys((*_ANES96_COUNTS, *_ANES96_CODES), np.int64))
    return whole.astype(dict.fromkeys(_ANES96_CODES, str))
