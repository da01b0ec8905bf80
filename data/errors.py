"""What goes wrong with data: one kind of error, whose message says what, where and what to do."""

__all__ = ["DataError", "UnknownSource"]


class DataError(ValueError):
    """A data set that cannot be found, fetched or read. The message is one line, for a person."""


class UnknownSource(DataError):
    """A name that stands for no data set."""
