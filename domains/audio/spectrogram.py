r"""Compressed complex spectrograms as real states (Richter et al. 2023, section IV).

Magnitudes of speech are heavy-tailed, so a diffusion sees $|X|^\alpha e^{i \arg X}$, whose gradient
is infinite at X = 0. Here the power acts on shifted squares,

    |c|^2 + eps^(2 alpha) = (|X|^2 + eps^2)^alpha,   arg c = arg X,

which is smooth, tends to the published map for |X| >> eps, has a Jacobian of norm at most
$\sqrt\alpha\, \epsilon^{\alpha - 1}$, and is inverted by itself with 1/alpha and eps^alpha.

**Complex noise.** Papers draw z with E|z|^2 = 1, that is 1/2 for each of its two real parts. The
core draws real normals of variance 1. So the state is $\sqrt2 \beta\, (\Re c, \Im c)$: then the
core's sigma is the paper's, every published schedule holds as it is printed, and densities are
those of real numbers.

**Likelihoods.** The nats of a state are converted to nats of X, a density over the real and
imaginary parts, by `Spectrogram.log_det`. The imaginary parts of bins 0 and n_fft / 2 are 0
for every wave; `Spectrogram.exists` is the mask that keeps them out of a density. A spectrogram
has about four times as many numbers as its wave, so this isn't a density of waves: compare it
within one front end only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["SPEECH_16K", "SPEECH_48K", "Spectrogram"]


@dataclass(frozen=True)
class Spectrogram:
    r"""Waves (B, N) to states (B, 2, F, T) and back, F = n_fft / 2 + 1 and T = N // hop + 1.

    Frames are centred at samples 0, hop, 2 hop, ... under a periodic Hann window; beyond its ends a
    wave is 0, so any length will do. The least-squares inverse gives every sample back.

    Args:
        n_fft: samples in a frame, even.
        hop: samples from frame to frame.
        rate: samples a second of the waves that it is meant for.
        alpha: power of magnitudes.
        beta: scale of the state.
        epsilon: magnitude under which the map is linear. At peak 1, the rounding of 16-bit files
            has magnitude 1e-4.

    Raises:
        ValueError: unless n_fft is even, 0 < hop <= n_fft / 2, 0 < alpha <= 1 and the rest is positive.
    """

    n_fft: int = 510
    hop: int = 128
    rate: int = 16_000
    alpha: float = 0.5
    beta: float = 0.15
    epsilon: float = 1e-3

    def __post_init__(self) -> None:
        if self.n_fft % 2 or not 0 < self.hop <= self.n_fft / 2:
            raise ValueError(
                f"Spectrogram: needs an even n_fft and 0 < hop <= n_fft / 2, so that frames overlap; got hop {self.hop} and n_fft {self.n_fft}"
            )
        if not (0 < self.alpha <= 1 and self.beta > 0 and self.epsilon > 0 and self.rate > 0):
            raise ValueError(
                f"Spectrogram: needs 0 < alpha <= 1 and positive beta, epsilon and rate; got {self}"
            )

    @property
    def bins(self) -> int:
        """F."""
        return self.n_fft // 2 + 1

    def frames(self, samples: int) -> int:
        """T of a wave of so many samples."""
        return samples // self.hop + 1

    def samples(self, frames: int) -> int:
        """The fewest samples of a wave with so many frames."""
        return (frames - 1) * self.hop

    def encode(self, waves: Tensor) -> Tensor:
        """The states (B, 2, F, T) of real waves (B, N); silence is 0.

        Raises:
            ValueError: if there are no samples, or the waves aren't (B, N).
        """
        return self.compress(self.stft(waves))

    def decode(self, state: Tensor, samples: int) -> Tensor:
        """The waves (B, `samples`) nearest to what the states (B, 2, F, T) say.

        Raises:
            ValueError: if waves of that length have another number of frames or bins.
        """
        return self.istft(self.expand(state), samples)

    def stft(self, waves: Tensor) -> Tensor:
        """X (B, F, T), complex."""
        if waves.ndim != 2 or waves.shape[1] == 0:
            raise ValueError(
                f"Spectrogram: waves must be (B, N) with N > 0, got {tuple(waves.shape)}; make channels rows"
            )
        window = self._window(waves)
        return torch.stft(
            waves, self.n_fft, self.hop, window=window, pad_mode="constant", return_complex=True
        )

    def istft(self, spectrum: Tensor, samples: int) -> Tensor:
        """The inverse of `stft`, in least squares for spectra that belong to no wave."""
        wanted = (self.bins, self.frames(samples))
        if samples < 1 or spectrum.shape[1:] != wanted:
            raise ValueError(
                f"Spectrogram: {samples} samples have {wanted} bins and frames, the spectrum has {tuple(spectrum.shape[1:])}"
            )
        window = self._window(spectrum.real)
        return torch.istft(spectrum, self.n_fft, self.hop, window=window, length=samples)

    def compress(self, spectrum: Tensor) -> Tensor:
        """X (B, F, T) as a state (B, 2, F, T)."""
        c = _power(spectrum, self.alpha, self.epsilon)
        return math.sqrt(2) * self.beta * torch.stack([c.real, c.imag], 1)

    def expand(self, state: Tensor) -> Tensor:
        """The inverse of `compress`; an imaginary part that can't exist is left out."""
        kept = torch.where(self.exists(state.device), state, 0)
        c = torch.complex(kept[:, 0], kept[:, 1]) / (math.sqrt(2) * self.beta)
        return _power(c, 1 / self.alpha, self.epsilon**self.alpha)

    def exists(self, device: torch.device | str = "cpu") -> Tensor:
        """Mask (2, F, 1) of the state: False at the imaginary parts that are 0 for every wave."""
        mask = torch.ones(2, self.bins, 1, dtype=torch.bool, device=device)
        mask[1, _REAL] = False
        return mask

    def log_det(self, spectrum: Tensor) -> Tensor:
        r"""log |d state / d (Re X, Im X)| of X (B, F, T), summed over what exists, (B,).

        A map of the plane that keeps the argument has the determinant d|c|^2 / d|X|^2, so a bin
        counts $\log 2 \beta^2 \alpha + (\alpha - 1) \log(|X|^2 + \epsilon^2)$, and a real bin
        that less the logarithm of its tangential part, $\sqrt2 \beta\, |c| / |X|$.
        """
        a, e = self.alpha, self.epsilon
        square = spectrum.real.square() + spectrum.imag.square()
        plane = math.log(2 * self.beta**2 * a) + (a - 1) * torch.log(square + e**2)
        tangent = math.log(math.sqrt(2) * self.beta) + torch.log(_ratio(square[:, _REAL], a, e))
        return plane.sum((1, 2)) - tangent.sum((1, 2))

    def _window(self, like: Tensor) -> Tensor:
        return torch.hann_window(self.n_fft, dtype=like.dtype, device=like.device)


_REAL = [0, -1]  # the bins of which a wave's spectrum is real
SPEECH_16K = Spectrogram()
SPEECH_48K = Spectrogram(1534, 384, 48_000, 0.667, 0.065)


def _power(z: Tensor, p: float, epsilon: float) -> Tensor:
    """z with |z|^2 + eps^2 raised to the power p, less what makes 0 of 0."""
    return z * _ratio(z.real.square() + z.imag.square(), p, epsilon)


def _ratio(square: Tensor, p: float, epsilon: float) -> Tensor:
    """|result| / |z| of `_power` at |z|^2, by u = |z|^2 / eps^2: eps^(p - 1) sqrt(((1 + u)^p - 1) / u)."""
    u = square / epsilon**2
    linear = u < torch.finfo(u.dtype).eps  # there the quotient is p to rounding, and 0 / 0 at 0
    u = torch.where(linear, 1, u)
    small = torch.expm1(p * torch.log1p(u))  # without cancellation
    large = torch.pow(1 + u, p) - 1  # without the rounding of a large logarithm
    quotient = torch.where(linear, p, torch.where(u < 1, small, large) / u)
    ratio: Tensor = epsilon ** (p - 1) * torch.sqrt(quotient)
    return ratio
