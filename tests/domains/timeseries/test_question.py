"""Questions: residuals of the reference, the network's view of them, and the law of an untrained model."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unnoise.core.batch import Batch
from unnoise.core.random import seeded
from unnoise.domains.timeseries.fitted import FittedSeries
from unnoise.domains.timeseries.model import Network, best_scale, series_model
from unnoise.domains.timeseries.patterns import Cut, Points
from unnoise.domains.timeseries.question import CONTEXT, KNOWN, STATIC, answered, asked
from unnoise.domains.timeseries.questions import Questions, encoded
from unnoise.domains.timeseries.reference import Reference

B, T, C = 6, 9, 3
KINDS = ("grid", "recurrent", "set")


@pytest.fixture(scope="module")
def reference() -> Reference:
    root = torch.randn(C, C, dtype=torch.float64, generator=seeded(7))
    return Reference(
        torch.tensor([3.0]), (0.3 * root @ root.T + torch.eye(C))[None], torch.full((C,), 0.1)
    )


def states(rows: int = B) -> Batch:
    generator = seeded(0)
    x = torch.randn(rows, T, C, generator=generator)
    mask = torch.rand(rows, T, C, generator=generator) < 0.8
    gaps = 0.2 + torch.rand(rows, T, generator=generator).double()
    cond = {
        KNOWN: torch.randn(rows, T, 2, generator=generator),
        STATIC: torch.randn(rows, 1, generator=generator),
    }
    return Batch(torch.where(mask, x, 0.0), mask, coords=gaps.cumsum(1), cond=cond)


def given(batch: Batch) -> Tensor:
    return Points(0.3, 0.8)(batch, seeded(1))


def model(reference: Reference, kind: str = "grid", trained: bool = True) -> FittedSeries:
    torch.manual_seed(0)
    network = Network(kind, width=16, layers=2, decoder=1, head=8).build(C, 2, 1, 10.0)  # type: ignore[arg-type]
    if trained:  # weights that start at zero would hide what they multiply
        for p in network.parameters():
            torch.nn.init.normal_(p, std=0.2)
    return FittedSeries(series_model((T, C), network, reference, Points(), 2.0).eval())


def test_an_answer_undoes_the_question(reference: Reference) -> None:
    batch, some = states(), given(states())
    question = asked(batch, some, reference)
    assert batch.mask is not None and question.mask is not None
    assert (question.mask == (batch.mask & ~some)).all()
    back = answered(question.x, question)
    torch.testing.assert_close(back[batch.mask], batch.x[batch.mask], atol=1e-5, rtol=0)


def test_nothing_of_the_targets_is_told(reference: Reference) -> None:
    batch, some = states(), given(states())
    other = batch.replace(x=torch.where(some, batch.x, 17.0))
    one, two = (asked(b, some, reference).cond for b in (batch, other))
    assert all((one[k] == two[k]).all() for k in one)


@pytest.mark.parametrize("kind", KINDS)
def test_an_untrained_model_is_the_reference(kind: str, reference: Reference) -> None:
    """With one target the law is N(m, s^2), and its bound is exact."""
    batch = states(40)
    some = torch.ones_like(batch.x, dtype=torch.bool)
    some[:, 4, 1] = False
    batch = batch.replace(mask=some | ~some)
    mean, std = reference(batch.x.double(), some, batch.coords)
    fitted = model(reference, kind, trained=False)
    bound = fitted.log_prob(batch, some, 64, seeded(0))
    exact = torch.distributions.Normal(mean, std).log_prob(batch.x.double())[:, 4, 1]
    error = bound.nats.double() - exact
    assert (error.abs() < 5 * bound.stderr + 5e-3).all()
    assert abs(error.mean().item()) < 5 * error.std().item() / 40**0.5
    drawn = fitted.draw(batch, some, 400, 0, 12)[:, :, 4, 1].double()
    z = (drawn - mean[:, 4, 1]) / std[:, 4, 1]
    n = z.numel()
    assert abs(z.mean().item()) < 5 / n**0.5
    assert abs(z.var().item() - 1) < 5 * (2 / n) ** 0.5 + 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_sees_what_exists_and_no_absolute_time(kind: str, reference: Reference) -> None:
    batch, some = states(), given(states())
    net = model(reference, kind).model.denoiser.network  # type: ignore[union-attr]
    question = asked(batch, some, reference)
    level = torch.linspace(-3, 3, B)
    out = net(question.x, level, question)
    assert out.abs().max() > 0.1
    assert question.mask is not None
    assert (out[~question.mask] == 0).all()

    assert batch.coords is not None
    late = asked(batch.replace(coords=batch.coords + 1_234.5), some, reference)
    torch.testing.assert_close(net(late.x, level, late), out, atol=2e-5, rtol=1e-4)

    def pad(v: Tensor, fill: float) -> Tensor:
        return torch.cat([v, torch.full_like(v[:, :3], fill)], 1)

    times = torch.cat([batch.coords, batch.coords[:, -1:] + torch.arange(1, 4)], 1)
    longer = Batch(
        pad(batch.x, 0.0),
        pad(batch.mask, False),
        coords=times,
        cond={KNOWN: pad(batch.cond[KNOWN], 9.0), STATIC: batch.cond[STATIC]},
    )
    more = asked(longer, pad(some, False), reference)
    torch.testing.assert_close(net(more.x, level, more)[:, :T], out, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_one_look_serves_many_levels(kind: str, reference: Reference) -> None:
    fitted, batch = model(reference, kind), states()
    question = asked(batch, given(batch), reference)
    looked = encoded(fitted.model.denoiser, question)
    assert CONTEXT in looked.cond
    level = torch.linspace(-3, 3, B)
    net = fitted.model.denoiser.network  # type: ignore[union-attr]
    assert (net(question.x, level, question) == net(question.x, level, looked)).all()


def test_a_draw_depends_on_its_own_row_and_number(reference: Reference) -> None:
    fitted, batch = model(reference), states()
    some = given(batch)
    all_ = fitted.draw(batch, some, 3, 5, 6)
    rows = torch.tensor([4, 1])
    two = fitted.draw(batch.rows(rows), some[rows], 2, 5, 6, names=rows.tolist())
    torch.testing.assert_close(two, all_[:2, rows], atol=2e-5, rtol=1e-4)
    assert (all_[:, some] == batch.x[some]).all()
    assert not (all_[0] == all_[1]).all()


def test_a_question_is_cut_to_some_of_its_targets(reference: Reference) -> None:
    """The loss of an untrained model is E r^2 whatever is cut; and no target beyond `most` is read."""
    fitted = model(reference, trained=False)
    objective = Questions(fitted.questions.objective, Cut(T), reference, most=5, levels=2)
    batch = states()
    cut = objective._cut(asked(batch, torch.zeros_like(batch.x).bool(), reference), seeded(0))
    assert cut.dims().tolist() == [5.0] * B
    assert (cut.x[~cut.mask] == 0).all()  # type: ignore[index]
    with pytest.raises(ValueError, match="at least 1"):
        Questions(fitted.questions.objective, Cut(1), reference, levels=0)


def test_the_noise_takes_the_scale_of_the_residuals() -> None:
    """Residuals of a reference that knows no time are as correlated as the data."""
    white = Reference(torch.tensor([1e-3]), torch.eye(1)[None] * 0.5, torch.tensor([0.5]))
    t = torch.arange(64).double().expand(32, -1)
    path = [torch.randn(32, generator=seeded(0), dtype=torch.float64)]
    rho = torch.exp(torch.tensor(-1 / 10.0, dtype=torch.float64))
    noise = torch.randn(63, 32, generator=seeded(1), dtype=torch.float64)
    for z in noise:
        path.append(rho * path[-1] + (1 - rho**2).sqrt() * z)
    batch = Batch(torch.stack(path, 1)[..., None].float(), coords=t)
    assert best_scale(batch, white, Cut(64), seeded(0)) == 10.0
