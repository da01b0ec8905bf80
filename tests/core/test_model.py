"""Models: the user's units at the border, weights that come back, files that are refused."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from scipy import stats
from torch import Tensor, nn

from unnoise.core.analytic import Mixture
from unnoise.core.batch import Batch
from unnoise.core.checkpoint import CheckpointError, read_about, read_weights
from unnoise.core.denoiser import LevelDenoiser, MeanDenoiser, Velocity
from unnoise.core.likelihood import IMMSE, Bound, Flow, Kind
from unnoise.core.model import Model
from unnoise.core.objective import Denoising, Elbo
from unnoise.core.process import Gaussian
from unnoise.core.random import normal, seeded
from unnoise.core.sampler import AdamsBashforth, Sampler
from unnoise.core.schedule import Cosine, LinearVP, Rectified
from unnoise.core.transform import Affine, Quantised

DOUBLE = torch.float64
Make = Callable[..., Model]


@pytest.fixture
def make(network: Callable[..., nn.Module]) -> Make:
    """A small model of pairs in the plane; `width` is that of its network."""

    def model(width: int = 16) -> Model:
        return Model(
            Gaussian(Cosine()),
            MeanDenoiser(network(2, width=width), Velocity()),
            (2,),
            Affine(1.0, 2.0),
            Denoising(condition_dropout=0.1),
        ).eval()

    return model


def points(n: int = 6) -> Tensor:
    return normal(torch.empty(n, 2, dtype=DOUBLE), seeded(0))


# --- files ---------------------------------------------------------------------------------------


def test_what_is_saved_comes_back(make: Make, tmp_path: Path) -> None:
    model, file = make(), tmp_path / "deep" / "model.safetensors"
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3)
    model.save(file, {"task": "pairs", "steps": 3, "nested": {"a": [1, None]}})
    other = make()
    before = other.sample(8, generator=seeded(1))
    about = other.load(file)
    assert about == read_about(file) == {"task": "pairs", "steps": 3, "nested": {"a": [1, None]}}
    after = other.sample(8, generator=seeded(1))
    assert torch.equal(after, model.sample(8, generator=seeded(1)))
    assert not torch.equal(after, before)
    assert [f.name for f in file.parent.iterdir()] == ["model.safetensors"]


def test_saving_again_replaces(make: Make, tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    make().save(file)
    make(width=8).save(file, {"width": 8})
    assert make(width=8).load(file) == {"width": 8}


def test_a_part_of_what_is_saved_comes_back_by_its_own_names(make: Make, tmp_path: Path) -> None:
    model, file = make(), tmp_path / "model.safetensors"
    model.save(file)
    part, own = read_weights(file, "denoiser."), model.denoiser.state_dict()
    assert part.keys() == own.keys()
    assert all(torch.equal(part[k], own[k]) for k in own)
    with pytest.raises(CheckpointError, match=r"made for another model, it holds no prior\."):
        read_weights(file, "prior.")


def test_what_cannot_be_saved_leaves_nothing(make: Make, tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        make().save(tmp_path / "model.safetensors", {"about": object()})
    assert not list(tmp_path.iterdir())


def _another_architecture(model: Model, make: Make, file: Path) -> None:
    make(width=8).save(file)


def _missing(model: Model, make: Make, file: Path) -> None:
    pass


def _folder(model: Model, make: Make, file: Path) -> None:
    file.mkdir()


def _empty(model: Model, make: Make, file: Path) -> None:
    file.touch()


def _truncated(model: Model, make: Make, file: Path) -> None:
    model.save(file)
    file.write_bytes(file.read_bytes()[:-100])


def _truncated_header(model: Model, make: Make, file: Path) -> None:
    model.save(file)
    file.write_bytes(file.read_bytes()[:40])


def _garbage(model: Model, make: Make, file: Path) -> None:
    file.write_bytes(bytes(range(256)) * 8)


def _foreign(model: Model, make: Make, file: Path) -> None:
    save_file(dict(model.state_dict()), file)


def _other_format(model: Model, make: Make, file: Path) -> None:
    save_file(dict(model.state_dict()), file, {"format": "pt"})


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_another_architecture, "made for another model"),
        (_missing, "no such checkpoint"),
        (_folder, "not a readable checkpoint"),
        (_empty, "not a readable checkpoint"),
        (_truncated, "not a readable checkpoint"),
        (_truncated_header, "not a readable checkpoint"),
        (_garbage, "not a readable checkpoint"),
        (_foreign, "not written by unnoise"),
        (_other_format, "not written by unnoise"),
    ],
)
def test_a_file_that_is_not_ours_is_refused(
    make: Make, tmp_path: Path, damage: Callable[[Model, Make, Path], None], says: str
) -> None:
    """With its path and the reason; the model stays as it was."""
    model, file = make(), tmp_path / "model.safetensors"
    before = {k: v.clone() for k, v in model.state_dict().items()}
    damage(model, make, file)
    with pytest.raises(CheckpointError, match=says) as error:
        model.load(file)
    assert str(file) in str(error.value)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


# --- units ---------------------------------------------------------------------------------------


def test_densities_are_of_the_users_units(gaussian_of: Callable[[int], Mixture]) -> None:
    """raw = 3 + 20 x has the density p(x) / 20 a dimension, by every route."""
    law = gaussian_of(2)
    model = Model(Gaussian(LinearVP()), law, (2,), Affine(3.0, 20.0))
    raw = 3 + 20 * law.sample(4000, seeded(0))
    exact = law.log_prob((raw - 3) / 20) - 2 * math.log(20)
    flow = model.log_prob(Batch(raw), Flow(24))
    assert flow.kind == Kind.EXACT
    assert (flow.nats - exact).mean().abs() < 1e-3
    for method in (Bound(200), IMMSE(200)):
        error = model.log_prob(Batch(raw), method, seeded(1)).nats - exact
        assert error.mean().abs() < 5 * error.std() / math.sqrt(len(raw))


def test_samples_are_in_the_users_units(gaussian: Mixture) -> None:
    model = Model(Gaussian(LinearVP()), gaussian, (1,), Affine(-5.0, 10.0))
    template = Batch(torch.zeros(20_000, 1, dtype=DOUBLE))
    x = model.sample(template, Sampler(AdamsBashforth(3), 60), generator=seeded(0))[:, 0]
    assert stats.kstest(x.numpy(), "norm", (-5 + 10 * 0.7, 10 * 0.5)).pvalue > 1e-6


ODDS = torch.tensor([0.1, 0.3, 0.05, 0.25, 0.1, 0.2], dtype=DOUBLE)


@pytest.fixture
def dice() -> Model:
    """Independent entries with six levels of unequal odds: exact without training."""
    transform = Quantised(6)
    denoiser = LevelDenoiser(
        lambda x, *_: x.new_zeros(*x.shape, 0), 0, transform.values.double(), ODDS.log()
    ).double()
    return Model(Gaussian(Cosine()), denoiser, (3,), transform.double()).eval()


def test_quantised_samples_are_levels_with_their_odds(dice: Model) -> None:
    x = dice.sample(4000, Sampler(steps=100), generator=seeded(0))
    assert x.dtype == torch.int64
    counts = torch.bincount(x.flatten(), minlength=6)
    assert stats.chisquare(counts.numpy(), (12_000 * ODDS).numpy()).pvalue > 1e-6


def test_quantised_data_have_probabilities(dice: Model) -> None:
    raw = torch.randint(6, (4000, 3), generator=seeded(0))
    exact = ODDS.log()[raw].sum(1)
    result = dice.log_prob(Batch(raw), Bound(100), seeded(1))
    error = result.nats - exact
    assert result.kind == Kind.LOWER_BOUND
    assert error.mean().abs() < 5 * error.std() / math.sqrt(4000) + 1e-3
    assert result.bits_per_dim().value == pytest.approx(
        -exact.mean().item() / 3 / math.log(2), abs=0.05
    )


def test_observed_entries_come_back_in_the_users_units(dice: Model) -> None:
    raw = torch.randint(6, (50, 3), generator=seeded(0))
    observed = torch.tensor([True, False, True]).expand(50, 3)
    x = dice.sample(Batch(raw, observed=observed), generator=seeded(1))
    assert torch.equal(x[observed], raw[observed])
    assert not torch.equal(x[:, 1], raw[:, 1])


# --- delegation ----------------------------------------------------------------------------------


def test_sample_makes_as_many_as_asked_in_the_models_dtype(make: Make) -> None:
    assert make().sample(3, generator=seeded(0)).shape == (3, 2)
    assert make().sample(3, generator=seeded(0)).dtype == DOUBLE
    assert make().float().sample(3, generator=seeded(0)).dtype == torch.float32


@pytest.mark.parametrize("shape", [(6,), (6, 3), (6, 2, 1)])
def test_states_of_another_shape_are_refused(make: Make, shape: tuple[int, ...]) -> None:
    model, batch = make(), Batch(torch.zeros(shape, dtype=DOUBLE))
    for use in (model.encode, model.loss, model.sample, model.log_prob):
        with pytest.raises(ValueError, match=r"a state has shape \(2,\)"):
            use(batch)


def test_loss_is_the_objective_in_the_models_units(make: Make) -> None:
    model = make()
    x = Batch((points() - 1) / 2)
    exact = model.objective(model.process, model.denoiser, x, seeded(3))
    torch.testing.assert_close(model.loss(Batch(points()), seeded(3)), exact)


def test_guidance(make: Make) -> None:
    model = make()
    batch = Batch(points(), cond={"label": torch.arange(6)})

    def draw(batch: Batch, guidance: float) -> Tensor:
        return model.sample(batch, Sampler(steps=5), guidance=guidance, generator=seeded(0))

    # without its condition, and with it, apart
    torch.testing.assert_close(draw(batch, 0), draw(batch.without_condition(), 1))
    torch.testing.assert_close(draw(batch, 1), draw(batch, 1 + 1e-15))
    assert not torch.allclose(draw(batch, 3), draw(batch, 1))
    # nothing to guide by
    assert torch.equal(draw(Batch(points()), 3), draw(Batch(points()), 1))


def test_with_schedule_keeps_everything_else(make: Make) -> None:
    model = make()
    other = model.with_schedule(Rectified())
    assert isinstance(other.process.schedule, Rectified)
    assert isinstance(model.process.schedule, Cosine)
    for part in ("denoiser", "transform", "objective", "shape"):
        assert getattr(other, part) is getattr(model, part)


def test_the_density_of_a_network_needs_no_schedule(make: Make) -> None:
    """Over one window the flow is the same whatever schedule the process has: networks see no more than log-SNR."""
    model, batch = make(), Batch(points())
    nats = [
        model.with_schedule(s.between(10.0, -8.0)).log_prob(batch, Flow(16)).nats
        for s in (Cosine(), LinearVP(), Rectified())
    ]
    torch.testing.assert_close(nats[1], nats[0], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(nats[2], nats[0], rtol=1e-9, atol=1e-9)


def test_the_loss_of_a_bound_needs_no_schedule(make: Make) -> None:
    """Weighted as the bound, the loss is one integral over log-SNR, up to Monte Carlo."""
    model = make()
    model.objective = Denoising(Elbo())
    batch = Batch(points(1).expand(20_000, 2))
    losses, errors = [], []
    for schedule in (Cosine(), LinearVP(), Rectified()):
        other = model.with_schedule(schedule.between(4.0, -6.0))
        terms = other.objective.terms(
            other.process, other.denoiser, other.encode(batch), seeded(0)
        )
        losses.append(terms.mean().item())
        errors.append(terms.std().item() / math.sqrt(len(batch)))
    for loss, error in zip(losses[1:], errors[1:], strict=True):
        assert loss == pytest.approx(losses[0], abs=5 * math.hypot(error, errors[0]))
