"""Molecules: graphs whose nodes are atoms and whose edges are bonds, as SMILES.

Atoms are the attribute "kind" of nodes, an element's symbol; bonds that of edges, their order. Hydrogen
is what the valences leave. SMILES are RDKit's, an extra: `pip install "unnoise[molecules]"`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import networkx as nx

from unnoise.domains.graphs.alphabet import KIND
from unnoise.domains.graphs.write import FORMATS, write_graphs

__all__ = ["MOLECULES", "smiles", "write_molecules"]

MOLECULES = (".smi", *FORMATS)


def smiles(graph: nx.Graph) -> str | None:
    """The canonical SMILES of a molecule; None: RDKit finds that it can't be one.

    Raises:
        ModuleNotFoundError: without RDKit.
    """
    from rdkit import Chem
    from rdkit.rdBase import BlockLogs

    bonds = {1: Chem.BondType.SINGLE, 2: Chem.BondType.DOUBLE, 3: Chem.BondType.TRIPLE}
    molecule = Chem.RWMol()
    place = {node: molecule.AddAtom(Chem.Atom(d[KIND])) for node, d in graph.nodes(data=True)}
    for u, v, d in graph.edges(data=True):
        molecule.AddBond(place[u], place[v], bonds[d[KIND]])
    with BlockLogs():  # it is the caller who says what is wrong
        if Chem.SanitizeMol(molecule, catchErrors=True) != Chem.SanitizeFlags.SANITIZE_NONE:
            return None
    text: str = Chem.MolToSmiles(molecule)
    return text


def write_molecules(graphs: Sequence[nx.Graph], path: Path) -> None:
    """One SMILES a line, an empty one for what is no molecule; or a file of `write_graphs`."""
    if path.suffix != ".smi":
        write_graphs(graphs, path)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{smiles(g) or ''}\n" for g in graphs))
