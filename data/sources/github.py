"""Files of public repositories, pinned to one commit."""

from unnoise.data.source import File

__all__ = ["BROWNLEE", "github"]

BROWNLEE = ("jbrownlee/Datasets", "d20fcb6402ae34e653d4513b00f39257bb37ed7f")
"""A repository of text-book data sets, and its commit."""


def github(repository: str, commit: str, *rows: tuple[str, str, int, str]) -> tuple[File, ...]:
    """Files of one commit, each as its path here, its path there, its size and its checksum."""
    base = f"https://raw.githubusercontent.com/{repository}/{commit}/"
    return tuple(File(here, sha256, size, (base + there,)) for here, there, size, sha256 in rows)
