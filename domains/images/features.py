r"""Features of images for the metrics, without downloaded weights.

A distance between sets of images is as good as the space it is taken in. Published FIDs use
Inception features, which need a download and suit photographs. Here are two spaces that cost
nothing:

* `RandomFeatures`: phi(x) = mean(ReLU(W2 * max(ReLU(W1 * x + b1)) + b2)), pooled locally, with
  fixed random orthogonal filters. No training, hence the same for every data set and author;
  sensitive to edges and texture, blind to meaning. Random filters with pooling are selective and
  shift-invariant (Saxe et al. 2011, On Random Weights and Unsupervised Feature Learning).
* `Classifier`: the 64 penultimate activations of a small CNN trained on the data set itself, the
  usual stand-in for Inception on MNIST; its logits also tell whether a conditional sample shows
  its label.

Figures in either space compare only with figures in the same space (same seed, same training set):
the cache keys a classifier by a hash of data and settings, so that "the same" is checked, not
hoped for.
"""

import copy
import hashlib
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from unnoise.core.progress import track

RECIPE = 1  # raise it when architecture or training change: cached files of old ones are ignored


class RandomFeatures(nn.Module):
    """Two layers of fixed random orthogonal filters, pooled to a 2 x 2 grid of dim / 4 channels.

    Deterministic in `seed` (own generator); all weights are buffers, so nothing trains by
    accident.

    Args:
        shape: (C, H, W) of an image, H and W at least 4.
        dim: Number of features, a multiple of 4.
        seed: Of the filters.

    Raises:
        ValueError: For a shape or dim out of range; in `forward`, for images of another shape.
    """

    w1: Tensor
    b1: Tensor
    w2: Tensor
    b2: Tensor

    def __init__(self, shape: tuple[int, int, int], dim: int = 128, seed: int = 0) -> None:
        super().__init__()
        channels, height, width = shape
        if channels < 1 or min(height, width) < 4:
            raise ValueError(f"shape: need (C >= 1, H >= 4, W >= 4), got {shape}")
        if dim < 4 or dim % 4:
            raise ValueError(f"dim: need a positive multiple of 4, got {dim}")
        self.shape = tuple(shape)
        generator = torch.Generator().manual_seed(seed)
        for layer, (fan_in, fan_out) in enumerate([(channels, 32), (32, dim // 4)], start=1):
            self.register_buffer(f"w{layer}", _orthogonal_filters(fan_in, fan_out, generator))
            # without offsets features would be homogeneous: more contrast, the same direction
            self.register_buffer(f"b{layer}", 0.5 * torch.randn(fan_out, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) in [-1, 1] to features (N, dim)."""
        if x.shape[1:] != self.shape:
            raise ValueError(f"x: need images of shape {self.shape}, got a batch {tuple(x.shape)}")
        h = F.max_pool2d(F.relu(F.conv2d(x, self.w1, self.b1, padding=1)), 2)
        h = F.relu(F.conv2d(h, self.w2, self.b2, padding=1))
        pooled: Tensor = F.adaptive_avg_pool2d(h, 2)
        return pooled.flatten(1)


def _orthogonal_filters(fan_in: int, fan_out: int, generator: torch.Generator) -> Tensor:
    """(fan_out, fan_in, 3, 3); rows of norm 2 keep activations of order one."""
    flat = nn.init.orthogonal_(torch.empty(fan_out, fan_in * 9), generator=generator)
    return 2 * F.normalize(flat, dim=1).reshape(fan_out, fan_in, 3, 3)


class Classifier(nn.Module):
    """A compact CNN for 8 x 8 to 32 x 32 images: three convolutions, then two linear layers.

    Args:
        channels: C of the images.
        size: Their height and width, at least 4.
        classes: Number of classes.

    Attributes:
        accuracy: Share right on the held-out set of `train_classifier`, (); NaN before. It is the
            ceiling of `metrics.class_agreement`, and travels with the weights into the cache.
    """

    accuracy: Tensor

    def __init__(self, channels: int, size: int, classes: int) -> None:
        super().__init__()
        if size < 4:
            raise ValueError(f"size: need at least 4, got {size}")
        self.trunk = nn.Sequential(
            *_convolution(channels, 32),
            nn.MaxPool2d(2),
            *_convolution(32, 64),
            nn.MaxPool2d(2),
            *_convolution(64, 64),
            nn.AdaptiveMaxPool2d(2),
            nn.Flatten(),
            nn.Linear(4 * 64, 64),
            nn.ReLU(),
        )
        self.head = nn.Linear(64, classes)
        self.register_buffer("accuracy", torch.tensor(float("nan")))

    def features(self, x: Tensor) -> Tensor:
        """Images (N, C, size, size) in [-1, 1] to penultimate activations (N, 64), all >= 0."""
        h: Tensor = self.trunk(x)
        return h

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, size, size) in [-1, 1] to logits (N, classes)."""
        logits: Tensor = self.head(self.features(x))
        return logits


def _convolution(fan_in: int, fan_out: int) -> list[nn.Module]:
    return [nn.Conv2d(fan_in, fan_out, 3, padding=1), nn.BatchNorm2d(fan_out), nn.ReLU()]


def batched(function: Callable[[Tensor], Tensor], x: Tensor, batch: int = 500) -> Tensor:
    """function(x) without gradients, `batch` rows at a time (10,000 images at once take 1 GB)."""
    with torch.no_grad():
        return torch.cat([function(rows) for rows in torch.split(x, batch)])


def train_classifier(
    x: Tensor,
    labels: Tensor,
    *,
    valid: tuple[Tensor, Tensor],
    seed: int,
    steps: int,
    batch: int = 128,
) -> Classifier:
    """Train a `Classifier` by AdamW, one-cycle; deterministic, the global RNG is left alone.

    Args:
        x: Images (N, C, S, S) in [-1, 1].
        labels: Their classes (N,), 0 to K - 1; K is the largest label seen plus one.
        valid: Held-out (images, labels), to measure `accuracy` once at the end; nothing is
            chosen by it.
        seed: Of the weights and of the order of the images.
        steps: Gradient steps.
        batch: Images a step.

    Returns:
        The classifier, on the device of x, frozen and in evaluation mode.

    Raises:
        ValueError: For images that are not square or not finite, empty sets, labels that do not
            fit, no steps.
    """
    if steps < 1:
        raise ValueError(f"steps: need at least 1, got {steps}")
    if x.ndim != 4 or x.shape[2] != x.shape[3]:
        raise ValueError(f"x: need square images (N, C, S, S), got {tuple(x.shape)}")
    for name, images, classes in (("x", x, labels), ("valid", *valid)):
        if len(images) < 1 or classes.shape != images.shape[:1]:
            found = f"{len(images)} images, labels of shape {tuple(classes.shape)}"
            raise ValueError(f"{name}: need one label an image, got {found}")
        if not torch.isfinite(images).all() or int(classes.min()) < 0:
            raise ValueError(f"{name}: NaN or infinite pixels, or negative labels")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reseed the GPUs too
        net = Classifier(x.shape[1], x.shape[2], int(labels.max()) + 1)
    net.to(x.device).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=steps)
    minibatches = _minibatches(len(x), batch, steps, torch.Generator().manual_seed(seed))
    for _, index in zip(track(range(steps), "classifier that judges"), minibatches, strict=False):
        rows = index.to(x.device)
        loss = F.cross_entropy(net(x[rows]), labels[rows])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
    net.eval().requires_grad_(False)
    net.accuracy.copy_((batched(net, valid[0]).argmax(1) == valid[1]).float().mean())
    return net


def _minibatches(n: int, batch: int, steps: int, generator: torch.Generator) -> Iterator[Tensor]:
    """`steps` index sets: passes in fresh random order, without a pass's last, smaller batch."""
    batch = min(batch, n)
    while True:
        order = torch.randperm(n, generator=generator)
        for index in torch.split(order[: n // batch * batch], batch):
            if steps == 0:
                return
            steps -= 1
            yield index


def classifier_key(x: Tensor, labels: Tensor, **settings: float | str) -> str:
    """Hash of training data and settings (seed, steps, batch, …): 16 hex digits, for the cache."""
    digest = hashlib.sha256(repr((RECIPE, sorted(settings.items()))).encode())
    for tensor in (x, labels):
        digest.update(repr((tensor.shape, tensor.dtype)).encode())
        digest.update(tensor.detach().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def cached_classifier(
    key: str, folder: Path, make: Callable[[], Classifier], template: Classifier
) -> Classifier:
    """The classifier stored under `key`, or else `make()`, which is then stored.

    The file is safetensors (no pickle: loading runs no code) and appears by an atomic rename, so
    that several processes may share a folder. A file that does not load is replaced, with a
    warning.

    Args:
        key: From `classifier_key`; becomes part of the file name.
        folder: Where the file lives; made if missing.
        make: Trains the classifier.
        template: A `Classifier` of the right sizes, into a copy of which the weights are loaded.

    Returns:
        The classifier, frozen and in evaluation mode.
    """
    file = folder / f"classifier-{key}.safetensors"
    if file.exists():
        net = copy.deepcopy(template)
        try:
            net.load_state_dict(load_file(file))
        except (SafetensorError, RuntimeError, OSError) as error:  # damaged, misfit, unreadable
            warnings.warn(f"training again, {file.name} does not load: {error}", stacklevel=2)
        else:
            return net.eval().requires_grad_(False)
    net = make().eval().requires_grad_(False)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:  # one file system: atomic rename
        save_file(net.state_dict(), Path(scratch) / file.name)
        os.replace(Path(scratch) / file.name, file)
    return net
