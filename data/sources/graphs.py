"""Sets of graphs that generative models are compared on.

Most were published as pickles, which run code when they are read. The files here are conversions
to JSON, or choices among public text files, so they can only be placed by hand.
"""

from unnoise.data.source import File, Source

__all__ = ["GRAPHS"]

_NIU = (
    "Niu et al. Permutation invariant graph generation via score-based generative modeling. "
    "AISTATS 2020 (the recipe)"
)
_HUANG = (
    "Huang et al. GraphGDP: generative diffusion processes for permutation invariant graph "
    "generation. ICDM 2022"
)
_JO = (
    "Jo, Lee and Hwang. Score-based generative modeling of graphs via the system of stochastic "
    "differential equations. ICML 2022"
)
_MARTINKUS = (
    "Martinkus et al. SPECTRE: spectral conditioning helps to overcome the expressivity limits of "
    "one-shot graph generators. ICML 2022"
)
_YOU = (
    "You et al. GraphRNN: generating realistic graphs with deep auto-regressive models. ICML 2018"
)

_GRAPHGDP = "github.com/GRAPH-0/GraphGDP at 765cabf"
_GDSS = "github.com/harryjo97/GDSS at 24cc490"
_SPECTRE = "github.com/KarolisMart/SPECTRE at f676c0d"
_BERGMEISTER = "github.com/AndreasBergmeister/graph-generation at 4625978"
_GRAPHRNN = "github.com/JiaxuanYou/graph-generation at 3444b8a"


def _community(copy: str, pin: File, licence: str, citation: str, origin: str) -> Source:
    """One of the three draws of Community-small."""
    return Source(
        name=f"community-small/{copy}",
        folder="graphs/community_small",
        files=(pin,),
        licence=licence,
        citation=f"{_NIU}; {citation} (the file)",
        summary="100 connected graphs of two communities, 12 to 20 nodes",
        origin=f"{origin}, as JSON",
    )


_COMMUNITY_GRAPHGDP = _community(
    "graphgdp",
    File(
        "community_small_graphgdp.json",
        "1cb49acf7e47d01ea2452f0f8e6eeb4257d51578f81e36ad223409d42ee436e0",
        27026,
        (),
    ),
    "MIT (GraphGDP, where it was taken from)",
    _HUANG,
    f"data/raw/Community_small.pkl of {_GRAPHGDP}",
)
_COMMUNITY_GDSS = _community(
    "gdss",
    File(
        "community_small_gdss.json",
        "cf2d8f74a75133359aca324d93b853e7bc43ef066a19edc0dd698ebf941dd743",
        26678,
        (),
    ),
    "none stated (GDSS, where it was taken from)",
    _JO,
    f"data/community_small.pkl of {_GDSS}",
)
_COMMUNITY_SPECTRE = _community(
    "spectre",
    File(
        "community_spectre.json",
        "8beefc39d893d5f2f23a7bc1ad76785383e6951f0283bb4db7064cd47216d8be",
        28503,
        (),
    ),
    "MIT (SPECTRE, where it was taken from)",
    _MARTINKUS,
    f"data/community_12_21_100.pt of {_SPECTRE}",
)

_EGO_SMALL = Source(
    name="ego-small",
    folder="graphs/ego_small",
    files=(
        File(
            "ego_small.json",
            "9ec362b90a6123c436f552a95259609248702345bfad9901e1450280a3e478f0",
            16997,
            (),
        ),
    ),
    licence="MIT (GraphGDP, where it was taken from); none stated for the citations themselves",
    citation=(
        "Sen et al. Collective classification in network data. AI Magazine 29(3), 2008 (the "
        f"network); {_HUANG} (the file)"
    ),
    summary="200 neighbourhoods in the citation network CiteSeer, 4 to 17 nodes",
    origin=f"data/raw/Ego_small.pkl of {_GRAPHGDP}, as JSON",
)

_PLANAR = Source(
    name="planar",
    folder="graphs/planar",
    files=(
        File(
            "planar.json",
            "7aa771e4af81f22e6fdcdf88f00d981b81f15abdbc104527db68137cbbb467ec",
            278901,
            (),
        ),
    ),
    licence="MIT (where it was taken from)",
    citation=_MARTINKUS,
    summary="200 Delaunay triangulations of 64 points",
    origin=f"data/planar.pkl of {_BERGMEISTER}, as JSON",
)

