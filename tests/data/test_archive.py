"""Unpacking: plain archives come out whole, hostile or damaged ones not at all."""

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from unnoise.data import DataError, extract


def tar(path: Path, *members: tarfile.TarInfo, mode: str = "w:gz") -> Path:
    """Writes a tar of members that hold b"data"."""
    with tarfile.open(path, mode) as pack:  # type: ignore[call-overload]
        for member in members:
            member.size = 4 if member.isfile() else 0
            pack.addfile(member, io.BytesIO(b"data"))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def zipped(path: Path, name: str, mode: int = 0) -> Path:
    """Writes a zip of one member of the given Unix mode that holds b"data"."""
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as pack:
        pack.writestr(info, b"data")
    return path


@pytest.mark.parametrize(
    "make",
    [
        lambda path: tar(path, member("./", tarfile.DIRTYPE), member("a/b.txt"), mode="w"),
        lambda path: tar(path, member("a/", tarfile.DIRTYPE), member("a/b.txt"), mode="w:gz"),
        lambda path: tar(path, member("a/b.txt"), mode="w:xz"),
        lambda path: zipped(path, "a/b.txt"),
        lambda path: zipped(path, "a/b.txt", 0o100644),
    ],
    ids=["tar", "tar.gz", "tar.xz", "zip", "zip from unix"],
)
def test_plain(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    extract(make(tmp_path / "archive"), tmp_path / "new/folder")
    assert (tmp_path / "new/folder/a/b.txt").read_bytes() == b"data"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["folder"]


OUTSIDE = ["../evil", "a/../../evil", "/evil", "C:\\evil", "..\\evil", "\\\\host\\share\\evil"]


@pytest.mark.parametrize(
    "make",
    [
        *(lambda path, name=name: tar(path, member(name)) for name in OUTSIDE),
        *(lambda path, name=name: zipped(path, name) for name in OUTSIDE),
        lambda path: tar(path, member("l", tarfile.SYMTYPE, "/etc"), member("l/evil")),
        lambda path: tar(path, member("ok"), member("l", tarfile.SYMTYPE, "ok")),
        lambda path: tar(path, member("ok"), member("l", tarfile.LNKTYPE, "ok")),
        lambda path: tar(path, member("d", tarfile.CHRTYPE)),
        lambda path: tar(path, member("d", tarfile.FIFOTYPE)),
        lambda path: zipped(path, "l", 0o120777),
    ],
)
def test_hostile_members_refuse_all(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    archive = make(tmp_path / "archive")
    with pytest.raises(DataError, match=r"archive: refused, its member '.*' is a link, a device"):
        extract(archive, tmp_path / "new/folder")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["archive", "new"]


@pytest.mark.parametrize("make", [lambda p: tar(p, member("a" * 90)), lambda p: zipped(p, "a")])
def test_damaged(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    archive = make(tmp_path / "archive")
    content = bytearray(archive.read_bytes())
    content[len(content) // 3 : len(content) // 3 + 8] = b"\xff" * 8
    archive.write_bytes(content)
    with pytest.raises(DataError, match=r"archive: (corrupt archive|neither)"):
        extract(archive, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_truncated_tar(tmp_path: Path) -> None:
    archive = tar(tmp_path / "archive", *(member(f"{i}") for i in range(50)))
    archive.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"archive: corrupt archive .*; fetch it again"):
        extract(archive, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_decompressor_errors_blame_the_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise OSError("Invalid data stream")  # as bz2 does, in the guise of a disk's error

    monkeypatch.setattr(tarfile.TarFile, "extractall", fail)
    with pytest.raises(DataError, match=r"archive: corrupt archive \(Invalid data stream\)"):
        extract(tar(tmp_path / "archive", member("a")), tmp_path / "new")


def test_no_archive(tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("just text")
    with pytest.raises(DataError, match="archive: neither a tar nor a zip archive"):
        extract(tmp_path / "archive", tmp_path / "new")
    with pytest.raises(DataError, match="absent: No such file"):
        extract(tmp_path / "absent", tmp_path / "new")


def test_existing_folder_is_kept(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    with pytest.raises(DataError, match="old exists already; remove it"):
        extract(zipped(tmp_path / "archive", "a"), tmp_path / "old")
    assert list((tmp_path / "old").iterdir()) == []
