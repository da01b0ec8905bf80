"""The GluonTS estimator: it answers as `Forecaster` does, and does what GluonTS asks of an estimator."""

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray

from unnoise.core.checkpoint import CheckpointError
from unnoise.core.training import Fit
from unnoise.domains.timeseries import Forecaster, Network, Wide
from unnoise.domains.timeseries.gluon import Form, stream

with warnings.catch_warnings():  # GluonTS would like a faster JSON
    warnings.simplefilter("ignore", UserWarning)
    from gluonts.core.serde import dump_json, load_json
    from gluonts.dataset.common import ListDataset
    from gluonts.dataset.multivariate_grouper import MultivariateGrouper
    from gluonts.dataset.pandas import PandasDataset
    from gluonts.dataset.split import split
    from gluonts.ev.metrics import ND, RMSE, MeanWeightedSumQuantileLoss
    from gluonts.evaluation import Evaluator, MultivariateEvaluator, make_evaluation_predictions
    from gluonts.model.evaluation import evaluate_model
    from gluonts.model.predictor import Predictor

    from unnoise.domains.timeseries.estimator import (
        ProcessDiffusionEstimator,
        ProcessDiffusionPredictor,
    )

FIT = {"steps": 5, "batch": 8, "warmup": 1, "ema": 0.5}
NETWORK = {"width": 16, "layers": 1, "head": 8}
H = 4
Entries = list[dict[str, Any]]


def wave(n: int, seed: int = 0, dims: int = 1) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    x = np.sin(2 * np.pi * np.arange(n) / 12)[:, None] + 0.3 * rng.standard_normal((n, dims))
    return x + np.arange(dims)


def small(**args: Any) -> ProcessDiffusionEstimator:
    given = {"context_length": 12, "fit": FIT, "network": NETWORK, "num_samples": 3, "nfe": 3}
    made: ProcessDiffusionEstimator = ProcessDiffusionEstimator(
        **{"prediction_length": H, "progress": False, **given, **args}
    )
    return made


def entry(n: int, seed: int = 0, start: str = "2024-01-01", freq: str = "h", **rest: Any) -> Any:
    return {"start": pd.Period(start, freq), "target": wave(n, seed)[:, 0], **rest}


def items() -> Entries:
    """Of unequal length and start, with holes."""
    made = [
        entry(40, 1, item_id="a"),
        entry(33, 2, "2024-01-02 05:00", item_id="b"),
        entry(25, 3, "2023-12-31 23:00", item_id="c"),
    ]
    made[0]["target"][[3, 17, 39]] = np.nan
    return made


def samples(predictor: Predictor, data: Any, **args: Any) -> list[NDArray[np.float64]]:
    return [forecast.samples for forecast in predictor.predict(data, **args)]


