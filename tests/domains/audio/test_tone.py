"""Random tones: gains at the octaves, their law, and lengths."""

import math

import pytest
import torch

from unnoise.core.random import seeded
from unnoise.domains.audio.tone import Tone

RATE = 16_000


@pytest.mark.parametrize("k", [-4, -2, 0, 1, 2])
def test_a_sine_at_an_octave_gets_its_gain(k: int) -> None:
    tone, n = Tone(4.0, RATE), 16_000
    x = torch.sin(2 * math.pi * 1_000 * 2**k / RATE * torch.arange(n, dtype=torch.float64))
    gain = 10 ** (tone.knots(seeded(3))[k + 5] / 20)
    middle = slice(n // 4, 3 * n // 4)  # the ends ring
    assert torch.allclose(tone(x, seeded(3))[middle], (gain * x)[middle], atol=2e-3 * float(gain))


def test_gains_between_octaves_are_linear_in_log_frequency() -> None:
    tone, n = Tone(4.0, RATE), 16_000
    knots = tone.knots(seeded(5))
    x = torch.sin(2 * math.pi * 1_000 * 2**0.5 / RATE * torch.arange(n, dtype=torch.float64))
    gain = 10 ** ((knots[5] + knots[6]) / 40)
    assert torch.allclose(tone(x, seeded(5))[4_000:12_000], gain * x[4_000:12_000], atol=1e-3)


def test_the_walk_spreads_from_1_khz() -> None:
    tone, n = Tone(3.0, RATE), 4_000
    knots = torch.stack([tone.knots(seeded(9, i)) for i in range(n)])
    octaves = torch.tensor([5.0, 4, 3, 2, 1, 0, 1, 2, 3])
    assert torch.allclose(knots.std(0), 3 * octaves.sqrt(), rtol=5 / math.sqrt(2 * n), atol=1e-9)
    assert torch.corrcoef(knots[:, [4, 6]].T)[0, 1].abs() < 5 / math.sqrt(n)  # both sides apart


def test_a_filter_is_linear_and_drawn_by_its_generator() -> None:
    tone = Tone(6.0, RATE)
    x, y = torch.randn(2, 777, generator=seeded(0), dtype=torch.float64)
    made = tone(x + 2 * y, seeded(1))
    assert torch.allclose(made, tone(x, seeded(1)) + 2 * tone(y, seeded(1)))
    assert not torch.allclose(made, tone(x + 2 * y, seeded(2)))


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="octave must be at least 0"):
        Tone(-1.0, RATE)
    with pytest.raises(ValueError, match="at least 4,000 Hz"):
        Tone(1.0, 2_000)
