"""Histograms of songs: closed forms, and what counting the given steps does."""

import math

import pytest
import torch

from unnoise.domains.categorical.metrics import hellinger, histograms, outliers
from unnoise.domains.task import Score

TRUTH = torch.tensor([[0, 0, 1, 1], [2, 2, 2, 3]])


def test_songs_of_the_same_notes_are_equal_in_any_order() -> None:
    assert hellinger(TRUTH.flip(1), TRUTH, 5) == Score(0.0, 0.0)
    assert outliers(TRUTH.flip(1), TRUTH, 5) == Score(0.0, 0.0)


def test_songs_without_common_notes_are_as_far_as_can_be() -> None:
    score = hellinger((TRUTH + 2) % 4, TRUTH, 4)
    assert score.value == pytest.approx(1, rel=1e-15)
    assert outliers((TRUTH + 2) % 4, TRUTH, 4) == Score(1.0, 0.0)


def test_distances_by_hand_and_the_error_over_songs() -> None:
    made = torch.tensor([[0, 0, 0, 4], [2, 2, 2, 3]])
    # (1/2, 1/2, 0) against (3/4, 0, 1/4): H^2 = 1 - sqrt(1/2 3/4)
    first = math.sqrt(1 - math.sqrt(3 / 8))
    score = hellinger(made, TRUTH, 5)
    assert score.value == pytest.approx(first / 2, rel=1e-13)
    assert score.stderr == pytest.approx(first / 2, rel=1e-13)  # |a - b| / 2 for two songs
    assert outliers(made, TRUTH, 5) == Score(0.125, 0.125)


def test_given_steps_dilute_the_outliers_by_their_share() -> None:
    """All notes that were generated are wrong; half of the steps are given."""
    made = torch.tensor([[0, 0, 4, 4], [2, 2, 4, 4]])
    where = torch.tensor([[False, False, True, True]]).expand(2, 4)
    assert outliers(made, TRUTH, 5, where) == Score(1.0, 0.0)
    assert outliers(made, TRUTH, 5) == Score(0.5, 0.0)
    # the distance of the generated halves is 1 as well: there they have nothing in common
    assert hellinger(made, TRUTH, 5, where).value == pytest.approx(1, rel=1e-15)
    assert hellinger(made, TRUTH, 5).value < 0.8


def test_a_note_of_the_given_part_is_no_outlier() -> None:
    where = torch.tensor([[False, False, True, True]])
    made = torch.tensor([[0, 0, 0, 0]])  # 0 occurs only where it was given
    assert outliers(made, TRUTH[:1], 5, where) == Score(0.0, None)
    assert hellinger(made, TRUTH[:1], 5, where).value == pytest.approx(1, rel=1e-15)


def test_several_songs_of_one_truth_are_averaged_first() -> None:
    made = torch.stack([TRUTH, (TRUTH + 2) % 4])
    for metric in (hellinger, outliers):
        score = metric(made, TRUTH, 4)
        assert score.value == pytest.approx(0.5, rel=1e-15)
        assert score.stderr == pytest.approx(0, abs=1e-15)  # both songs have the mean 1/2


def test_voices_are_counted_together() -> None:
    voices = TRUTH.reshape(2, 2, 2)
    assert torch.equal(histograms(voices, 5), histograms(TRUTH, 5))
    assert histograms(TRUTH, 5)[1].tolist() == [0, 0, 0.75, 0.25, 0]


def test_music_metrics_say_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="songs: hold 0 to 3, but there are the symbols 0 to 2"):
        hellinger(TRUTH, TRUTH, 3)
    with pytest.raises(ValueError, match=r"made: need \(2, 4\), .* got \(1, 2, 3\)"):
        outliers(TRUTH[:, :3], TRUTH, 5)
    with pytest.raises(ValueError, match=r"where: has shape \(4,\), the songs \(2, 4\)"):
        hellinger(TRUTH, TRUTH, 5, torch.ones(4, dtype=torch.bool))
    nothing = torch.tensor([[True] * 4, [False] * 4])
    with pytest.raises(ValueError, match="where: song 1 has nothing to count"):
        hellinger(TRUTH, TRUTH, 5, nothing)
