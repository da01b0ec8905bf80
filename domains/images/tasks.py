"""The image tasks: a U-Net that names the odds of each grey level, trained on the bound,
conditional on the class.

The comment beside a preset is its measured test bits/dim (bound, no label told); the README has
the commands, the floors and the baselines. `paper` is sized for one GPU and has not been run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch

from unnoise.core.denoiser import LevelDenoiser
from unnoise.core.model import Model
from unnoise.core.objective import Denoising, Elbo
from unnoise.core.process import Gaussian
from unnoise.core.schedule import Cosine
from unnoise.core.times import LogSNRTimes
from unnoise.core.training import Fit
from unnoise.domains.images import data
from unnoise.domains.images.figures import (
    bits_by_noise_level,
    completions,
    quality_by_cost,
    sample_grid,
)
from unnoise.domains.images.judge import Judge
from unnoise.domains.images.outputs import (
    FORMATS,
    conditions,
    independent_pixels,
    model_images,
    real_images,
    write,
)
from unnoise.domains.images.unet import UNet
from unnoise.domains.task import Preset, Splits, Task

__all__ = ["digits", "image_model", "mnist"]

FEATURES = 32  # of each pixel, from which its odds are read


def image_model(splits: Splits, preset: Preset) -> Model:
    """A class-conditional model of quantised images, of the size that the preset asks for."""
    values = splits.transform.values
    assert values is not None
    x, labels = splits.train.x, splits.train.cond["label"]
    counts = torch.stack([(x == level).sum() for level in range(len(values))])
    network = UNet(x.shape[1], classes=int(labels.max()) + 1, features=FEATURES, **preset.network)
    denoiser = LevelDenoiser(network, FEATURES, values, torch.log((counts + 1) / x.numel()))
    # sigma = 2/3 of a level's spacing: pixels are nearly independent given x_t, so the decoder reads
    # their levels off as well as further denoising would
    log_snr_max = 2 * math.log(0.75 * len(values))
    process = Gaussian(Cosine(log_snr_max, log_snr_min=-8.0))
    objective = Denoising(Elbo(), LogSNRTimes(), condition_dropout=0.5)
    return Model(process, denoiser, tuple(x.shape[1:]), splits.transform, objective)


def digits() -> Task:
    """scikit-learn's 8 x 8 digits."""
    presets = {
        "smoke": Preset(  # 1.91
            Fit(300, batch=64, lr=2e-3, warmup=20, ema=0.98),
            {"widths": (32, 32), "blocks": 1},
            {"samples": 200, "bound_draws": 8, "flow_images": 0, "sweep_samples": 0},
        ),
        "cpu": Preset(  # 1.673 ± .016 over three seeds, 4.3 minutes on two cores
            Fit(1_500, batch=128, lr=1.5e-3, ema=0.995),
            {"widths": (48, 48), "dropout": 0.1},
            {
                "samples": 720,
                "bound_draws": 64,
                "flow_images": 100,
                "sweep_samples": 360,
            },
        ),
        "paper": Preset(
            Fit(20_000, batch=256, lr=1e-3, ema=0.999, precision="auto"),
            {"widths": (96, 128), "blocks": 3, "dropout": 0.3},
            {
                "samples": 5_000,
                "bound_draws": 256,
                "flow_images": 360,
                "sweep_samples": 1_000,
                "exact_trace": True,
            },
        ),
    }
    return _task(
        "8 x 8 digits of scikit-learn, 17 levels, class-conditional",
        data.digits,
        presets,
        Judge(300),
    )


def mnist() -> Task:
    """MNIST."""
    presets = {
        "smoke": Preset(
            Fit(30, batch=32, lr=2e-3, warmup=10, ema=0.9),
            {"widths": (16, 32, 32), "blocks": 1},
            {"samples": 50, "bound_draws": 2, "flow_images": 0, "sweep_samples": 0},
        ),
        "cpu": Preset(  # 1.046 ± .004
            Fit(4_500, batch=64, lr=3e-3, ema=0.998, precision="auto"),
            {"widths": (32, 48, 64), "blocks": 1},
            {
                "samples": 1_000,
                "bound_draws": 4,
                "flow_images": 20,
                "label_images": 1_000,
                "sweep_samples": 100,
            },
        ),
        "paper": Preset(
            Fit(
                40_000,
                batch=256,
                lr=1e-3,
                warmup=1_000,
                ema=0.9995,
                precision="auto",
                compile=True,
            ),
            {"widths": (64, 128, 128), "blocks": 3, "dropout": 0.1},
            {
                "samples": 10_000,
                "bound_draws": 64,
                "flow_images": 1_000,
                "sweep_samples": 1_000,
                "batch": 1_000,
            },
        ),
    }
    return _task("MNIST, 28 x 28, 256 levels, class-conditional", data.mnist, presets, Judge(468))


def _task(
    summary: str, load: Callable[[], Splits], presets: Mapping[str, Preset], judge: Judge
) -> Task:
    return Task(
        summary,
        data=load,
        model=image_model,
        generate=model_images,
        metrics=judge.metrics(),
        presets=presets,
        floor=real_images,
        baseline=independent_pixels,
        figures={
            "Samples, a column a class": sample_grid,
            "Lower halves drawn from upper halves": completions,
            "Where the bits are": bits_by_noise_level,
            "Quality against cost": quality_by_cost(
                lambda o, s: judge.frechet(o, s).value, "Fréchet distance, own classifier"
            ),
        },
        conditions=conditions,
        write=write,
        formats=FORMATS,
    )
