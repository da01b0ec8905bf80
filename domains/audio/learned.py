"""A trained model of speech, and what stands between it and waves: what a checkpoint holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from unnoise.core.batch import Batch
from unnoise.core.checkpoint import CheckpointError, load_weights, read_about, save_weights
from unnoise.core.model import Model
from unnoise.core.random import Generator
from unnoise.core.training import History
from unnoise.domains.audio.model import (
    RESIDUAL,
    Kind,
    enhancement_model,
    kind_from_json,
    kind_to_json,
    predicted,
)
from unnoise.domains.audio.sampling import Recipe
from unnoise.domains.audio.spectrogram import Spectrogram
from unnoise.domains.audio.training import Drawn, Source
from unnoise.domains.audio.unet import Size, UNet

__all__ = ["Learned"]

_FORMAT = "enhancer-1"


@dataclass(frozen=True, eq=False)
class Learned:
    """What a checkpoint holds.

    Attributes:
        model: of states; its shape is that of training.
        front: makes states of waves.
        kind: the process.
        size: of the network.
        recipe: how to sample.
        residual: s, see `model`.
        history: the losses of training.
        first: the first stage, see `model`; None: there is none.

    Raises:
        ValueError: if the first stage has another front end, or a first stage itself.
    """

    model: Model
    front: Spectrogram
    kind: Kind
    size: Size
    recipe: Recipe
    residual: float = RESIDUAL
    history: History = field(default_factory=History)
    first: Learned | None = None

    def __post_init__(self) -> None:
        if self.first is not None and (self.first.front != self.front or self.first.first):
            raise ValueError(
                "Learned: a first stage must have the same front end, and no first stage itself"
            )

    @staticmethod
    def untrained(
        front: Spectrogram, kind: Kind, size: Size, recipe: Recipe | None = None,
        residual: float = RESIDUAL, seed: int = 0, frames: int = 1, first: Learned | None = None,
    ) -> Learned:  # fmt: skip
        """With random weights; its answer is that of its parameterisation."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            given = ("noisy",) if first is None else ("noisy", "predicted")
            network = UNet(front.bins, size, given=given)
        shape = (2, front.bins, frames)
        model = enhancement_model(kind, network, shape, residual, anchor=given[-1]).eval()
        return Learned(model, front, kind, size, recipe or kind.recipe, residual, first=first)

    @property
    def grid(self) -> int:
        """Samples at whose multiples a chunk has the frames and tokens of the whole wave."""
        tokens = self.size.strides[1]
        return math.lcm(self.front.hop * tokens, self.first.grid if self.first else 1)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.model.parameters()).device

    def to(self, device: torch.device | str) -> Learned:
        """Itself, its networks moved to a device."""
        self._networks.to(device)
        return self

    def told(self, batch: Batch, generator: Generator = None) -> Batch:
        """Noisy speech with all that the model is conditioned on."""
        return batch if self.first is None else predicted(self.first.model, batch, generator)

    def drawn(self, source: Source) -> Drawn:
        """The objective of training, on fresh pairs of a source."""
        first = None if self.first is None else self.first.model
        return Drawn(self.model.objective, source, self.front, first)

    def taught(self, drawn: Drawn) -> Model:
        """The model that is to be trained: the same networks, with that objective."""
        m = self.model
        return Model(m.process, m.denoiser, m.shape, m.transform, drawn)

    @property
    def about(self) -> dict[str, Any]:
        """What a checkpoint says beside the weights, as JSON."""
        return {"format": _FORMAT, "learned": self._to_json()}

    def save(self, path: Path | str) -> None:
        """Write all of it in one file: weights (safetensors) with a JSON header."""
        save_weights(self._networks, Path(path), self.about)

    def _to_json(self) -> dict[str, Any]:
        return {
            "front": asdict(self.front),
            "kind": kind_to_json(self.kind),
            "size": asdict(self.size),
            "recipe": asdict(self.recipe),
            "residual": self.residual,
            "history": list(self.history.rows),
            "first": None if self.first is None else self.first._to_json(),
        }

    @staticmethod
    def _from_json(told: Mapping[str, Any]) -> Learned:
        first = None if told["first"] is None else Learned._from_json(told["first"])
        size: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in told["size"].items()
        }
        made = Learned.untrained(
            Spectrogram(**told["front"]), kind_from_json(told["kind"]), Size(**size),
            Recipe(**told["recipe"]), told["residual"], first=first,
        )  # fmt: skip
        return replace(made, history=History(told["history"]))

    @property
    def _networks(self) -> nn.Module:
        """All that has weights."""
        models = [self.model] if self.first is None else [self.model, self.first.model]
        return nn.ModuleList(models)

    @staticmethod
    def load(path: Path | str) -> Learned:
        """What `save` wrote, or a run of a task of this domain.

        Raises:
            CheckpointError: if the file is missing, unreadable, or holds something else.
        """
        about = read_about(Path(path))
        if about.get("format") != _FORMAT:
            raise CheckpointError(
                f"{path}: holds no {_FORMAT}; it says {about.get('format')!r}. Enhancer.save and unnoise train audio/... write one"
            )
        made = Learned._from_json(about["learned"])
        of_a_run = "task" in about  # which holds the model as it is, by names without a number
        load_weights(made.model if of_a_run else made._networks, Path(path))
        return made
