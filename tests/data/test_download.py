"""Downloads against a misbehaving server: nothing but the right bytes gets the final name."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from unnoise.data import DataError
from unnoise.data.download import download

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.data.conftest import Server

    from unnoise.data import Source

NAME = "raw/toy.bin"
PART = "raw/toy.bin.part"


def get(source: Source, folder: Path) -> None:
    download(source, source.files, folder, quiet=True)


@pytest.fixture
def good(server: Server, content: bytes, toy: Callable[..., Source], waits: list[float]) -> Source:
    """The toy data set, whole on the server."""
    server.files["toy.bin"] = content
    return toy(server.url + "toy.bin")


def test_plain(good: Source, server: Server, tmp_path: Path, content: bytes) -> None:
    get(good, tmp_path)
    assert (tmp_path / NAME).read_bytes() == content
    assert not (tmp_path / PART).exists()
    assert [request.range for request in server.requests] == [None]


def test_progress_bar_reaches_the_end(
    good: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    download(good, good.files, tmp_path)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "256.0/256.0 kB" in captured.err


def test_cut_connections_are_resumed(
    good: Source, server: Server, tmp_path: Path, content: bytes, waits: list[float]
) -> None:
    server.cuts = [100_000, 50_000]
    get(good, tmp_path)
    assert (tmp_path / NAME).read_bytes() == content
    ranges = [request.range for request in server.requests]
    assert ranges == [None, "bytes=100000-", "bytes=150000-"]
    assert server.sent == len(content)  # not a byte twice
    assert waits == [1.0, 2.0]


def test_silence_is_a_cut(
    good: Source, server: Server, tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unnoise.data.download.TIMEOUT", 0.1)
    server.stall.clear()
    server.cuts = [100_000]
    get(good, tmp_path)
    assert (tmp_path / NAME).read_bytes() == content
    assert len(server.requests) == 2
    assert server.requests[1].range is not None


def test_next_run_resumes(good: Source, server: Server, tmp_path: Path, content: bytes) -> None:
    server.cuts = [1000] * 4
    with pytest.raises(DataError, match=r"cut after 4000 of 256000 bytes, 4 attempts"):
        get(good, tmp_path)
    assert not (tmp_path / NAME).exists()
    assert (tmp_path / PART).read_bytes() == content[:4000]
    get(good, tmp_path)
    assert (tmp_path / NAME).read_bytes() == content
    assert server.requests[-1].range == "bytes=4000-"


def test_server_without_ranges_starts_over(
    good: Source, server: Server, tmp_path: Path, content: bytes
) -> None:
    server.ranges = False
    server.cuts = [100_000]
    get(good, tmp_path)
    assert (tmp_path / NAME).read_bytes() == content
    assert [request.range for request in server.requests] == [None, "bytes=100000-"]


@pytest.mark.parametrize(
    ("kept", "ranges"),
    [
        pytest.param(b"?" * 300_000, [None], id="too long"),
        pytest.param(b"?" * 1000, ["bytes=1000-", None], id="of another file"),
        pytest.param(b"?" * 256_000, [None], id="complete but wrong"),
        pytest.param(None, [], id="complete"),
    ],
)
def test_what_an_earlier_run_left(
    good: Source,
    server: Server,
    tmp_path: Path,
    content: bytes,
    kept: bytes | None,
    ranges: list[str | None],
) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / PART).write_bytes(content if kept is None else kept)
    get(good, tmp_path)
    assert (tmp_path / NAME).read_bytes() == content
    assert [request.range for request in server.requests] == ranges


def test_wrong_checksum_leaves_nothing(good: Source, server: Server, tmp_path: Path) -> None:
    server.files["toy.bin"] = bytes(256_000)
    digest = hashlib.sha256(bytes(256_000)).hexdigest()
    with pytest.raises(DataError, match=f"has sha256 {digest}, not {good.files[0].sha256}"):
        get(good, tmp_path)
    assert list((tmp_path / "raw").iterdir()) == []
    assert len(server.requests) == 1  # a whole wrong file is not worth another attempt


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("size", [10, 300_000])
def test_wrong_length(
    good: Source, server: Server, tmp_path: Path, size: int, announced: bool
) -> None:
    server.files["toy.bin"] = bytes(size)
    server.lengths = announced
    with pytest.raises(DataError, match=r"cannot download raw/toy\.bin"):
        get(good, tmp_path)
    assert not (tmp_path / NAME).exists()
    if announced:
        assert not (tmp_path / PART).exists()


def test_resume_of_a_file_that_shrank_on_the_server(
    good: Source, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / PART).write_bytes(bytes(2000))
    server.files["toy.bin"] = bytes(1000)
    with pytest.raises(DataError, match="Content-Length is '1000', not '256000'"):
        get(good, tmp_path)
    assert [request.range for request in server.requests] == ["bytes=2000-", None]


def test_second_mirror(
    server: Server, tmp_path: Path, content: bytes, toy: Callable[..., Source], waits: list[float]
) -> None:
    server.files["b/toy.bin"] = content
    get(toy(server.url + "a/toy.bin", server.url + "b/toy.bin"), tmp_path)
    assert (tmp_path / NAME).read_bytes() == content
    assert [request.path for request in server.requests] == ["/a/toy.bin", "/b/toy.bin"]
    assert waits == []


def test_no_mirror_names_them_all(
    server: Server, tmp_path: Path, toy: Callable[..., Source]
) -> None:
    urls = (server.url + "a", server.url + "b")
    source = toy(*urls)
    with pytest.raises(DataError) as caught:
        get(source, tmp_path)
    message = str(caught.value)
    assert all(f"{url} (HTTP 404 Not Found)" in message for url in urls)
    assert "by hand at $UNNOISE_DATA/tests/toy/raw/toy.bin" in message
    assert source.files[0].sha256 in message
    assert "\n" not in message
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_no_address(tmp_path: Path, toy: Callable[..., Source]) -> None:
    with pytest.raises(
        DataError,
        match=r"^toy: no address is known for raw/toy.bin \(256.0 kB\); "
        r"place by hand in \$UNNOISE_DATA/tests/toy$",
    ):
        get(toy(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_busy_server_is_asked_again(
    good: Source, server: Server, tmp_path: Path, waits: list[float]
) -> None:
    server.statuses = [503, 429, 0]
    get(good, tmp_path)
    assert (tmp_path / NAME).exists()
    assert waits == [1.0, 2.0, 4.0]


def test_nobody_listens(tmp_path: Path, toy: Callable[..., Source], waits: list[float]) -> None:
    with socket.socket() as taken:  # bound, but not listening
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(DataError, match=r"refused, 4 attempts\)"):
            get(toy(f"http://127.0.0.1:{taken.getsockname()[1]}/toy.bin"), tmp_path)
    assert waits == [1.0, 2.0, 4.0]


def test_no_space_is_noticed_before(
    good: Source, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DataError, match=r"256\.0 kB needed but 1\.0 kB free"):
        get(good, tmp_path)
    assert server.requests == []
    assert list(tmp_path.iterdir()) == []


class FullDisk(io.FileIO):
    """A file on a disk that has room for 100,000 bytes of it."""

    def write(self, data: Any) -> int:
        room = 100_000 - self.tell()
        if room < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)


def test_disk_full_while_writing(
    good: Source, server: Server, tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda path, mode="r": FullDisk(path, mode))
        with pytest.raises(DataError, match="No space left on device; free some space"):
            get(good, tmp_path)
    assert not (tmp_path / NAME).exists()
    kept = (tmp_path / PART).stat().st_size
    assert 0 < kept <= 100_000
    get(good, tmp_path)  # after somebody made room
    assert (tmp_path / NAME).read_bytes() == content
    assert server.requests[-1].range == f"bytes={kept}-"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device /dev/full")
def test_disk_full_when_the_buffer_is_flushed(good: Source, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / PART).symlink_to("/dev/full")
    with pytest.raises(DataError, match="No space left on device; free some space"):
        get(good, tmp_path)
    assert not (tmp_path / NAME).exists()


def test_no_permission(good: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *args: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)  # simulated: root may write anywhere
    with pytest.raises(DataError, match="raw: Permission denied; .* XDG_CACHE_HOME"):
        get(good, tmp_path)
