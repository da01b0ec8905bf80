"""Tables in, tables out: small frames whose laws are known, through training and every method."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from unnoise.core.checkpoint import CheckpointError, save_weights
from unnoise.core.training import Fit
from unnoise.domains.categorical import Nominal, Numeric, Ordinal, TableSynthesizer
from unnoise.domains.categorical.table.synthesizer import default_fit

N = 4_000
HOW = Fit(600, batch=256, lr=4e-3, warmup=20, ema=0.98)  # seconds, not the best that can be had
TINY = Fit(3, batch=16, log_every=1)
NOISE = 0.3


def dependent(n: int, seed: int) -> pd.DataFrame:
    """A is 0 to 3, B names it, and C is A and noise; a coin that is nobody's business."""
    rng = np.random.default_rng(seed)
    a = rng.integers(4, size=n)
    return pd.DataFrame(
        {
            "A": a,
            "B": pd.Categorical(np.array(["p", "q", "r", "s"])[a], categories=list("tsrqp")),
            "C": (a + NOISE * rng.normal(size=n)).astype("float32"),
            "coin": rng.random(n) < 0.3,
            "same": "always",
        }
    )


def holed(n: int, seed: int) -> pd.DataFrame:
    """x is fair and y = x; where x is 1 both y and the number are mostly missing."""
    rng = np.random.default_rng(seed)
    x = rng.integers(2, size=n)
    there = rng.random(n) < np.where(x == 1, 0.2, 0.9)
    return pd.DataFrame(
        {
            "x": np.array(["no", "yes"])[x],
            "y": pd.Series(np.array(["n", "y"])[x], dtype=object).where(there, "?"),
            "number": np.where(there, 4.0 * x + rng.normal(size=n), np.nan),
        }
    )


@pytest.fixture(scope="module")
def synth() -> TableSynthesizer:
    made = TableSynthesizer(fit=HOW, width=128, blocks=1, dropout=0.0)
    return made.fit(dependent(N, 0), progress=False)


@pytest.fixture(scope="module")
def filler() -> TableSynthesizer:
    """Holes are no values."""
    kinds = {
        "y": Nominal(missing="impute", missing_values=("?",)),
        "number": Numeric(missing="impute"),
    }
    made = TableSynthesizer(kinds, fit=HOW, width=128, blocks=1, dropout=0.0)
    return made.fit(holed(N, 0), progress=False)


@pytest.fixture
def tiny() -> TableSynthesizer:
    return TableSynthesizer(fit=TINY, width=8, blocks=1)


def test_samples_have_the_form_of_the_table_and_its_law(synth: TableSynthesizer) -> None:
    table, made = dependent(N, 0), synth.sample(N, seed=1)
    pd.testing.assert_series_equal(made.dtypes, table.dtypes)
    assert made.index.equals(pd.RangeIndex(N))
    assert set(made["same"]) == {"always"}
    assert (made["B"].astype(object) == made["A"].map(dict(enumerate("pqrs")))).mean() > 0.99
    frequency, error = made["A"].value_counts(normalize=True), math.sqrt(0.25 * 0.75 / N)
    assert frequency.tolist() == pytest.approx([0.25] * 4, abs=4 * error + 0.02)
    assert made["coin"].mean() == pytest.approx(0.3, abs=4 * math.sqrt(0.21 / N) + 0.02)
    noise = made["C"] - made["A"]
    assert noise.mean() == pytest.approx(0, abs=0.05)
    assert noise.std() == pytest.approx(NOISE, abs=0.08)


