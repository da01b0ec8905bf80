"""Training in the precision that a device is fast in: what is named stays, "auto" follows the hardware."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from unnoise.core.batch import Batch
from unnoise.core.denoiser import MeanDenoiser, Velocity
from unnoise.core.device import precision_on
from unnoise.core.model import Model
from unnoise.core.process import Gaussian
from unnoise.core.schedule import Cosine
from unnoise.core.training import Fit, fit


class Net(nn.Module):
    """Remembers what its matrix product came in."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(2))
        self.dtypes: set[torch.dtype] = set()

    def forward(self, x: Tensor, log_snr: Tensor, batch: Batch) -> Tensor:
        y: Tensor = nn.functional.linear(x, self.weight)
        self.dtypes.add(y.dtype)
        return y


@pytest.fixture(params=[True, False], ids=["tiles", "none"])
def tiles(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether this CPU has AMX."""
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: request.param)
    return bool(request.param)


def test_a_cpu_is_given_bfloat16_if_it_multiplies_matrices_of_it(tiles: bool) -> None:
    assert precision_on("cpu") == ("bf16-mixed" if tiles else "32-true")
    assert precision_on("cpu", "bf16-mixed") == "bf16-mixed"
    assert precision_on("mps") == "32-true"


def test_training_is_in_it_and_the_state_says_so(tiles: bool, tmp_path: Path) -> None:
    net, rows = Net(), Batch(torch.eye(2).repeat(8, 1))
    model = Model(Gaussian(Cosine()), MeanDenoiser(net, Velocity()), shape=(2,))
    how = Fit(2, batch=8, precision="auto")
    fit(model, rows, how, tmp_path, progress=False, accelerator="cpu")
    assert net.dtypes == {torch.bfloat16 if tiles else torch.float32}
    assert precision_on("cpu") in (tmp_path / "fit.json").read_text()
