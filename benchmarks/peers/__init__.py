"""Scripts that measure other libraries in our own set-up, where they are installed; the package
depends on none of them. What they print goes into `reference/core.toml`."""
