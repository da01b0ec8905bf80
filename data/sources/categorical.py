"""Chorales, texts, binary rows, and networks whose law is known.

The files come from public repositories, pinned to a commit. The Bayesian networks lie there
compressed, so their texts can only be placed by hand.
"""

from unnoise.data.source import File, Source
from unnoise.data.sources.github import BROWNLEE, github

__all__ = ["CATEGORICAL"]


_JSB = Source(
    name="jsb-chorales",
    folder="categorical/jsb_chorales",
    files=github(
        "czhuang/JSB-Chorales-dataset",
        "9a7f733ddb4ed91f48da64ac7f0f621c34aadd4d",
        (
            "Jsb16thSeparated.json",
            "Jsb16thSeparated.json",
            1666444,
            "79294cc374f9252e95ef4b703161524c1c53dc1f712c236f00f1c1f5d54af5a7",
        ),
    ),
    licence="none stated where it is published; the music (J. S. Bach) is in the public domain",
    citation=(
        "Boulanger-Lewandowski, Bengio and Vincent. Modeling temporal dependencies in "
        "high-dimensional sequences. ICML 2012 (the split); voices by "
        "github.com/czhuang/JSB-Chorales-dataset"
    ),
    summary="229 + 76 + 77 chorales of J. S. Bach: four pitches a sixteenth note",
)

