"""The network of spectrograms: what it is before training, what it can see, and whom it can't."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unnoise.core.batch import Batch
from unnoise.core.random import seeded
from unnoise.domains.audio.unet import LARGE, SMALL, Block, Size, UNet

BINS = 30  # of 32 after padding
TINY = Size((4, 2), (8, 12), 1, (1, 2), 2)


def network(size: Size = TINY) -> UNet:
    """Weights that aren't zero anywhere, in float64."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = UNet(BINS, size).double()
    generator = seeded(1)
    for parameter in net.parameters():
        nn.init.normal_(parameter, 0, 0.2, generator=generator)
    return net.eval()


def states(frames: int, rows: int = 1, seed: int = 0) -> tuple[Tensor, Tensor, Batch]:
    x, y = torch.randn(
        2, rows, 2, BINS, frames, generator=seeded(seed), dtype=torch.float64
    ).unbind()
    return x, torch.linspace(-3, 3, rows, dtype=torch.float64), Batch(x, cond={"noisy": 0.1 * y})


@torch.no_grad()
def test_it_is_zero_before_training_and_can_learn() -> None:
    net = UNet(BINS, TINY).double()
    x, log_snr, batch = states(13)
    assert (net(x, log_snr, batch) == 0).all()
    with torch.enable_grad():
        net(x, log_snr, batch).sum().backward()
    assert net.leave.weight.grad is not None and (net.leave.weight.grad != 0).all()


@torch.no_grad()
def test_its_output_is_a_remainder_and_two_complex_masks() -> None:
    """With constants c for the last layer's rows, F = R + M x + N y as complex numbers."""
    net = network()
    nn.init.zeros_(net.leave.weight)
    parts = [0.5, -2.0, 1.0, 3.0, -1.0, 0.25]  # R, M, N: real, imaginary
    net.leave.bias.copy_(torch.tensor(parts, dtype=torch.float64).repeat_interleave(8))
    x, log_snr, batch = states(9)
    y = batch.cond["noisy"] / net.scale
    r, m, n = (complex(*parts[i : i + 2]) for i in (0, 2, 4))
    expected = r + m * torch.complex(x[:, 0], x[:, 1]) + n * torch.complex(y[:, 0], y[:, 1])
    torch.testing.assert_close(
        net(x, log_snr, batch), torch.stack([expected.real, expected.imag], 1)
    )


@torch.no_grad()
def test_each_condition_has_a_mask_of_its_own() -> None:
    net = UNet(BINS, TINY, given=("noisy", "predicted")).double()
    parts = [0.0, 0, 0, 0, 0, 0, 0, 2.0]  # R, M, N of noisy, N of predicted: 2i
    net.leave.bias.copy_(torch.tensor(parts, dtype=torch.float64).repeat_interleave(8))
    x, log_snr, batch = states(9)
    d = torch.randn(x.shape, generator=seeded(7), dtype=torch.float64)
    out = net(x, log_snr, batch.replace(cond={**batch.cond, "predicted": d}))
    torch.testing.assert_close(out, 2 / net.scale * torch.stack([-d[:, 1], d[:, 0]], 1))
    with pytest.raises(ValueError, match=r"needs speech in Batch.cond\['predicted'\]"):
        net(x, log_snr, batch)


@torch.no_grad()
@pytest.mark.parametrize("frames", [1, 5, 13, 16])
def test_frames_are_padded_with_silence_and_cropped(frames: int) -> None:
    net = network()
    x, log_snr, batch = states(frames)
    more = (0, 16 - frames)
    longer = Batch(F.pad(x, more), cond={"noisy": F.pad(batch.cond["noisy"], more)})
    out = net(x, log_snr, batch)
    assert out.shape == x.shape
    grain = net.size.strides[1]
    if -frames % grain == 16 - frames:
        assert torch.equal(out, net(longer.x, log_snr, longer)[..., :frames])


