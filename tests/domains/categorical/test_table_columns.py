"""Columns of tables: what kind they are, and that their cells come back as they went in."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch

from unnoise.core.random import seeded
from unnoise.domains.categorical import Nominal, Numeric, Ordinal
from unnoise.domains.categorical.table.encoder import Encoder
from unnoise.domains.categorical.table.kinds import Kind, infer
from unnoise.domains.categorical.table.law import spread
from unnoise.domains.categorical.table.levels import LevelColumn
from unnoise.domains.categorical.table.numeric import NumberColumn

N = 1_000
RNG = np.random.default_rng(0)
NORMAL = RNG.normal(size=N)


def some(*values: object) -> pd.Series:
    """Values in equal numbers, in the order they are given, as objects."""
    return pd.Series([values[k % len(values)] for k in range(N)], dtype=object, name="some")


COLUMNS: dict[str, pd.Series] = {
    "names": some("a", "b", "?"),
    "none": some("a", None, "b"),
    "nan": some("a", float("nan")),
    "constant": some("always"),
    "never": some(None),
    "types": some(1, "1", True, 2.5, None),
    "category": some("u", "v").astype(pd.CategoricalDtype(["v", "unused", "u"])),
    "ordered": some("lo", "hi").astype(pd.CategoricalDtype(["lo", "mid", "hi"], ordered=True)),
    "category of numbers": some(20, 10, None).astype(pd.CategoricalDtype([10, 20])),
    "bool": some(True, False, False).astype(bool),
    "boolean": some(True, False, None).astype("boolean"),
    "string": some("p", None, "q").astype("string"),
    "int64": some(3, -1, 7).astype("int64"),
    "uint8": some(3, 1, 7).astype("uint8"),
    "Int64": some(3, 1, None).astype("Int64"),
    "whole floats": some(3, 1, None).astype("float64"),
    "few floats": some(0.1, 0.25, None).astype("float64"),
    "few singles": some(0.1, 0.25, None).astype("float32"),
    "counts": pd.Series(RNG.negative_binomial(1, 0.004, N)),
    "gapped counts": pd.Series(np.arange(N) % 300).astype("Int64").where(np.arange(N) % 3 > 0),
    "prices": pd.Series(np.round(30 * np.exp(NORMAL), 2)),
    "single prices": pd.Series(np.round(30 * np.exp(NORMAL), 2)).astype("float32"),
}
REAL: dict[str, pd.Series] = {
    "real": pd.Series(NORMAL),
    "single": pd.Series(NORMAL, dtype="float32"),
    "zeros": pd.Series(np.where(np.arange(N) % 3 > 0, np.exp(NORMAL), 0.0)),
    "ties": pd.Series(np.where(np.arange(N) % 200 > 0, NORMAL, math.pi)),
    "gaps": pd.Series(np.where(np.arange(N) % 3 > 0, NORMAL, np.nan)),
}


def there_and_back(
    frame: pd.DataFrame, kinds: dict[str | int, Kind] | None = None
) -> pd.DataFrame:
    """A frame through the encoder and its JSON."""
    encoder = Encoder.fit(frame, kinds or {})
    states = encoder.encode(frame)
    again = Encoder.from_json(json.loads(json.dumps(encoder.to_json())))
    return again.decode(spread(states.x, states.width, seeded(0)))


@pytest.mark.parametrize("name", COLUMNS)
def test_cells_come_back_to_the_bit(name: str) -> None:
    frame = COLUMNS[name].to_frame(name)
    pd.testing.assert_frame_equal(there_and_back(frame), frame, check_exact=True)


@pytest.mark.parametrize("name", REAL)
def test_real_numbers_come_back_to_single_precision_of_their_ranks(name: str) -> None:
    frame = REAL[name].to_frame(name)
    pd.testing.assert_frame_equal(there_and_back(frame), frame, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["zeros", "ties", "gaps"])
def test_what_occurs_often_comes_back_to_the_bit(name: str) -> None:
    was, back = REAL[name], there_and_back(REAL[name].to_frame(name))[name]
    often = was.isna() if name == "gaps" else was == was.mode()[0]
    assert often.sum() >= 5
    pd.testing.assert_series_equal(back[often], was[often], check_exact=True, check_names=False)


def test_a_table_of_all_kinds_comes_back_as_it_was() -> None:
    frame = pd.DataFrame(COLUMNS | {7: some(1, 2)})
    pd.testing.assert_frame_equal(there_and_back(frame), frame, check_exact=True)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(
            (name, Nominal)
            for name in ("names", "none", "nan", "types", "bool", "boolean", "string")
        ),
        *((name, Nominal) for name in ("category", "category of numbers", "constant", "never")),
        *((name, Ordinal) for name in ("ordered", "int64", "uint8", "Int64", "whole floats")),
        *((name, Ordinal) for name in ("few floats", "few singles")),
        *((name, Numeric) for name in ("counts", "gapped counts", "prices", "single prices")),
    ],
)
def test_the_kind_follows_type_and_values(name: str, kind: type[Kind]) -> None:
    assert type(infer(COLUMNS[name])) is kind


@pytest.mark.parametrize(("distinct", "kind"), [(128, Ordinal), (129, Numeric)])
def test_many_whole_numbers_are_measured(distinct: int, kind: type[Kind]) -> None:
    assert type(infer(pd.Series(np.arange(2_000) % distinct))) is kind


def test_few_broken_numbers_are_levels_only_if_they_are_repeated() -> None:
    assert type(infer(pd.Series(NORMAL[:20]))) is Numeric
    assert type(infer(pd.Series(NORMAL[np.arange(80) % 20]))) is Ordinal


def test_a_mark_for_missing_leaves_numbers_numbers() -> None:
    codes = pd.Series(np.arange(N) % 200, name="codes").where(np.arange(N) % 4 > 0, -1)
    column = Numeric(missing_values=(-1,)).fit(codes)
    assert (column.hole, column.number) == (1, True)
    frame = codes.to_frame()
    back = there_and_back(frame, {"codes": Numeric(missing_values=(-1,))})
    pd.testing.assert_frame_equal(back, frame, check_exact=True)
    mixed = pd.Series([1.5, "?", 2.5, "?"], dtype=object, name="mixed")
    assert isinstance(Numeric().fit(mixed, ("?",)), NumberColumn)


def test_a_question_mark_is_a_level_unless_it_says_missing() -> None:
    plain, marked = (Nominal().fit(COLUMNS["names"], marks) for marks in ((), ("?",)))
    assert isinstance(plain, LevelColumn)
    assert isinstance(marked, LevelColumn)
    assert (plain.levels, plain.hole) == (("?", "a", "b"), None)
    assert (marked.levels, marked.hole) == (("a", "b"), 2)


def test_levels_are_ordered_as_they_should_be() -> None:
    given = Ordinal(order=["B", "A", "C"]).fit(some("A", "B"))
    ordered, numbers = Ordinal().fit(COLUMNS["ordered"]), Ordinal().fit(COLUMNS["int64"])
    names = Nominal().fit(COLUMNS["types"])
    for column, levels in (
        (given, ("B", "A", "C")),
        (ordered, ("lo", "hi")),
        (numbers, (-1, 3, 7)),
        (names, (1, True, 2.5, "1")),
    ):
        assert isinstance(column, LevelColumn)
        assert column.levels == levels


def test_only_what_is_declared_is_possible_without_being_seen() -> None:
    frame = pd.DataFrame({"declared": some("a", "b"), "seen": COLUMNS["category"]})
    encoder = Encoder.fit(frame, {"declared": Nominal(levels=["a", "b", "c"])})
    (law,) = encoder.frequencies(frame).values()
    rows = [encoder.codes["codes0"].index(k) for k in (0, 1)]
    assert law[rows[0]].tolist() == pytest.approx(
        [500.333 / 1001, 500.333 / 1001, 0.333 / 1001], abs=1e-6
    )
    assert law[rows[1]].tolist() == pytest.approx([0.5, 0.5, 0.0])


@pytest.mark.parametrize(
    ("series", "kind", "message"),
    [
        (pd.Series(["a", 3], index=["x", "y"]), Numeric(), r"'col'.*row 'x' has 'a'"),
        (pd.Series([1.0, float("inf")]), Numeric(), r"'col'.*row 1 has .*inf"),
        (pd.Series([0, 2**60]), Numeric(), r"'col'.*row 1 .*2\^53"),
        (pd.Series([None, None], dtype=object), Numeric(), "every cell is missing"),
        (
            pd.Series([None, None], dtype=object),
            Nominal(missing="impute"),
            "every cell is missing",
        ),
        (pd.Series([(1, 2), "a"]), Nominal(), r"row 0 has \(1, 2\), a tuple"),
        (pd.Series(["b", "a"]), Ordinal(), r"holds 'a'.*Ordinal\(order="),
        (
            pd.Series(["hi", "low"]),
            Ordinal(order=["lo", "hi"]),
            r"row 1 has 'low'.*nearest are 'lo'",
        ),
        (pd.to_datetime(pd.Series(["2020-01-01"] * 2)), None, "datetime64"),
        (pd.Series([1j, 2j]), None, "complex"),
    ],
)
def test_a_column_that_cannot_be_is_named(
    series: pd.Series, kind: Kind | None, message: str
) -> None:
    frame = series.to_frame("col")
    with pytest.raises(ValueError, match=message):
        Encoder.fit(frame, {} if kind is None else {"col": kind})


def test_kinds_refuse_what_they_do_not_know() -> None:
    with pytest.raises(ValueError, match="'level' or 'impute', got 'drop'"):
        Nominal(missing="drop")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="knots must be at least 2"):
        Numeric(knots=1)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"a": []}), "two rows or more and a column, got 0 x 1"),
        (pd.DataFrame({"a": [1]}), "got 1 x 1"),
        (pd.DataFrame(index=range(3)), "got 3 x 0"),
        (pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]), "two columns are named 'a'"),
        (
            pd.DataFrame({("a", "b"): [1, 2], ("a", "c"): [1, 2]}),
            "named by strings or whole numbers",
        ),
    ],
)
def test_a_frame_that_cannot_be_is_refused(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Encoder.fit(frame, {})


def test_a_table_is_a_frame_and_kinds_are_of_its_columns() -> None:
    with pytest.raises(TypeError, match="DataFrame, got list"):
        Encoder.fit([[1, 2]], {})
    with pytest.raises(ValueError, match="columns names 'b', and the frame has no such column"):
        Encoder.fit(pd.DataFrame({"a": [1, 2]}), {"b": Nominal()})


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.fit(
        pd.DataFrame({k: COLUMNS[k] for k in ("names", "int64", "counts", "Int64")}), {}
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"names": "c"},
            r"'names': row 0 has 'c', which is no known level; the nearest are 'b'|'a'",
        ),
        ({"int64": 4}, r"'int64': row 0 has 4.*the nearest are 3, 7, -1"),
        ({"counts": 1.5}, r"'counts': row 0 has .*1.5.*whole numbers"),
        ({"counts": "many"}, r"'counts': row 0 has 'many', which isn't a number"),
        ({"names": None}, r"'names': row 0 is missing, and none was"),
        ({"counts": None}, r"'counts': row 0 is missing, and none was"),
    ],
)
def test_a_cell_that_was_never_seen_is_named(
    encoder: Encoder, change: dict[str, object], message: str
) -> None:
    row = {"names": "a", "int64": 3, "counts": 5, "Int64": 3} | change
    with pytest.raises(ValueError, match=message):
        encoder.encode(pd.DataFrame({k: pd.Series([v], dtype=object) for k, v in row.items()}))


def test_several_unseen_levels_are_counted(encoder: Encoder) -> None:
    frame = pd.DataFrame({"names": ["x", "a", "y", "x"], "int64": 3, "counts": 5, "Int64": 3})
    with pytest.raises(ValueError, match=r"row 0 has 'x'.* \(2 such values in 3 rows\)"):
        encoder.encode(frame)


def test_other_columns_are_named(encoder: Encoder) -> None:
    frame = pd.DataFrame({"names": ["a"], "int64": [3], "counts": [5]})
    with pytest.raises(ValueError, match="lacks the columns 'Int64'"):
        encoder.encode(frame)
    with pytest.raises(ValueError, match="weren't there when the synthesizer was fitted: 'more'"):
        encoder.encode(frame.assign(Int64=3, more=1))
    with pytest.raises(ValueError, match="no rows"):
        encoder.encode(frame.assign(Int64=3)[:0])


def test_holes_tell_nothing_and_the_order_of_columns_does_not_matter(encoder: Encoder) -> None:
    frame = pd.DataFrame(
        {"Int64": [3, None], "counts": [None, 5], "int64": 7, "names": [None, "a"]}
    )
    states = encoder.encode(frame, holes=True)
    names, codes, gapped = (encoder.places[k] for k in (0, 1, 3))
    number = encoder.numbers.index(2)
    assert states.known[:, [names, codes, gapped, number]].tolist() == [
        [False, True, True, False],
        [True, True, False, True],
    ]
    assert states.width[:, number].tolist()[0] == 1
    assert torch.equal(states.x[:, codes], torch.tensor([2.0, 2.0], dtype=torch.float64))


def test_parts_are_padded_to_twice_a_column_at_most() -> None:
    sizes = [1, 2, 2, 9, 16, 40, 300, 4_000]
    frame = pd.DataFrame(
        {f"c{s}-{k}": [str(v % s) for v in range(8_000)] for k, s in enumerate(sizes)}
    )
    encoder = Encoder.fit(frame, {})
    assert sorted(size for part in encoder.sizes.values() for size in part) == sizes
    for part in encoder.sizes.values():
        assert max(part) <= max(8, 2 * min(part))
    assert encoder.cells < 1.25 * sum(sizes)