def of_the_first_stream(predictor: Predictor, data: Any) -> NDArray[np.float64]:
    """Samples by the noise that `Forecaster` gives to its first series."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("unnoise.domains.timeseries.estimator.stream", lambda _: 0)
        return samples(predictor, data)[0]


@pytest.fixture(scope="module")
def predictor() -> ProcessDiffusionPredictor:
    return small().train(items())


# What it answers


FREQUENCIES = {
    "h": "h",
    "D": "D",
    "B": "B",
    "W-SUN": "W-MON",
    "M": "MS",
    "Q": "QS",
    "15min": "15min",
}


@pytest.mark.filterwarnings("ignore:Period:FutureWarning")  # of business days, made here
@pytest.mark.parametrize("freq", FREQUENCIES)
def test_it_answers_as_the_forecaster_on_the_same_series(freq: str) -> None:
    start = pd.Period("2024-01-01", freq)
    stamps = pd.date_range(start.start_time, periods=40, freq=FREQUENCIES[freq])
    frame = pd.DataFrame({"x": wave(40)[:, 0]}, stamps)
    made = Forecaster(H, 12, fit=Fit(**FIT), network=Network(**NETWORK))
    made.fit(frame, progress=False)
    data = [{"start": start, "target": frame["x"].to_numpy()}]
    ours = small().train(data)
    learned = made._learned
    assert learned is not None
    mine, theirs = (x.fitted.model.state_dict() for x in (ours.learned, learned))
    assert all(torch.equal(mine[k], theirs[k]) for k in theirs)
    paths = made.forecast(n_samples=3, nfe=3).samples()["x"].to_numpy()
    assert (of_the_first_stream(ours, data).ravel() == paths).all()
    assert str(next(ours.predict(data)).start_date) == str(start + 40)


def test_channels_of_a_target_are_columns_of_a_frame() -> None:
    x = wave(40, dims=3)
    x[5:9, 1] = np.nan
    frame = pd.DataFrame(x, pd.date_range("2024-01-01", periods=40, freq="h"), list("abc"))
    made = Forecaster(H, 12, fit=Fit(**FIT), network=Network(**NETWORK))
    made.fit(frame, progress=False)
    paths = made.forecast(n_samples=3, nfe=3).samples().to_numpy().reshape(3, H, 3)
    data = [{"start": pd.Period("2024-01-01", "h"), "target": x.T}]
    ours = small().train(data)
    assert (of_the_first_stream(ours, data) == paths).all()


def test_covariates_known_ahead_are_those_of_a_frame() -> None:
    n = 40
    z = np.random.default_rng(5).standard_normal((n + H, 2))
    stamps = pd.date_range("2024-01-01", periods=n + H, freq="h")
    frame = pd.DataFrame({"x": wave(n)[:, 0], "u": z[:n, 0], "v": z[:n, 1]}, stamps[:n])
    ahead = pd.DataFrame(z[n:], stamps[n:], ["u", "v"])
    made = Forecaster(H, 12, fit=Fit(**FIT), network=Network(**NETWORK))
    made.fit(frame, Wide(known=("u", "v")), progress=False)
    paths = made.forecast(n_samples=3, nfe=3, future_covariates=ahead).samples()["x"]
    start = pd.Period("2024-01-01", "h")
    one = {"start": start, "target": frame["x"].to_numpy(), "feat_dynamic_real": z.T}
    ours = small().train([one])
    assert (of_the_first_stream(ours, [one]).ravel() == paths.to_numpy()).all()
    other = {**one, "feat_dynamic_real": np.concatenate([z[:n], z[n:] + 3]).T}
    assert not np.array_equal(*(next(ours.predict([e])).samples for e in (one, other)))


def test_a_forecast_does_not_depend_on_what_else_is_forecast(
    predictor: ProcessDiffusionPredictor,
) -> None:
    together = samples(predictor, items())
    backwards = samples(predictor, items()[::-1])[::-1]
    alone = [samples(predictor, [e])[0] for e in items()]
    for x, y, z in zip(together, backwards, alone, strict=True):
        assert x.shape == (3, H)
        assert (x == y).all() and (x == z).all()


def test_more_samples_begin_with_the_fewer(predictor: ProcessDiffusionPredictor) -> None:
    few, many = (samples(predictor, items(), num_samples=s) for s in (2, 5))
    for x, y in zip(few, many, strict=True):
        np.testing.assert_allclose(y[:2], x, rtol=1e-5)


def test_items_have_noise_of_their_own() -> None:
    one = entry(30)
    other = {**one, "target": one["target"] + 1}
    named = {**one, "item_id": "a"}
    assert len({stream(e) for e in (one, other, named, {**named, "item_id": "b"})}) == 4
    assert stream({**named, "target": one["target"][:-1]}) != stream(named)
    assert stream({**named, "target": other["target"]}) == stream(named)
    assert stream({**one, "start": one["start"] - 1}) != stream(one)


def test_another_seed_is_another_forecast(predictor: ProcessDiffusionPredictor) -> None:
    p = predictor
    other = ProcessDiffusionPredictor(p.learned, p.form, H, 3, 3, seed=1)
    assert not np.array_equal(samples(p, items())[0], samples(other, items())[0])


def test_what_is_missing_is_not_a_number_that_is_looked_at() -> None:
    """A hole is the same whether told as NaN in float32 or float64, and items of holes are no obstacle."""
    data = items()
    single = [{**e, "target": e["target"].astype(np.float32).astype(np.float64)} for e in data]
    low = [{**e, "target": e["target"].astype(np.float32)} for e in data]
    a, b = (samples(small().train(d), d) for d in (single, low))
    assert all((x == y).all() for x, y in zip(a, b, strict=True))
    assert np.isfinite(a[0]).all()


def test_names_and_dates_go_with_a_forecast(predictor: ProcessDiffusionPredictor) -> None:
    told = [{**e, "info": {"k": k}} for k, e in enumerate(items())]
    for k, (e, forecast) in enumerate(zip(told, predictor.predict(told), strict=True)):
        assert forecast.item_id == e["item_id"] and forecast.info == {"k": k}
        assert forecast.start_date == e["start"] + len(e["target"])
        assert forecast.start_date.freqstr == "h"


# Serialising


def test_it_comes_back_from_a_folder_with_the_same_samples(
    predictor: ProcessDiffusionPredictor, tmp_path: Path
) -> None:
    predictor.serialize(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"gluonts-config.json", "model.safetensors"}
    back = Predictor.deserialize(tmp_path)
    assert isinstance(back, ProcessDiffusionPredictor)
    for x, y in zip(samples(predictor, items()), samples(back, items()), strict=True):
        assert (x == y).all()


def test_covariates_and_categories_come_back(tmp_path: Path) -> None:
    data = [
        entry(30, k, feat_static_real=[k / 2], feat_static_cat=[k % 2, 7], item_id=k)
        for k in range(3)
    ]
    for e in data:
        e["feat_dynamic_real"] = np.arange(30.0 + H)[None] % 5
    made = small(seed=3).train(data)
    made.serialize(tmp_path)
    back = Predictor.deserialize(tmp_path, device="cpu")
    assert back.form == made.form == Form.from_json(json.loads(json.dumps(made.form.to_json())))
    assert all(
        (x == y).all() for x, y in zip(samples(made, data), samples(back, data), strict=True)
    )


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        ProcessDiffusionPredictor.deserialize(tmp_path)


def test_an_estimator_is_its_arguments_as_json() -> None:
    made = small(seed="5", trainer_kwargs={"accelerator": "cpu"})
    assert made.seed == 5  # what GluonTS is told as text, it converts
    back = load_json(dump_json(made))
    assert back.__init_args__ == made.__init_args__ and back.fit == FIT
    same = ProcessDiffusionEstimator.from_hyperparameters(prediction_length="7", fit={"steps": 9})
    assert same.prediction_length == 7 and same.fit == {"steps": 9}


# Data sets and evaluators of GluonTS


def frame_of(freq: str, n: int = 40, dims: int = 2) -> pd.DataFrame:
    index = pd.date_range("2024-01-01", periods=n, freq=freq)
    return pd.DataFrame(wave(n, dims=dims), index, [f"x{d}" for d in range(dims)])


def test_the_new_evaluation_scores_it() -> None:
    data = PandasDataset({"a": frame_of("h")["x0"], "b": frame_of("h")["x1"]})
    train, template = split(data, offset=-2 * H)
    made = small().train(train)
    test = template.generate_instances(H, windows=2)
    metrics = [MeanWeightedSumQuantileLoss(quantile_levels=[0.1, 0.5, 0.9]), ND(), RMSE()]
    scores = evaluate_model(made, test_data=test, metrics=metrics)
    errors, total = [], 0.0
    for (_, label), forecast in zip(test, made.predict(test.input), strict=True):
        errors.append(label["target"] - forecast.mean)
        total += np.abs(label["target"]).sum()
    assert scores["RMSE[mean]"][None] == pytest.approx(np.sqrt(np.square(errors).mean()), rel=1e-5)
    medians = [np.median(f.samples, 0) for f in made.predict(test.input)]
    off = sum(np.abs(la["target"] - m).sum() for (_, la), m in zip(test, medians, strict=True))
    assert scores["ND[0.5]"][None] == pytest.approx(off / total, rel=1e-5)


def test_the_old_evaluation_scores_it() -> None:
    data = items()
    made = small().train(data)
    forecasts, truth = make_evaluation_predictions(data[1:], made, num_samples=4)
    made_list, true_list = list(forecasts), list(truth)
    assert [f.samples.shape for f in made_list] == [(4, H)] * 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Evaluator's own, of pandas and numpy
        figures, each = Evaluator(num_workers=0)(true_list, made_list)
    errors = [t.to_numpy()[-H:, 0] - f.mean for t, f in zip(true_list, made_list, strict=True)]
    assert figures["RMSE"] == pytest.approx(np.sqrt(np.square(errors).mean()), rel=1e-5)
    assert each["item_id"].tolist() == ["b", "c"]


def test_several_channels_are_grouped_forecast_and_scored() -> None:
    lists = ListDataset([entry(40, k) for k in range(3)], freq="h")
    grouped = MultivariateGrouper(max_target_dim=3)(lists)
    made = small().train(grouped)
    forecasts, truth = make_evaluation_predictions(grouped, made, num_samples=4)
    made_list, true_list = list(forecasts), list(truth)
    assert made_list[0].samples.shape == (4, H, 3)
    evaluator = MultivariateEvaluator(target_agg_funcs={"sum": np.sum}, num_workers=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        figures, _ = evaluator(true_list, made_list)
    total = true_list[0].to_numpy()[-H:].sum(1) - made_list[0].samples.sum(2).mean(0)
    assert figures["m_sum_RMSE"] == pytest.approx(np.sqrt(np.square(total).mean()), rel=1e-5)


@pytest.mark.parametrize("freq", ["h", "D", "ME", "QE", "QE-JAN", "YE", "W-SUN", "2h", "15min"])
def test_frames_of_new_aliases_pass_without_a_warning(freq: str) -> None:
    """Periods have aliases of their own ("M"), which pandas knows, and PandasDataset doesn't."""
    data = PandasDataset(frame_of(freq).to_period(), target=["x0", "x1"])
    forecast = next(small().train(data).predict(data))
    after = pd.date_range("2024-01-01", periods=40 + H, freq=freq)[40:]
    assert forecast.samples.shape == (3, H, 2)
    assert forecast.index.equals(after.to_period())


