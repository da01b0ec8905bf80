"""Where a data set is looked for, and what counts as a sound copy."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from unnoise.data import SOURCES, DataError, UnknownSource, cache, find, locate, lookup, provided
from unnoise.data.checksum import fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.data.conftest import Places, Server

    from unnoise.data import Source

NAME = "raw/toy.bin"


def put(folder: Path, content: bytes) -> Path:
    """Places a file of the toy data set."""
    path = folder / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def source(server: Server, content: bytes, toy: Callable[..., Source]) -> Source:
    server.files["toy.bin"] = content
    return toy(server.url + "toy.bin")


def test_own_folder_comes_first(
    source: Source, server: Server, places: Places, content: bytes
) -> None:
    put(places.own / "tests/toy", content)
    put(places.cache / "tests/toy", content)
    assert find(source) == places.own / "tests/toy"
    assert [path.name for path in (places.own / "tests/toy").iterdir()] == ["raw"]
    assert server.requests == []


def test_then_the_cache(source: Source, server: Server, places: Places, content: bytes) -> None:
    put(places.cache / "tests/toy", content)
    assert find(source) == places.cache / "tests/toy"
    assert server.requests == []


def test_then_the_network(source: Source, server: Server, places: Places, content: bytes) -> None:
    assert locate(source) is None
    assert not places.cache.exists()  # looking leaves no trace
    folder = find(source, quiet=True)
    assert folder == places.cache / "tests/toy"
    assert (folder / NAME).read_bytes() == content
    assert find(source) == locate(source) == folder
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("home", "expected"),
    [("", "~/.cache/unnoise"), ("relative", "~/.cache/unnoise"), ("/x", "/x/unnoise")],
)
def test_place_of_the_cache(monkeypatch: pytest.MonkeyPatch, home: str, expected: str) -> None:
    monkeypatch.setenv("HOME", "/somebody")
    monkeypatch.setenv("XDG_CACHE_HOME", home)
    assert cache() == Path(expected.replace("~", "/somebody"))


def test_own_folder_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNNOISE_DATA", "")
    assert provided() is None


def test_own_folder_that_is_none(
    source: Source, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNNOISE_DATA", str(places.own / "typo"))
    with pytest.raises(DataError, match="UNNOISE_DATA is .*typo', which is not a folder"):
        find(source)


@pytest.mark.parametrize(
    ("content", "fault"),
    [(b"short", "has 5 bytes, not 256000"), (bytes(256_000), "has sha256 [0-9a-f]{64}, not ")],
)
def test_damaged_own_copy_is_an_error(
    source: Source, server: Server, places: Places, content: bytes, fault: str
) -> None:
    path = put(places.own / "tests/toy", content)
    with pytest.raises(DataError, match=f"{path} {fault}.*; put the right copy of toy there"):
        find(source)
    assert path.read_bytes() == content
    assert server.requests == []


def test_incomplete_own_copy_is_an_error(places: Places) -> None:
    mnist = SOURCES["mnist"]
    path = places.own / mnist.folder / mnist.files[-1].path
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(DataError, match="train-images-idx3-ubyte.gz is missing; put the right"):
        find(mnist)


def test_cache_is_read_in_full_only_once(
    source: Source, places: Places, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(places.cache / "tests/toy", content)
    find(source)

    def fail(*args: object) -> str:
        raise AssertionError("read again")

    monkeypatch.setattr("unnoise.data.store.fault", fail)
    assert find(source) == places.cache / "tests/toy"
    os.utime(path, (1, 1))  # touched: no longer to be trusted
    with pytest.raises(AssertionError, match="read again"):
        find(source)


def test_damaged_cache_is_replaced(
    source: Source, server: Server, places: Places, content: bytes
) -> None:
    folder = find(source, quiet=True)
    put(folder, bytes(256_000))
    assert locate(source) is None
    find(source, quiet=True)
    assert (folder / NAME).read_bytes() == content
    assert len(server.requests) == 2


@pytest.mark.parametrize("record", ["", "[]", '{"raw/toy.bin": 1}', "{"])
def test_spoilt_record_costs_only_time(
    source: Source, places: Places, content: bytes, record: str
) -> None:
    path = put(places.cache / "tests/toy", content)
    verified = places.cache / "tests/toy/.verified"
    verified.write_text(record)
    assert find(source) == places.cache / "tests/toy"
    stamp = [len(content), path.stat().st_mtime_ns, source.files[0].sha256]
    assert json.loads(verified.read_text()) == {NAME: stamp}


def test_two_at_once_download_once(
    source: Source, server: Server, places: Places, content: bytes
) -> None:
    with ThreadPoolExecutor(4) as pool:  # each opens the lock for itself, as processes do
        folders = list(pool.map(lambda _: find(source, quiet=True), range(4)))
    assert folders == [places.cache / "tests/toy"] * 4
    assert (folders[0] / NAME).read_bytes() == content
    assert len(server.requests) == 1


def test_cache_that_cannot_be_made(source: Source, places: Places) -> None:
    places.cache.write_text("a file where a folder should be")
    with pytest.raises(DataError, match=f"^{places.cache}"):
        find(source, quiet=True)


def test_sources_that_share_a_folder_do_not_disturb_each_other(
    source: Source, server: Server, places: Places, content: bytes
) -> None:
    """Neither by where they are found, nor by the record of what was read in full."""
    server.files["other.bin"] = content
    file = replace(source.files[0], path="raw/other.bin", urls=(server.url + "other.bin",))
    other = replace(source, name="other", files=(file,))
    put(places.own / "tests/toy", content)
    assert find(source) == places.own / "tests/toy"
    assert locate(other) is None
    assert find(other, quiet=True) == places.cache / "tests/toy"
    put(places.own / "tests/toy", b"damaged")
    assert locate(other) == places.cache / "tests/toy"
    (places.own / "tests/toy" / NAME).unlink()
    find(source, quiet=True)
    record = json.loads((places.cache / "tests/toy/.verified").read_text())
    assert sorted(record) == ["raw/other.bin", NAME]


@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("digits", r"inside scikit-learn, and unnoise.data.load_digits\(\) reads"),
        ("anes96", r"inside statsmodels, and unnoise.data.load_table\('anes96'\) reads"),
    ],
)
def test_source_inside_a_package(places: Places, name: str, reader: str) -> None:
    with pytest.raises(DataError, match=reader):
        find(SOURCES[name])


def test_registry_is_consistent() -> None:
    for name, source in SOURCES.items():
        assert source.name == name
        assert source.licence and source.citation and source.summary
        assert bool(source.files) != bool(source.package)
        assert bool(source.package) == bool(source.loader)
        assert bool(source.unaddressed) == bool(source.origin)
        for file in source.files:
            assert len(file.sha256) == 64 and set(file.sha256) <= set("0123456789abcdef")
            assert file.size > 0
            assert not Path(file.path).is_absolute() and ".." not in Path(file.path).parts
            assert all(url.startswith("https://") for url in file.urls)
    assert SOURCES["mnist"].size == 11_594_722
    places = [f"{s.folder}/{file.path}" for s in SOURCES.values() for file in s.files]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("name", [name for name, source in SOURCES.items() if source.files])
def test_every_file_that_is_here_is_the_file(here: Callable[[str], Source], name: str) -> None:
    folder = find(here(name))
    for file in SOURCES[name].files:
        assert not fault(folder / file.path, file)


def test_lookup() -> None:
    assert lookup("mnist") is SOURCES["mnist"]
    with pytest.raises(UnknownSource, match="'Mnits'; did you mean 'mnist'\\? known: accid"):
        lookup("Mnits")
    with pytest.raises(UnknownSource, match="named 'xyz'; known:"):
        lookup("xyz")
