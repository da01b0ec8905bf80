"""One diffusion core, many domains."""

__version__ = "0.1.0"
