"""Pictures: MNIST from its mirrors, and the digits that scikit-learn carries."""

from unnoise.data.source import File, Source

__all__ = ["IMAGES"]


def _mirrored(path: str, size: int, sha256: str, md5: str, mirrors: tuple[str, ...]) -> File:
    """A file that every mirror serves under its own name."""
    name = path.rpartition("/")[2]
    return File(path, sha256, size, tuple(mirror + name for mirror in mirrors), md5)


_MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

_MNIST = Source(
    name="mnist",
    folder="images/MNIST",
    files=(
        _mirrored(
            "raw/train-images-idx3-ubyte.gz",
            9912422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            _MNIST_MIRRORS,
        ),
        _mirrored(
            "raw/train-labels-idx1-ubyte.gz",
            28881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "d53e105ee54ea40749a09fcbcd1e9432",
            _MNIST_MIRRORS,
        ),
        _mirrored(
            "raw/t10k-images-idx3-ubyte.gz",
            1648877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "9fb629c4189551a2d022fa330f9573f3",
            _MNIST_MIRRORS,
        ),
        _mirrored(
            "raw/t10k-labels-idx1-ubyte.gz",
            4542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            "ec29112dd5afa0611ce80d1b7f02629c",
            _MNIST_MIRRORS,
        ),
    ),
    licence="(c) Y. LeCun and C. Cortes; no licence stated, commonly given as CC BY-SA 3.0",
    citation=(
        "LeCun, Bottou, Bengio and Haffner. Gradient-based learning applied to document "
        "recognition. Proceedings of the IEEE 86(11), 1998"
    ),
    summary="60,000 + 10,000 handwritten digits, 28 x 28, grey levels 0..255",
)

_DIGITS = Source(
    name="digits",
    folder="images/digits",
    files=(),
    licence="CC BY 4.0 (UCI)",
    citation=(
        "Alpaydin and Kaynak. Optical Recognition of Handwritten Digits. "
        "UCI Machine Learning Repository, 1998, doi:10.24432/C50P49"
    ),
    summary="1,797 handwritten digits, 8 x 8, grey levels 0..16",
    package="scikit-learn",
    loader="load_digits()",
)

IMAGES = (_MNIST, _DIGITS)
