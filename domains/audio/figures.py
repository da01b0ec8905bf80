"""What the report shows and plays of enhanced speech."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch

from unnoise.domains.audio.outputs import LOG_MMSE, UNPROCESSED, Enhanced, Floats, rival_waves
from unnoise.domains.audio.scores import MEASURES, MODEL, means
from unnoise.domains.audio.spectrogram import Spectrogram
from unnoise.domains.task import Sound, Splits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["by_cost", "sounds", "spectrograms"]

_EXAMPLES, _SECONDS = 4, 4.0  # a page holds all of them
_PEAK = 0.9  # of the loudest of an example's sounds
_RANGE = 70  # dB below the loudest bin
_STEP = 2.0  # dB, of colours: few of them make small pictures
_FRONT = Spectrogram(256, 128)
_SYMBOLS = ("PESQ", "ESTOI", "SI-SDR")


def sounds(outputs: Enhanced, splits: Splits) -> Mapping[str, Mapping[str, Sound]]:
    """Noisy, enhanced and clean, of one utterance for each label; their levels are as they are to each
    other."""
    rate = outputs.exam.rate
    return {
        label: {name: Sound(torch.from_numpy(wave), rate) for name, wave in sides.items()}
        for label, sides in _examples(outputs).items()
    }


def spectrograms(outputs: Enhanced, splits: Splits) -> Figure:
    """The same sounds, powers in dB by time and frequency."""
    from matplotlib.figure import Figure

    examples = _examples(outputs)
    figure = Figure(figsize=(8.4, 1.7 * len(examples) + 0.3), layout="constrained")
    grid = figure.subplots(len(examples), 3, squeeze=False, sharey=True)
    for line, (label, sides) in zip(grid, examples.items(), strict=True):
        top = max(float(_decibels(wave).max()) for wave in sides.values())
        for axes, (name, wave) in zip(line, sides.items(), strict=True):
            _spectrogram(axes, wave, outputs.exam.rate, top)
            axes.set_title(f"{name}, {label}", fontsize=8)
        line[0].set_ylabel("kHz", fontsize=8)
    for axes in grid[-1]:
        axes.set_xlabel("s", fontsize=8)
    return figure


def by_cost(outputs: Enhanced, splits: Splits) -> Figure | None:
    """Quality against network evaluations, between that of rivals."""
    from matplotlib.figure import Figure

    costs = outputs.by_cost
    if len(costs) < 2:
        return None
    rows = [means(one.judged) for one in costs.values()]
    rivals = {name: rival_waves(outputs.exam, name) for name in (UNPROCESSED, LOG_MMSE)}
    lines = {name: means(one.judged) for name, one in rivals.items()}
    shown = [symbol for symbol in _SYMBOLS if symbol in rows[0]]
    figure = Figure(figsize=(2.9 * len(shown), 2.5), layout="constrained")
    for axes, symbol in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        values = [each[symbol] for each in rows]
        axes.plot([*costs], values, marker="o", ms=4, color="#1f5a99", label=MODEL)
        for (name, each), style in zip(lines.items(), (":", "--"), strict=True):
            axes.axhline(each[symbol], color="0.35", lw=1, ls=style, label=name)
        axes.set_xscale("log")
        axes.set_xticks([*costs], [str(n) for n in costs], fontsize=7)
        axes.minorticks_off()
        axes.tick_params(labelsize=7)
        axes.set_xlabel("network evaluations", fontsize=8)
        axes.set_title(f"{symbol}{_unit(symbol)}", fontsize=9)
    axes.legend(fontsize=7)
    return figure


def _unit(symbol: str) -> str:
    (unit,) = (each.unit for each in MEASURES.values() if each.symbol == symbol)
    return f" ({unit})" if unit else ""


def _examples(outputs: Enhanced) -> Mapping[str, Mapping[str, Floats]]:
    """The middle of the first utterance of each label."""
    exam, labels = outputs.exam, [*dict.fromkeys(outputs.exam.labels)]
    chosen = {label: exam.labels.index(label) for label in labels[:_EXAMPLES]}
    found = {}
    for label, k in chosen.items():
        pair = exam.pairs[k]
        sides = {
            "noisy": pair.noisy.double().numpy(),
            "enhanced": outputs.waves[k],
            "clean": pair.clean.double().numpy(),
        }
        peak = max(float(np.abs(wave).max()) for wave in sides.values())
        cut = _middle(len(pair.noisy), round(_SECONDS * exam.rate))
        found[label] = {name: _PEAK / peak * wave[cut] for name, wave in sides.items()}
    return found


def _middle(samples: int, most: int) -> slice:
    start = max(0, (samples - most) // 2)
    return slice(start, start + most)


def _decibels(wave: Floats) -> Floats:
    spectrum = _FRONT.stft(torch.from_numpy(wave)[None])[0].abs()
    decibels: Floats = _STEP * (20 / _STEP * torch.log10(spectrum + 1e-9)).round().numpy()
    return decibels


def _spectrogram(axes: Axes, wave: Floats, rate: int, top: float) -> None:
    axes.imshow(
        _decibels(wave), origin="lower", aspect="auto", cmap="magma", vmin=top - _RANGE, vmax=top,
        extent=(0, len(wave) / rate, 0, rate / 2000), interpolation="none",
    )  # fmt: skip
    axes.tick_params(labelsize=6)
