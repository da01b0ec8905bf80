"""A GluonTS estimator: data sets of GluonTS in, its forecasts out.

    predictor = ProcessDiffusionEstimator(prediction_length=24).train(dataset)
    for forecast in predictor.predict(dataset): ...
    predictor.serialize(folder), Predictor.deserialize(folder)

The model is that of `Forecaster`, and given the same series it answers the same. All that a data set has is looked
at: one channel or several, holes, items of unequal length and start, covariates.

Not imported by `unnoise.domains.timeseries`, since GluonTS is an extra, `unnoise[timeseries]`, and slow to import.
"""

# validated() reads the annotations of constructors, so they can't be strings: no `annotations` from the future here

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar, final

import numpy as np
import torch
from gluonts.core.component import validated
from gluonts.model.estimator import Estimator
from gluonts.model.forecast import SampleForecast
from gluonts.model.predictor import Predictor

from unnoise.core.progress import quiet
from unnoise.domains.timeseries.forecaster import ahead, default_context
from unnoise.domains.timeseries.frontend import default_fit
from unnoise.domains.timeseries.gluon import Entry, Form, start_after, stream, title
from unnoise.domains.timeseries.learned import Learned, learn
from unnoise.domains.timeseries.model import Network
from unnoise.domains.timeseries.windows import part

__all__ = ["ProcessDiffusionEstimator", "ProcessDiffusionPredictor"]

_FORMAT = "gluonts-1"
_FILE = "model.safetensors"
_TOLD = ("prediction_length", "num_samples", "nfe", "seed")  # beside the model and the form

T = TypeVar("T")


