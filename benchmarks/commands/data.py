"""`unnoise data`: which data sets there are, where they lie, and how to get them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from unnoise.data import Source

__all__ = ["app"]

app = typer.Typer(
    name="data",
    help="List, fetch and find data sets: first in $UNNOISE_DATA, then in the cache.",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(help="A data set, as in `unnoise data list`.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar, no message.")]


@app.command("list", epilog="Example: unnoise data list")
def list_sources() -> None:
    """Show every data set with its size, its licence and where it is found."""
    from rich.console import Console
    from rich.table import Table

    from unnoise.data import SOURCES, provided
    from unnoise.data.disk import readable

    table = Table("name", "size", "licence", "where")
    table.columns[-1].overflow = "fold"  # a path cut short is of no use
    with _one_line_errors():
        provided()  # a wrong $UNNOISE_DATA is one error, not one a row
        for name, source in sorted(SOURCES.items()):
            size = readable(source.size) if source.files else "-"
            table.add_row(name, size, source.licence, _place(source))
    Console().print(table)


@app.command("fetch", epilog="Example: unnoise data fetch mnist --quiet")
def fetch(name: Name, quiet: Quiet = False) -> None:
    """Make sure a data set is on this machine and sound; download it if it is not."""
    with _one_line_errors():
        from unnoise.data import find, lookup

        source = lookup(name)
        place = find(source, quiet=quiet) if source.files else f"inside {source.package}"
        if not quiet:
            typer.echo(f"{name}: {place}", err=True)


@app.command("where", epilog='Example: ls "$(unnoise data where mnist)"')
def where(name: Name) -> None:
    """Print the folder of a data set, and nothing else; never downloads."""
    with _one_line_errors():
        from unnoise.data import DataError, locate, lookup
        from unnoise.data.download import placing

        source = lookup(name)
        folder = locate(source)
        if folder is None:
            files = source.unaddressed
            fetch = f"get it with: unnoise data fetch {name}"
            raise DataError(f"{name} is not here; {placing(source, files) if files else fetch}")
        typer.echo(folder)


def _place(source: "Source") -> str:
    """Where a source is found, for a cell of the table."""
    from unnoise.data import DataError, locate

    if not source.files:
        return f"inside {source.package}"
    absent = "not here, to be placed by hand" if source.unaddressed else "not here"
    try:
        return str(locate(source) or absent)
    except DataError:
        return f"damaged: see `unnoise data where {source.name}`"


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Ends the command with the message of a `DataError` on stderr: 2 for a wrong name, else 1."""
    from unnoise.data import DataError, UnknownSource

    try:
        yield
    except DataError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2 if isinstance(error, UnknownSource) else 1) from None
