"""The judge: a perfect sampler beats the trivial one, and its classifier is trained once."""

from collections.abc import Callable, Iterator

import pytest
import torch

from unnoise.domains.images import judge
from unnoise.domains.images.baseline import exact
from unnoise.domains.images.judge import Judge
from unnoise.domains.images.outputs import (
    Completions,
    Images,
    independent_pixels,
    real_images,
)
from unnoise.domains.task import Preset, Score, Splits


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def trained(own_cache: None) -> Judge:
    """One judge, so that its classifier is trained once for this module."""
    return Judge(300)


def scores(judge: Judge, outputs: Images, splits: Splits) -> dict[str, Score | None]:
    return {name: metric.score(outputs, splits) for name, metric in judge.metrics().items()}


@pytest.fixture
def references(
    trained: Judge, digits: Splits, preset: Callable[..., Preset]
) -> tuple[dict[str, Score | None], dict[str, Score | None]]:
    """Every row for the floor and for the baseline."""
    asked = preset(samples=720)
    floor, baseline = real_images(digits, asked), independent_pixels(digits, asked)
    return scores(trained, floor, digits), scores(trained, baseline, digits)


def test_the_floor_beats_the_baseline_wherever_both_are_measured(
    trained: Judge, references: tuple[dict[str, Score | None], ...]
) -> None:
    floor, baseline = references
    compared = []
    for name, metric in trained.metrics().items():
        good, bad = floor[name], baseline[name]
        if good is not None and bad is not None:
            sign = 1 if metric.direction == "higher" else -1
            assert sign * good.value > sign * bad.value, name
            compared.append(name)
    assert compared == [
        "fid_own", "kid_random", "sliced_w2", "precision", "recall", "class_agreement",
    ]  # fmt: skip


def test_the_baseline_has_every_row(references: tuple[dict[str, Score | None], ...]) -> None:
    assert all(score is not None for score in references[1].values())


def test_real_images_are_near_perfect(references: tuple[dict[str, Score | None], ...]) -> None:
    floor, _ = references
    agreement, kernel = floor["class_agreement"], floor["kid_random"]
    assert agreement is not None
    assert agreement.value > 0.97
    assert kernel is not None
    assert kernel.stderr is not None
    assert abs(kernel.value) < 4 * kernel.stderr, "unbiased: zero for a perfect sampler"


def test_the_classifier_is_trained_once(
    trained: Judge, digits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = Images(digits.valid.x, digits.valid.cond["label"])
    first = trained.agreement(images, digits)

    def refuse(*args: object, **more: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(judge, "train_classifier", refuse)
    assert Judge(300).agreement(images, digits) == first
    with pytest.raises(AssertionError, match="trained again"):
        Judge(299).agreement(images, digits)


def test_bits_are_those_of_the_result(digits: Splits) -> None:
    nats = -torch.arange(360.0)
    outputs = Images(digits.test.x, digits.test.cond["label"], bound=exact(nats, digits.test))
    score = Judge(300).metrics()["bits_per_dim"].score(outputs, digits)
    expected = exact(nats, digits.test).bits_per_dim()
    assert score == Score(expected.value, expected.stderr)
    for name in ("bits_per_dim_given_label", "bits_per_dim_flow", "inpainting_rmse"):
        assert Judge(300).metrics()[name].score(outputs, digits) is None


def test_the_inpainting_error_counts_hidden_pixels_only(digits: Splits) -> None:
    """Off by one level of 17 in the hidden half and by three in the given one: 2 / 17."""
    originals = digits.test.x[:5].long().clamp(3, 13)
    observed = torch.zeros_like(originals, dtype=torch.bool)
    observed[..., :4, :] = True
    drawn = torch.where(observed, originals + 3, originals - 1)[:, None].repeat(1, 4, 1, 1, 1)
    outputs = Images(
        originals, torch.arange(5), completions=Completions(originals, observed, drawn)
    )
    score = Judge(300).metrics()["inpainting_rmse"].score(outputs, digits)
    assert score is not None
    assert score.value == pytest.approx(2 / 17, rel=1e-5)
    assert score.stderr == pytest.approx(0, abs=1e-7)
