r"""Speech in a room: impulse responses, and their convolution with speech.

A shoebox room with a source and a microphone answers a click by h, direct sound and echoes, and by
d, the direct sound alone, which has the same delay. Speech s is heard as h * s, and what is to be
restored is d * s. Rooms are drawn as for SGMSE's WSJ0-REVERB: sides of 5-15, 5-15 and 2-6 m, at
least 1 m from each wall, T60 of 0.4-1 s, from which Sabine's formula gives the absorption.

Where no simulator is at hand there is Polack's room, whose echoes are noise that decays,

    h(t) = d(t) + g n(t) 10^(-3 t / T60),   n white

which is what a room does once its echoes are dense, and has the T60 and the ratio of direct to
reverberant energy that it was asked for.

References:
    Richter et al. (2023), Speech enhancement and dereverberation with diffusion-based generative
    models; Scheibler, Bezzam, Dokmanić (2018), Pyroomacoustics; Polack (1988), La transmission de
    l'énergie sonore dans les salles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import torch
from scipy.fft import next_fast_len
from torch import Tensor

__all__ = ["Response", "Rooms", "diffuse_response", "draw_response"]

_LOW, _HIGH = (5.0, 5.0, 2.0), (15.0, 15.0, 6.0)  # m
_WALL = 1.0  # m
_T60 = (0.4, 1.0)  # s
_ORDER = 3  # of the image sources; later echoes are traced
_DRY = 0.99  # absorption of the walls that return nothing
_TRIES = 100
_DECAY = 30  # dB of decay that T60 is extrapolated from
_DISTANCE = (1.0, 5.0)  # m, of Polack's source
_SOUND = 343.0  # m/s


@dataclass(frozen=True, eq=False)
class Response:
    """How a room answers a click, at one place.

    Attributes:
        heard: h, (m,).
        direct: d, (k,).
        t60: Seconds in which h decays by 60 dB; of a simulated room as measured on it.
    """

    heard: Tensor
    direct: Tensor
    t60: float


@dataclass(frozen=True, eq=False)
class Rooms:
    """A `mixing.Room`: one of several responses, drawn anew for each utterance.

    Attributes:
        responses: At the rate of the speech.

    Raises:
        ValueError: If there is none.
    """

    responses: Sequence[Response]

    def __post_init__(self) -> None:
        if not self.responses:
            raise ValueError("responses: need at least one")

    def __call__(self, speech: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """What is heard of speech (n,) and its direct sound, (n,) both: the tail is cut."""
        i = int(torch.randint(len(self.responses), (), generator=generator))
        response = self.responses[i]
        return _convolved(speech, response.heard), _convolved(speech, response.direct)


def diffuse_response(rate: int, t60: float, ratio: float, generator: torch.Generator) -> Response:
    """Polack's room; the source is 1 to 5 m away.

    Args:
        rate: Samples a second.
        t60: Seconds in which the echoes decay by 60 dB, after which they end.
        ratio: Of direct to reverberant energy, in dB.
        generator: Of the distance and the echoes.

    Raises:
        ValueError: If the echoes have no sample.
    """
    echoes = int(t60 * rate)
    if echoes < 1:
        raise ValueError(f"t60: {t60} s are no sample at {rate} Hz")
    near, far = _DISTANCE
    metres = near + (far - near) * float(_uniform(1, generator)[0])
    direct = torch.zeros(round(metres / _SOUND * rate) + 1, dtype=torch.float64)
    direct[-1] = 1
    noise = torch.randn(echoes, generator=generator, dtype=torch.float64)
    tail = noise * 10 ** (-3 * torch.arange(1, echoes + 1) / (t60 * rate)).double()
    tail = tail / (tail.square().sum() * 10 ** (ratio / 10)).sqrt()
    return Response(torch.cat([direct, tail]), direct, t60)


def draw_response(rate: int, generator: torch.Generator) -> Response:
    """A random room; takes a tenth of a second or a few, and needs `pip install pyroomacoustics`.

    The tracer of echoes draws from a generator of pyroomacoustics' own, which is seeded here from
    the given one, and left so.

    Args:
        rate: Samples a second.
        generator: Of the room, the places and the echoes.

    Raises:
        ImportError: Without pyroomacoustics.
        ValueError: If the rate is not positive.
    """
    if rate < 1:
        raise ValueError(f"rate: need a positive number of samples a second, got {rate}")
    try:
        acoustics = import_module("pyroomacoustics")
    except ModuleNotFoundError as error:
        raise ImportError(
            "rooms need pyroomacoustics: pip install pyroomacoustics", name="pyroomacoustics"
        ) from error
    acoustics.random.seed(int(torch.randint(2**31, (), generator=generator)))
    sides, absorption, order = _walls(acoustics, generator)
    places = [_WALL + _uniform(3, generator) * (sides - 2 * _WALL) for _ in range(2)]
    heard = _answer(acoustics, rate, sides, absorption, min(order, _ORDER), places)
    direct = _answer(acoustics, rate, sides, _DRY, 0, places)
    t60 = float(acoustics.experimental.measure_rt60(heard, rate, decay_db=_DECAY))
    return Response(torch.from_numpy(heard), torch.from_numpy(direct), t60)


def _walls(acoustics: Any, generator: torch.Generator) -> tuple[np.ndarray, float, int]:
    """Sides in m, absorption, and order of reflections: T60 and sides that go together."""
    low, high = np.array(_LOW), np.array(_HIGH)
    for _ in range(_TRIES):
        sides = low + _uniform(3, generator) * (high - low)
        t60 = _T60[0] + float(_uniform(1, generator)[0]) * (_T60[1] - _T60[0])
        try:
            absorption, order = acoustics.inverse_sabine(t60, sides)
        except ValueError:  # walls that absorb all would still echo longer
            continue
        return sides, float(absorption), int(order)
    raise RuntimeError(f"no possible room in {_TRIES} draws")  # pragma: no cover


def _answer(
    acoustics: Any, rate: int, sides: np.ndarray, absorption: float, order: int,
    places: Sequence[np.ndarray],
) -> np.ndarray:  # fmt: skip
    material = acoustics.Material(absorption)
    room = acoustics.ShoeBox(sides, fs=rate, materials=material, max_order=order)
    if order:
        room.set_ray_tracing()
    source, microphone = places
    room.add_source(source)
    room.add_microphone(microphone)
    room.compute_rir()
    return np.asarray(room.rir[0][0], dtype=np.float64)


def _uniform(n: int, generator: torch.Generator) -> np.ndarray:
    return torch.rand(n, generator=generator, dtype=torch.float64).numpy()


def _convolved(x: Tensor, response: Tensor) -> Tensor:
    """The first n samples of response * x."""
    size = next_fast_len(len(x) + len(response) - 1, real=True)
    spectrum = torch.fft.rfft(x.double(), size) * torch.fft.rfft(response.to(x.device), size)
    convolved: Tensor = torch.fft.irfft(spectrum, size)[: len(x)]
    return convolved.to(x.dtype)
