"""Where a data set lies on this machine: the user's own folder, the cache, or nowhere yet."""

import json
import os
from contextlib import suppress
from pathlib import Path

from unnoise.data.checksum import fault
from unnoise.data.disk import disk_errors, exclusive
from unnoise.data.download import download
from unnoise.data.errors import DataError
from unnoise.data.source import File, Source

__all__ = ["cache", "find", "locate", "provided"]


def provided() -> Path | None:
    """The user's own folder of data, `$UNNOISE_DATA`: only ever read.

    Raises:
        DataError: If it is set to something that is not a folder.
    """
    value = os.environ.get("UNNOISE_DATA")
    if not value:
        return None
    root = Path(value).expanduser()
    if not root.is_dir():
        raise DataError(f"UNNOISE_DATA is {value!r}, which is not a folder; correct or unset it")
    return root


def cache() -> Path:
    """Our folder of downloads: `$XDG_CACHE_HOME/unnoise`, or `~/.cache/unnoise`."""
    home = os.environ.get("XDG_CACHE_HOME", "")  # to be ignored if relative, says its standard
    return (Path(home) if os.path.isabs(home) else Path("~/.cache").expanduser()) / "unnoise"


def find(source: Source, *, quiet: bool = False) -> Path:
    """Returns the folder of a sound copy; downloads it into the cache if there is none.

    Args:
        source: The data set.
        quiet: Whether a download does without its progress bar.

    Raises:
        DataError: If the source has no files, the copy in `$UNNOISE_DATA` is damaged, a file
            can only be placed by hand, or the download fails.
    """
    return locate(source) or _fetch(source, quiet=quiet)


def locate(source: Source) -> Path | None:
    """Returns the folder of a sound copy, or None; never downloads.

    A damaged copy in the cache counts as none, since we may replace it. One in `$UNNOISE_DATA`
    is the user's to replace: to pass over it would hide that it is never used.

    Raises:
        DataError: If the source has no files, or the copy in `$UNNOISE_DATA` is damaged.
    """
    if not source.files:
        raise DataError(
            f"{source.name} has no files of its own: it comes inside {source.package}, and "
            f"unnoise.data.{source.loader} reads it"
        )
    root = provided()
    if root is not None:
        folder = root / source.folder
        with disk_errors(folder):
            if any((folder / file.path).exists() for file in source.files):
                _require_sound(source, folder)
                return folder
    folder = cache() / source.folder
    with disk_errors(folder):
        return folder if not _unsound(source, folder) else None


def _require_sound(source: Source, folder: Path) -> None:
    for file in source.files:
        path = folder / file.path
        wrong = fault(path, file)
        if wrong:
            raise DataError(
                f"{path} {wrong}; put the right copy of {source.name} there, "
                "or unset UNNOISE_DATA to use the cache"
            )


def _fetch(source: Source, *, quiet: bool) -> Path:
    folder = cache() / source.folder
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder / ".lock"):
            # Asked again under the lock: another process may just have fetched them.
            download(source, _unsound(source, folder), folder, quiet=quiet)
            _unsound(source, folder)  # remembers them
    return folder


def _unsound(source: Source, folder: Path) -> list[File]:
    """The files that a folder of the cache lacks or holds damaged.

    A file that passed is remembered in `.verified` with its size, time and checksum, so that it
    is read in full only once. Sources that share a folder share the record.
    """
    record = folder / ".verified"
    known = _read_json(record)
    own = {file.path for file in source.files}
    now = {path: stamp for path, stamp in known.items() if path not in own}
    unsound = []
    for file in source.files:
        path = folder / file.path
        stamp = _stamp(path, file)
        if stamp and (known.get(file.path) == stamp or not fault(path, file)):
            now[file.path] = stamp
        else:
            unsound.append(file)
    if now != known:
        _write_json(record, now)
    return unsound


def _stamp(path: Path, file: File) -> list[object]:
    """What stays the same while nobody touches a file; nothing if it cannot be the file."""
    if not path.is_file() or path.stat().st_size != file.size:
        return []
    return [file.size, path.stat().st_mtime_ns, file.sha256]


def _read_json(path: Path) -> dict[str, object]:
    with suppress(FileNotFoundError, ValueError):
        value = json.loads(path.read_text())
        return value if isinstance(value, dict) else {}
    return {}


def _write_json(path: Path, value: dict[str, object]) -> None:
    # It only saves time, so a cache that may not be written (shared, read-only) is no error.
    with suppress(OSError):
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.write_text(json.dumps(value, indent=1))
        os.replace(draft, path)
