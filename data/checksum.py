"""Whether a copy of a file is the file: size first, because it is free, then SHA-256."""

import hashlib
from pathlib import Path

from unnoise.data.source import File

__all__ = ["fault"]


def fault(path: Path, file: File) -> str:
    """Says what is wrong with a copy: "" if nothing is, else the end of "this file …".

    Raises:
        OSError: If the copy is there but cannot be read.
    """
    if not path.is_file():
        return "is missing"
    size = path.stat().st_size
    if size != file.size:
        return f"has {size} bytes, not {file.size}"
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return "" if digest == file.sha256 else f"has sha256 {digest}, not {file.sha256}"
