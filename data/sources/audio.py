"""Recordings of speech and of noise, and pairs of both.

A set has up to 1,200 files, so that only its `manifest.csv` is pinned here; the manifest has the
SHA-256 of each file, which `unnoise.data.audio` checks as it reads.
"""

from unnoise.data.source import File, Source

__all__ = ["AUDIO"]


def _placed(
    name: str, folder: str, sha256: str, size: int, licence: str, citation: str, summary: str,
    origin: str,
) -> Source:  # fmt: skip
    """A set of FLAC files beside their manifest, to be placed by hand."""
    manifest = File("manifest.csv", sha256, size, ())
    return Source(
        name=name,
        folder=f"audio/{folder}",
        files=(manifest,),
        licence=licence,
        citation=citation,
        summary=summary,
        origin=f"{origin}; the manifest has each file's name and SHA-256",
    )


_SPEECH = _placed(
    "speech16k",
    "speech16k",
    "db0988881985022925b4abbdfd891fd853a7e3ff272010e746a19af621b9ecda",
    18990,
    licence="CC BY 4.0",
    citation=(
        "Panayotov, Chen, Povey and Khudanpur. LibriSpeech: an ASR corpus based on public domain "
        "audio books. ICASSP 2015"
    ),
    summary="160 utterances of 6 to 17 s (36 minutes) by as many readers, 16 kHz",
    origin=(
        "FLAC files of audio_data/librispeech_train-clean-100 in "
        "github.com/resemble-ai/Resemblyzer at 15d828e"
    ),
)

_NOISE = _placed(
    "noise16k",
    "noise16k",
    "adfb69e99c419c30ecd80e9f5fc8a376d280dab3dd44b34c70961d0b0930b5c7",
    4908,
    licence="of each file in the manifest: CC0, CC BY or public domain",
    citation="the authors that the manifest names",
    summary="18 recordings (8 minutes) of weather, streets, crowds and animals, 16 kHz",
    origin=(
        "sounds of github.com/rafaelmardojai/blanket, github.com/IBM/MAX-Audio-Classifier and "
        "github.com/LCAV/pyroomacoustics, resampled to 16 kHz as FLAC"
    ),
)

_PAIRS = _placed(
    "vbdmd-pairs",
    "vbdmd_pairs",
    "ae5650f6ec9d61632d516f1dd7302e08a019900a82ab6e61b39d95e9dab8a6e3",
    1607,
    licence="CC BY 4.0, as tagged on a copy of the data set",
    citation=(
        "Valentini-Botinhao. Noisy speech database for training speech enhancement algorithms and "
        "TTS models. Edinburgh DataShare 10283/2791, 2017"
    ),
    summary="10 clean and noisy pairs (56 s) of VoiceBank-DEMAND's test set, 16 kHz",
    origin=(
        "AudioSamples/clean and noisy of github.com/ruizhecao96/CMGAN at 3994600, "
        "as clean/ and noisy/ in FLAC"
    ),
)

_DIGITS = _placed(
    "fsdd",
    "fsdd",
    "299916797ece451a1490910f95d6008eff0782d9869c071203f26c14e3e93edf",
    126149,
    licence="CC BY-SA 4.0",
    citation="Jackson et al. Free Spoken Digit Dataset. github.com/Jakobovski",
    summary="1,200 spoken digits (9 minutes) by six speakers, 8 kHz",
    origin=(
        "recordings 0 to 19 of each digit and speaker in "
        "github.com/Jakobovski/free-spoken-digit-dataset at 26eb9aa, in FLAC"
    ),
)

AUDIO = (_SPEECH, _NOISE, _PAIRS, _DIGITS)