@torch.no_grad()
def test_rows_of_a_batch_do_not_see_each_other() -> None:
    net = network()
    x, log_snr, batch = states(13, rows=3)
    out = net(x, log_snr, batch)
    other, _, changed = states(13, rows=3, seed=5)
    x2, y2 = other.clone(), changed.cond["noisy"].clone()
    x2[1], y2[1] = x[1], batch.cond["noisy"][1]
    level = log_snr + torch.tensor([1.0, 0.0, -1.0], dtype=torch.float64)
    again = net(x2, level, Batch(x2, cond={"noisy": y2}))
    assert torch.equal(out[1], again[1])
    assert not torch.equal(out[0], again[0])


@torch.no_grad()
@pytest.mark.parametrize(
    "size", [Size((4, 2), (8,), 1, (1,), 1), TINY, Size((8, 1), (4, 6, 8), 1, (2,), 1)]
)
def test_it_sees_as_far_as_it_says(size: Size) -> None:
    net = network(size)
    frames, at = 4 * size.reach + 16, 2 * size.reach + 5
    x, log_snr, batch = states(frames)
    out = net(x, log_snr, batch)
    y = batch.cond["noisy"].clone()
    y[..., at] += 0.5
    moved = (net(x, log_snr, Batch(x, cond={"noisy": y})) - out).abs().amax((0, 1, 2)) > 0
    places = moved.nonzero()[:, 0]
    assert at - size.reach <= places.min() and places.max() <= at + size.reach
    assert places.max() - places.min() >= size.reach  # and not much less far


@torch.no_grad()
def test_all_bins_of_a_frame_are_seen() -> None:
    net = network(Size((4, 2), (8,), 1, (1,), 1))
    x, log_snr, batch = states(8)
    y = batch.cond["noisy"].clone()
    y[:, :, 0, 4] += 0.5
    moved = net(x, log_snr, Batch(x, cond={"noisy": y})) - net(x, log_snr, batch)
    assert (moved[0, :, :, 4].abs() > 0).all()


def test_sizes() -> None:
    with torch.device("meta"):
        small, large = (
            sum(p.numel() for p in UNet(256, size).parameters()) for size in (SMALL, LARGE)
        )
    assert 1.0e6 < small < 1.3e6
    assert 27e6 < large < 66e6  # NCSN++ of StoRM and of SGMSE+
    assert SMALL.strides == (16, 8)
    assert SMALL.reach == 183  # 1.5 s at 125 frames a second


@pytest.mark.parametrize(
    "wrong", [{"widths": ()}, {"blocks": 0}, {"patch": (0, 2)}, {"dilations": (0,)}]
)
def test_no_size_at_all(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="Size: needs a width, and all numbers at least 1"):
        Size(**wrong)  # type: ignore[arg-type]


def test_bins_and_scale_must_be_positive() -> None:
    with pytest.raises(ValueError, match="UNet: bins and scale must be positive, got 0 and 0.1"):
        UNet(0)
    with pytest.raises(ValueError, match="got 4 and 0"):
        UNet(4, TINY, 0.0)


def test_noisy_speech_must_be_there_and_fit() -> None:
    net, (x, log_snr, batch) = network(), states(8)
    with pytest.raises(ValueError, match=r"needs speech in Batch.cond\['noisy'\].*got none"):
        net(x, log_snr, Batch(x))
    with pytest.raises(ValueError, match=r"state \(1, 2, 30, 8\); got \(1, 2, 30, 4\)"):
        net(x, log_snr, batch.replace(cond={"noisy": batch.cond["noisy"][..., :4]}))


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_block_has_the_precision_that_its_caller_has(device: str) -> None:
    """Depthwise convolutions are an exception under autocast on CPUs, and only there."""
    block = Block(8, 4, 2).to(device)
    h, told = torch.zeros(1, 4, 6, 8, device=device), torch.zeros(1, 4, device=device)
    assert block(h, told).dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        spread = block._spread(h.bfloat16() if device == "cpu" else h)
    assert spread.dtype == torch.float32