def test_what_is_missing_is_drawn_given_the_rest(synth: TableSynthesizer) -> None:
    truth = dependent(3_000, 5)
    asked = truth.copy()
    asked.loc[:999, "B"] = None
    asked.loc[1_000:1_999, "C"] = np.nan
    asked.loc[2_000:, ["A", "B"]] = None  # A from C alone
    filled = synth.impute(asked, seed=2)
    assert (filled["B"] == truth["B"])[:1_000].mean() > 0.99
    noise = (filled["C"] - truth["A"])[1_000:2_000]
    assert noise.mean() == pytest.approx(0, abs=0.06)
    assert noise.std() == pytest.approx(NOISE, abs=0.08)
    tail = filled[2_000:]
    assert (tail["B"].astype(object) == tail["A"].map(dict(enumerate("pqrs")))).mean() > 0.98
    weights = np.exp(-0.5 * ((truth["C"].to_numpy()[2_000:, None] - np.arange(4)) / NOISE) ** 2)
    exact = weights / weights.sum(1, keepdims=True)  # p(A | C)
    hits = exact[np.arange(1_000), tail["A"].to_numpy()]  # of draws from it sum p^2
    assert hits.mean() == pytest.approx((exact**2).sum(1).mean(), abs=0.06)


def test_what_is_given_stays_and_so_do_index_order_and_types(synth: TableSynthesizer) -> None:
    asked = dependent(60, 5)[["C", "same", "B", "coin", "A"]]
    asked.index = pd.Index([f"row{k % 50}" for k in range(60)], name="who")
    asked.loc["row3", "C"] = np.nan
    asked["coin"] = asked["coin"].astype(object)
    asked.loc["row4", "coin"] = None
    asked["A"] = asked["A"].astype(float)
    asked.loc["row5", "A"] = np.nan
    was = asked.copy()
    filled = synth.impute(asked)
    pd.testing.assert_frame_equal(asked, was)  # nothing is written into it
    assert not filled.isna().any(axis=None)
    given = was.notna()
    pd.testing.assert_index_equal(filled.index, was.index)
    assert list(filled) == list(was)
    assert (
        (filled.astype(object).where(given, None) == was.astype(object).where(given, None))[given]
        .stack()
        .all()
    )
    pd.testing.assert_series_equal(
        filled.dtypes.drop("B"), dependent(2, 0).dtypes[list(was)].drop("B")
    )
    complete = dependent(5, 3)
    pd.testing.assert_frame_equal(synth.impute(complete), complete)


def test_log_prob_comes_near_the_entropy(synth: TableSynthesizer) -> None:
    """ln 4 + H(.3) + 1/2 log(2 pi e NOISE^2): a bound, so not above."""
    rows = dependent(1_500, 7)
    result = synth.log_prob(rows, draws=32)
    p = np.where(rows["coin"], 0.3, 0.7)
    noise = (rows["C"] - rows["A"]) / NOISE
    exact = np.log(p / 4) - 0.5 * noise**2 - 0.5 * math.log(2 * math.pi * NOISE**2)
    gap = exact.to_numpy() - result.nats.numpy()
    error = gap.std() / math.sqrt(len(gap))
    assert -4 * error < gap.mean() < 0.25 + 4 * error
    assert result.kind == "lower bound"
    assert result.bits_per_dim().value == pytest.approx(
        -float(result.nats.mean()) / 5 / math.log(2)
    )
    assert result.nfe == 40


def test_impossible_rows_are_less_likely(synth: TableSynthesizer) -> None:
    rows = dependent(200, 7)
    swapped = rows.assign(
        B=rows["B"].cat.rename_categories(dict(zip("pqrs", "qrsp", strict=True)))
    )
    fair, wrong = (synth.log_prob(frame, draws=16).nats.mean() for frame in (rows, swapped))
    assert wrong < fair - 3


def test_a_seed_is_a_table(synth: TableSynthesizer) -> None:
    pd.testing.assert_frame_equal(synth.sample(40, seed=3), synth.sample(40, seed=3))
    assert not synth.sample(40, seed=3).equals(synth.sample(40, seed=4))
    asked = dependent(40, 1).assign(C=np.nan)
    pd.testing.assert_frame_equal(synth.impute(asked, seed=3), synth.impute(asked, seed=3))
    assert not synth.impute(asked, seed=3).equals(synth.impute(asked, seed=4))
    one, two, other = (synth.log_prob(dependent(9, 1), 16, seed).nats for seed in (3, 3, 4))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_a_saved_synthesizer_is_the_same(synth: TableSynthesizer, tmp_path: Path) -> None:
    synth.save(tmp_path / "table.safetensors")
    again = TableSynthesizer.load(tmp_path / "table.safetensors")
    pd.testing.assert_frame_equal(again.sample(50, seed=3), synth.sample(50, seed=3))
    asked = dependent(40, 1).assign(C=np.nan)
    pd.testing.assert_frame_equal(again.impute(asked), synth.impute(asked))
    rows = dependent(9, 1)
    assert torch.equal(again.log_prob(rows, 16).nats, synth.log_prob(rows, 16).nats)
    assert again.history == synth.history


