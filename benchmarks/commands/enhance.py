"""`unnoise enhance`: a recording or a folder of them in, the same without noise out.

What is wrong with an option ends in one line and exit status 2, before anything is enhanced; what
is wrong with a file of a folder is a line of its own, the rest is done, and the status is 1.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from unnoise.benchmarks.commands.options import Quiet, Threads, use_threads

__all__ = ["enhance", "require_soundfile", "warnings_told"]

Source = Annotated[Path, typer.Argument(metavar="SOURCE", help="A recording, .wav, .flac, .ogg or .mp3, or a folder of them.")]  # fmt: skip
Output = Annotated[Path, typer.Option("--output", "-o", help="The file to write, or the folder.")]
Checkpoint = Annotated[Path | None, typer.Option("--checkpoint", help="A .safetensors file of `unnoise enhance-train`, `unnoise train audio/...` or Enhancer.save.")]  # fmt: skip
Nfe = Annotated[int | None, typer.Option("--nfe", min=1, help="Network evaluations a chunk. Default: as the checkpoint says.")]  # fmt: skip
Seed = Annotated[
    int, typer.Option("--seed", min=0, max=2**63 - 1, help="Source of all randomness.")
]
Jobs = Annotated[int, typer.Option("--jobs", min=1, help="Files of a folder at once.")]
Again = Annotated[bool, typer.Option("--again", help="Enhance what is there already, too.")]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda or mps.")]


def enhance(
    source: Source, output: Output, checkpoint: Checkpoint = None, nfe: Nfe = None, jobs: Jobs = 1, again: Again = False,
    seed: Seed = 0, device: Device = "cpu", threads: Threads = 0, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Take the noise out of recordings of speech. Rate, channels and level stay as they are.

    In a folder what was enhanced before is skipped, so the same command goes on where it was stopped.

    unnoise enhance in.wav -o out.wav --checkpoint speech.safetensors

    unnoise enhance recordings -o enhanced --jobs 2 --nfe 4 --checkpoint speech.safetensors
    """
    try:
        found = _required(source, output, checkpoint)
        use_threads(threads)
        if source.is_dir():
            failed = _folder(source, output, found, nfe, jobs, again, seed, device, quiet)
        else:
            failed = _file(source, output, found, nfe, seed, device)
    except (ValueError, OSError, ImportError) as error:
        typer.echo(f"error: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo("stopped; the same command goes on where it was", err=True)
        raise typer.Exit(130) from None
    if failed:
        raise typer.Exit(1)


def require_soundfile(command: str) -> None:
    """Refuse to go on without soundfile.

    Raises:
        ImportError: if it isn't installed; it says how to.
    """
    try:
        import soundfile  # noqa: F401
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{command}: {error.name} is not installed; pip install 'unnoise[audio]'"
        ) from error


@contextmanager
def warnings_told() -> Iterator[None]:
    """A line on the error stream for each warning of ours."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            yield
        finally:
            for one in caught:
                typer.echo(f"warning: {one.message}", err=True)


def _required(source: Path, output: Path, checkpoint: Path | None) -> Path:
    """The checkpoint, if all that is named can be used.

    Raises:
        ValueError: if there is none, or the output is the source.
        FileNotFoundError: if the source, or the output's folder, isn't there.
        ImportError: without soundfile.
    """
    require_soundfile("enhance")
    if not source.exists():
        raise FileNotFoundError(f"{source}: no such file or folder")
    if output.resolve() == source.resolve():
        raise ValueError(f"--output: {output} is the source itself; name another")
    if source.is_dir() and output.is_file():
        raise ValueError(f"--output: {output} is a file, and {source} a folder; name a folder")
    if source.is_file() and not output.parent.is_dir():
        raise FileNotFoundError(f"--output: there is no folder {output.parent}; make it first")
    if checkpoint is None:
        raise ValueError(
            "--checkpoint: needed, as no model comes with the package; train one with unnoise enhance-train or unnoise train audio/speech16k-noise16k, and name its file"
        )
    return checkpoint


def _file(
    source: Path, output: Path, checkpoint: Path, nfe: int | None, seed: int, device: str
) -> int:  # fmt: skip
    """0, as one file fails by an error."""
    from unnoise.domains.audio.enhancer import Enhancer
    from unnoise.domains.audio.files import Form

    rate = Form.of(source).rate
    Form(rate, 1).under(output)  # its suffix, before any work
    made = Enhancer.load(checkpoint).to(device)
    with warnings_told():
        made.enhance_file(source, output, seed, nfe)
    typer.echo(output)
    return 0


def _folder(
    source: Path, output: Path, checkpoint: Path, nfe: int | None, jobs: int, again: bool,
    seed: int, device: str, quiet: bool,
) -> int:  # fmt: skip
    """How many files failed."""
    from unnoise.domains.audio.folder import enhance_all, jobs_of
    from unnoise.domains.audio.learned import Learned

    everything = jobs_of(source, output)
    recipe = Learned.load(checkpoint).recipe
    type(recipe)(nfe or recipe.nfe, recipe.noise, recipe.snr)  # refused once, not by every file
    waiting = [job for job in everything if again or not job.done]
    began, failed = time.monotonic(), 0
    for k, outcome in enumerate(enhance_all(checkpoint, waiting, seed, nfe, jobs, device), 1):
        for remark in outcome.remarks:
            typer.echo(f"warning: {remark}", err=True)
        if outcome.error:
            failed += 1
            typer.echo(f"failed: {outcome.error}", err=True)
        elif not quiet:
            typer.echo(f"{k}/{len(waiting)} {outcome.job.target}", err=True)
    seconds = time.monotonic() - began
    skipped = len(everything) - len(waiting)
    typer.echo(f"{len(waiting) - failed} enhanced, {skipped} skipped, {failed} failed")
    if not quiet:
        typer.echo(f"{seconds:.1f} s", err=True)
    return failed
