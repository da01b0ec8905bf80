"""What a disk may refuse (space, permission) in words a person can act on, and a lock on it."""

import errno
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unnoise.data.errors import DataError

__all__ = ["disk_errors", "exclusive", "readable", "require_space"]

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}


def readable(size: int) -> str:
    """A number of bytes for a person.

    >>> readable(4542), readable(9912422), readable(1500)
    ('4.5 kB', '9.9 MB', '1.5 kB')
    """
    value, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.1f} {unit}" if unit != "B" else f"{size} B"


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turns an `OSError` of the body, which works in `folder`, into advice.

    Raises:
        DataError: If the disk is full, the folder is forbidden, or anything else fails there.
    """
    try:
        yield
    except OSError as error:
        where = error.filename or folder
        reason = error.strerror or str(error)
        if error.errno in _FULL:
            advice = "free some space there and run again"
        elif error.errno in _FORBIDDEN:
            advice = "allow access, or set XDG_CACHE_HOME to a folder of your own"
        else:
            advice = "check that place and run again"
        raise DataError(f"{where}: {reason}; {advice}") from error


def require_space(folder: Path, size: int) -> None:
    """Makes sure that `size` more bytes fit, before a long download finds out.

    Raises:
        DataError: If they do not.
    """
    free = shutil.disk_usage(folder).free
    if free < size:
        raise DataError(
            f"{folder}: not enough space, {readable(size)} needed but {readable(free)} free; "
            "free some space there, or set XDG_CACHE_HOME to a folder on a larger disk"
        )


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Holds the lock file `path` for the body; other processes (and threads) wait their turn.

    The system drops the lock with the process, so a crash leaves nothing behind that blocks.
    Where there are no such locks (Windows, some network disks) the body runs at once: two
    downloads may then spoil each other's partial file, which its checksum finds out.
    """
    with path.open("ab") as lock:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
        yield
