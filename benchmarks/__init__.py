"""Benchmarks: the runner that all domains share, its records and reports, and the command line."""
