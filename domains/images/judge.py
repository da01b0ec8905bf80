"""The judge of image samples: metrics on the features of a small classifier trained on the same
data, no weights to download.

It is trained once for each data set and kept in the cache; figures of two runs are comparable
because its data, seed and recipe are fixed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from unnoise.core.likelihood import LikelihoodResult
from unnoise.data import cache
from unnoise.domains.images.features import (
    Classifier,
    RandomFeatures,
    batched,
    cached_classifier,
    classifier_key,
    train_classifier,
)
from unnoise.domains.images.metrics import (
    class_agreement,
    frechet_distance,
    kernel_distance,
    precision_recall,
    sliced_wasserstein,
)
from unnoise.domains.images.outputs import Images
from unnoise.domains.task import Metric, Score, Splits

__all__ = ["Judge"]


@dataclass(frozen=True)
class Judge:
    """Scores of image samples against the test images.

    Attributes:
        steps: training steps of the classifier.
    """

    steps: int

    def metrics(self) -> dict[str, Metric]:
        """The table's rows, most telling first."""
        return {
            "bits_per_dim": Metric(_bits("bound"), "lower", "bits/dim, variational bound", "bits/dim", "upper bound"),
            "bits_per_dim_given_label": Metric(_bits("bound_given_label"), "lower", "bits/dim given the label, bound", "bits/dim", "upper bound"),
            "bits_per_dim_flow": Metric(_bits("flow"), "lower", "bits/dim, probability flow (first test images)", "bits/dim", "upper bound"),
            "fid_own": Metric(self.frechet, "lower", "Fréchet distance, own classifier"),
            "kid_random": Metric(self.kernel, "lower", "kernel distance, random features"),
            "sliced_w2": Metric(self.sliced, "lower", "sliced Wasserstein-2, pixels in [-1, 1]"),
            "precision": Metric(lambda o, s: self._coverage(o, s, 0), "higher", "precision, own classifier"),
            "recall": Metric(lambda o, s: self._coverage(o, s, 1), "higher", "recall, own classifier"),
            "class_agreement": Metric(self.agreement, "higher", "classified as the label asked for"),
            "inpainting_rmse": Metric(_inpainting, "lower", "pixel error of one completion of the lower half, in [-1, 1]"),
        }  # fmt: skip

    def frechet(self, outputs: Images, splits: Splits) -> Score:
        """Fréchet distance of the classifier's features."""
        net = self._classifier(splits)
        real, fake = (self._features(net, x, splits) for x in (splits.test.x, outputs.images))
        return Score(frechet_distance(real, fake))

    def kernel(self, outputs: Images, splits: Splits) -> Score:
        """KID on fixed random convolutional features."""
        net = RandomFeatures((splits.test.x.shape[1], *splits.test.x.shape[2:4]))
        real, fake = (
            batched(net, splits.transform.encode(x)) for x in (splits.test.x, outputs.images)
        )
        return Score(*kernel_distance(real, fake))

    def sliced(self, outputs: Images, splits: Splits) -> Score:
        """Sliced Wasserstein-2 in pixel space."""
        real, fake = (
            splits.transform.encode(x).flatten(1) for x in (splits.test.x, outputs.images)
        )
        return Score(sliced_wasserstein(real, fake))

    def agreement(self, outputs: Images, splits: Splits) -> Score:
        """The share of samples that the classifier takes for what was asked."""
        logits = batched(self._classifier(splits), splits.transform.encode(outputs.images))
        return Score(*class_agreement(logits, outputs.labels))

    def _coverage(self, outputs: Images, splits: Splits, which: int) -> Score:
        net = self._classifier(splits)
        n = min(
            len(outputs.images), len(splits.test)
        )  # the estimate depends on the number of points
        real, fake = (self._features(net, x[:n], splits) for x in (splits.test.x, outputs.images))
        return Score(precision_recall(real, fake)[which])

    def _features(self, net: Classifier, x: Tensor, splits: Splits) -> Tensor:
        return batched(net.features, splits.transform.encode(x))

    def _classifier(self, splits: Splits) -> Classifier:
        train, valid = (
            (splits.transform.encode(p.x), p.cond["label"]) for p in (splits.train, splits.valid)
        )
        channels, size = train[0].shape[1:3]
        key = classifier_key(*train, steps=self.steps)
        if key not in self._kept:
            self._kept[key] = cached_classifier(
                key,
                cache() / "features",
                lambda: train_classifier(*train, valid=valid, seed=0, steps=self.steps),
                Classifier(channels, size, int(train[1].max()) + 1),
            )
        return self._kept[key]

    @cached_property
    def _kept(self) -> dict[str, Classifier]:
        return {}


def _bits(name: str) -> Callable[[Images, Splits], Score | None]:
    """The mean bits/dim of one of the outputs' likelihoods."""

    def score(outputs: Images, splits: Splits) -> Score | None:
        result: LikelihoodResult | None = getattr(outputs, name)
        if result is None:
            return None
        summary = result.bits_per_dim()
        return Score(summary.value, summary.stderr)

    return score


def _inpainting(outputs: Images, splits: Splits) -> Score | None:
    done = outputs.completions
    if done is None:
        return None
    truth, drawn = (
        splits.transform.encode(done.originals),
        splits.transform.encode(done.completions),
    )
    hidden = ~done.observed
    errors = torch.stack(
        [(drawn[:, k] - truth)[hidden].square().mean().sqrt() for k in range(drawn.shape[1])]
    )
    return Score(errors.mean().item(), errors.std().item() / len(errors) ** 0.5)