_SBM = Source(
    name="sbm",
    folder="graphs/sbm",
    files=(
        File(
            "sbm.json",
            "292adda6ba4a9ceff494bc94f2a57b5f089f93ad766bc01a123b981149a34f4e",
            823476,
            (),
        ),
    ),
    licence="MIT (where it was taken from)",
    citation=_MARTINKUS,
    summary="200 stochastic block models of 2 to 5 blocks, 44 to 187 nodes",
    origin=f"data/sbm.pkl of {_BERGMEISTER}, as JSON",
)

_GRID = Source(
    name="grid",
    folder="graphs/grid",
    files=(
        File(
            "grid_sizes.json",
            "c8afebcc650c29b6948af4bc9ea87033c917490875315871ec45e6a29bf1923a",
            1487,
            (),
        ),
    ),
    licence="none stated (GDSS, where it was taken from)",
    citation=f"{_YOU} (the recipe); {_JO} (the file)",
    summary="100 grids of two dimensions, sides of 10 to 19, 110 to 361 nodes",
    origin=f"data/grid.pkl of {_GDSS}, only the sides, as JSON",
)

_ENZYMES = Source(
    name="enzymes",
    folder="graphs/ENZYMES",
    files=(
        File(
            "enzymes_graphgdp_order.json",
            "340fe91ca811b4f8a136c105fde5b5bdd2e013c9c3eda493aee6786be2e9bcfb",
            3179,
            (),
        ),
        File(
            "raw/ENZYMES_A.txt",
            "5553c84f8f562f3e199dfd27192174f485e85c44c1357661098668937a739cbf",
            885124,
            (),
        ),
        File(
            "raw/ENZYMES_graph_indicator.txt",
            "95ba0fa47eba6f02e6b754a215dc66d5b49de3f45f57a128514301a8d7ed5f46",
            74914,
            (),
        ),
        File(
            "raw/ENZYMES_graph_labels.txt",
            "04743e08967e61e65cdacbb90f8df6ee53742b3d2e7b84675b85ebac70506856",
            1200,
            (),
        ),
        File(
            "raw/ENZYMES_node_labels.txt",
            "8263eb9b64efa231a5886343483ccfc0342f2407014763a8f738fd51c32ce770",
            39160,
            (),
        ),
    ),
    licence="none stated; the repository that the texts were taken from states MIT",
    citation=(
        "Borgwardt et al. Protein function prediction via graph kernels. Bioinformatics 21 "
        "(Suppl 1), 2005; Schomburg et al. BRENDA, the enzyme database: updates and major new "
        f"developments. Nucleic Acids Research 32D, 2004; {_HUANG} (the choice and its order)"
    ),
    summary="562 of the TU collection's 600 protein graphs, connected, 10 to 125 nodes",
    origin=(
        f"dataset/ENZYMES of {_GRAPHRNN}, and which of its graphs are those of "
        f"data/raw/ENZYMES.pkl of {_GRAPHGDP}, as JSON"
    ),
)

_QM9 = Source(
    name="qm9",
    folder="graphs/qm9",
    files=(
        File(
            "qm9_heavy_12k.jsonl",
            "8e89db07770a937d887060e29642e52dc0718b4889e35a75abfb5e96cfaffff2",
            1702660,
            (),
        ),
    ),
    licence="none stated where it was taken from; QM9 is a public research data set",
    citation=(
        "Ramakrishnan, Dral, Rupp and von Lilienfeld. Quantum chemistry structures and properties "
        "of 134 kilo molecules. Scientific Data 1:140022, 2014"
    ),
    summary="12,000 neutral molecules of 3 to 9 atoms C, N, O, F, without their hydrogens",
    origin=(
        "data/qm9.csv of github.com/valence-discovery/lapool: a choice of 12,000, parsed and "
        "kekulised, as JSON"
    ),
)

GRAPHS = (
    _COMMUNITY_GRAPHGDP,
    _COMMUNITY_GDSS,
    _COMMUNITY_SPECTRE,
    _EGO_SMALL,
    _PLANAR,
    _SBM,
    _GRID,
    _ENZYMES,
    _QM9,
)
