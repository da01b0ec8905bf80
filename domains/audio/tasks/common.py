"""What tasks of speech have in common: budgets, sets of pairs, and the task that is made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.likelihood import Bound, LikelihoodResult
from unnoise.core.model import Model
from unnoise.core.random import Generator
from unnoise.core.training import Fit
from unnoise.data import Recording
from unnoise.domains.audio.figures import by_cost, sounds, spectrograms
from unnoise.domains.audio.mixing import Mixer, Room, whole_mixtures
from unnoise.domains.audio.network import Network
from unnoise.domains.audio.outputs import (
    LOG_MMSE,
    ORACLE,
    Settings,
    learned_of,
    model_waves,
    rival_waves,
)
from unnoise.domains.audio.problem import Exam, SpeechSet
from unnoise.domains.audio.scores import by_label, metrics, rivals
from unnoise.domains.audio.spectrogram import SPEECH_16K
from unnoise.domains.audio.tone import Tone
from unnoise.domains.task import Preset, Task

__all__ = ["CROP", "TEST_SNRS", "TRAIN_SNR", "bound", "exam_of", "mixer_of", "model_of", "presets", "refuse_states", "speech_task", "waves_of"]  # fmt: skip

CROP = 127 * SPEECH_16K.hop  # samples of a training pair: 128 frames, 1.02 s
TRAIN_SNR = (-5.0, 18.0)  # dB
# dB an octave: other voices and microphones differ less than other noises
TONES = Tone(2.0, SPEECH_16K.rate), Tone(6.0, SPEECH_16K.rate)
TEST_SNRS = (0.0, 5.0, 10.0, 15.0)  # dB
_VALID, _TEST = 1, 2  # seeds of exams

SMOKE = Fit(6, batch=4, lr=1e-3, warmup=2, ema=0.9)
CPU = Fit(6_000, batch=8, lr=1e-3, warmup=200, ema=0.998, precision="auto")
PAPER = Fit(100_000, batch=32, lr=5e-4, warmup=1_000, ema=0.9995, precision="auto")
BRIDGE = {"nfe": 1, "costs": (2, 5, 20)}  # chosen on validation
OUVE = {"nfe": 61, "costs": (11, 31)}  # SGMSE's predictor-corrector: 30 steps of 2, and the mean

Parts = Mapping[str, Sequence[Recording]]


def presets(steps: int = CPU.steps, paper: str = "medium") -> dict[str, Preset]:
    """Smoke (seconds), cpu and paper (a GPU); and cpu and paper of the OUVE process, with the same network
    and training, for a comparison at an equal budget.

    Args:
        steps: of training on a CPU.
        paper: the size of the GPU's network, a name in `SIZES`; "large" would know half an hour of speech
            by heart.
    """
    out = {
        "smoke": Preset(SMOKE, {"size": "tiny"}, {"nfe": 2, "costs": (1,), "files": 2}),
    }
    for name, fit, size in (
        ("cpu", replace(CPU, steps=steps), "small"),
        ("paper", PAPER, paper),
    ):
        out[name] = Preset(fit, {"size": size}, BRIDGE)
        out[f"{name}-ouve"] = Preset(fit, {"size": size, "kind": "ouve"}, OUVE)
    return out


def waves_of(recordings: Sequence[Recording], rate: int = SPEECH_16K.rate) -> list[Tensor]:
    """Their samples.

    Raises:
        ValueError: if one has another rate.
    """
    for each in recordings:
        if each.rate != rate:
            raise ValueError(f"{each.name}: has {each.rate} Hz, needed are {rate} Hz; resample it")
    return [torch.from_numpy(each.samples) for each in recordings]


def mixer_of(
    speech: Parts, noise: Parts, snr: tuple[float, float] = TRAIN_SNR, room: Room | None = None
) -> Mixer:
    """Pairs of the training parts, in random tones."""
    sides = waves_of(speech["train"]), waves_of(noise["train"])
    return Mixer(*sides, CROP, snr, room=room, tones=TONES)


def exam_of(speech: Parts, noise: Parts, part: str, snrs: Sequence[float] = TEST_SNRS) -> Exam:
    """Whole utterances of `valid` or `test`, always the same."""
    seed = {"valid": _VALID, "test": _TEST}[part]
    return Exam.of(whole_mixtures(waves_of(speech[part]), waves_of(noise[part]), snrs, seed))


def model_of(data: SpeechSet, preset: Preset) -> Model:
    """An untrained model, which learns from fresh pairs; its weights are those that `Enhancer.fit` begins
    with at the seed that torch has."""
    seed = torch.initial_seed()
    learned = Network(**preset.network).untrained(data.front, data.frames, seed)
    return learned.taught(learned.drawn(data.train))


def bound(model: Model, states: Batch, draws: int, generator: Generator) -> LikelihoodResult:
    """A lower bound on log p of states of clean speech given noisy speech, in their own units."""
    return model.log_prob(states, Bound(draws), generator)


def refuse_states(n: int, generator: torch.Generator) -> Batch:
    """Speech is made of noisy speech, which the command line of samples doesn't name.

    Raises:
        ValueError: always.
    """
    raise ValueError(
        "sample: speech is enhanced, not drawn from nothing; use unnoise enhance RECORDING -o FILE --checkpoint model.safetensors"
    )


def speech_task(
    summary: str, load: Callable[[], SpeechSet], source: str, budgets: Mapping[str, Preset],
    by: str = "SNR",
) -> Task:  # fmt: skip
    """The task of a set of pairs.

    Args:
        summary: one line.
        load: the pairs, cached.
        source: the data, as titles name them.
        budgets: presets; `network` has the keywords of `Network`, `generate` those of `Settings`.
        by: what the labels of exams are.
    """

    def rival(name: str, preset: Preset) -> object:
        return rival_waves(load().test.first(Settings(**preset.generate).files), name)

    return Task(
        summary,
        data=lambda: load().splits(),
        model=lambda splits, preset: model_of(load(), preset),
        generate=lambda model, splits, preset, g: model_waves(model, load(), preset, g),
        metrics=metrics(source),
        presets=budgets,
        floor=lambda splits, preset: rival(ORACLE, preset),
        baseline=lambda splits, preset: rival(LOG_MMSE, preset),
        figures={"Spectrograms": spectrograms, "Quality against cost": by_cost},
        tables={"Rivals": rivals, f"By {by}": by_label},
        sounds=sounds,
        empty=refuse_states,
        bound=bound,
        about=lambda model, preset: learned_of(model, load(), preset).about,
    )
