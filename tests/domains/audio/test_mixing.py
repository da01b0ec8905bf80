"""Mixtures: ratios that are met exactly, and pairs that are the same whenever they are drawn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from unnoise.core.random import seeded
from unnoise.domains.audio.levels import ActiveLevel, power
from unnoise.domains.audio.mixing import Mixer, Mixture, mix, whole_mixtures
from unnoise.domains.audio.tone import Tone


def rows(*lengths: int, seed: int = 0) -> list[Tensor]:
    rng = np.random.default_rng(seed)
    return [torch.from_numpy(rng.normal(size=n)) for n in lengths]


def ratio(clean: Tensor, noisy: Tensor) -> Tensor:
    return 10 * (power(clean) / power(noisy - clean)).log10()


def same(a: Mixture, b: Mixture) -> bool:
    return all(torch.equal(getattr(a, k), getattr(b, k)) for k in ("clean", "noisy", "snr"))


def mixer(**changes: object) -> Mixer:
    fields = {"speech": rows(900, 1200, 300), "noise": rows(2000, 150, seed=1), "length": 400}
    return Mixer(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("snr", [-10.0, 0.0, 17.5])
def test_the_ratio_is_met(snr: float) -> None:
    s, n = rows(1000)[0], 50 * rows(1000, seed=1)[0]
    assert float(ratio(s, mix(s, n, snr))) == pytest.approx(snr, abs=1e-10)
    active = ActiveLevel(8000)
    y = mix(s, n, snr, active)
    assert float(10 * (active(s) / power(y - s)).log10()) == pytest.approx(snr, abs=1e-10)


def test_a_ratio_a_row() -> None:
    s, n = torch.stack(rows(50, 50, 50)), torch.stack(rows(50, 50, 50, seed=1))
    snr = torch.tensor([-5.0, 0.0, 5.0])
    y = mix(s, n, snr)
    assert ratio(s, y).tolist() == pytest.approx(snr.tolist(), abs=1e-10)
    assert torch.equal(y[1], mix(s[1], n[1], 0.0))
    assert mix(s.float(), n.float(), 0.0).dtype == torch.float32


def test_only_the_loudness_of_noise_is_changed() -> None:
    s, n = rows(100)[0], rows(100, seed=1)[0]
    assert torch.equal(mix(s, 4 * n, 3.0), mix(s, n, 3.0))
    added = mix(s, n, 3.0) - s
    assert (added / n).std() < 1e-12


def test_pairs_are_crops_at_their_ratio() -> None:
    drawn = mixer(snr=(-3.0, 9.0)).batch(40, seeded(0))
    assert drawn.clean.shape == drawn.noisy.shape == (40, 400)
    assert ratio(drawn.clean, drawn.noisy).tolist() == pytest.approx(drawn.snr.tolist(), abs=1e-9)
    assert -3 <= drawn.snr.min() < 0 and 6 < drawn.snr.max() <= 9
    speech = [x.unfold(0, 400, 1) for x in rows(900, 1200)]
    short = torch.nn.functional.pad(rows(900, 1200, 300)[2], (50, 50))
    where = [
        [(each == crop).all(1).any() for each in speech] + [torch.equal(crop, short)]
        for crop in drawn.clean
    ]
    assert all(sum(map(int, row)) == 1 for row in where)
    assert all(any(row[k] for row in where) for k in range(3))


def test_tones_are_of_each_side_and_the_ratio_holds_after_them() -> None:
    def louder(x: Tensor, generator: torch.Generator) -> Tensor:
        return 3 * x

    def kept(x: Tensor, generator: torch.Generator) -> Tensor:
        return x

    plain = mixer(snr=(4.0, 4.0)).pair(seeded(1))
    speech, noise = (mixer(snr=(4.0, 4.0), tones=t) for t in ((louder, kept), (kept, louder)))
    assert torch.allclose(speech.pair(seeded(1)).clean, 3 * plain.clean)
    assert torch.allclose(noise.pair(seeded(1)).noisy, plain.noisy)  # its loudness is the ratio's
    toned = mixer(snr=(4.0, 4.0), tones=(Tone(3.0, 16_000), Tone(6.0, 16_000))).batch(5, seeded(2))
    assert ratio(toned.clean, toned.noisy).tolist() == pytest.approx([4.0] * 5, abs=1e-6)


def test_short_noise_goes_round() -> None:
    n = rows(150, seed=1)[0]
    drawn = mixer(noise=[n]).pair(seeded(0))
    added = drawn.noisy - drawn.clean
    assert added[150:] == pytest.approx(added[:-150], abs=1e-12)
    circles = torch.stack([torch.roll(n, -k) for k in range(150)])
    share = torch.nn.functional.cosine_similarity(circles, added[None, :150])
    assert float(share.max()) == pytest.approx(1, abs=1e-12)


def test_odd_padding_is_in_the_middle() -> None:
    drawn = mixer(speech=[torch.ones(5)], length=8).pair(seeded(0))
    assert drawn.clean.tolist() in ([0, 0, 1, 1, 1, 1, 1, 0], [0, 1, 1, 1, 1, 1, 0, 0])


def test_the_same_stream_gives_the_same_pairs() -> None:
    a, b = (mixer().batch(6, seeded(3)) for _ in range(2))
    assert same(a, b) and not same(a, mixer().batch(6, seeded(4)))


def test_a_fixed_set_is_the_beginning_of_a_larger_one() -> None:
    small, large = mixer().fixed(3, 7), mixer().fixed(9, 7)
    assert same(small, Mixture(large.clean[:3], large.noisy[:3], large.snr[:3]))
    assert not torch.equal(large.clean[0], large.clean[1])


def test_pauses_are_drawn_anew() -> None:
    """Nine tenths of the recording are silence, which has no ratio."""
    x = torch.cat([torch.zeros(9000, dtype=torch.float64), rows(1000)[0]])
    drawn = mixer(speech=[x]).batch(20, seeded(0))
    assert (power(drawn.clean) > 1e-4 * power(x)).all()


def test_whole_utterances_take_turns() -> None:
    speech, noise = rows(100, 120, 140, 90, 80, seed=2), rows(500, 60, seed=3)
    made = whole_mixtures(speech, noise, [0.0, 10.0], 5)
    assert [float(each.snr) for each in made] == [0, 10, 0, 10, 0]
    for s, each in zip(speech, made, strict=True):
        assert each.clean is s
        assert float(ratio(s, each.noisy)) == pytest.approx(float(each.snr), abs=1e-10)
    assert torch.equal(made[3].noisy, whole_mixtures(speech[:4], noise, [0.0, 10.0], 5)[3].noisy)
    added = made[2].noisy - made[2].clean  # of the second noise, which is 60 long
    assert added[60:] == pytest.approx(added[:-60], abs=1e-12)
    assert not torch.equal(whole_mixtures(speech, noise, [0.0], 6)[0].noisy, made[0].noisy)


def test_in_a_room_the_truth_is_direct_and_the_ratio_that_of_what_is_heard() -> None:
    def echo(x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return x + 0.5 * torch.roll(x, 10), x

    made = whole_mixtures(rows(300), rows(300, seed=1), [5.0], 0, room=echo)[0]
    heard = echo(made.clean, torch.Generator())[0]
    assert made.clean.tolist() == rows(300)[0].tolist()
    assert float(ratio(heard, made.noisy)) == pytest.approx(5, abs=1e-10)


def test_errors() -> None:
    s = rows(10)[0]
    with pytest.raises(ValueError, match=r"shape \(10,\), noise \(9,\); crop to match"):
        mix(s, s[:9], 0.0)
    with pytest.raises(ValueError, match="clean: signal 1 is silent or NaN"):
        mix(torch.stack([s, 0 * s]), torch.stack([s, s]), 0.0)
    with pytest.raises(ValueError, match="noise: signal 0 is silent or NaN"):
        mix(s, 0 * s, 0.0)
    with pytest.raises(ValueError, match="speech: need at least one recording"):
        mixer(speech=[])
    with pytest.raises(ValueError, match=r"noise 1: need one channel .* got \(2, 3\)"):
        mixer(noise=[s, torch.ones(2, 3)])
    with pytest.raises(ValueError, match="speech 0: is silent, so it has no SNR; leave it out"):
        mixer(speech=[torch.zeros(5)])
    with pytest.raises(ValueError, match="length: need 1 sample or more, got 0"):
        mixer(length=0)
    with pytest.raises(ValueError, match="3.0 dB is above 1.0 dB; turn them round"):
        mixer(snr=(3.0, 1.0))
    with pytest.raises(ValueError, match="snrs: need at least one"):
        whole_mixtures([s], [s], [], 0)
    click = torch.zeros(100_000)
    click[0] = 1
    with pytest.raises(ValueError, match="50 crops of 10 samples had next to nothing in them"):
        mixer(speech=[click], length=10).pair(seeded(0))
