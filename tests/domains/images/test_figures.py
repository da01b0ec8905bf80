"""Figures of image models: what they show is what was made."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import Tensor

from unnoise.domains.images.figures import (
    ROWS,
    bits_by_noise_level,
    completions,
    quality_by_cost,
    sample_grid,
)
from unnoise.domains.images.outputs import Completions, Images, SweepPoint, tiles
from unnoise.domains.task import Splits

NFE = (4, 8, 16)


def mean_gap(outputs: Images, splits: Splits) -> float:
    """A distance that is easy to know: of the means, away from 0 for a logarithmic axis."""
    return 1 + abs((outputs.images.double().mean() - splits.test.x.double().mean()).item())


@pytest.fixture
def outputs(digits: Splits) -> Images:
    """Training images in the roles of everything that a model makes."""
    x, labels = digits.train.x.long(), digits.train.cond["label"]
    observed = torch.zeros(3, 1, 8, 8, dtype=torch.bool)
    observed[..., :4, :] = True
    return Images(
        x[:40],
        labels[:40],
        profile=(torch.linspace(-8, 5, 24), torch.rand(24)),
        sweep=[
            SweepPoint(name, nfe, x[nfe : nfe + 20], labels[nfe : nfe + 20])
            for name in ("one", "two")
            for nfe in NFE
        ],
        completions=Completions(x[:3], observed, x[10:22].unflatten(0, (3, 4))),
    )


def pictures(figure: Figure | None) -> list[Tensor]:
    """What the axes of a figure show."""
    assert figure is not None
    shown = [np.asarray(image.get_array()) for axes in figure.axes for image in axes.images]
    return [torch.from_numpy(each) for each in shown]


def test_samples_stand_beside_test_images_a_column_a_class(
    outputs: Images, digits: Splits
) -> None:
    figure = sample_grid(outputs, digits)
    assert [axes.get_title() for axes in figure.axes] == ["samples", "test images"]
    sources = (
        (outputs.images, outputs.labels),
        (digits.test.x.long(), digits.test.cond["label"]),
    )
    for shown, (images, labels) in zip(pictures(figure), sources, strict=True):
        assert shown.shape == (9 * ROWS, 9 * 10)
        cells = shown.unflatten(0, (ROWS, 9)).unflatten(2, (10, 9))[:, :8, :, :8]
        for c in range(10):
            own = images[labels == c][:ROWS, 0].float()
            assert torch.equal(cells[: len(own), :, c], own)
            assert (cells[len(own) :, :, c] == 0).all(), "blank where a class has too few"


def test_a_completion_stands_below_its_original_and_what_was_given(
    outputs: Images, digits: Splits
) -> None:
    done = outputs.completions
    assert done is not None
    figure = completions(outputs, digits)
    (shown,) = pictures(figure)
    rows = shown.split(9)
    assert len(rows) == 2 + 4
    assert torch.equal(rows[0], tiles(done.originals[None]))
    for k in range(4):
        assert torch.equal(rows[2 + k], tiles(done.completions[None, :, k]))
    assert torch.equal(rows[1][:4], rows[0][:4]), "the upper half was given"
    hidden = rows[1][4:8].unflatten(1, (3, 9))[..., :8]
    assert (hidden == 16 // 4).all()
    assert figure is not None
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["original", "given", *["drawn"] * 4]


def test_the_profile_is_drawn_as_it_is(outputs: Images, digits: Splits) -> None:
    figure = bits_by_noise_level(outputs, digits)
    assert figure is not None
    assert outputs.profile is not None
    (line,) = figure.axes[0].lines
    for shown, made in zip(line.get_data(), outputs.profile, strict=True):
        assert np.array_equal(shown, made)
    assert figure.axes[0].get_ylim()[0] == 0


def test_quality_by_cost_draws_the_distance_of_every_sampler_above_the_floor(
    outputs: Images, digits: Splits
) -> None:
    figure = quality_by_cost(mean_gap, "gap of the means")(outputs, digits)
    assert figure is not None
    lines = {line.get_label(): np.asarray(line.get_data()) for line in figure.axes[0].lines}
    floor = lines.pop("floor: 20 training images")
    assert floor[1][0] == mean_gap(Images(digits.train.x[:20], outputs.labels[:20]), digits)
    assert list(lines) == ["one", "two"]
    for name, (nfe, distance) in lines.items():
        points = [p for p in outputs.sweep if p.sampler == name]
        assert list(nfe) == list(NFE)
        assert list(distance) == [mean_gap(Images(p.images, p.labels), digits) for p in points]
    assert figure.axes[0].get_ylabel() == "gap of the means"


@pytest.mark.parametrize(
    "figure", [completions, bits_by_noise_level, quality_by_cost(mean_gap, "")]
)
def test_there_is_no_figure_of_what_was_not_made(
    outputs: Images, digits: Splits, figure: Callable[[Images, Splits], Figure | None]
) -> None:
    assert figure(Images(outputs.images, outputs.labels), digits) is None