def test_what_is_no_synthesizer_is_not_loaded(tmp_path: Path) -> None:
    save_weights(torch.nn.Linear(1, 1), tmp_path / "other", {})
    with pytest.raises(CheckpointError, match="holds no TableSynthesizer"):
        TableSynthesizer.load(tmp_path / "other")
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        TableSynthesizer.load(tmp_path / "nothing")


def test_holes_are_not_generated_and_do_not_bias_the_rest(filler: TableSynthesizer) -> None:
    """Complete rows alone would make x = 1 as rare as 1 in 5.5."""
    made = filler.sample(N, seed=1)
    assert not made.isna().any(axis=None)
    assert set(made["y"]) == {"n", "y"}
    yes = made["x"] == "yes"
    assert yes.mean() == pytest.approx(0.5, abs=4 * math.sqrt(0.25 / N) + 0.02)
    assert ((made["y"] == "y") == yes).mean() > 0.95
    assert made.loc[yes, "number"].mean() == pytest.approx(4, abs=0.25)
    assert made.loc[~yes, "number"].mean() == pytest.approx(0, abs=0.25)


def test_question_marks_are_imputed_where_they_say_missing(filler: TableSynthesizer) -> None:
    asked = holed(1_000, 3)
    filled = filler.impute(asked)
    holes = asked["y"] == "?"
    assert ((filled["y"] == "y") == (filled["x"] == "yes"))[holes].mean() > 0.95
    assert filled["y"][~holes].equals(asked["y"][~holes])
    assert not filled["number"].isna().any()


def test_missing_is_a_level_if_nothing_is_said() -> None:
    rows = holed(600, 0)
    rows.loc[::4, "x"] = None
    synth = TableSynthesizer(fit=replace(HOW, steps=40), width=32, blocks=1).fit(
        rows, progress=False
    )
    made = synth.sample(600)
    assert made["x"].isna().mean() == pytest.approx(0.25, abs=0.1)
    assert set(made["x"].dropna()) == {"yes", "no"}
    assert made["number"].isna().mean() == pytest.approx(0.45, abs=0.12)
    assert (made["y"] == "?").mean() == pytest.approx(0.45, abs=0.12)
    filled = synth.impute(rows)
    assert not filled[["x", "number"]].isna().any(axis=None)
    assert filled["y"].equals(rows["y"])  # here "?" is a name like any other
    assert synth.log_prob(rows[:50], 16).nats.isfinite().all()


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": ["p", "q"] * 20, "b": [1, 2, 3, 4] * 10}),
        pd.DataFrame({f"c{k}": ["p", "q", "r", "s"] * 10 for k in range(12)}),
        pd.DataFrame({"v": np.linspace(0, 1, 40) ** 2, "w": np.linspace(1, 2, 40) ** 3}),
        pd.DataFrame({"v": np.linspace(0, 1, 40) ** 2}),
        pd.DataFrame({"same": ["a"] * 40}),
        pd.DataFrame({"never": [None] * 40, "a": ["p", "q"] * 20}),
        pd.DataFrame({0: ["p", "q"] * 20, 1: np.linspace(0, 1, 40) ** 2}),
        pd.DataFrame({"a.b": ["p", "q"] * 20, "numbers": np.linspace(0, 1, 40) ** 2}),
        pd.DataFrame({"a": ["p", "q"], "v": [0.1, 0.2]}),
    ],
    ids=["codes", "many", "numbers", "number", "constant", "never", "labels", "names", "two rows"],
)
def test_tables_of_one_kind_and_odd_ones_go_all_the_way(
    tiny: TableSynthesizer, frame: pd.DataFrame
) -> None:
    tiny.fit(frame, progress=False)
    made = tiny.sample(30, nfe=3)
    pd.testing.assert_series_equal(made.dtypes, frame.dtypes)
    for name in frame:
        if frame[name].dtype == object:
            assert set(made[name]) <= set(frame[name])
        else:
            assert made[name].between(frame[name].min(), frame[name].max()).all()
    asked = frame.astype(object)
    asked.iloc[0] = None
    filled = tiny.impute(asked, nfe=3)
    assert not filled.drop(columns="never", errors="ignore").isna().any(axis=None)
    assert tiny.log_prob(frame, 16).nats.isfinite().all()


