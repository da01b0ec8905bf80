r"""A network in two parts: an encoder of the question, and a decoder of the noisy targets.

    e = encoder(given, asked, reference)                                  once a question
    h = e + W r_t;   h <- h + g(t) mix(norm_t(h));   h <- h + g(t) feed(norm_t(h))   at every noise level

The decoder sees targets only. They are few among all entries, and what they need to know of the rest is in e, so
a hundred draws of twelve evaluations cost little more than the one look at the series.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from unnoise.core.batch import Batch
from unnoise.core.embedding import LevelEmbedding
from unnoise.domains.timeseries.networks.encoders import GridEncoder, SetEncoder
from unnoise.domains.timeseries.networks.gather import Gathered
from unnoise.domains.timeseries.networks.layers import Attention, Feed, Modulated, Rotary
from unnoise.domains.timeseries.question import CONTEXT, times, wanted

__all__ = ["SeriesNetwork"]


class SeriesNetwork(nn.Module):
    """Residuals (B, T, C) to outputs (B, T, C), which are zero before training.

    Args:
        encoder: of questions, to features of their targets.
        longest: time that a window spans.
        width: of the encoder's features.
        layers: of the decoder.
        head: width of an attention head.
        dropout: inside the perceptrons.
    """

    def __init__(
        self, encoder: GridEncoder | SetEncoder, longest: float, width: int, layers: int,
        head: int, dropout: float,
    ) -> None:  # fmt: skip
        super().__init__()
        self.longest = longest
        self.encoder = encoder
        self.enter = nn.Linear(1, width)
        self.level = LevelEmbedding(width)
        self.rotary = Rotary(head, longest)
        self.layers = nn.ModuleList(Layer(width, head, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def encode(self, batch: Batch) -> Batch:
        """The question with its features beside, so that they needn't be made again."""
        e = self.encoder(batch, Gathered.of(wanted(batch)))
        return batch.replace(cond={**batch.cond, CONTEXT: e})

    def forward(self, x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
        batch = batch if CONTEXT in batch.cond else self.encode(batch)
        targets = Gathered.of(wanted(batch))
        noisy = targets.take(x.reshape(len(x), -1, 1))
        cos, sin = self.rotary(times(batch), x)
        turn = targets.take_times(cos), targets.take_times(sin)
        e = batch.cond[CONTEXT][
            :, : noisy.shape[1]
        ]  # rows may come from a batch with more targets
        h, level = e + self.enter(noisy), F.silu(self.level(log_snr))
        for layer in self.layers:
            h = layer(h, level, targets.exists, turn)
        return targets.put(self.leave(self.norm(h))).reshape(x.shape)


class Layer(nn.Module):
    """One update of the targets (B, L, width)."""

    def __init__(self, width: int, head: int, dropout: float) -> None:
        super().__init__()
        self.mix_norm, self.feed_norm = Modulated(width), Modulated(width)
        self.mix = Attention(width, head)
        self.feed = Feed(width, dropout)

    def forward(
        self, h: Tensor, level: Tensor, exists: Tensor, turn: tuple[Tensor, Tensor]
    ) -> Tensor:
        y, gate = self.mix_norm(h, level)
        h = h + gate * self.mix(y, exists, turn).to(h.dtype)
        y, gate = self.feed_norm(h, level)
        out: Tensor = h + gate * self.feed(y).to(h.dtype)
        return out