def test_business_days_pass_without_a_warning_of_ours() -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Period", FutureWarning)  # pandas', of what is made here
        data = list(PandasDataset(frame_of("B"), target=["x0", "x1"]))
    made = small().train(data)
    forecast = next(made.predict(data))
    assert str(forecast.start_date) == "2024-02-26"  # 40 business days are eight weeks


def test_dates_beyond_those_of_nanoseconds_are_no_obstacle_to_years() -> None:
    data = [entry(700, start="1750", freq="Y")]
    assert str(next(small().train(data).predict(data)).start_date) == "2450"


def test_importing_the_domain_does_not_import_gluonts() -> None:
    code = "import sys, unnoise.domains.timeseries, unnoise.domains.timeseries.gluon; print('gluonts' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# What is refused


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(ValueError, match="the data set has no entry"):
        small().train([])
    with pytest.raises(ValueError, match="the longest item has 4 points, and learning to see 4"):
        small().train([entry(4)])
    with pytest.raises(ValueError, match="no value is known of 'target'"):
        small().train([{**entry(20), "target": np.full(20, np.nan)}])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"prediction_length": 0}, "prediction_length must be at least 1, got 0"),
        ({"context_length": 0}, "context_length must be at least 1, got 0"),
        ({"num_samples": 0}, "num_samples must be at least 1, got 0"),
        ({"nfe": 1}, "nfe must be at least 2, got 1"),
        ({"fit": {"stepz": 1}}, "fit knows no stepz; there are steps, batch"),
        ({"fit": {"steps": 0}}, "Fit: steps must be positive"),
        ({"network": {"depth": 1}}, "network knows no depth; there are kind, width"),
    ],
)
def test_arguments_out_of_range_are_refused(args: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**args)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"target": wave(20, dims=2).T}, r"entry 1 \(z\): target has shape \(2, 20\), and that"),
        ({"target": np.zeros((1, 2, 20))}, r"target has shape \(1, 2, 20\); needs \(T,\)"),
        ({"target": np.array([1.0, np.inf])}, r"series '1 \(z\)': values\[1, 0\] isn't finite"),
        ({"start": pd.Period("2024", "D")}, "has frequency 'D', and that of training is 'h'"),
        ({"start": pd.Timestamp("2024")}, "start must be a pd.Period, got Timestamp"),
        ({"feat_dynamic_real": np.zeros((2, 20))}, "has 2 rows, and that of training has 1"),
        (
            {"feat_dynamic_real": np.zeros((1, 19))},
            "has 19 columns, and needs 20: 20 of the target",
        ),
        ({"feat_dynamic_real": np.zeros(20)}, r"has shape \(20,\); needs \(F, T\)"),
        (
            {"feat_static_real": [1.0]},
            "feat_static_real has 1 numbers, and that of training has 0",
        ),
        ({"feat_static_real": 1.0}, r"feat_static_real has shape \(\); needs \(S,\)"),
        (
            {"feat_static_cat": [1]},
            "feat_static_cat has 1 numbers, and that of the first entry has 0",
        ),
    ],
)
def test_entries_that_differ_are_refused(other: dict[str, Any], message: str) -> None:
    both = [entry(20, feat_dynamic_real=np.ones((1, 20))) for _ in range(2)]
    both[1] |= {"item_id": "z", **other}
    with pytest.raises((ValueError, TypeError), match=message):
        small().train(both)


