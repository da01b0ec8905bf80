"""Rooms: convolution by its definition, and responses that obey acoustics."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from unnoise.core.random import seeded
from unnoise.domains.audio.rooms import Response, Rooms, draw_response


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
