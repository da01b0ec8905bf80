"""Tables: the rows, names, types and levels that their documentation promises."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from unnoise.data import DataError, UnknownSource, load_adult, load_table

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from unnoise.data import Source


def numbers(frame: pd.DataFrame) -> list[str]:
    """The columns of numbers; all others must hold strings."""
    found = [name for name in frame if np.issubdtype(frame[name].dtype, np.number)]
    rest = frame.drop(columns=found)
    assert rest.map(lambda value: type(value) is str).all(axis=None)
    return found


def test_data_is_light() -> None:
    """Who lists or fetches data does not wait for what only loaders of tables need."""
    code = "import sys, unnoise.data; print({'pandas', 'statsmodels', 'sklearn'} & {*sys.modules})"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"


def test_mushroom(here: Callable[[str], Source]) -> None:
    here("mushroom")
    frame = load_table("mushroom", quiet=True)
    assert frame.shape == (8124, 23)
    assert numbers(frame) == []
    assert list(frame.columns[:2]) == ["edible", "cap-shape"]
    assert frame["edible"].value_counts().to_dict() == {"e": 4208, "p": 3916}  # UCI's counts
    assert (frame == "?").sum().sum() == (frame["stalk-root"] == "?").sum() == 2480
    assert frame.columns[frame.nunique() == 1].tolist() == ["veil-type"]
    assert not frame.duplicated().any()


def test_car_is_the_full_factorial(here: Callable[[str], Source]) -> None:
    here("car")
    frame = load_table("car", quiet=True)
    assert frame.shape == (1728, 7)
    assert numbers(frame) == []
    assert set(frame["doors"]) == {"2", "3", "4", "5more"}
    assert set(frame["persons"]) == {"2", "4", "more"}
    assert not frame.iloc[:, :6].duplicated().any()
    assert frame.iloc[:, :6].nunique().tolist() == [4, 4, 4, 3, 3, 3]
    # UCI's class distribution.
    assert frame["deal"].value_counts().to_dict() == {
        "unacc": 1210,
        "acc": 384,
        "good": 69,
        "vgood": 65,
    }


def test_breast_cancer(here: Callable[[str], Source]) -> None:
    here("breast-cancer")
    frame = load_table("breast-cancer", quiet=True)
    assert frame.shape == (286, 10)
    assert numbers(frame) == []
    assert set(frame["deg-malig"]) == {"1", "2", "3"}
    missing = (frame == "?").sum()
    assert missing[missing > 0].to_dict() == {"node-caps": 8, "breast-quad": 1}
    assert frame["class"].value_counts().to_dict() == {
        "no-recurrence-events": 201,
        "recurrence-events": 85,
    }


def test_adult(here: Callable[[str], Source]) -> None:
    here("adult")
    train, test = load_adult(quiet=True)
    assert (train.shape, test.shape) == ((32561, 15), (16281, 15))
    assert list(train.columns) == list(test.columns)
    for frame, missing in ((train, 2399), (test, 1221)):
        assert numbers(frame) == [
            "age",
            "fnlwgt",
            "education-num",
            "capital-gain",
            "capital-loss",
            "hours-per-week",
        ]
        assert set(frame["income"]) == {"<=50K", ">50K"}
        assert (frame == "?").any(axis=1).sum() == missing
        words = frame.drop(columns=numbers(frame))
        assert (words == words.apply(lambda column: column.str.strip())).all(axis=None)
        assert frame["age"].min() == 17  # adult.names: extracted where age > 16
        # education-num is education's own order, 1 to 16.
        assert len(frame[["education", "education-num"]].drop_duplicates()) == 16
    rich = (train["income"] == ">50K").sum() + (test["income"] == ">50K").sum()
    assert rich / 48842 == pytest.approx(0.2393, abs=5e-5)  # adult.names: 23.93 %


def test_german(here: Callable[[str], Source]) -> None:
    here("german")
    frame = load_table("german", quiet=True)
    assert frame.shape == (1000, 21)
    # german.names: 7 numerical, 13 categorical; attributes 2, 5, 8, 11, 13, 16, 18.
    places = [list(frame.columns).index(name) + 1 for name in numbers(frame)]
    assert places == [2, 5, 8, 11, 13, 16, 18]
    # Attribute k has codes A<k>1, A<k>2, ...; the class is a name, though written as a number.
    for place, name in enumerate(frame.columns[:20], start=1):
        if name not in numbers(frame):
            assert frame[name].str.startswith(f"A{place}").all()
    assert frame["class"].value_counts().to_dict() == {"1": 700, "2": 300}


def test_anes96() -> None:
    frame = load_table("anes96")
    assert frame.shape == (944, 11)
    assert numbers(frame) == ["popul", "TVnews", "age", "logpopul"]
    codes = {
        name: sorted(map(int, set(frame[name]))) for name in frame if frame[name].dtype == "O"
    }
    scale = list(range(1, 8))
    assert codes == dict.fromkeys(["selfLR", "ClinLR", "DoleLR", "educ"], scale) | {
        "PID": list(range(7)),
        "income": list(range(1, 25)),
        "vote": [0, 1],
    }
    # The documentation's definition of logpopul, and the original whole numbers in floats.
    np.testing.assert_allclose(frame["logpopul"], np.log(frame["popul"] + 0.1), rtol=1e-6)
    from statsmodels.datasets import anes96

    assert (frame.astype(float) == anes96.load_pandas().data).all(axis=None)


def test_values_are_those_of_the_file(stand_in: Callable[..., None]) -> None:
    """Neither "nan", "NA" nor a code is read as anything but what is written."""
    stand_in("mushroom", b"edible,odor\np,NA\ne,?\ne,1\n")
    assert load_table("mushroom").to_dict("list") == {"edible": [*"pee"], "odor": ["NA", "?", "1"]}
    patient = b"'40-49','premeno','15-19','0-2',nan,'3','right','left_up','no','recurrence-events'"
    stand_in("breast-cancer", patient)
    values = patient.decode().replace("'", "").replace("nan", "?").split(",")
    assert load_table("breast-cancer").iloc[0].tolist() == values


def test_the_parts_of_adult_agree_on_labels(stand_in: Callable[..., None]) -> None:
    person = "39, ?, 77516, Bachelors, 13, Never-married, Sales, Wife, White, Male, 2174, 0, 40"
    person += ", Outlying-US(Guam-USVI-etc), <=50K"
    stand_in("adult", f"{person}\n\n".encode(), f"{person}.\n".encode())
    train, test = load_adult()
    assert train.to_dict("list") == test.to_dict("list")
    assert train.iloc[0].tolist() == [
        int(value) if value.isdigit() else value for value in person.split(", ")
    ]


def test_wrong_names() -> None:
    with pytest.raises(UnknownSource, match=r"no table is named 'cars'; did you mean 'car'\?"):
        load_table("cars")
    with pytest.raises(DataError, match=r"two parts, train and test; load_adult\(\) reads it"):
        load_table("adult")
