"""The idx format of MNIST, often gzipped, to arrays.

The file is a head and the entries:

    magic   2051 for images, 2049 for labels: 0x08 = unsigned bytes, then the number of axes
    shape   one big-endian 32-bit integer an axis
    data    one byte an entry, the last axis fastest

All of it is checked, so that a damaged file never becomes a plausible array.
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unnoise.data.errors import DataError

__all__ = ["read_idx"]

_AXES = {2049: 1, 2051: 3}  # magic number -> axes
_GZIP = b"\x1f\x8b"


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Reads an idx file, gzipped or not.

    Returns:
        Images (n, height, width) or labels (n,), writable.

    Raises:
        DataError: If the file cannot be read, or is not a whole idx file.
    """
    content = _content(path)
    magic = int.from_bytes(content[:4], "big")
    if len(content) < 4 or magic not in _AXES:
        known = " or ".join(map(str, _AXES))
        raise DataError(f"{path}: not an idx file, its magic number is {magic}, not {known}")
    start = 4 + 4 * _AXES[magic]
    if len(content) < start:
        raise DataError(f"{path}: ends inside its header; fetch it again")
    shape = tuple(int(n) for n in np.frombuffer(content[4:start], dtype=">u4"))
    if len(content) - start != math.prod(shape):
        raise DataError(
            f"{path}: its header promises {math.prod(shape)} bytes of data for shape {shape}, "
            f"but it holds {len(content) - start}; fetch it again"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if not content.startswith(_GZIP):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: truncated or corrupt gzip ({error}); fetch it again") from error