def test_an_entry_without_a_target_is_refused() -> None:
    with pytest.raises(ValueError, match="entry 0: has no target"):
        small().train([{"start": pd.Period("2024", "h")}])


def test_what_a_forecast_lacks_is_named(predictor: ProcessDiffusionPredictor) -> None:
    void = entry(30, item_id="void")
    void["target"][-12:] = np.nan
    with pytest.raises(ValueError, match=r"entry 1 \(void\): no value is known of the last 12"):
        list(predictor.predict([items()[0], void]))
    with pytest.raises(ValueError, match="has frequency '2h'"):
        list(predictor.predict([entry(30, freq="2h")]))
    with pytest.raises(ValueError, match="num_samples must be at least 1, got 0"):
        predictor.predict(items(), num_samples=0)
    with pytest.raises(TypeError, match="takes num_samples, got nfe too"):
        predictor.predict(items(), nfe=3)


def test_covariates_must_be_known_ahead_and_categories_seen() -> None:
    data = [
        entry(20, k, feat_dynamic_real=np.ones((1, 20)), feat_static_cat=[k]) for k in range(2)
    ]
    made = small().train(data)
    with pytest.raises(ValueError, match="has 20 columns, and needs 24: 20 of the target and 4"):
        list(made.predict(data))
    new = {**data[0], "feat_dynamic_real": np.ones((1, 24)), "feat_static_cat": [2]}
    with pytest.raises(ValueError, match=r"feat_static_cat\[0\] is 2, which no entry of training"):
        list(made.predict([new]))


