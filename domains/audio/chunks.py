r"""Long waves in overlapping chunks, in memory that doesn't grow with their length.

Chunks begin every chunk - overlap samples. Where two of them overlap, the second is faded in,

    y = a + w (b - a),   w = 0 | sin^2 | 1 on the first quarter, the half between, the last quarter

so the weights add up to 1, and what is the same in both comes out unchanged, to the last bit. The
quarters at the ends are what a function of reach r <= overlap / 4 gets wrong because it can't see
beyond its chunk: nothing of it is left, and chunks give what the whole wave would. With a larger
reach the seams differ, and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

__all__ = ["fade", "process"]


def process(
    blocks: Iterable[Tensor],
    f: Callable[[Tensor, int], Tensor],
    chunk: int,
    overlap: int,
    grid: int = 1,
) -> Iterator[Tensor]:
    """f of a wave that comes in blocks (C, n), cut anywhere; blocks (C, m) of the same total length.

    At most two chunks and a block are held. The last chunk is moved back until it is whole, on its
    grid; a wave shorter than a chunk is one piece.

    Args:
        blocks: the wave.
        f: takes a piece (C, chunk), the last one up to grid - 1 samples shorter, and the sample of the wave at which it begins, by which a
            random f can draw the same noise at the same place; gives a piece of that shape.
        chunk: samples of a piece.
        overlap: samples that neighbours share, at most half a chunk.
        grid: pieces begin at its multiples. At the hop of a spectrogram times the strides of a
            network in time, a piece has the frames that the whole wave has there.

    Raises:
        ValueError: at once, unless 0 <= overlap <= chunk / 2 and both are multiples of grid; at the
            chunk, if f changes the shape.
    """
    if not 0 <= overlap <= chunk / 2 or chunk < 1:
        raise ValueError(
            f"process: needs 0 <= overlap <= chunk / 2 and chunk > 0, got {overlap} and {chunk}"
        )
    if grid < 1 or chunk % grid or overlap % grid:
        raise ValueError(
            f"process: chunk and overlap must be multiples of grid, got {chunk}, {overlap} and {grid}"
        )
    return _process(blocks, f, chunk, overlap, grid)


def fade(overlap: int) -> Tensor:
    """w (overlap,), float64, the weight of the later chunk; w and its mirror image add up to 1."""
    place = (torch.arange(overlap, dtype=torch.float64) + 0.5) / max(overlap, 1)
    return torch.sin(math.pi / 2 * (2 * place - 0.5).clamp(0, 1)).square()


def _process(
    blocks: Iterable[Tensor],
    f: Callable[[Tensor, int], Tensor],
    chunk: int,
    overlap: int,
    grid: int,
) -> Iterator[Tensor]:
    hop = chunk - overlap
    held: Tensor | None = None  # from the last chunk's beginning on
    start = 0  # of the next chunk
    tail: Tensor | None = None  # f's last `overlap` samples of the last chunk
    for block in blocks:
        held = block if held is None else torch.cat([held, block], 1)
        # a chunk is due when something lies behind it: the last one is for the end
        while held.shape[1] - (lead := 0 if tail is None else hop) > chunk:
            held = held[:, lead:]
            out = _joined(tail, _applied(f, held[:, :chunk], start), overlap)
            yield out[:, :hop]
            tail, start = out[:, hop:], start + hop
    if held is None or held.shape[1] == 0:
        return
    if tail is None:
        yield _applied(f, held, 0)
        return
    # of the last chunk, moved back to end with the wave, what lies before `start` is out already
    back = (chunk + hop - held.shape[1]) // grid * grid
    last = _applied(f, held[:, hop - back :], start - back)
    yield _joined(tail, last[:, back:], overlap)


def _applied(f: Callable[[Tensor, int], Tensor], piece: Tensor, start: int) -> Tensor:
    out = f(piece, start)
    if out.shape != piece.shape:
        raise ValueError(
            f"process: f made {tuple(out.shape)} of {tuple(piece.shape)} at sample {start}; it must keep the shape"
        )
    return out


def _joined(tail: Tensor | None, piece: Tensor, overlap: int) -> Tensor:
    """A piece whose first samples are faded in over the end of what came before."""
    if tail is None or overlap == 0:
        return piece
    head = torch.lerp(tail, piece[:, :overlap], fade(overlap).to(piece))
    return torch.cat([head, piece[:, overlap:]], 1)
