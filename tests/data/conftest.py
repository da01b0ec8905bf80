"""A web server on loopback whose misbehaviour a test chooses, and a clean place to download to."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

import pytest

from unnoise.data import SOURCES, File, Source, locate


@dataclass
class Request:
    path: str
    range: str | None
    sent: int = 0


class Server(ThreadingHTTPServer):
    """Serves `files`; the lists are used up, one entry a request."""

    daemon_threads = False  # so that closing it waits for its threads

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.requests: list[Request] = []
        self.cuts: list[int] = []  # bytes after which the connection ends
        self.statuses: list[int] = []  # answers instead of the file; 0: hangs up without any
        self.ranges = True  # whether it understands Range
        self.lengths = True  # whether it announces Content-Length
        self.stall = threading.Event()  # set: a cut connection ends; clear: it falls silent
        self.stall.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    @property
    def sent(self) -> int:
        return sum(request.sent for request in self.requests)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, request = self.server, Request(self.path, self.headers.get("Range"))
        server.requests.append(request)
        body = server.files.get(self.path.lstrip("/"))
        if server.statuses:
            status = server.statuses.pop(0)
            return self.send_error(status) if status else None
        if body is None:
            return self.send_error(404)
        start = 0
        if request.range and server.ranges:
            start = int(request.range.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                return self.send_error(416)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        if server.lengths:
            self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        cut = server.cuts.pop(0) if server.cuts else len(body)
        with suppress(OSError):  # the client hung up
            part = body[start : start + cut]
            request.sent = len(part)  # before the client can have it and ask
            self.wfile.write(part)
            server.stall.wait(5)
        return None

    def log_message(self, format: str, *args: object) -> None:
        """Stays silent."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    before = set(threading.enumerate())
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.stall.set()
    server.shutdown()
    server.server_close()
    thread.join()
    assert set(threading.enumerate()) <= before


@dataclass(frozen=True)
class Places:
    """The two roots a data set is looked for in, both empty."""

    own: Path
    cache: Path


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    own, home = tmp_path / "own", tmp_path / "home"
    own.mkdir()
    home.mkdir()
    monkeypatch.setenv("UNNOISE_DATA", str(own))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    return Places(own, home / "unnoise")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses between attempts: written down, not slept."""
    seconds: list[float] = []
    monkeypatch.setattr("unnoise.data.download.sleep", seconds.append)
    return seconds


CONTENT = Random(0).randbytes(256_000)  # some blocks, none like another


@pytest.fixture
def content() -> bytes:
    """What the one file of the toy data set holds."""
    return CONTENT


@pytest.fixture
def toy() -> Callable[..., Source]:
    """Makes the toy data set, given the addresses it can be had from."""

    def make(*urls: str) -> Source:
        digest = hashlib.sha256(CONTENT).hexdigest()
        file = File("raw/toy.bin", digest, len(CONTENT), urls)
        return Source("toy", "tests/toy", (file,), "CC0", "nobody", "bytes")

    return make


@pytest.fixture
def here() -> Callable[[str], Source]:
    """Returns the data set of that name, or skips the test where it would have to be fetched."""

    def require(name: str) -> Source:
        if locate(SOURCES[name]) is None:
            pytest.skip(f"{name} is not in $UNNOISE_DATA, and tests do not download")
        return SOURCES[name]

    return require


@pytest.fixture
def stand_in(places: Places, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts small files in the place of a data set's own, for a test of its loader."""

    def put(name: str, *contents: bytes) -> None:
        source, files = SOURCES[name], []
        for file, content in zip(source.files, contents, strict=True):
            path = places.own / source.folder / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            files.append(replace(file, size=len(content), sha256=digest))
        monkeypatch.setitem(SOURCES, name, replace(source, files=tuple(files)))

    return put
