"""VoiceBank-DEMAND as published (Valentini-Botinhao, Edinburgh DataShare 10283/2791).

28 voices under ten kinds of noise at 0, 5, 10 and 15 dB to learn from; two other voices under five
other kinds at 2.5, 7.5, 12.5 and 17.5 dB in the test. Two of the 28 are kept for validation, as
SGMSE+ does. The archives are large and nobody's to pass on, so their folders are placed by hand:

    $UNNOISE_DATA/audio/voicebank-demand/clean_trainset_28spk_wav/p226_001.wav  ...
                                         noisy_trainset_28spk_wav
                                         clean_testset_wav
                                         noisy_testset_wav

Files are counted, not pinned. They are read at 48 kHz, resampled to 16 kHz and held: 4.5 GB.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

from torch import Tensor

from unnoise.data import DataError, provided
from unnoise.data import cache as downloads
from unnoise.domains.audio.levels import ActiveLevel, power
from unnoise.domains.audio.mixing import Mixture
from unnoise.domains.audio.problem import Exam, SpeechSet
from unnoise.domains.audio.spectrogram import SPEECH_16K
from unnoise.domains.audio.tasks.common import CROP
from unnoise.domains.audio.training import Pairs

__all__ = ["FOLDER", "SOURCE", "at_its_snr", "voicebank_demand"]

FOLDER = "audio/voicebank-demand"
SOURCE = "VoiceBank-DEMAND"
_VALID = ("p226_", "p287_")  # voices
_CHOSEN_ON = 64  # pairs of validation: enough to choose by, few enough to enhance often


@cache
def voicebank_demand() -> SpeechSet:
    """The corpus in its parts, of which no voice is in two.

    Warns:
        UserWarning: if there are more or fewer pairs than published.

    Raises:
        DataError: if a folder is missing, or two don't have the same files.
    """
    train = _pairs("trainset_28spk", lambda place: not _kept(place))
    valid, test = _pairs("trainset_28spk", _kept), _pairs("testset")
    for name, published, found in (
        ("trainset_28spk", 11_572, len(train.clean) + len(valid.clean)),
        ("testset", 824, len(test.clean)),
    ):
        if found != published:
            warnings.warn(
                f"{name}: {found} pairs, where {published} were published; figures don't compare",
                stacklevel=2,
            )
    return SpeechSet(train, _exam(valid, 0.0).first(_CHOSEN_ON), _exam(test, 2.5), SOURCE)


def at_its_snr(clean: Tensor, noisy: Tensor, least: float = 2.5) -> Mixture:
    """A pair, (n,) both at 16 kHz, with the SNR it was made at: the least, or some 5 dB more, of active
    speech. What was rounded, or lost above 8 kHz, is found again."""
    snr = 10 * (ActiveLevel(SPEECH_16K.rate)(clean) / power(noisy - clean)).log10()
    return Mixture(clean, noisy, 5 * ((snr - least) / 5).round() + least)


def _exam(pairs: Pairs, least: float) -> Exam:
    sides = zip(pairs.clean, pairs.noisy, strict=True)
    return Exam.of([at_its_snr(clean, noisy, least) for clean, noisy in sides])


def _kept(place: Path) -> bool:
    return place.name.startswith(_VALID)


def _pairs(part: str, keep: Callable[[Path], bool] | None = None) -> Pairs:
    from unnoise.domains.audio.corpus import pairs_in  # needs soundfile

    roots = [root for root in (provided(), downloads()) if root is not None]
    root = next((root for root in roots if (root / FOLDER).is_dir()), roots[0]) / FOLDER
    clean, noisy = (root / f"{side}_{part}_wav" for side in ("clean", "noisy"))
    try:
        return pairs_in(clean, noisy, SPEECH_16K.rate, CROP, keep)
    except (FileNotFoundError, ValueError) as error:
        raise DataError(
            f"{error}; unpack clean_{part}_wav.zip and noisy_{part}_wav.zip of Edinburgh DataShare 10283/2791 in {root}"
        ) from error