@final
class ProcessDiffusionEstimator(Estimator):  # type: ignore[misc]
    """A diffusion model of what comes given what was, of any data set of GluonTS.

    Args:
        prediction_length: steps ahead, H.
        context_length: points of the past that are looked at; None: `default_context`.
        fit: what differs from `default_fit`, by the names of `Fit`: {"steps": 2000, "batch": 64}.
        network: what differs from the default, by the names of `Network`: {"width": 64, "layers": 3}.
        num_samples: of a forecast, where `predict` isn't told.
        nfe: evaluations of the network that a forecast takes.
        seed: of all randomness, in training and in forecasts.
        use_feat_static_cat: whether feat_static_cat is looked at, if there is one.
        progress: show progress bars.
        folder: where a resumable state of training is kept; None: nowhere.
        trainer_kwargs: passed on to `lightning.Trainer`.

    Raises:
        ValueError: if an argument is out of its range, or `fit` or `network` have unknown names.
    """

    @validated()  # type: ignore[no-untyped-call, untyped-decorator]
    def __init__(
        self,
        prediction_length: int,
        context_length: int | None = None,
        fit: dict[str, Any] | None = None,
        network: dict[str, Any] | None = None,
        num_samples: int = 100,
        nfe: int = 12,
        seed: int = 0,
        use_feat_static_cat: bool = True,
        progress: bool = True,
        folder: str | None = None,
        trainer_kwargs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        at_least = {
            "prediction_length": (prediction_length, 1),
            "context_length": (context_length, 1),
            "num_samples": (num_samples, 1),
            "nfe": (nfe, 2),
        }
        for name, (value, least) in at_least.items():
            if value is not None and value < least:
                raise ValueError(
                    f"ProcessDiffusionEstimator: {name} must be at least {least}, got {value}"
                )
        self.prediction_length = prediction_length
        self.context_length = context_length
        self.fit = fit or {}
        self.network = _changed(Network(), network or {}, "network")
        _changed(default_fit(0), self.fit, "fit")
        self.num_samples = num_samples
        self.nfe = nfe
        self.seed = seed
        self.use_feat_static_cat = use_feat_static_cat
        self.progress = progress
        self.folder = folder
        self.trainer_kwargs = trainer_kwargs or {}

    def train(
        self, training_data: Any, validation_data: Any = None
    ) -> "ProcessDiffusionPredictor":
        """Learn a data set.

        Args:
            training_data: entries of one frequency.
            validation_data: not looked at: training has a fixed length, and its result are averaged weights.

        Raises:
            ValueError: if there is no entry, entries differ in what they have, nothing can be learned of a channel,
                or every item is shorter than the horizon and one point.
        """
        entries = list(training_data)
        form = Form.of(entries, self.use_feat_static_cat)
        panel, horizon = form.panel(entries), self.prediction_length
        longest = max(len(s) for s in panel.series)
        if longest <= horizon:
            raise ValueError(
                f"train: the longest item has {longest} points, and learning to see {horizon} ahead needs more than that; take a shorter prediction_length"
            )
        context = self.context_length or default_context(panel, horizon)
        points = sum(len(s) for s in panel.series)
        learned = learn(
            panel,
            ahead(horizon),
            min(context + horizon, longest),
            _changed(default_fit(points), self.fit, "fit"),
            self.network,
            self.seed,
            self.progress,
            self.folder,
            **self.trainer_kwargs,
        )
        return ProcessDiffusionPredictor(
            learned, form, horizon, self.num_samples, self.nfe, self.seed
        )


@final
class ProcessDiffusionPredictor(Predictor):  # type: ignore[misc]
    """Forecasts of a trained model. That of an item depends on the item and on the seed alone, to the bit: not on
    what else is in the data set, nor on what was drawn before.

    Args:
        learned: the model.
        form: of the entries that it knows.
        prediction_length: H.
        num_samples: S, where `predict` isn't told.
        nfe: evaluations of the network.
        seed: of all randomness.
    """

    def __init__(
        self,
        learned: Learned,
        form: Form,
        prediction_length: int,
        num_samples: int,
        nfe: int,
        seed: int,
    ) -> None:
        super().__init__(prediction_length)
        self.learned = learned
        self.form = form
        self.num_samples = num_samples
        self.nfe = nfe
        self.seed = seed

    def predict(
        self, dataset: Any, num_samples: int | None = None, **kwargs: Any
    ) -> Iterator[SampleForecast]:
        """Forecasts of all entries, in their order: samples (S, H), or (S, H, D) of targets (D, T).

        Args:
            dataset: entries as in training, whose covariates go on for H steps.
            num_samples: S.

        Raises:
            ValueError: at an entry that lacks something or has another form than those of training, or of whose
                context no value is known.
            TypeError: for other arguments.
        """
        if kwargs:
            raise TypeError(f"predict: takes num_samples, got {', '.join(kwargs)} too")
        samples = self.num_samples if num_samples is None else num_samples
        if samples < 1:
            raise ValueError(f"predict: num_samples must be at least 1, got {samples}")
        return (self._forecast(entry, k, samples) for k, entry in enumerate(dataset))

    def serialize(self, path: Path) -> None:
        """Write all of it to a folder that exists: weights (safetensors) with a JSON header; no pickle."""
        super().serialize(path)
        about = {"format": _FORMAT, "form": self.form.to_json()}
        about |= {k: getattr(self, k) for k in _TOLD}
        self.learned.save(path / _FILE, about)

    @classmethod
    def deserialize(
        cls, path: Path, device: torch.device | str | None = None
    ) -> "ProcessDiffusionPredictor":
        """What `serialize` wrote.

        Args:
            path: the folder.
            device: where to forecast; None: on the CPU.

        Raises:
            CheckpointError: if the file is missing, unreadable, or no predictor.
        """
        learned, about = Learned.load(path / _FILE, _FORMAT)
        learned.fitted.model.to(device or "cpu")
        return cls(learned, Form.from_json(about["form"]), *(about[k] for k in _TOLD))

    def _forecast(self, entry: Entry, k: int, samples: int) -> SampleForecast:
        horizon = self.prediction_length
        series = self.form.series(entry, k, horizon)
        context = max(1, self.learned.length - horizon)
        window = part(series, slice(max(0, len(series) - horizon - context), None))
        if not np.isfinite(window.values).any():
            raise ValueError(
                f"{title(entry, k)}: no value is known of the last {context} points, so there is nothing to go on from; leave the entry out, or train with a longer context_length"
            )
        wanted = np.zeros(window.values.shape, bool)
        wanted[-horizon:] = True
        with quiet():  # a bar an item would be many
            (drawn,) = self.learned.draw(
                [window], [wanted], samples, self.seed, self.nfe, [series], [stream(entry)]
            )
        paths = drawn[:, -horizon:]
        return SampleForecast(
            paths[:, :, 0] if self.form.dims is None else paths,
            start_after(entry),
            entry.get("item_id"),
            entry.get("info"),
        )


def _changed(default: T, told: Mapping[str, Any], what: str) -> T:
    """A dataclass with some fields set.

    Raises:
        ValueError: if it has no such field.
    """
    names = [f.name for f in fields(default)]  # type: ignore[arg-type]
    unknown = sorted(set(told) - set(names))
    if unknown:
        raise ValueError(
            f"ProcessDiffusionEstimator: {what} knows no {', '.join(unknown)}; there are {', '.join(names)}"
        )
    return replace(default, **told)  # type: ignore[type-var]
