"""Networks F(noisy graphs, log_snr (B,), condition) -> (nodes, edges), equivariant by construction."""

from unnoise.domains.graphs.networks.base import GraphNetwork, Noisy
from unnoise.domains.graphs.networks.edge import EdgeTransformer
from unnoise.domains.graphs.networks.features import Structure
from unnoise.domains.graphs.networks.pgsn import PGSN
from unnoise.domains.graphs.networks.sparse import SparseNetwork

__all__ = ["PGSN", "EdgeTransformer", "GraphNetwork", "Noisy", "SparseNetwork", "Structure"]
