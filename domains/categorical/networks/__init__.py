"""Networks F(x (B, D) codes, log_snr (B,), batch) -> (B, D, out): odds of every level of every
column."""

from unnoise.domains.categorical.networks.convolution import Convolutions
from unnoise.domains.categorical.networks.energy import Energy
from unnoise.domains.categorical.networks.hollow import Hollow
from unnoise.domains.categorical.networks.mlp import TableMLP
from unnoise.domains.categorical.networks.transformer import Transformer

__all__ = ["Convolutions", "Energy", "Hollow", "TableMLP", "Transformer"]
