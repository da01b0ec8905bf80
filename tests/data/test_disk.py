"""The lock, on disks that know none and on disks that fail."""

import errno
from pathlib import Path

import pytest

from unnoise.data.disk import exclusive

fcntl = pytest.importorskip("fcntl", reason="this system has no such locks")


def failing(number: int) -> object:
    def flock(*args: object) -> None:
        raise OSError(number, "no")

    return flock


def test_disk_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", failing(errno.ENOLCK))
    with exclusive(tmp_path / "lock"):
        assert (tmp_path / "lock").exists()


def test_other_errors_are_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", failing(errno.EIO))
    with pytest.raises(OSError, match="no"), exclusive(tmp_path / "lock"):
        pytest.fail("entered without the lock")
