"""The judge of tables: AUC against scikit-learn's, its error against repetition, and easy tables."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from unnoise.domains.categorical.metrics import auc, classifier_auc


def frame(n: int, seed: int) -> pd.DataFrame:
    """A label that a category and a number decide, each alone for half of the rows."""
    rng = np.random.default_rng(seed)
    kind, size = rng.choice(["a", "b", "c"], n), rng.normal(size=n)
    label = np.where(kind == "a", "yes", np.where(size > 0, "yes", "no"))
    return pd.DataFrame({"kind": kind, "size": size, "label": label})


def test_auc_is_scikit_learns_with_ties() -> None:
    rng = np.random.default_rng(0)
    label = rng.random(500) < 0.3
    scores = np.round(rng.normal(size=500) + label, 1)
    assert auc(scores, label).value == pytest.approx(roc_auc_score(label, scores), rel=1e-13)
    assert auc(-scores, label).value == pytest.approx(1 - auc(scores, label).value, rel=1e-13)
    assert auc(np.zeros(10), np.arange(10) < 4).value == 0.5


def test_its_standard_error_is_the_deviation_of_repetitions() -> None:
    """Normal scores a shift of 1 apart: AUC = Phi(1 / sqrt 2)."""
    rng = np.random.default_rng(1)
    label = np.arange(150) < 50
    scores = [auc(rng.normal(size=150) + label, label) for _ in range(400)]
    values = np.array([s.value for s in scores])
    spread = values.std(ddof=1)  # known to 3.5 per cent
    assert abs(values.mean() - norm.cdf(1 / math.sqrt(2))) < 4 * spread / 20
    told = [s.stderr for s in scores if s.stderr is not None]
    assert np.mean(told) == pytest.approx(spread, rel=0.14)


def test_auc_of_a_single_row_has_no_error() -> None:
    assert auc([1.0, 0.0, 2.0], [True, False, False]).stderr is None
    with pytest.raises(ValueError, match="need rows with the label and without, got 2 and 0"):
        auc([1.0, 0.0], [True, True])


def test_a_label_that_the_columns_decide_is_learnt() -> None:
    with threadpool_limits(1):
        score = classifier_auc(frame(600, 0), frame(600, 1), "label")
    assert score.value > 0.99
    assert score.stderr is not None and score.stderr < 0.01


def test_a_label_that_they_do_not_decide_is_not() -> None:
    train = frame(600, 0)
    train["label"] = train["label"].sample(frac=1, random_state=0).to_numpy()
    with threadpool_limits(1):
        score = classifier_auc(train, frame(600, 1), "label")
    assert 0.3 < score.value < 0.7


def test_the_order_of_columns_and_the_names_of_labels_do_not_matter() -> None:
    train, test = frame(300, 0), frame(300, 1)
    train_b, test_b = (f.replace({"label": {"no": "A", "yes": "B"}}) for f in (train, test))
    with threadpool_limits(1):
        expected = classifier_auc(train, test, "label")
        assert classifier_auc(train[["label", "size", "kind"]], test, "label") == expected
        assert classifier_auc(train_b, test_b, "label") == expected


def test_categories_that_training_did_not_have_are_missing() -> None:
    """Rows of a new kind are judged by the size alone, as if their kind were not there."""
    train, test = frame(600, 0), frame(600, 1)
    new, gone = test.copy(), test.copy()
    new.loc[:99, "kind"] = "z"
    gone.loc[:99, "kind"] = None
    with threadpool_limits(1):
        assert classifier_auc(train, new, "label") == classifier_auc(train, gone, "label")


def test_one_label_teaches_nothing() -> None:
    train = frame(100, 0).assign(label="yes")
    assert classifier_auc(train, frame(100, 1), "label").value == 0.5


def test_the_classifier_says_what_does_not_fit() -> None:
    train = frame(20, 0)
    with pytest.raises(ValueError, match="need the same columns and 'label' among them"):
        classifier_auc(train.drop(columns="kind"), train, "label")
    with pytest.raises(ValueError, match="test: need two levels of 'kind', got 3: "):
        classifier_auc(train, train, "kind")


def test_real_rows_of_adult_teach_as_much_as_boosted_trees_are_known_to(raw: Path) -> None:
    """Published figures of boosted trees on its standard split lie between .92 and .93."""
    train, test = (
        pd.read_csv(raw / "tables" / f"adult-{part}.csv", header=None, skipinitialspace=True)
        for part in ("train", "test")
    )
    test[14] = test[14].str.removesuffix(".")
    for part in (train, test):
        part.columns = pd.Index([f"column {i}" for i in range(15)])
    with threadpool_limits(1):
        score = classifier_auc(train, test, "column 14")
    assert 0.92 < score.value < 0.935
    assert score.stderr is not None and score.stderr < 0.003
