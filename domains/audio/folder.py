"""A folder of recordings, enhanced into another: what is done is skipped, what fails is told and the
rest goes on.

A result appears when it is whole (`files.writing`), so one that is there, and no older than its
source, is done. Nothing of it depends on how many files are worked on at once.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch

from unnoise.domains.audio.enhancer import Enhancer

__all__ = ["SUFFIXES", "Job", "Outcome", "enhance_all", "jobs_of", "recordings_in"]

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")


@dataclass(frozen=True)
class Job:
    """One file to be enhanced into another."""

    source: Path
    target: Path

    @property
    def done(self) -> bool:
        """Whether the result is there and no older than its source."""
        if not self.target.is_file() or not self.source.is_file():
            return False
        return self.target.stat().st_mtime >= self.source.stat().st_mtime


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        job: the job.
        error: why it failed, "" if it didn't.
        remarks: what was warned of.
    """

    job: Job
    error: str = ""
    remarks: tuple[str, ...] = ()


def recordings_in(folder: Path) -> list[Path]:
    """The audio files under a folder, in the order of names.

    Raises:
        FileNotFoundError: if the folder isn't there.
        ValueError: if there is no audio in it.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder")
    found = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix.lower() in SUFFIXES)
    if not found:
        raise ValueError(f"{folder}: holds no {', '.join(SUFFIXES)} file")
    return found


def jobs_of(source: Path, target: Path) -> list[Job]:
    """A job for each recording of a folder; results keep their places below `target`.

    Raises:
        FileNotFoundError: if the folder isn't there.
        ValueError: if there is no audio in it, or the target lies inside it or is the same.
    """
    found = recordings_in(source)
    if target.resolve().is_relative_to(source.resolve()):
        raise ValueError(
            f"{target}: lies in {source}, so results would be taken for recordings; choose a folder outside"
        )
    return [Job(p, target / p.relative_to(source)) for p in found]


def enhance_all(
    checkpoint: Path | str, jobs: Sequence[Job], seed: int = 0, nfe: int | None = None,
    workers: int = 1, device: str = "cpu",
) -> Iterator[Outcome]:  # fmt: skip
    """The outcomes of jobs, as they end.

    Args:
        checkpoint: of an `Enhancer`.
        jobs: what to do.
        seed, nfe: as in `Enhancer.enhance_file`.
        workers: processes; the CPU's threads are divided among them.
        device: of the network.
    """
    for folder in {job.target.parent for job in jobs}:
        folder.mkdir(parents=True, exist_ok=True)
    if workers == 1 or len(jobs) < 2:
        enhancer = Enhancer.load(checkpoint).to(device)
        yield from (_outcome(enhancer, job, seed, nfe) for job in jobs)
        return
    threads = max(1, torch.get_num_threads() // workers)
    pool = ProcessPoolExecutor(
        workers, get_context("spawn"), _start, (str(checkpoint), threads, device)
    )
    try:
        waiting = [pool.submit(_work, job, seed, nfe) for job in jobs]
        yield from (one.result() for one in as_completed(waiting))
    finally:
        pool.shutdown(cancel_futures=True)


def _outcome(enhancer: Enhancer, job: Job, seed: int, nfe: int | None) -> Outcome:
    error = ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            enhancer.enhance_file(job.source, job.target, seed, nfe)
        except (ValueError, OSError) as wrong:
            error = " ".join(str(wrong).split())
    return Outcome(job, error, tuple(str(one.message) for one in caught))


_worker: dict[int, Enhancer] = {}  # of a process, by its id: a pool's initialiser returns nothing


def _start(checkpoint: str, threads: int, device: str) -> None:
    torch.set_num_threads(threads)
    _worker[os.getpid()] = Enhancer.load(checkpoint).to(device)


def _work(job: Job, seed: int, nfe: int | None) -> Outcome:
    return _outcome(_worker[os.getpid()], job, seed, nfe)
