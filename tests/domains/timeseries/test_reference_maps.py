"""What a reference remembers of a question that is asked again and again."""

from __future__ import annotations

import torch

from unnoise.core.random import seeded
from unnoise.domains.timeseries.reference import Reference
from unnoise.domains.timeseries.reference.maps import KEPT, LinearMap, Maps


def made_on(device: str) -> LinearMap:
    return LinearMap(torch.eye(2, device=device), torch.ones(2, device=device))


def test_a_map_is_kept_for_each_device() -> None:
    """A model that answered on one device and was moved doesn't meet a map of the other."""
    maps, pattern = Maps(), torch.tensor([True, False])
    here, there, again = (
        maps(lambda d=d: made_on(d), torch.device(d), pattern)  # type: ignore[misc]
        for d in ("cpu", "meta", "cpu")
    )
    assert (here.A.device.type, there.A.device.type) == ("cpu", "meta")
    assert again is here


def test_the_latest_maps_are_kept() -> None:
    maps, device = Maps(), torch.device("cpu")
    made = [maps(lambda: made_on("cpu"), device, torch.tensor(k)) for k in range(KEPT)]
    assert maps(lambda: made_on("cpu"), device, torch.tensor(0)) is made[0]
    maps(lambda: made_on("cpu"), device, torch.tensor(KEPT))
    assert made[0] in maps.kept.values() and made[1] not in maps.kept.values()


def test_patterns_that_repeat_are_answered_by_one_product() -> None:
    """The same to rounding, beside rows that have patterns of their own, and from memory."""
    generator = seeded(3)
    root = torch.randn(2, 2, 2, dtype=torch.float64, generator=generator)
    eye = torch.eye(2, dtype=torch.float64)
    reference = Reference(
        torch.tensor([2.0, 30.0]), root @ root.mT + eye, torch.tensor([0.1, 0.3])
    )
    values = torch.randn(9, 7, 2, dtype=torch.float64, generator=generator)
    given = torch.rand(9, 7, 2, generator=generator) < 0.6
    given[:5] = given[0]
    times = torch.arange(7.0).double().expand(9, -1)
    alone = [reference(values[k : k + 1], given[k : k + 1], times[:1]) for k in range(9)]
    assert not reference.maps.kept
    for _ in range(2):
        mean, std = reference(values, given, times)
        assert [device for device, _ in reference.maps.kept] == [values.device]
        torch.testing.assert_close(mean, torch.cat([m for m, _ in alone]), atol=1e-12, rtol=0)
        torch.testing.assert_close(std, torch.cat([s for _, s in alone]), atol=1e-12, rtol=0)
    reference.R.mul_(2)  # as loading does
    mean, _ = reference(values, given, times)
    again = reference(values[:1], given[:1], times[:1])[0]
    torch.testing.assert_close(mean[:1], again, atol=1e-12, rtol=0)
