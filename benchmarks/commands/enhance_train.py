"""`unnoise enhance-train`: folders of recordings in, an enhancer for `unnoise enhance` out.

What is wrong with a folder or an option ends in one line and exit status 2, before anything is trained; a
recording that can't be read is left out, with a warning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unnoise.benchmarks.commands.enhance import require_soundfile, warnings_told
from unnoise.benchmarks.commands.kept import (
    forget_training,
    require_same_training,
    training_of,
    what_is_kept,
)
from unnoise.benchmarks.commands.options import Device, Quiet, Threads, use_threads

if TYPE_CHECKING:
    from unnoise.domains.audio.enhancer import Enhancer
    from unnoise.domains.audio.mixing import Mixer
    from unnoise.domains.audio.training import Pairs

__all__ = ["enhance_train"]

Folder = Path | None
Checkpoint = Annotated[Path, typer.Option("--checkpoint", help="The .safetensors file to write. After Ctrl-C the same command goes on.")]  # fmt: skip
Clean = Annotated[Folder, typer.Option("--clean", help="Folder of clean speech; goes with --noisy.")]  # fmt: skip
Noisy = Annotated[Folder, typer.Option("--noisy", help="Folder of the same recordings with noise, by the same names.")]  # fmt: skip
Speech = Annotated[Folder, typer.Option("--speech", help="Folder of clean speech to be mixed; goes with --noise.")]  # fmt: skip
Noise = Annotated[
    Folder, typer.Option("--noise", help="Folder of noise that it is to be mixed with.")
]
Snr = Annotated[str | None, typer.Option("--snr", metavar="LOW,HIGH", help="Of mixtures, in dB. Default: -5,18.")]  # fmt: skip
RoomsDrawn = Annotated[int, typer.Option("--rooms", min=0, help="Rooms to draw, in one of which each utterance is heard; 0: none. Needs pyroomacoustics.")]  # fmt: skip
Kind = Annotated[str, typer.Option("--kind", help="The process: bridge, ouve or bbed.")]
Size = Annotated[
    str,
    typer.Option("--size", help="Of the network: tiny, small, medium or large (these for a GPU)."),
]
First = Annotated[Path | None, typer.Option("--first", help="An enhancer's file, which predicts speech first; what it leaves is learned.")]  # fmt: skip
Steps = Annotated[int | None, typer.Option("--steps", min=1, help="Steps of training. Default: those of the preset cpu, for most of an hour.")]  # fmt: skip
Seed = Annotated[
    int, typer.Option("--seed", min=0, max=2**63 - 1, help="Source of all randomness.")
]


def enhance_train(
    checkpoint: Checkpoint, clean: Clean = None, noisy: Noisy = None, speech: Speech = None, noise: Noise = None,
    snr: Snr = None, rooms: RoomsDrawn = 0, kind: Kind = "bridge", size: Size = "small", first: First = None,
    steps: Steps = None, seed: Seed = 0, device: Device = "auto", threads: Threads = 0, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Learn to enhance speech from recordings of your own, at 16 kHz: pairs, or speech and noise to be mixed.

    unnoise enhance-train --clean clean --noisy noisy --checkpoint mine.safetensors

    unnoise enhance-train --speech speech --noise noise --snr 0,20 --checkpoint mine.safetensors
    """
    from unnoise.benchmarks.runner import device_of
    from unnoise.core.progress import quiet as quietly

    try:
        _require_files(checkpoint)
        use_threads(threads)
        with quietly(quiet):
            made = _untrained(kind, size, first, steps)
            place = device_of(device)
            with warnings_told():
                source = _source(clean, noisy, speech, noise, snr, rooms, seed)
            told = {"kind": kind, "first": first and f"{first}", "snr": snr, "rooms": rooms}
            _train(made, source, checkpoint, told, seed, place.type)
    except (ValueError, OSError, ImportError) as error:
        typer.echo(f"error: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo(f"stopped; {what_is_kept(checkpoint)}", err=True)
        raise typer.Exit(130) from None
    typer.echo(checkpoint)


def _require_files(checkpoint: Path) -> None:
    """Refuse a checkpoint that can't be written, or is there.

    Raises:
        ValueError: if its suffix is another, or it is there.
        FileNotFoundError: if its folder isn't.
        ImportError: without soundfile.
    """
    require_soundfile("enhance-train")
    if checkpoint.suffix != ".safetensors":
        raise ValueError(f"--checkpoint: {checkpoint} is no file that ends in .safetensors")
    if not checkpoint.parent.is_dir():
        raise FileNotFoundError(
            f"--checkpoint: {checkpoint.parent}: no such folder; make it first"
        )
    if checkpoint.exists():
        raise ValueError(
            f"--checkpoint: {checkpoint} is there already; unnoise enhance uses it, and another name trains another"
        )


def _untrained(kind: str, size: str, first: Path | None, steps: int | None) -> Enhancer:
    """Trained as the preset cpu; few steps are averaged over fewer."""
    from unnoise.domains.audio.enhancer import Enhancer
    from unnoise.domains.audio.network import KINDS, SIZES, Network
    from unnoise.domains.audio.tasks.common import CPU

    Network(kind, size)  # refuses unknown names
    n = CPU.steps if steps is None else steps
    how = replace(CPU, steps=n, warmup=min(CPU.warmup, n // 4), ema=min(CPU.ema, n / (n + 4)))
    stage = None if first is None else Enhancer.load(first)
    return Enhancer(KINDS[kind], size=SIZES[size], fit=how, first=stage)


def _source(
    clean: Folder, noisy: Folder, speech: Folder, noise: Folder, snr: str | None, rooms: int, seed: int
) -> Pairs | Mixer:  # fmt: skip
    """The recordings.

    Raises:
        ValueError: if they are named by halves, or twice, or aren't as they must be.
        FileNotFoundError: if a folder isn't there.
        ImportError: if there are to be rooms, without pyroomacoustics.
    """
    from unnoise.core.random import seeded
    from unnoise.domains.audio.corpus import mixer_in, pairs_in
    from unnoise.domains.audio.rooms import Rooms, draw_response
    from unnoise.domains.audio.spectrogram import SPEECH_16K
    from unnoise.domains.audio.tasks.common import CROP, TONES, TRAIN_SNR

    rate, mixed = SPEECH_16K.rate, speech is not None or noise is not None
    if clean is not None and noisy is not None and not mixed:
        if snr is not None or rooms:
            raise ValueError(
                "--snr, --rooms: are of mixtures, and --clean and --noisy are mixed already; leave them out"
            )
        return pairs_in(clean, noisy, rate, CROP)
    if speech is None or noise is None or clean is not None or noisy is not None:
        raise ValueError("name --clean and --noisy, or --speech and --noise: two folders")
    levels = TRAIN_SNR if snr is None else _range(snr)
    drawn = [draw_response(rate, seeded(seed, k)) for k in range(rooms)]
    room = Rooms(drawn) if drawn else None
    return mixer_in(speech, noise, rate, CROP, levels, room, TONES)


def _range(snr: str) -> tuple[float, float]:
    """Two numbers in order.

    Raises:
        ValueError: if they are something else.
    """
    try:
        low, high = (float(part) for part in snr.split(","))
    except ValueError:
        low, high = 1.0, -1.0
    if not -100 <= low <= high <= 100:
        raise ValueError(f"--snr: {snr!r} is no range of dB, such as 0,20")
    return low, high


def _train(
    made: Enhancer, source: Pairs | Mixer, checkpoint: Path, told: Mapping[str, object], seed: int, device: str
) -> None:  # fmt: skip
    """Learn, or go on with it, and save what was learned."""
    from unnoise.core.progress import shown
    from unnoise.domains.audio.corpus import digest

    require_same_training(checkpoint, {**told, "recordings": digest(source)})
    made.fit(
        source, made.front.rate, seed, shown(), training_of(checkpoint),
        accelerator=device, devices=1,
    )  # fmt: skip
    made.save(checkpoint)
    forget_training(checkpoint)
