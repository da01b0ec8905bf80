"""Tasks of speech: exams at their ratios, parts that share nothing, and figures of known answers."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from unnoise.benchmarks.runner import Run, execute
from unnoise.core.random import seeded
from unnoise.data import load_recordings
from unnoise.domains.audio import DOMAIN, Enhancer
from unnoise.domains.audio.figures import sounds
from unnoise.domains.audio.levels import power
from unnoise.domains.audio.metrics import judge
from unnoise.domains.audio.mixing import Mixer, Mixture
from unnoise.domains.audio.model import OUVE
from unnoise.domains.audio.network import KINDS, SIZES, Network
from unnoise.domains.audio.outputs import (
    LOG_MMSE,
    ORACLE,
    RIVALS,
    UNPROCESSED,
    Enhanced,
    enhanced,
    learned_of,
    model_waves,
    rival_waves,
)
from unnoise.domains.audio.problem import Exam, SpeechSet
from unnoise.domains.audio.scores import by_label, means, metrics, rivals
from unnoise.domains.audio.tasks.common import TEST_SNRS, model_of, presets, refuse_states
from unnoise.domains.audio.tasks.denoising import librispeech, ten_pairs
from unnoise.domains.audio.tasks.reverb import T60, reverberant
from unnoise.domains.audio.tasks.tones import synthetic
from unnoise.domains.task import Preset, Task

placed = pytest.mark.skipif(
    not os.environ.get("UNNOISE_DATA"), reason="recordings lie in $UNNOISE_DATA, which is not set"
)
SMOKE = presets()["smoke"]


@pytest.fixture(scope="module")
def tones() -> Task:
    return DOMAIN["tones"]()


@pytest.fixture(scope="module")
def exam() -> Exam:
    return synthetic().test.first(4)


def snr(pair: Mixture) -> float:
    return float(10 * (power(pair.clean) / power(pair.noisy - pair.clean)).log10())


# --- exams ------------------------------------------------------------------------------------


def test_ratios_of_exams_are_met() -> None:
    for part in (synthetic().valid, synthetic().test):
        for k, pair in enumerate(part.pairs):
            assert snr(pair) == pytest.approx(TEST_SNRS[k % 4], abs=1e-4)
            assert part.labels[k] == f"{TEST_SNRS[k % 4]:g} dB"


@placed
def test_ratios_of_readers_are_met_and_every_noise_meets_every_ratio() -> None:
    test = librispeech().test
    assert len(test) == 16
    for k, pair in enumerate(test.pairs):
        assert snr(pair) == pytest.approx(TEST_SNRS[k % 4], abs=1e-3)
    met = {(k // 4 % 3, test.labels[k]) for k in range(16)}
    assert len(met) == 12


@placed
def test_voicebanks_pairs_are_at_its_four_ratios_and_nobody_learns_from_them() -> None:
    data = ten_pairs()
    assert len(data.test) == 10 and 55 < data.test.seconds < 56
    assert list(dict.fromkeys(data.test.labels)) == ["2.5 dB", "7.5 dB", "12.5 dB", "17.5 dB"]
    assert data.train is librispeech().train and data.valid is librispeech().valid


@placed
def test_noisy_speech_of_voicebank_has_its_known_figures() -> None:
    """Those that CMGAN's sample pairs have by other programs: pystoi, and SI-SDR without a mean removed."""
    found = means(rival_waves(ten_pairs().test, UNPROCESSED).judged)
    assert found["ESTOI"] == pytest.approx(0.783, abs=1e-3)
    assert found["SI-SDR"] == pytest.approx(5.75, abs=1e-2)
    if "PESQ" in found:
        assert found["PESQ"] == pytest.approx(1.82, abs=1e-2)


def test_parts_share_neither_voices_nor_noises() -> None:
    data = synthetic()
    assert isinstance(data.train, Mixer)
    learned = {wave.numpy().tobytes() for wave in data.train.speech}
    heard = [{p.clean.numpy().tobytes() for p in part.pairs} for part in (data.valid, data.test)]
    assert not learned & (heard[0] | heard[1]) and not heard[0] & heard[1]


@placed
@pytest.mark.parametrize(
    ("name", "key"), [("speech16k", "speaker"), ("noise16k", "source_sha256")]
)
def test_parts_of_recordings_are_disjoint(name: str, key: str) -> None:
    parts = {part: {r.about[key] for r in rows} for part, rows in load_recordings(name).items()}
    assert sum(map(len, parts.values())) == len(set().union(*parts.values()))


@placed
def test_the_truth_in_a_room_is_the_direct_sound() -> None:
    """It is the dry speech, late by the way from the source; and T60 is one of four."""
    data = reverberant()
    dry = [torch.from_numpy(r.samples) for r in load_recordings("speech16k")["test"]]
    order = [dry[k] for start in range(4) for k in range(start, len(dry), 4)]
    for speech, pair in zip(order, data.test.pairs, strict=True):
        ends = torch.nonzero(pair.clean.abs() > 1e-3)[:, 0]
        late = int(ends[0]) - int(torch.nonzero(speech.abs() > 1e-3)[0, 0])
        assert 0 <= late < 5.1 / 343 * 16_000
        torch.testing.assert_close(pair.clean[late:], speech[: len(speech) - late], atol=2e-3, rtol=0)  # fmt: skip
    assert list(dict.fromkeys(data.test.labels)) == [f"T60 {t:g} s" for t in T60]


