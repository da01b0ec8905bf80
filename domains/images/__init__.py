"""Images: class-conditional diffusion of quantised pixels, inpainting, likelihoods, and metrics
that need no downloaded weights."""

from collections.abc import Callable

from unnoise.domains.images.tasks import digits, mnist
from unnoise.domains.task import Task

__all__ = ["DOMAIN", "digits", "mnist"]

DOMAIN: dict[str, Callable[[], Task]] = {"digits": digits, "mnist": mnist}
