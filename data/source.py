"""A data set as facts: which files it is made of, who may use it, whom to cite."""

from dataclasses import dataclass

__all__ = ["File", "Source"]


@dataclass(frozen=True)
class File:
    """One file of a data set, pinned by its checksum.

    Attributes:
        path: Where it lies below the folder of its source, with "/" between the parts.
        sha256: Checksum in hexadecimal; what decides whether a copy is sound.
        size: In bytes.
        urls: Mirrors, the preferred one first; none if the file can only be placed by hand.
        md5: What other libraries publish for the same file, to compare with; never checked here.
    """

    path: str
    sha256: str
    size: int
    urls: tuple[str, ...]
    md5: str = ""


@dataclass(frozen=True)
class Source:
    """One data set.

    Attributes:
        name: What a user types.
        folder: Its place below `$UNNOISE_DATA` and below the cache, as in "images/MNIST".
        files: All of its files; none if a Python package carries the data.
        licence: Of the data, with a word on how sure that is.
        citation: Whom to cite.
        summary: What is in it, in a line.
        package: The Python package that carries the data, for a source without files.
        loader: The call in `unnoise.data` that reads it, for a source without files.
        origin: Where to get the files that have no address, in words.
    """

    name: str
    folder: str
    files: tuple[File, ...]
    licence: str
    citation: str
    summary: str
    package: str = ""
    loader: str = ""
    origin: str = ""

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    @property
    def unaddressed(self) -> tuple[File, ...]:
        """The files that can only be placed by hand."""
        return tuple(file for file in self.files if not file.urls)