def test_some_of_an_exam_are_spread_over_it(exam: Exam) -> None:
    whole = synthetic().test
    assert whole.first(None) is whole and whole.first(99) is whole
    assert exam.labels == [whole.labels[k] for k in (0, 2, 5, 7)]
    assert exam.seconds == pytest.approx(4 * 2.5)
    with pytest.raises(ValueError, match="got 4 pairs and 1 labels"):
        Exam(exam.pairs, ["5 dB"])
    with pytest.raises(ValueError, match="front end is for 16000 Hz, an exam has 8000 Hz"):
        replace(synthetic(), test=replace(exam, rate=8_000))


def test_states_are_the_middle_of_each_utterance() -> None:
    data = synthetic()
    splits = data.splits()
    n, pair = data.train.length, data.test.pairs[3]
    start = (len(pair.noisy) - n) // 2
    peak = pair.noisy.abs().max()
    for state, wave in (
        (splits.test.cond["noisy"], pair.noisy),
        (splits.test.x, pair.clean),
    ):
        wanted = data.front.encode(wave[None, start : start + n] / peak)
        torch.testing.assert_close(state[3:4], wanted)
    assert len(splits.train) >= max(p.fit.batch for p in presets().values() if p.fit)


# --- figures ----------------------------------------------------------------------------------


def test_doing_nothing_has_the_figures_of_the_noisy_speech(exam: Exam) -> None:
    same = enhanced(exam, lambda pair: lambda noisy, rate: noisy, "nothing")
    other = rival_waves(exam, UNPROCESSED)
    assert means(same.judged) == means(other.judged)
    table = rivals(replace(same, nfe=1), None)  # type: ignore[arg-type]
    for column, value in table["this model, 1 NFE"].items():
        if column not in ("RTF", "NFE"):
            assert value == table[UNPROCESSED][column]
    assert table[UNPROCESSED]["NFE"] is None and table["this model, 1 NFE"]["NFE"] == 1


def test_scores_are_means_over_files(exam: Exam, tones: Task) -> None:
    made = rival_waves(exam, LOG_MMSE)
    each = [
        judge(wave, pair.clean, pair.noisy, 16_000, perceptual=False)["si_sdr"]
        for wave, pair in zip(made.waves, exam.pairs, strict=True)
    ]
    score = tones.metrics["si_sdr"].score(made, tones.data())
    assert score is not None and score.stderr is not None
    assert score.value == pytest.approx(np.mean(each))
    assert score.stderr == pytest.approx(np.std(each, ddof=1) / 2)


def test_the_ceiling_and_the_clean_speech(exam: Exam, tones: Task) -> None:
    oracle, log_mmse, nothing = (
        means(rival_waves(exam, name).judged) for name in (ORACLE, LOG_MMSE, UNPROCESSED)
    )
    for symbol in ("ESTOI", "SI-SDR"):
        assert oracle[symbol] > max(log_mmse[symbol], nothing[symbol])
    clean = enhanced(exam, lambda pair: lambda noisy, rate: pair.clean.double().numpy(), "clean")
    assert means(clean.judged)["ESTOI"] == pytest.approx(1)
    assert means(clean.judged)["SI-SDR"] > 90