def test_categories_that_only_number_the_items_can_be_left_out() -> None:
    data = [entry(8, feat_static_cat=[k]) for k in range(1_001)]
    with pytest.raises(ValueError, match="1001 levels, .* pass use_feat_static_cat=False"):
        Form.of(data, categories=True)
    assert Form.of(data, categories=False).panel(data).static == ()


def test_a_category_is_a_column_a_level() -> None:
    data = [entry(8, feat_static_cat=[c], feat_static_real=[0.5]) for c in (2, 0, 7)]
    panel = Form.of(data, categories=True).panel(data)
    rows = [s.static.tolist() for s in panel.series]
    assert rows == [[0.5, 0, 1, 0], [0.5, 1, 0, 0], [0.5, 0, 0, 1]]


def test_times_of_all_items_are_those_of_one_clock() -> None:
    data = items()
    panel = Form.of(data, True).panel(data)
    first = pd.Timestamp("2023-12-31 23:00")
    for s, e in zip(panel.series, data, strict=True):
        stamps = pd.date_range(e["start"].start_time, periods=len(e["target"]), freq="h")
        assert (s.times == (stamps - first) / pd.Timedelta("1h")).all()
        assert panel.clock.stamps(s.times).equals(pd.DatetimeIndex(stamps, freq=None))


def test_fields_that_are_not_looked_at_are_told() -> None:
    with pytest.warns(UserWarning, match="past_feat_dynamic_real isn't looked at"):
        Form.of([entry(9, past_feat_dynamic_real=np.ones((1, 9)))], True)
