"""Networks of codes: what each may see of a row."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from unnoise.core.batch import Batch
from unnoise.domains.categorical.networks import (
    Convolutions,
    Energy,
    Hollow,
    TableMLP,
    Transformer,
)
from unnoise.domains.categorical.networks.mlp import Cells
from unnoise.domains.categorical.table.network import TableNetwork

COLUMNS, STATES, OUT = 6, 4, 3
MAKERS: dict[str, Callable[[], nn.Module]] = {
    "hollow": lambda: Hollow(COLUMNS, STATES, OUT, 32, 2, 16, own=True),
    "energy": lambda: Energy(COLUMNS, STATES, 32, 2),
    "transformer": lambda: Transformer(COLUMNS, STATES, OUT, 32, 2, 16),
    "perceptron": lambda: TableMLP(COLUMNS, STATES, OUT, 32, 2),
    "convolutions": lambda: Convolutions(1, STATES, OUT, 16, 3),
}


def shaken(make: Callable[[], nn.Module]) -> nn.Module:
    """The network with all weights random: what starts at zero would hide what is seen."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = make()
        for parameter in net.parameters():
            nn.init.normal_(parameter, std=0.3)
    return net.eval()


def rows(n: int = 5) -> Tensor:
    return torch.randint(STATES, (n, COLUMNS), generator=torch.Generator().manual_seed(1)).float()


def ask(net: nn.Module, x: Tensor, log_snr: float = 0.5) -> Tensor:
    out: Tensor = net(x, torch.full((len(x),), log_snr), Batch(x))
    return out


@pytest.mark.parametrize("name", ["hollow", "energy"])
@pytest.mark.parametrize("column", range(COLUMNS))
def test_a_hollow_output_is_the_same_bits_whatever_its_own_column_holds(
    name: str, column: int
) -> None:
    net, x = shaken(MAKERS[name]), rows()
    answers = []
    for value in range(STATES):
        x[:, column] = value
        answers.append(ask(net, x))
    for answer in answers[1:]:
        assert (answer[:, column] == answers[0][:, column]).all()
        others = [d for d in range(COLUMNS) if d != column]
        assert (answer[:, others] != answers[0][:, others]).any()


def test_the_jacobian_of_a_hollow_network_has_a_zero_diagonal_and_nothing_else() -> None:
    net = shaken(MAKERS["hollow"])
    embedded: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        out.retain_grad()
        embedded.append(out)

    net.tokens.register_forward_hook(keep)  # type: ignore[union-attr, operator]
    for d in range(COLUMNS):
        ask(net, rows())[:, d].square().sum().backward()
        slope = embedded[-1].grad
        assert slope is not None
        assert (slope[:, d] == 0).all()
        assert all((slope[:, e] != 0).all() for e in range(COLUMNS) if e != d)


@pytest.mark.parametrize("name", ["transformer", "perceptron"])
def test_other_networks_see_every_column(name: str) -> None:
    net, x = shaken(MAKERS[name]), rows()
    before = ask(net, x)
    for d in range(COLUMNS):
        y = x.clone()
        y[:, d] = (y[:, d] + 1) % STATES
        assert (ask(net, y) != before).any(-1).all()


@pytest.mark.parametrize("name", MAKERS)
def test_all_are_told_the_noise_level_and_bear_its_infinite_ends(name: str) -> None:
    net, x = shaken(MAKERS[name]), rows()
    assert (ask(net, x, 1.0) != ask(net, x, -1.0)).any()
    for far in (torch.inf, -torch.inf):
        near = 14.0 if far > 0 else -14.0
        torch.testing.assert_close(ask(net, x, far), ask(net, x, near), rtol=0, atol=0)


@pytest.mark.parametrize("name", ["transformer", "perceptron", "convolutions", "hollow"])
def test_all_start_at_equal_odds(name: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert (ask(MAKERS[name](), rows()) == 0).all()


def test_an_energy_is_one_scalar_for_all_conditionals() -> None:
    """F_dy - F_dx is f(x with x_d := y) - f(x), so going around a square costs nothing."""
    net, x = shaken(MAKERS["energy"]), rows(1)
    y, z = x.clone(), x.clone()
    y[0, 0] = (x[0, 0] + 1) % STATES
    z[0, 3] = (x[0, 3] + 2) % STATES
    both = y.clone()
    both[0, 3] = z[0, 3]

    def step(start: Tensor, end: Tensor, d: int) -> Tensor:
        odds = ask(net, start)[0, d]
        return odds[int(end[0, d])] - odds[int(start[0, d])]

    there = step(x, y, 0) + step(y, both, 3)
    around = step(x, z, 3) + step(z, both, 0)
    torch.testing.assert_close(there, around)


@pytest.mark.parametrize("states", [3, 3_000])
def test_cells_are_a_linear_layer_on_one_hot_cells(states: int) -> None:
    """Both ways: the product for few states, the bag of embeddings for many."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        cells = Cells(2, states, 8)
    x = torch.tensor([[0.0, states - 1.0], [2.0, 1.0]])
    hot = torch.cat([nn.functional.one_hot(x[:, d].long(), states) for d in range(2)], 1)
    torch.testing.assert_close(cells(x), hot.float() @ cells.weight)


@pytest.mark.parametrize("kind", ["transformer", "convolutions"])
def test_what_doesnt_exist_changes_nothing(kind: str) -> None:
    net, x = shaken(MAKERS[kind]), rows()
    exists = torch.ones(COLUMNS, dtype=torch.bool)
    exists[4:] = False
    level, told = torch.zeros(len(x)), exists.expand(len(x), -1)
    other = torch.where(exists, x, (x + 1) % STATES)
    a, b = (net(v, level, Batch(v, told))[:, :4] for v in (x, other))
    torch.testing.assert_close(a, b)


def test_voices_of_a_step_have_embeddings_and_odds_of_their_own() -> None:
    net = shaken(lambda: Convolutions(2, STATES, OUT, 16, 2))
    x = torch.randint(STATES, (3, 7, 2), generator=torch.Generator().manual_seed(0)).float()
    out, swapped = ask(net, x), ask(net, x.flip(2))
    assert out.shape == (3, 7, 2, OUT)
    assert not torch.allclose(swapped, out.flip(2))


def test_a_mixed_network_is_told_which_cells_are_given() -> None:
    net = shaken(lambda: TableNetwork("numbers", 2, {"codes": (3, STATES, OUT)}, 16, 2, 0.0))
    x = torch.cat(
        [torch.randn(4, 2, generator=torch.Generator().manual_seed(0)), rows(4)[:, :3]], 1
    )
    parts = {"numbers": x[:, :2], "codes": x[:, 2:]}
    free = net(parts, torch.zeros(4), Batch(x))
    none = net(parts, torch.zeros(4), Batch(x, observed=torch.zeros_like(x, dtype=torch.bool)))
    some = net(parts, torch.zeros(4), Batch(x, observed=torch.arange(5).expand(4, 5) == 1))
    assert free["numbers"].shape == (4, 2)
    assert free["codes"].shape == (4, 3, OUT)
    for name in parts:
        assert torch.equal(free[name], none[name])
        assert not torch.equal(free[name], some[name])
