"""The idx parser: round trips, and every way in which a file can be damaged."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from unnoise.data import DataError, read_idx

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
WHOLE = struct.pack(">4I", 2051, 2, 3, 4) + IMAGES.tobytes()
LABELS = struct.pack(">2I", 2049, 3) + bytes([7, 0, 9])


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_images_and_labels(tmp_path: Path, pack: type[bytes]) -> None:
    (tmp_path / "images").write_bytes(pack(WHOLE))
    (tmp_path / "labels").write_bytes(pack(LABELS))
    images, labels = read_idx(tmp_path / "images"), read_idx(tmp_path / "labels")
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, [7, 0, 9])
    assert images.dtype == labels.dtype == np.uint8
    assert images.flags.writeable  # torch.from_numpy warns otherwise


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        pytest.param(b"", "not an idx file", id="empty"),
        pytest.param(b"\0\0\x08", "not an idx file", id="three bytes"),
        pytest.param(b"<html>", "magic number is 1013478509, not 2049 or 2051", id="html"),
        pytest.param(WHOLE[:10], "ends inside its header", id="header cut"),
        pytest.param(WHOLE[:-1], r"promises 24 bytes .* \(2, 3, 4\), but it holds 23", id="cut"),
        pytest.param(WHOLE + b"?", "but it holds 25", id="too long"),
        pytest.param(struct.pack(">4I", 2051, *3 * [2**32 - 1]), "but it holds 0", id="huge"),
        pytest.param(gzip.compress(WHOLE)[:-9], "truncated or corrupt gzip", id="gzip cut"),
        pytest.param(gzip.compress(WHOLE)[:-8] + bytes(8), "CRC check failed", id="gzip sum"),
        pytest.param(gzip.compress(WHOLE)[:10] + b"\xff" * 9, "corrupt gzip", id="gzip body"),
    ],
)
def test_damage_is_named(tmp_path: Path, content: bytes, fault: str) -> None:
    path = tmp_path / "toy-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"^{path}: .*{fault}"):
        read_idx(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent: cannot be read: No such file"):
        read_idx(tmp_path / "absent")
