"""Rooms: convolution by its definition, and responses that obey acoustics."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from unnoise.core.random import seeded
from unnoise.domains.audio.rooms import Response, Rooms, diffuse_response, draw_response


def test_speech_is_convolved_and_its_tail_cut() -> None:
    rng = np.random.default_rng(0)
    x, h, d = (torch.from_numpy(rng.normal(size=n)) for n in (50, 30, 4))
    heard, direct = Rooms([Response(h, d, 0.5)])(x, seeded(0))
    assert heard.numpy() == pytest.approx(np.convolve(x, h)[:50], abs=1e-12)
    assert direct.numpy() == pytest.approx(np.convolve(x, d)[:50], abs=1e-12)
    assert Rooms([Response(h, d, 0.5)])(x.float(), seeded(0))[0].dtype == torch.float32


def test_rooms_are_drawn_by_the_generator() -> None:
    rooms = Rooms([Response(torch.ones(1) * k, torch.ones(1), 0.5) for k in range(1, 4)])
    x = torch.ones(2)
    stream = seeded(0)
    drawn = [float(rooms(x, stream)[0][0].round()) for _ in range(40)]
    assert set(drawn) == {1, 2, 3}
    assert float(rooms(x, seeded(0))[0][0].round()) == drawn[0]


@pytest.mark.parametrize(("t60", "ratio"), [(0.4, -6.0), (1.0, 3.0)])
def test_polacks_room_has_the_decay_and_the_ratio_that_were_asked_for(
    t60: float, ratio: float
) -> None:
    response = diffuse_response(16_000, t60, ratio, seeded(0))
    click = int(response.direct.argmax())
    assert response.direct.tolist() == [0.0] * click + [1.0]
    assert 0.98 <= click / 16_000 * 343 <= 5.02  # m, to a sample
    assert torch.equal(response.heard[: click + 1], response.direct)
    tail = response.heard[click + 1 :]
    assert len(tail) == int(t60 * 16_000) and response.t60 == t60
    assert float(-10 * tail.square().sum().log10()) == pytest.approx(ratio, abs=1e-9)
    blocks = tail[: len(tail) // 20 * 20].reshape(20, -1).square().mean(1).log10() * 10
    seconds = (torch.arange(20) + 0.5) * t60 / 20
    slope = np.polyfit(seconds.numpy(), blocks.numpy(), 1)[0]
    assert slope == pytest.approx(-60 / t60, rel=0.03)


def test_polacks_rooms_differ_by_their_generator() -> None:
    first, again, other = (diffuse_response(8_000, 0.5, 0.0, seeded(k)) for k in (0, 0, 1))
    assert torch.equal(first.heard, again.heard)
    assert len(first.heard) != len(other.heard)
    with pytest.raises(ValueError, match="t60: 0.0 s are no sample at 8000 Hz"):
        diffuse_response(8_000, 0.0, 0.0, seeded(0))


def test_responses() -> None:
    """Nothing is heard before the direct sound, which arrives within the room's diagonal, and the
    energy of echoes is added to it."""
    pytest.importorskip("pyroomacoustics")
    first, again, other = (draw_response(8000, seeded(seed)) for seed in (0, 0, 1))
    assert torch.equal(first.heard, again.heard) and torch.equal(first.direct, again.direct)
    assert first.t60 == again.t60 and not torch.equal(first.heard[:99], other.heard[:99])
    for response in (first, other):
        arrival = int(response.direct.abs().argmax())
        lead = 40  # samples of delay that half of the interpolation filter takes
        assert lead < arrival < lead + 8000 * np.hypot(np.hypot(13, 13), 4) / 340
        before = response.heard[: arrival - lead].square().sum()
        assert before < 0.01 * response.heard.square().sum()  # its 10 Hz filter runs both ways
        assert response.heard.square().sum() > response.direct.square().sum()
        assert 0.2 < response.t60 < 2


def test_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="responses: need at least one"):
        Rooms([])
    with pytest.raises(ValueError, match="rate: need a positive number .* got 0"):
        draw_response(0, seeded(0))
    monkeypatch.setitem(sys.modules, "pyroomacoustics", None)
    with pytest.raises(ImportError, match="pip install pyroomacoustics"):
        draw_response(8000, seeded(0))
