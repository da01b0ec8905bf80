"""PyPOTS' CSDI on windows of ours, for the same time.

    python -m unnoise.benchmarks.peers.csdi ours aqi36.npz --out runs  # in our environment
    python benchmarks/peers/csdi.py csdi aqi36.npz --seconds 1200      # in one with pypots alone

The first trains the preset `cpu` of `timeseries/aqi36`, or loads it, draws samples of some of the exam's windows, and
writes windows of training and exam and the truth. The second trains CSDI for about so many CPU seconds, with the
settings of its paper and one thread, on the same windows z-scored as its own protocol has them, and draws as many
samples. Both print MAE of the median, CRPS of 19 quantiles, and CPU seconds. `csdi` needs nothing of unnoise to run.
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
SAMPLES, WINDOWS, BATCH = 20, 12, 16
TRIED = 10  # steps by which the time of one is measured


def ours(path: Path, out: Path) -> dict[str, Any]:
    """Write windows of `timeseries/aqi36`, and score our model of them."""
    import torch

    from unnoise.benchmarks.runner import Run, train
    from unnoise.domains import make
    from unnoise.domains.timeseries.fitted import FittedSeries
    from unnoise.domains.timeseries.tasks.imputation import aqi36

    torch.set_num_threads(1)
    task, found = make("timeseries/aqi36"), aqi36()
    exam = found.test.first(WINDOWS)
    assert found.train.mask is not None and exam.batch.observed is not None
    known = np.asarray(found.train.mask)
    values = np.where(known, found.units.decode(found.train.x.double().numpy()), np.nan)
    np.savez_compressed(path, train=values, seen=exam.seen, truth=exam.truth)
    model = train(Run("timeseries/aqi36", "cpu", 0, out), task, task.data(), device="cpu")
    start = time.process_time()
    drawn = FittedSeries(model).draw(exam.batch, exam.batch.observed, SAMPLES, 0, 12)
    spent = time.process_time() - start
    samples = np.stack([found.units.decode(one.double().numpy()) for one in drawn])
    return scores(samples, exam.truth) | {"impute CPU s": round(spent, 1)}


def scores(samples: Floats, truth: Floats) -> dict[str, Any]:
    """MAE of the median and CRPS of 19 quantiles of samples (S, N, T, C)."""
    asked = np.isfinite(truth)
    y, q = truth[asked], np.quantile(samples[:, asked], LEVELS, axis=0)
    e = y - q
    pinball = np.maximum(LEVELS[:, None] * e, (LEVELS[:, None] - 1) * e)
    crps = 2 * pinball.sum(1).mean() / np.abs(y).sum()
    mae = np.abs(y - np.median(samples[:, asked], 0)).mean()
    return {"targets": int(asked.sum()), "mae": float(mae), "crps": float(crps)}


def csdi(path: Path, seconds: float) -> dict[str, Any]:
    """Train CSDI and score it."""
    import torch
    from pypots.imputation import CSDI

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
    about = {"steps": steps, "train CPU s": round(spent), "impute CPU s": round(imputing)}
    return scores(samples, truth) | about


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("ours", "csdi"))
    parser.add_argument("path", type=Path)
    parser.add_argument("--seconds", type=float, default=1_200.0)
    parser.add_argument("--out", type=Path, default=Path("runs"))
    told = parser.parse_args()
    ran = ours(told.path, told.out) if told.what == "ours" else csdi(told.path, told.seconds)
    print(json.dumps(ran))


if __name__ == "__main__":
    main()
