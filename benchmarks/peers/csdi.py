"""PyPOTS' CSDI on windows of ours, for the same time.

    python -m unnoise.benchmarks.peers.csdi windows aqi36.npz         # in our environment
    python benchmarks/peers/csdi.py run aqi36.npz --seconds 1200      # in one with pypots alone

The first writes the training windows, the exam's and the truth of the task `timeseries/aqi36`, z-scored as CSDI's
own protocol has them. The second trains CSDI for about so many CPU seconds, with the settings of its paper and one thread, draws 100 samples of every window, and prints MAE, CRPS of 19 quantiles, and the
CPU seconds of training and of imputing. This file needs nothing of unnoise to run.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["main"]

Floats = NDArray[np.float64]
LEVELS = np.arange(1, 20) / 20
SAMPLES, BATCH = 100, 16
TRIED = 10  # steps by which the time of one is measured


def windows(path: Path) -> None:
    """Write the windows of `timeseries/aqi36`."""
    from unnoise.domains.timeseries.tasks.imputation import aqi36

    found = aqi36()
    assert found.train.mask is not None
    known = np.asarray(found.train.mask)
    train = np.where(known, found.units.decode(found.train.x.double().numpy()), np.nan)
    np.savez_compressed(path, train=train, seen=found.test.seen, truth=found.test.truth)


def run(path: Path, seconds: float) -> dict[str, Any]:
    """Train CSDI and score it."""
    import torch
    from pypots.imputation import CSDI  # type: ignore[import-not-found]

    torch.set_num_threads(1)
    data = np.load(path)
    train, seen, truth = (data[k] for k in ("train", "seen", "truth"))
    mean, std = np.nanmean(train, (0, 1)), np.nanstd(train, (0, 1))
    _, T, C = train.shape
    settings: dict[str, Any] = {
        "n_steps": T, "n_features": C, "n_layers": 4, "n_heads": 8, "n_channels": 64, "d_time_embedding": 128,
        "d_feature_embedding": 16, "d_diffusion_embedding": 128, "n_diffusion_steps": 50, "batch_size": BATCH,
        "epochs": 1, "device": "cpu", "saving_path": tempfile.mkdtemp(), "model_saving_strategy": None,
    }  # fmt: skip
    z, rng = (train - mean) / std, np.random.default_rng(0)

    def fitted(steps: int) -> tuple[Any, float]:
        """As many steps in one go, so that its optimizer keeps what it knows."""
        model, many = CSDI(**settings), -(-steps * BATCH // len(z))
        order = np.concatenate([rng.permutation(len(z)) for _ in range(many)])[: steps * BATCH]
        start = time.process_time()
        model.fit({"X": z[order]})
        return model, time.process_time() - start

    steps = max(TRIED, int(seconds / (fitted(TRIED)[1] / TRIED)))
    model, spent = fitted(steps)
    start = time.process_time()
    drawn = model.predict({"X": (seen - mean) / std}, n_sampling_times=SAMPLES)["imputation"]
    imputing = time.process_time() - start
    samples = np.moveaxis(drawn, 1, 0) * std + mean  # (S, N, T, C)
    asked = np.isfinite(truth)
    y, q = truth[asked], np.quantile(samples[:, asked], LEVELS, axis=0)
    e = y - q
    pinball = np.maximum(LEVELS[:, None] * e, (LEVELS[:, None] - 1) * e)
    crps = 2 * pinball.sum(1).mean() / np.abs(y).sum()
    mae = np.abs(y - np.median(samples[:, asked], 0)).mean()
    return {
        "targets": int(asked.sum()),
        "steps": steps,
        "mae": float(mae),
        "crps": float(crps),
        "train CPU s": round(spent),
        "impute CPU s": round(imputing),
    }


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("what", choices=("windows", "run"))
    parser.add_argument("path", type=Path)
    parser.add_argument("--seconds", type=float, default=1_200.0)
    told = parser.parse_args()
    if told.what == "windows":
        windows(told.path)
    else:
        print(json.dumps(run(told.path, told.seconds)))


if __name__ == "__main__":
    main()
