"""The players of the report: WAV files of 16 bits, kept with a run and held by the page itself."""

from __future__ import annotations

import base64
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unnoise.benchmarks.records import Record, inside, slug

if TYPE_CHECKING:
    from unnoise.domains.task import Sound

__all__ = ["Player", "keep", "players"]

_FULL = 2**15 - 1  # the largest sample of 16 bits


@dataclass(frozen=True)
class Player:
    """A sound of the page, or why it is not there.

    Attributes:
        name: what is heard, as "noisy".
        source: a data URI; None: there is none.
        problem: why not.
    """

    name: str
    source: str | None
    problem: str = ""


def keep(
    sounds: Mapping[str, Mapping[str, Sound]], folder: Path, out: Path
) -> dict[str, dict[str, str]]:
    """Writes sounds as WAV files into a folder; their paths relative to `out`, by title and name."""
    kept: dict[str, dict[str, str]] = {}
    for title, row in sounds.items():
        for name, sound in row.items():
            path = folder / f"{slug(title)}-{slug(name)}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, sound)
            kept.setdefault(title, {})[name] = str(path.relative_to(out))
    return kept


def players(records: list[Record], folder: Path) -> dict[str, list[Player]]:
    """Those of the first seed that has any, by title.

    Args:
        records: of one preset, one a seed.
        folder: that their paths are relative to.
    """
    shown = next((record for record in records if record.sounds), None)
    if shown is None:
        return {}
    seed = f", seed {shown.seed}" if len(records) > 1 else ""
    return {
        title + seed: [_player(name, path, folder) for name, path in row.items()]
        for title, row in shown.sounds.items()
    }


def _write(path: Path, sound: Sound) -> None:
    scaled = (sound.samples.double() * _FULL).round().clamp(-_FULL - 1, _FULL)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sound.rate)
        file.writeframes(scaled.cpu().numpy().astype("<i2").tobytes())


def _player(name: str, relative: str, folder: Path) -> Player:
    """A sound from its file; one that is lost must not cost the rest of the page."""
    try:
        content = inside(folder, relative).read_bytes()
    except OSError as error:
        return Player(name, None, f"{Path(error.filename).name}: {error.strerror}")
    except ValueError as error:
        return Player(name, None, str(error))
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        return Player(name, None, f"{Path(relative).name}: not WAV")
    return Player(name, f"data:audio/wav;base64,{base64.b64encode(content).decode()}")
