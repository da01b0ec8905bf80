"""A reference with seasons: the profile, and a stationary process about it."""

from __future__ import annotations

from torch import Tensor, nn

from unnoise.domains.timeseries.reference.profile import Profile
from unnoise.domains.timeseries.reference.reference import Reference

__all__ = ["Seasonal"]


class Seasonal(nn.Module):
    """x = f(t) + y(t): y the `reference`, f the `profile`."""

    def __init__(self, profile: Profile, reference: Reference) -> None:
        super().__init__()
        self.profile = profile
        self.reference = reference

    def forward(
        self, values: Tensor, given: Tensor, times: Tensor, exists: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """As `Reference.forward`."""
        f = self.profile(times)
        mean, std = self.reference(values.double() - f, given, times, exists)
        return (mean + f).to(values.dtype), std.to(values.dtype)