def test_training_goes_on_where_it_stopped(tmp_path: Path) -> None:
    rows = dependent(64, 0)

    def fitted(folder: Path | None, **settings: int) -> TableSynthesizer:
        synth = TableSynthesizer(fit=replace(TINY, **settings), width=8, blocks=1)  # type: ignore[arg-type]
        return synth.fit(rows, progress=False, folder=folder)

    whole = fitted(None).sample(20)
    pd.testing.assert_frame_equal(fitted(tmp_path / "a").sample(20), whole)
    pd.testing.assert_frame_equal(fitted(tmp_path / "a").sample(20), whole)  # nothing left to do
    with pytest.raises(ValueError, match="other settings"):
        fitted(tmp_path / "a", steps=4)
    with pytest.raises(ValueError, match="other settings .data was"):
        TableSynthesizer(fit=TINY, width=8, blocks=1).fit(
            dependent(64, 1), progress=False, folder=tmp_path / "a"
        )
    with pytest.raises(ValueError, match="other settings .network was"):
        TableSynthesizer(fit=TINY, width=8, blocks=1, dropout=0.5).fit(
            rows, progress=False, folder=tmp_path / "a"
        )


def test_training_draws_from_no_global_generator(tiny: TableSynthesizer) -> None:
    state = torch.get_rng_state()
    one = tiny.fit(dependent(64, 0), seed=1, progress=False).sample(20)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(5)
    two = tiny.fit(dependent(64, 0), seed=1, progress=False).sample(20)
    pd.testing.assert_frame_equal(one, two)
    assert not tiny.fit(dependent(64, 0), seed=2, progress=False).sample(20).equals(one)


@pytest.mark.parametrize(
    ("rows", "steps", "batch"), [(2, 300, 2), (800, 625, 128), (32_561, 4_000, 512)]
)
def test_small_tables_are_seen_a_hundred_times(rows: int, steps: int, batch: int) -> None:
    how = default_fit(rows)
    assert (how.steps, how.batch) == (steps, batch)


def test_nothing_is_asked_of_what_has_learned_nothing() -> None:
    synth = TableSynthesizer()
    for ask in (
        lambda: synth.sample(1),
        lambda: synth.impute(dependent(2, 0)),
        lambda: synth.history,
    ):
        with pytest.raises(RuntimeError, match=r"call fit\(frame\), or load"):
            ask()


def test_what_cannot_be_asked_is_refused(synth: TableSynthesizer) -> None:
    rows = dependent(3, 0)
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        synth.sample(0)
    with pytest.raises(ValueError, match="nfe must be at least 2"):
        synth.sample(1, nfe=1)
    with pytest.raises(ValueError, match="multiple of 16"):
        synth.log_prob(rows, draws=20)
    with pytest.raises(ValueError, match="no rows"):
        synth.impute(rows[:0])
    with pytest.raises(ValueError, match="'A': row 1 has 9.*nearest are 3, 2, 1"):
        synth.impute(rows.assign(A=[1, 9, 2]))
    with pytest.raises(ValueError, match="'C': row 0 is missing, and none was"):
        synth.log_prob(rows.assign(C=np.nan))
    with pytest.raises(ValueError, match="grade"):
        TableSynthesizer({"grade": Ordinal()}).fit(rows)
