"""What a run measured, one JSON line a run: the only thing that the runner and the report share.

A file of lines can be appended to by several processes, read while it grows, merged with `cat`.
A crash can cut its last line short; that run is lost and nothing else: the reader skips the line
with a warning, and the next writer marks it and goes on below. JSON knows no NaN and no infinity:
both are written as null, and a null value reads as NaN.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

__all__ = ["Measurement", "Record", "append", "build", "inside", "latest", "read", "rows", "slug"]

T = TypeVar("T")
_TORN = b"# torn"  # ends a line that a crash cut short


@dataclass(frozen=True)
class Measurement:
    """One metric of one run, and the two numbers that it must be read between.

    Attributes:
        value: of the model; NaN if it has none.
        stderr: standard error of the value; None: not estimated.
        unit: of the value, "" if it has none.
        direction: which way is better.
        kind: what the value promises: exact, an upper or lower bound, or an estimate.
        title: a reader's name for the metric.
        floor: the same metric of a perfect sampler; None: unknown.
        baseline: the same metric of a trivial model; None: there is none.
    """

    value: float
    stderr: float | None
    unit: str
    direction: Literal["lower", "higher"]
    kind: str
    title: str
    floor: float | None = None
    baseline: float | None = None


@dataclass(frozen=True)
class Record:
    """One run of a task.

    Attributes:
        task, preset, seed: what was run; a later run of the same three replaces this one.
        metrics: by name, the main one first.
        nfe: network evaluations per generated sample; None if the task generates none.
        train_seconds: wall time of the training; 0 if there was none.
        parameters: of the network.
        steps: of the optimiser; 0 if nothing was trained.
        versions: of the libraries, by name.
        commit: of the suite; None outside a checkout.
        settings: anything else that JSON holds.
        tables: title -> row -> column -> value, a null where there is none.
        figures: title -> path of an SVG file, relative to the folder of the records.
        sounds: title -> name -> path of a WAV file, likewise.
        history: relative path of the training curve, JSON lines of step, loss and seconds.
        when: the end of the run, ISO 8601; without a time zone it is UTC.
    """

    task: str
    preset: str
    seed: int
    metrics: Mapping[str, Measurement]
    nfe: float | None
    train_seconds: float
    parameters: int
    steps: int
    versions: Mapping[str, str]
    commit: str | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, Mapping[str, float | None]]] = field(default_factory=dict)
    sounds: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    history: str | None = None
    when: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))


def append(path: Path, record: Record) -> None:
    """Adds a record to a file, all of it or (after a crash) a line that `read` skips.

    Raises:
        OSError: If it can't be written.
        TypeError: If the settings hold what JSON can't.
    """
    line = json.dumps(_plain(record), allow_nan=False).encode() + b"\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_bytes() if path.exists() else b""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        data = _ending(before) + line
        if os.write(descriptor, data) < len(data):  # one write, so that writers don't mix lines
            raise OSError(errno.ENOSPC, "the record was not written completely", str(path))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: Path) -> list[Record]:
    """All records of a file, oldest first.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line is malformed; it names the file, the line and what is wrong.
    """
    return list(rows(path, _record))


def latest(records: list[Record]) -> list[Record]:
    """The newest record of every (task, preset, seed), sorted by these; ties go to the last."""
    newest: dict[tuple[str, str, int], Record] = {}
    for record in sorted(records, key=lambda each: _moment(each.when)):
        newest[record.task, record.preset, record.seed] = record
    return [newest[key] for key in sorted(newest)]


def rows(path: Path, parse: Callable[[Any], T]) -> Iterator[T]:
    """The parsed lines of a file of JSON lines, without those that a crash cut short.

    Args:
        path: of the file.
        parse: makes a row of what JSON holds, or raises ValueError.

    Raises:
        ValueError: If a line is malformed; it names the file and the line.
    """
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip() or line == _TORN:
            continue
        try:
            if line.endswith(_TORN):
                raise ValueError("marked as torn")
            content = json.loads(line)
        except ValueError as error:
            if number == len(lines) or line.endswith(_TORN):
                warnings.warn(f"{path}:{number}: skipped a line cut short", stacklevel=2)
                continue
            raise ValueError(f"{path}:{number}: not JSON: {error}") from error
        try:
            yield parse(content)
        except ValueError as error:
            raise ValueError(f"{path}:{number}: {error}") from error


def slug(title: str) -> str:
    """A title as the name of a file.

    >>> slug("Points, first of all!")
    'points-first-of-all'
    """
    return re.sub(r"\W+", "-", title.lower()).strip("-")


def inside(folder: Path, relative: str) -> Path:
    """A path that a record names, in its folder.

    Raises:
        ValueError: If it leads out of there: the page must not show files that no run made.
    """
    path = folder / relative
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{relative} is outside the folder of the records")
    return path


def _ending(before: bytes) -> bytes:
    """What the last line of a file lacks before another may follow.

    >>> _ending(b'{}\\n'), _ending(b'{}'), _ending(b'{"task": "ima')
    (b'', b'\\n', b'# torn\\n')
    """
    last = before.rpartition(b"\n")[2]
    if not last:
        return b""
    try:
        json.loads(last)
    except ValueError:
        return _TORN + b"\n"
    return b"\n"


def _plain(value: Any) -> Any:
    """A value as JSON can hold it."""
    match value:
        case Record() | Measurement():
            return _plain(vars(value))
        case Mapping():
            return {key: _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case float() if not math.isfinite(value):
            return None
        case _:
            return value


def build(kind: type[T], content: Any) -> T:
    """A dataclass from what a file holds, checked against the annotations of its fields.

    Raises:
        ValueError: If a field is missing, unknown or of another type.

    >>> build(Measurement, {"value": "low"})
    Traceback (most recent call last):
    ValueError: no stderr, unit, direction, kind, title
    """
    if not isinstance(content, dict):
        problem = f"expected a table of fields, got {content!r}"
        raise ValueError(problem)  # noqa: TRY004 (the file is wrong, not the call)
    hints = get_type_hints(kind)
    parts = fields(kind)  # type: ignore[arg-type]
    optional = {p.name for p in parts if (p.default, p.default_factory) != (MISSING, MISSING)}
    if lacking := [name for name in hints if name not in content and name not in optional]:
        raise ValueError(f"no {', '.join(lacking)}")
    if unknown := [name for name in content if name not in hints]:
        raise ValueError(f"unknown {', '.join(unknown)}")
    given = {
        name: math.nan if value is None and hints[name] is float else value
        for name, value in content.items()
    }
    for name, value in given.items():
        if not _fits(value, hints[name]):
            raise ValueError(f"{name} can't be {value!r}")
    return kind(**given)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of an annotated type; knows the types that our fields have."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin is UnionType:
        return any(_fits(value, each) for each in arguments)
    if origin is Literal:
        return value in arguments
    if origin is Mapping:
        return isinstance(value, dict) and all(_fits(v, arguments[1]) for v in value.values())
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, hint) and (hint is bool or not isinstance(value, bool))


def _record(content: Any) -> Record:
    """A record from one line of JSON."""
    if isinstance(content, dict) and isinstance(content.get("metrics"), dict):
        metrics = {name: _measurement(name, each) for name, each in content["metrics"].items()}
        content = content | {"metrics": metrics}
    record = build(Record, content)
    _moment(record.when)
    return record


def _measurement(name: str, content: Any) -> Measurement:
    """One metric of a record; its errors say which."""
    try:
        return build(Measurement, content)
    except ValueError as error:
        raise ValueError(f"metrics.{name}: {error}") from None


def _moment(when: str) -> datetime:
    """The time of a record, comparable to every other."""
    moment = datetime.fromisoformat(when)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
