"""What the tasks are about: splits, alphabets, laws, against the files' own counts."""

import math
import os

import pytest
import torch

from unnoise.core.random import seeded
from unnoise.data import load_chorales, load_text
from unnoise.domains.categorical.problem import Problem, frequencies
from unnoise.domains.categorical.tasks import (
    bayesnet,
    binary,
    chorales,
    graycode,
    tables,
    text,
    toy,
)

needs_data = pytest.mark.skipif(
    not os.environ.get("UNNOISE_DATA"), reason="UNNOISE_DATA is not set, and tests do not download"
)


def test_a_code_outside_of_its_alphabet_is_refused() -> None:
    x = torch.tensor([[0, 2]])
    with pytest.raises(ValueError, match="test: a row has a code outside of its column's levels"):
        Problem(x, x, x + 1, (2, 3))


def test_frequencies_are_smoothed_laws() -> None:
    one, two = frequencies(torch.tensor([[0, 0], [0, 1], [1, 1]]), (2, 3))
    torch.testing.assert_close(one, torch.tensor([2.5, 1.5], dtype=torch.float64) / 4)
    torch.testing.assert_close(two, torch.tensor([4, 7, 1], dtype=torch.float64) / 12)


def test_the_toys_law_is_that_of_the_reference() -> None:
    law = toy.problem().law
    assert law is not None
    assert law.entropy == pytest.approx(1.8553889767, abs=1e-10)
    nats = law.log_prob(toy.problem().train)
    assert float(-nats.mean()) == pytest.approx(law.entropy, abs=5 * float(nats.std()) / 100)


def test_gray_coded_rows_are_drawn_from_the_law_that_is_told() -> None:
    law = graycode.CODES["8gaussians"]
    bits = law.sample(20_000, seeded(3))
    nats = -law.log_prob_bits(bits)
    assert float(nats.mean()) == pytest.approx(
        law.discrete_entropy(), abs=5 * float(nats.std()) / math.sqrt(20_000)
    )


@needs_data
def test_a_text_is_cut_into_its_rows() -> None:
    whole, problem = load_text("republic"), text.problem("republic")
    alphabet = problem.levels[0]
    assert len(alphabet) == 27
    spelled = "".join(alphabet[k] for k in problem.train[1].tolist())
    assert spelled == whole[text.STRIDE : text.STRIDE + text.LENGTH]
    start = int(0.95 * len(whole))
    held = "".join(alphabet[k] for k in problem.test.flatten().tolist())
    assert held == whole[start : start + len(held)]
    assert len(whole) - start - len(held) < text.LENGTH


@needs_data
def test_every_step_of_a_test_chorale_is_counted_once() -> None:
    problem, songs = chorales.problem(), load_chorales()
    assert problem.masks is not None
    for rows, mask, part in (
        (problem.valid, problem.masks[1], "valid"),
        (problem.test, problem.masks[2], "test"),
    ):
        steps = torch.cat([torch.from_numpy(s) for s in songs[part]])
        pitches = torch.tensor(chorales.PITCHES)[rows.long()]
        assert torch.equal(pitches[mask].reshape(-1, 4), steps)


@needs_data
def test_transposed_pieces_keep_their_intervals_and_their_silence() -> None:
    song = torch.tensor([[0, 20, 10, 1], [30, 20, 10, 4]])
    shifted = chorales._transposed(song)
    assert len(shifted) == 4  # the lowest note bears no shift down, so 0, 1, 2, 3
    for k, each in enumerate(shifted):
        assert torch.equal(each, torch.where(song > 0, song + k, 0))


@needs_data
def test_tables_are_split_and_spelled_as_they_are_told() -> None:
    problem = tables.problem("mushroom")
    assert [len(p) for p in (problem.train, problem.valid, problem.test)] == [5686, 813, 1625]
    assert problem.columns == 23
    assert min(problem.sizes) == 1  # veil-type
    assert any("?" in levels for levels in problem.levels)
    car = tables.problem("car")
    assert math.prod(car.sizes[:-1]) == len(car.train) + len(car.valid) + len(car.test) == 1728


@needs_data
@pytest.mark.parametrize(("name", "columns"), [("nltcs", 16), ("plants", 69)])
def test_binary_rows_keep_the_standard_split(name: str, columns: int) -> None:
    problem = binary.problem(name)
    assert problem.columns == columns
    assert set(problem.sizes) == {2}


@needs_data
def test_a_networks_rows_are_drawn_from_its_law() -> None:
    problem = bayesnet.problem("asia")
    assert problem.law is not None
    assert problem.law.entropy == pytest.approx(2.237029, abs=1e-6)
    nats = problem.law.log_prob(problem.test)
    error = float(nats.std()) / math.sqrt(len(nats))
    assert float(-nats.mean()) == pytest.approx(problem.law.entropy, abs=5 * error)