def test_without_its_package_there_is_no_pesq(exam: Exam, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unnoise.domains.audio.outputs.find_spec", lambda name: None)
    made = rival_waves(exam, UNPROCESSED)
    found = {name: m.score(made, None) for name, m in metrics("tones").items()}  # type: ignore[arg-type]
    assert [name for name, score in found.items() if score is None] == ["pesq"]
    assert list(found) == ["pesq", "estoi", "si_sdr", "si_sir", "si_sar"]
    assert "PESQ" not in means(made.judged)


@pytest.mark.skipif(find_spec("pesq") is None, reason="pesq is not installed")
def test_pesq_of_clean_speech_is_the_best(exam: Exam) -> None:
    clean = enhanced(exam, lambda pair: lambda noisy, rate: pair.clean.double().numpy(), "clean")
    assert means(clean.judged)["PESQ"] == pytest.approx(4.644, abs=1e-2)


def test_rows_of_a_label_are_its_files(exam: Exam) -> None:
    made = rival_waves(exam, UNPROCESSED)
    table = by_label(replace(made, nfe=1), None)  # type: ignore[arg-type]
    labels = list(dict.fromkeys(exam.labels))
    names = (UNPROCESSED, LOG_MMSE, "this model")
    assert list(table) == [f"{label}, {name}" for label in labels for name in names]
    for label in labels:
        files = [j for own, j in zip(exam.labels, made.judged, strict=True) if own == label]
        value = table[f"{label}, this model"]["SI-SDR"]
        assert value == table[f"{label}, {UNPROCESSED}"]["SI-SDR"]
        assert value == pytest.approx(np.mean([j["si_sdr"] for j in files]))


def test_what_is_heard_is_what_was_made(exam: Exam) -> None:
    made = rival_waves(exam, UNPROCESSED)
    heard = sounds(made, None)  # type: ignore[arg-type]
    assert list(heard) == list(dict.fromkeys(exam.labels))
    for label, row in heard.items():
        pair = exam.pairs[exam.labels.index(label)]
        assert list(row) == ["noisy", "enhanced", "clean"]
        assert all(len(s.samples) <= 4 * s.rate for s in row.values())
        assert torch.equal(row["noisy"].samples, row["enhanced"].samples)
        assert max(float(s.samples.abs().max()) for s in row.values()) <= 0.9 + 1e-9
        ratio = power(row["clean"].samples) / power(row["noisy"].samples)
        torch.testing.assert_close(ratio, power(pair.clean) / power(pair.noisy), rtol=1e-4, atol=0)  # fmt: skip


def test_costs_are_in_order_and_speed_is_of_the_sound(exam: Exam) -> None:
    one = Enhanced(exam, [], seconds=5.0, nfe=1)
    both = Enhanced(exam, [], seconds=20.0, nfe=5, sweep={10: one, 1: one})
    assert list(both.by_cost) == [1, 5, 10] and both.by_cost[5] is both
    assert (both.rtf, one.rtf) == (2.0, 0.5)
    assert not rival_waves(exam, UNPROCESSED).by_cost


# --- models -----------------------------------------------------------------------------------


def test_an_untrained_model_gives_the_noisy_speech_back(tones: Task) -> None:
    """Its network is 0; one evaluation of a bridge from the noisy speech hardly moves."""
    preset = Preset(None, {"size": "tiny"}, {"nfe": 1, "files": 2})
    made = model_waves(model_of(synthetic(), preset).eval(), synthetic(), preset, seeded(0))
    for wave, pair in zip(made.waves, made.exam.pairs, strict=True):
        noisy = pair.noisy.double().numpy()
        assert np.abs(wave - noisy).max() < 1e-2 * np.abs(noisy).max()


def test_a_presets_process_and_sampler_are_those_of_its_checkpoint() -> None:
    budgets = presets()
    assert list(budgets) == ["smoke", "cpu", "cpu-ouve", "paper", "paper-ouve"]
    ours, ouve = budgets["cpu"], budgets["cpu-ouve"]
    assert ours.fit == ouve.fit and Network(**ours.network).size == Network(**ouve.network).size
    model = model_of(synthetic(), ouve)
    learned = learned_of(model, synthetic(), ouve)
    assert learned.kind == OUVE() and learned.recipe == OUVE().recipe
    five = learned_of(model, synthetic(), replace(ouve, generate={"nfe": 5})).recipe
    assert five == replace(OUVE().recipe, nfe=5)
    with pytest.raises(ValueError, match=f"Network: 'huge' is none of {', '.join(SIZES)}"):
        Network(size="huge")
    with pytest.raises(ValueError, match=f"Network: 'x' is none of {', '.join(KINDS)}"):
        Network("x")


def test_the_domain_needs_none_of_its_packages() -> None:
    """Without soundfile there are no recordings, but synthetic voices."""
    code = """
import sys
sys.modules |= dict.fromkeys(("soundfile", "torchaudio", "pesq", "pyroomacoustics"))
from unnoise.domains.audio import DOMAIN
print(len(DOMAIN["tones"]().data().test))
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "8"


def test_the_command_line_is_pointed_to_enhance() -> None:
    with pytest.raises(ValueError, match="sample: speech is enhanced.*use unnoise enhance"):
        refuse_states(1, seeded(0))


def test_a_run_is_an_enhancer(tmp_path: Path, tones: Task) -> None:
    """What is trained, scored and kept is what `Enhancer` learns from the same pairs with the same seed,
    and its checkpoint is one of an enhancer."""
    run = Run("audio/tones", "smoke", 3, tmp_path)
    record = execute(run, device="cpu", show_progress=False)
    assert record.nfe == 2 and {"estoi", "si_sdr", "si_sir", "si_sar"} <= set(record.metrics)
    assert list(record.tables) == ["Rivals", "By SNR"]
    assert list(record.tables["Rivals"]) == [*RIVALS, "this model, 1 NFE", "this model, 2 NFE"]
    assert list(record.figures) == ["Spectrograms", "Quality against cost"]
    assert list(record.sounds) == ["0 dB", "15 dB"]
    loaded = Enhancer.load(run.checkpoint)
    assert loaded.recipe == replace(KINDS["bridge"].recipe, nfe=2)
    data: SpeechSet = synthetic()
    own = Enhancer(size=SIZES["tiny"], fit=SMOKE.fit, recipe=loaded.recipe)
    own.fit(data.train, 16_000, seed=3, progress=False, accelerator="cpu")
    wave = data.test.pairs[0].noisy
    assert torch.equal(own(wave, 16_000), loaded(wave, 16_000))
    made = tones.baseline(tones.data(), SMOKE) if tones.baseline else None
    score = tones.metrics["si_sdr"].score(made, tones.data())
    assert score is not None and record.metrics["si_sdr"].baseline == score.value
