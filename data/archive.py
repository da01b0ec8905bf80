"""Unpacking of tar and zip archives that nobody here has looked into.

A member may name a path outside the folder, be a link that leads there, or be a device. Data
sets need none of these, so one such member refuses the whole archive. The folder appears when
all of it is unpacked, in one step.
"""

import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath
from tempfile import TemporaryDirectory

from unnoise.data.disk import disk_errors
from unnoise.data.errors import DataError

__all__ = ["extract"]

_CORRUPT = (
    tarfile.TarError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    RuntimeError,  # zipfile: encrypted, or an unknown method
)


def extract(archive: Path, folder: Path) -> None:
    """Unpacks a tar (also gz, bz2, xz) or zip archive into the new folder `folder`.

    Raises:
        DataError: If the archive is neither, is corrupt, or has a member that is no plain file
            or folder inside; or if `folder` exists already or cannot be made.
            Nothing is left of it then.
    """
    if folder.exists():
        raise DataError(f"{folder} exists already; remove it to unpack {archive} there")
    with disk_errors(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as draft:
            inside = Path(draft) / folder.name
            inside.mkdir()
            try:
                _unpack(archive, inside)
            except (*_CORRUPT, OSError) as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise  # the disk's; a decompressor's has no number
                raise DataError(f"{archive}: corrupt archive ({error}); fetch it again") from error
            os.replace(inside, folder)


def _unpack(archive: Path, folder: Path) -> None:
    if tarfile.is_tarfile(archive):  # first, for a tar that ends with a zip looks like a zip
        with tarfile.open(archive) as tar:
            for member in tar:
                _require_plain(archive, member.name, member.isfile() or member.isdir())
            tar.extractall(folder, filter="data")
    elif zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as pack:
            for entry in pack.infolist():
                kind = stat.S_IFMT(entry.external_attr >> 16)  # 0 if not made on Unix
                _require_plain(archive, entry.filename, kind in (0, stat.S_IFREG, stat.S_IFDIR))
            pack.extractall(folder)
    else:
        raise DataError(f"{archive}: neither a tar nor a zip archive")


def _require_plain(archive: Path, name: str, plain: bool) -> None:
    """Refuses links, devices and names that lead outside on any system."""
    windows = PureWindowsPath(name)  # also splits at "/"
    outside = PurePosixPath(name).is_absolute() or windows.drive or windows.root
    if not plain or outside or ".." in windows.parts:
        raise DataError(
            f"{archive}: refused, its member {name!r} is a link, a device or outside the folder"
        )