_SHAKESPEARE = Source(
    name="shakespeare",
    folder="categorical/text",
    files=github(
        "karpathy/char-rnn",
        "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e",
        (
            "tinyshakespeare.txt",
            "data/tinyshakespeare/input.txt",
            1115394,
            "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        ),
    ),
    licence="text in the public domain; the repository it is fetched from states MIT",
    citation="Karpathy. char-rnn. github.com/karpathy/char-rnn, 2015",
    summary="1,115,394 characters of Shakespeare, 65 distinct",
)

_REPUBLIC = Source(
    name="republic",
    folder="categorical/text",
    files=github(
        *BROWNLEE,
        (
            "republic_clean.txt",
            "republic_clean.txt",
            1195637,
            "1d6777487cecb6389fa65cfe3c26048811ca1ef49f34f781244f1d14e30cb31f",
        ),
    ),
    licence="Project Gutenberg License, at the top of the file",
    citation="Plato. The Republic. Translated by B. Jowett, Project Gutenberg EBook 1497",
    summary="The Republic in English; as letters and blanks 1,158,814 characters, 27 distinct",
)


def _debd(name: str, folder: str, summary: str, citation: str, *pins: tuple[int, str]) -> Source:
    """One of the sets of binary rows; pins are the size and checksum of train, valid and test."""
    files = [f"{folder}.{part}.data" for part in ("train", "valid", "test")]
    return Source(
        name=name,
        folder=f"categorical/debd/{folder}",
        files=github(
            "UCLA-StarAI/Density-Estimation-Datasets",
            "37d53c1a8ba488d0a39e8c64bd3387577080b143",
            *((f, f"datasets/{folder}/{f}", *pin) for f, pin in zip(files, pins, strict=True)),
        ),
        licence="none stated; the repository asks to cite the papers",
        citation=citation,
        summary=summary,
    )


_LOWD = "Lowd and Davis. Learning Markov network structure with decision trees. ICDM 2010"
_HAAREN = (
    "Van Haaren and Davis. Markov network structure learning: a randomized feature generation "
    "approach. AAAI 2012"
)
_NADE = "Larochelle and Murray. The neural autoregressive distribution estimator. AISTATS 2011"

_NLTCS = _debd(
    "nltcs",
    "nltcs",
    "16,181 + 2,157 + 3,236 people: 16 binary columns",
    _LOWD,
    (517792, "e547a7aedad1dd2f7177030881ab1b92c7e24ae5464c71a0f1f89daecaf52b30"),
    (69024, "93bbbf5c6febdc9bc6e5b5bfab636f4dc0685ab2896d24b23dd267794c3bfcf6"),
    (103552, "f9ffa6b74b27dc03bee3203d157ee31079e80b13be40d0c0093d635c25aed523"),
)
_PLANTS = _debd(
    "plants",
    "plants",
    "17,412 + 2,321 + 3,482 plants: 69 binary columns",
    _LOWD,
    (2402856, "1fb1219ff94068d12a563f9e81f8889a1885f41e867884cff608669300c6848f"),
    (320298, "47834ed318b2d74f48e4b083226ef47fd446d41986012ceae19d230574821b34"),
    (480516, "95f53c033cd1d86467aec2610dc5bfe014534206c2da4919f73bcab246ab8755"),
)
_ACCIDENTS = _debd(
    "accidents",
    "accidents",
    "12,758 + 1,700 + 2,551 accidents: 111 binary columns",
    _HAAREN,
    (2832276, "a76648cf00772c275b4277b21d858e235e3c6d3c5ef30beeb4958189b6bed21c"),
    (377400, "fd3a80a0f411f157cf3772a057d26980bb166cb89b10cafb818a53f1ec30d46d"),
    (566322, "df3f1b6c035bf3e306a7d7127320e479d2546ce14a5d6d3043e6be0925b8b414"),
)
_DEBD_MUSHROOMS = _debd(
    "debd-mushrooms",
    "mushrooms",
    "2,000 + 500 + 5,624 mushrooms: 112 binary columns, one a category",
    _NADE,
    (448000, "465c712c066bbbee3ccceded24bbe42b4c379df67b524e28cce9bf3a8b83f27b"),
    (112000, "5a067e6854df71623415e6adc8e913cbff766637a324788882ba800907aa5385"),
    (1259776, "313c5f04b5d0a18bee2f2ffa264be265d09f5362aad6f714637acd9552f81aa0"),
)

_NETWORKS = (
    ("alarm", 13376, "701e6c561f71b55669070c29614f0724b761289aa2c4a35bcc97b638ee881fa2"),
    ("asia", 1074, "9f770c96940dc4d860b581602120790ac538983b30b28d38631b8184dc7b5f89"),
    ("cancer", 725, "05d4ea00a758450eed6fe68ea6de4da05ce0e3e919bd3e8ff7f0bc80a1db4b48"),
    ("child", 5863, "432c22e661cd0e8235c8d95599ac22ccc261002459f5c4e6e7235b057908fe6e"),
    ("earthquake", 747, "74dd131e2c6437a39de17f2963d2d16fadd91e70450d1fc20501df05e8dc4f2e"),
    ("insurance", 22719, "39f9e706e9208e720a55a98b6811188b33a7292335a53373a9343a0c7065dab4"),
    ("sachs", 5734, "b7bd3931192f9e529f0f88bba15fca6cc61ba3c805d5c8ae57eba57ed3b332ec"),
    ("survey", 891, "3698ccc0f1f74b9f935617d91989e4cdb39edb5360b558216af64047fc88b3b0"),
)

_BAYESNETS = Source(
    name="bayesnets",
    folder="categorical/bayesnets",
    files=tuple(File(f"{name}.bif", sha256, size, ()) for name, size, sha256 in _NETWORKS),
    licence="MIT (pgmpy, where they were taken from)",
    citation=(
        "Scutari. Learning Bayesian networks with the bnlearn R package. Journal of Statistical "
        "Software 35(3), 2010; its repository names the paper of each network"
    ),
    summary="8 Bayesian networks of 5 to 37 variables: the probability of a row is known",
    origin=(
        "pgmpy/utils/example_models/*.bif.gz of github.com/pgmpy/pgmpy "
        "at 94105f10d4177e4420e2fa6766d819c19aa6b66e, unpacked"
    ),
)

CATEGORICAL = (
    _JSB,
    _SHAKESPEARE,
    _REPUBLIC,
    _NLTCS,
    _PLANTS,
    _ACCIDENTS,
    _DEBD_MUSHROOMS,
    _BAYESNETS,
)
