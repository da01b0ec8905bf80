"""The U-Net: what its layers may and may not mix, by exact properties."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unnoise.core.batch import Batch
from unnoise.core.random import normal, seeded
from unnoise.domains.images.unet import Attention, UNet, fourier

CLASSES = 3


def make(*, stirred: bool = True, **arguments: object) -> UNet:
    """A small U-Net; stirred: no weight is zero, so that everything that can matter does."""
    torch.manual_seed(0)
    net = UNet(2, **({"widths": (8, 16, 16), "blocks": 1, "classes": CLASSES} | arguments))  # type: ignore[arg-type]
    if stirred:
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return net.eval()


def told(x: Tensor, *labels: int) -> Batch:
    return Batch(x, cond={"label": torch.tensor(labels)})


@pytest.fixture
def x() -> Tensor:
    return normal(torch.empty(4, 2, 8, 12), seeded(0))


@pytest.fixture
def log_snr() -> Tensor:
    return torch.tensor([-5.0, 0.0, 3.0, 8.0])


def test_sizes_that_do_not_divide_are_padded_by_zeros(x: Tensor, log_snr: Tensor) -> None:
    net, odd = make(), x[..., :7, :9]
    out = net(odd, log_snr, told(odd, 0, 1, 2, -1))
    padded = F.pad(odd, (0, 3, 0, 1))
    assert out.shape == odd.shape
    assert torch.equal(out, net(padded, log_snr, told(padded, 0, 1, 2, -1))[..., :7, :9])


def test_no_label_is_the_label_minus_one(x: Tensor, log_snr: Tensor) -> None:
    net = make()
    assert net.label is not None
    before = net(x, log_snr, told(x, -1, -1, 0, 2))
    assert torch.equal(before[:2], net(x, log_snr, Batch(x))[:2])
    with torch.no_grad():
        net.label.weight[0] += 1.0
    after = net(x, log_snr, told(x, -1, -1, 0, 2))
    assert torch.equal(before[2:], after[2:]), "the null row is nobody else's"
    assert not torch.isclose(before[:2], after[:2]).all()


@pytest.mark.parametrize("label", range(CLASSES))
def test_a_label_reads_its_own_row(x: Tensor, log_snr: Tensor, label: int) -> None:
    net = make()
    assert net.label is not None
    before = net(x, log_snr, told(x, 0, 1, 2, label))
    with torch.no_grad():
        net.label.weight[label + 1] += 1.0
    changed = (net(x, log_snr, told(x, 0, 1, 2, label)) != before).flatten(1).any(1)
    assert changed.tolist() == [label == 0, label == 1, label == 2, True]


def test_an_unconditional_net_ignores_labels(x: Tensor, log_snr: Tensor) -> None:
    net = make(classes=0)
    assert torch.equal(net(x, log_snr, Batch(x)), net(x, log_snr, told(x, 0, 1, 2, 0)))


def test_features_of_an_entry_are_its_channels_of_the_last_convolution(
    x: Tensor, log_snr: Tensor
) -> None:
    net, seen = make(features=5), []
    net.leave.register_forward_hook(lambda module, args, out: seen.append(out))
    out = net(x[..., :7, :9], log_snr, Batch(x))
    assert out.shape == (4, 2, 7, 9, 5)
    for channel in range(2):
        for feature in range(5):
            raw = seen[0][:, 5 * channel + feature, :7, :9]
            assert torch.equal(out[:, channel, :, :, feature], raw)


def test_an_untrained_output_like_the_image_is_zero(x: Tensor, log_snr: Tensor) -> None:
    assert (make(stirred=False)(x, log_snr, Batch(x)) == 0).all()
    assert (make(stirred=False, features=5)(x, log_snr, Batch(x)) != 0).any()


def test_dropout_is_off_in_evaluation(x: Tensor, log_snr: Tensor) -> None:
    net, sure = make(dropout=0.5), make(dropout=0.0)
    assert torch.equal(net(x, log_snr, Batch(x)), sure(x, log_snr, Batch(x)))
    net.train()
    assert not torch.equal(net(x, log_snr, Batch(x)), net(x, log_snr, Batch(x)))


@pytest.mark.parametrize("features", [0, 5])
@pytest.mark.parametrize("attention", [True, False])
def test_the_gradient_reaches_every_parameter(
    x: Tensor, log_snr: Tensor, features: int, attention: bool
) -> None:
    net = make(features=features, attention=attention)
    torch.autograd.backward(net(x, log_snr, told(x, -1, 0, 1, 2)).square().sum())
    gradients = {name: p.grad for name, p in net.named_parameters()}
    assert not [name for name, g in gradients.items() if g is None or not g.any()]
    assert gradients["label.weight"].any(1).all()  # type: ignore[union-attr]


@pytest.mark.parametrize("features", [0, 5])
def test_batch_mates_do_not_influence_each_other(
    x: Tensor, log_snr: Tensor, features: int
) -> None:
    net, x, log_snr = make(features=features).double(), x.double(), log_snr.double()
    whole = net(x, log_snr, told(x, 0, 1, 2, -1))
    for i, label in enumerate((0, 1, 2, -1)):
        rows = slice(i, i + 1)
        alone = net(x[rows], log_snr[rows], told(x[rows], label))
        torch.testing.assert_close(whole[rows], alone, rtol=0, atol=1e-12)


def test_the_noise_level_matters(x: Tensor) -> None:
    net, same = make(), x[:1].expand(4, -1, -1, -1)
    out = net(same, torch.tensor([-8.0, -7.9, 7.9, 8.0]), Batch(same))
    gaps = (out[1:] - out[:-1]).flatten(1).norm(dim=1)
    assert (gaps > 0).all()
    assert gaps.argmax() == 1, "near levels are embedded nearby"


def test_the_embedding_of_a_noise_level_is_made_of_points_on_circles() -> None:
    t = torch.linspace(-3, 3, 50)
    sine, cosine = fourier(t).chunk(2, 1)
    torch.testing.assert_close(sine.square() + cosine.square(), torch.ones(50, 16))
    torch.testing.assert_close(fourier(-t), torch.cat([-sine, cosine], 1))


def test_attention_does_not_know_where_positions_are() -> None:
    torch.manual_seed(0)
    attention = Attention(64)
    assert attention.heads == 2
    x = normal(torch.empty(3, 64, 4, 5), seeded(1))
    nn.init.normal_(attention.out.weight)
    order = torch.randperm(20, generator=seeded(2))
    shuffled = attention(x.flatten(2)[..., order].unflatten(2, (4, 5)))
    expected = attention(x).flatten(2)[..., order].unflatten(2, (4, 5))
    torch.testing.assert_close(shuffled, expected, rtol=1e-4, atol=1e-4)
