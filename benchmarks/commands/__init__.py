"""Subcommands of `unnoise`."""
