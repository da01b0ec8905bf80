r"""What is known, and what is asked, as tokens that know of each other: no noise is seen here, so this is done once
for a question, however many draws it has and however many levels a draw.

    GridEncoder   y = norm(h);   h <- h + time(y) + channel(y)   each channel over times, each time over channels
                                 h <- h + feed(norm(h))
    SetEncoder    the same with attention among all entries that exist, gathered

The first is CSDI's attention along two axes (Tashiro et al. 2021), for channels that are measured together: T C
tokens look at T + C others each; with oscillators instead of attention over times (`recurrence`), the work is
linear in T. The second is for channels measured at times of their own: where a fifth of a grid is filled, that is
a fifth of the tokens, and none of the work is spent on holes.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from unnoise.core.batch import Batch
from unnoise.domains.timeseries.networks.gather import Gathered
from unnoise.domains.timeseries.networks.layers import Attention, Feed, Rotary
from unnoise.domains.timeseries.networks.recurrence import Gaps, Oscillators
from unnoise.domains.timeseries.networks.tokens import Tokens
from unnoise.domains.timeseries.question import GIVEN, times, wanted

__all__ = ["GridEncoder", "SetEncoder"]


class GridEncoder(nn.Module):
    """Questions as features of their targets, (B, L, width).

    Args:
        channels: C; with one there is nothing to attend to across.
        known: covariates of a time.
        static: covariates of a series.
        longest: time that a window spans.
        width: of a token.
        layers: how many.
        head: width of an attention head.
        dropout: inside the perceptrons.
        recurrent: oscillators over times, not attention.
    """

    def __init__(
        self, channels: int, known: int, static: int, longest: float, width: int, layers: int,
        head: int, dropout: float, recurrent: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.tokens = Tokens(channels, known, static, width)
        self.along = Gaps(head, longest) if recurrent else Rotary(head, longest)

        def mixing() -> nn.Module:
            return Oscillators(width, head, longest) if recurrent else Along(width, head)

        self.layers = nn.ModuleList(
            GridLayer(mixing(), width, head, channels > 1, dropout) for _ in range(layers)
        )

    def forward(self, batch: Batch, targets: Gathered) -> Tensor:
        exists = batch.cond[GIVEN].bool() | wanted(batch)
        along = self.along(times(batch), batch.x)
        h = self.tokens(batch)
        for layer in self.layers:
            h = layer(h, exists, along)
        return targets.take(h.flatten(1, 2))


class SetEncoder(nn.Module):
    """As `GridEncoder`, among the entries that exist; the arguments are the same."""

    def __init__(
        self, channels: int, known: int, static: int, longest: float, width: int, layers: int,
        head: int, dropout: float,
    ) -> None:  # fmt: skip
        super().__init__()
        self.tokens = Tokens(channels, known, static, width)
        self.rotary = Rotary(head, longest)
        self.layers = nn.ModuleList(SetLayer(width, head, dropout) for _ in range(layers))

    def forward(self, batch: Batch, targets: Gathered) -> Tensor:
        entries = Gathered.of(batch.cond[GIVEN].bool() | wanted(batch))
        cos, sin = self.rotary(times(batch), batch.x)
        turn = entries.take_times(cos), entries.take_times(sin)
        h = entries.take(self.tokens(batch).flatten(1, 2))
        for layer in self.layers:
            h = layer(h, entries.exists, turn)
        return targets.take(entries.put(h))


class Along(nn.Module):
    """Attention of each channel over its times, (B, C, T, width)."""

    def __init__(self, width: int, head: int) -> None:
        super().__init__()
        self.attention = Attention(width, head)

    def forward(self, h: Tensor, exists: Tensor, along: Sequence[Tensor]) -> Tensor:
        turn = [part.repeat_interleave(h.shape[1], 0) for part in along]
        mixed = self.attention(h.flatten(0, 1), exists.flatten(0, 1), turn)
        out: Tensor = mixed.unflatten(0, h.shape[:2])
        return out


class GridLayer(nn.Module):
    """One update of all tokens (B, T, C, width)."""

    def __init__(
        self, time: nn.Module, width: int, head: int, across: bool, dropout: float
    ) -> None:
        super().__init__()
        self.mix_norm, self.feed_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.time = time
        self.channel = Attention(width, head) if across else None
        self.feed = Feed(width, dropout)

    def forward(self, h: Tensor, exists: Tensor, along: Sequence[Tensor]) -> Tensor:
        y = self.mix_norm(h)
        mixed = self.time(y.transpose(1, 2), exists.transpose(1, 2), along).transpose(1, 2)
        if self.channel is not None:
            across = self.channel(y.flatten(0, 1), exists.flatten(0, 1))
            mixed = mixed + across.unflatten(0, h.shape[:2])
        h = h + mixed.to(h.dtype)
        out: Tensor = h + self.feed(self.feed_norm(h)).to(h.dtype)
        return out


class SetLayer(nn.Module):
    """One update of gathered tokens (B, L, width)."""

    def __init__(self, width: int, head: int, dropout: float) -> None:
        super().__init__()
        self.mix_norm, self.feed_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mix = Attention(width, head)
        self.feed = Feed(width, dropout)

    def forward(self, h: Tensor, exists: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
        h = h + self.mix(self.mix_norm(h), exists, turn).to(h.dtype)
        out: Tensor = h + self.feed(self.feed_norm(h)).to(h.dtype)
        return out
