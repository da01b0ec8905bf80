"""Download of pinned files: mirrors in turn, resumed after a cut, whole or not at all.

The bytes of a file gather in `<name>.part`, which survives a failure, so that the next attempt
(or the next run) asks only for the rest. The final name appears when the checksum agrees, in
one step. Every length is known beforehand, so a server that sends something else, such as an
error page, is noticed before anything is written.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from time import sleep
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from unnoise.data.checksum import fault
from unnoise.data.disk import disk_errors, readable, require_space
from unnoise.data.errors import DataError
from unnoise.data.progress import bar
from unnoise.data.source import File, Source

__all__ = ["download", "placing"]

ATTEMPTS = 4  # at one mirror
PAUSE = 1.0  # seconds before the second attempt, doubled before each later one
TIMEOUT = 30.0  # seconds of silence that count as a cut
BLOCK = 1 << 16  # bytes read at once
TEMPORARY = {408, 429, 500, 502, 503, 504}  # HTTP answers that may differ the next time

Report = Callable[[int], None]


class _Cut(Exception):
    """The connection failed: the same mirror deserves another attempt."""


class _Stale(Exception):
    """What is kept does not fit what the mirror has: another attempt, from the beginning."""


class _Refused(Exception):
    """This mirror does not have the file: another attempt would end the same way."""


def download(source: Source, files: Sequence[File], folder: Path, *, quiet: bool = False) -> None:
    """Downloads `files` of `source` into `folder`; a file of that name there is replaced.

    Args:
        source: The data set, for messages.
        files: Those of its files to fetch.
        folder: The root of their paths; it must exist.
        quiet: Whether to do without the progress bar.

    Raises:
        DataError: If no address is known for a file, no mirror has it, or the disk is full or
            may not be written. What has arrived is kept for the next run, but never under the
            final name.
    """
    if not files:
        return
    unaddressed = [file for file in files if not file.urls]
    if unaddressed:
        raise DataError(f"{source.name}: {placing(source, unaddressed)}")
    total = sum(file.size for file in files)
    with bar(source.name, total, quiet=quiet) as report, disk_errors(folder):
        kept = sum(_kept(_part(folder / file.path), file) for file in files)
        require_space(folder, total - kept)
        before = 0
        for file in files:
            _fetch(source, file, folder / file.path, _shifted(report, before))
            before += file.size


def placing(source: Source, files: Sequence[File]) -> str:
    """How to place files of `source` that nothing can download: the end of a message."""
    names = ", ".join(f"{file.path} ({readable(file.size)})" for file in files)
    origin = f", from {source.origin}" if source.origin else ""
    return (
        f"no address is known for {names}; place by hand in $UNNOISE_DATA/{source.folder}{origin}"
    )


def _shifted(report: Report, before: int) -> Report:
    return lambda done: report(before + done)


def _part(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def _kept(part: Path, file: File) -> int:
    """How many bytes of an earlier attempt can be built on; none of a part that is too long."""
    size = part.stat().st_size if part.exists() else 0
    return size if size <= file.size else 0


def _fetch(source: Source, file: File, target: Path, report: Report) -> None:
    """Brings one file to its final name, from the first mirror that has it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part, failures = _part(target), []
    for url in file.urls:
        try:
            _from_mirror(url, file, part, report)
        except _Refused as refusal:
            failures.append(f"{url} ({refusal})")
        else:
            os.replace(part, target)
            return
    raise DataError(
        f"{source.name}: cannot download {file.path}: tried {', '.join(failures)}; try again "
        f"later, or place the file by hand at $UNNOISE_DATA/{source.folder}/{file.path} "
        f"({readable(file.size)}, sha256 {file.sha256})"
    )


def _from_mirror(url: str, file: File, part: Path, report: Report) -> None:
    """Completes `part` from one mirror.

    Raises:
        _Refused: If the mirror has another file, none, or none that arrives.
    """
    reason = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            sleep(PAUSE * 2 ** (attempt - 1))
        offset = _kept(part, file)
        try:
            if offset < file.size:
                _receive(url, file, part, offset, report)
            reason = fault(part, file)
            if not reason:
                return
            part.unlink()
            raise (_Stale if offset else _Refused)(reason)
        except _Cut as cut:
            reason = str(cut)
        except _Stale as stale:
            reason = str(stale)
            part.unlink(missing_ok=True)
    raise _Refused(f"{reason}, {ATTEMPTS} attempts")


def _receive(url: str, file: File, part: Path, offset: int, report: Report) -> None:
    """Appends to `part` what is missing from `offset` on, or starts over if the server does.

    Raises:
        _Cut: If the connection ends early.
        _Stale: If the server cannot go on from `offset`.
        _Refused: If the server has no such file, or one of another length.
    """
    with _open(url, offset) as response:
        if response.status == HTTPStatus.PARTIAL_CONTENT:
            expected = f"bytes {offset}-{file.size - 1}/{file.size}"
            _require(response, "Content-Range", expected, _Stale)
        else:
            offset = 0  # it ignores the Range and sends all
            _require(response, "Content-Length", str(file.size), _Refused)
        with part.open("ab" if offset else "wb") as stream:
            for block in _blocks(response):
                offset += len(block)
                if offset > file.size:
                    break
                stream.write(block)
                report(offset)
    if offset > file.size:
        part.unlink()
        raise _Refused(f"sends more than {file.size} bytes")
    if offset < file.size:
        raise _Cut(f"connection cut after {offset} of {file.size} bytes")


def _open(url: str, offset: int) -> HTTPResponse:
    """Asks for the bytes from `offset` on."""
    request = Request(url, headers={"User-Agent": "unnoise"})
    if offset:
        request.add_header("Range", f"bytes={offset}-")
    try:
        response: HTTPResponse = urlopen(request, timeout=TIMEOUT)
    except HTTPError as error:
        error.close()
        raise _verdict(error.code)(f"HTTP {error.code} {error.reason}") from None
    except URLError as error:
        raise _Cut(str(error.reason)) from error
    except (OSError, HTTPException) as error:
        raise _Cut(str(error)) from error
    return response


def _verdict(code: int) -> type[Exception]:
    """What an HTTP answer other than success means for the next step."""
    if code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return _Stale
    return _Cut if code in TEMPORARY else _Refused


def _require(response: HTTPResponse, header: str, expected: str, kind: type[Exception]) -> None:
    """Raises `kind` if a header is there and says something else than it must."""
    value = response.headers.get(header, expected)
    if value != expected:
        raise kind(f"{header} is {value!r}, not {expected!r}")


def _blocks(response: HTTPResponse) -> Iterator[bytes]:
    """The body. An `OSError` of the network becomes a cut here, so that any other is the disk's."""
    while True:
        try:
            block = response.read(BLOCK)
        except (OSError, HTTPException) as error:
            raise _Cut(f"connection lost: {error}") from error
        if not block:
            return
        yield block
