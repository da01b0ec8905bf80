"""The tasks of categorical data, a file a family."""
