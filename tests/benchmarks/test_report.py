"""The report: right numbers, one self-contained page, and nothing that a name smuggled in."""

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from unnoise.benchmarks import report
from unnoise.benchmarks.charts import Point, curve, inline, svg
from unnoise.benchmarks.published import Published
from unnoise.benchmarks.records import Measurement, Record
from unnoise.benchmarks.report import render, summarise, write

BITS = Measurement(2.0, 0.01, "bits/dim", "lower", "upper bound", "Bits per dimension", 1.5, 2.4)
ACCURACY = Measurement(0.9, None, "", "higher", "estimate", "Recognised", 0.98, 0.1)
EVIL = "<script>alert('x')</script>"


def record(
    seed: int = 0, task: str = "images/digits", preset: str = "cpu", **more: object
) -> Record:
    base = Record(
        task, preset, seed, {"bits_per_dim": BITS, "accuracy": ACCURACY},
        nfe=128, train_seconds=61.5, parameters=12345, steps=200,
        versions={"torch": "2.8"}, commit="abc", when="2026-01-02T03:04:05+00:00",
    )  # fmt: skip
    return replace(base, **more)  # type: ignore[arg-type]


def drawn(folder: Path, seed: int = 0, **more: object) -> Record:
    """A record whose figures and training curve lie in a folder."""
    figure = Figure()
    axes = figure.subplots(1, 2)
    axes[0].imshow(np.eye(8), cmap="gray")
    axes[1].plot([0, 1], label="clipped")
    axes[1].set_title("a < b & c", url="https://example.org")
    (folder / "samples.svg").write_text(svg(figure))
    rows = [{"step": step, "loss": 1 / step, "seconds": 0.1} for step in range(1, 300)]
    (folder / f"{seed}.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    figures = {"Samples": "samples.svg", "The same again": "samples.svg"}
    return record(seed, figures=figures, history=f"{seed}.jsonl", **more)


class Page(HTMLParser):
    """What a page holds: its elements with their attributes, and its words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def values(self, attribute: str) -> list[str]:
        return [attrs[attribute] for _, attrs in self.elements if attribute in attrs]

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)


def test_mean_and_spread_over_seeds() -> None:
    values = [1.9, 2.0, 2.3]
    records = [
        record(seed, metrics={"bits_per_dim": replace(BITS, value=value)})
        for seed, value in enumerate(values)
    ]
    (row,) = summarise(records)
    assert row.value == pytest.approx(np.mean(values), rel=1e-14)
    assert row.error == pytest.approx(np.std(values, ddof=1), rel=1e-14)
    assert (row.floor, row.baseline, row.seeds) == (1.5, 2.4, 3)
    text = Page(render(records, Path())).text
    assert "2.07 ± 0.21" in text
    assert "Seeds 0, 1, 2: mean ± standard deviation over the seeds." in text


def test_one_seed_has_its_standard_error() -> None:
    text = Page(render([record(3)], Path())).text
    assert "2.000 ± 0.010 1.500 2.400 bits/dim" in text
    assert "0.9000 0.9800 0.1000" in text  # no standard error: nothing is made up
    assert "One run, seed 3: value ± standard error." in text


def test_a_metric_that_some_seeds_lack() -> None:
    few = record(1, metrics={"bits_per_dim": BITS})
    accuracy = summarise([record(0), few])[1]
    assert (accuracy.seeds, accuracy.error, accuracy.value) == (1, None, 0.9)
    assert "(1 of 2 seeds)" in Page(render([record(0), few], Path())).text


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_what_is_not_a_number_is_a_dash(odd: float) -> None:
    metrics = {"bits_per_dim": replace(BITS, value=odd)}
    page = Page(render([record(metrics=metrics)], Path()))
    assert "Bits per dimension ↓ upper bound — 1.500" in page.text
    (row,) = summarise([record(0, metrics={"bits_per_dim": BITS}), record(1, metrics=metrics)])
    assert math.isnan(row.value)  # the seed that diverged is not left out
    assert row.error is None


def test_floor_and_baseline() -> None:
    metrics = {
        "no_floor": replace(BITS, title="Floorless", floor=None),
        "no_baseline": replace(BITS, title="Baseless", baseline=math.nan),
        "neither": replace(BITS, title="Bare", floor=math.nan, baseline=None),
    }
    page = Page(render([record(metrics=metrics)], Path()))
    assert "2.000 ± 0.010 unknown 2.400" in page.text
    assert "2.000 ± 0.010 1.500 none" in page.text
    assert page.text.count("2.000 ± 0.010") == 3  # the first stands in the overview as well
    assert "neither a floor nor a baseline says how to read them: Bare." in page.text
    assert all(attrs["title"] for tag, attrs in page.elements if tag == "abbr")


def test_a_run_with_nothing_to_show() -> None:
    page = Page(render([record(metrics={})], Path()))
    assert "no metric with a floor or a baseline" in page.text
    assert "There are no runs yet." in Page(render([], Path())).text


def test_only_the_newest_run_counts() -> None:
    old = record(metrics={"bits_per_dim": replace(BITS, value=9.0)}, when="2025-01-01")
    text = Page(render([record(), old], Path())).text
    assert "1 run (1 older one of the same task, preset and seed left out)" in text
    assert "newest of 2026-01-02" in text
    assert "9.0" not in text


def test_the_largest_budget_comes_first() -> None:
    text = Page(render([record(preset="a", steps=1), record(preset="z", steps=9)], Path())).text
    assert text.index("Preset z") < text.index("Preset a")


def test_the_command_repeats_the_runs() -> None:
    text = Page(render([record(seed, task="my/own task") for seed in (0, 2)], Path())).text
    assert "unnoise bench run 'my/own task' --preset cpu --seed 0,2" in text


def test_nothing_injects_html(tmp_path: Path) -> None:
    evil = replace(BITS, title=EVIL, unit=EVIL, kind=EVIL)
    (tmp_path / "evil.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script>'
        f'<g onclick="alert(1)"/><text>{EVIL.replace("<", "&lt;")}</text></svg>'
    )
    bad = record(
        task=EVIL, preset=EVIL, commit=EVIL, versions={EVIL: EVIL}, settings={EVIL: EVIL},
        metrics={EVIL: evil, "bare": replace(evil, floor=None, baseline=None)},
        figures={EVIL: "evil.svg", "gone": f"{EVIL}.svg"},
    )  # fmt: skip
    page = render([bad], tmp_path)
    parsed = Page(page)
    assert "<script" not in page
    assert not [name for _, attrs in parsed.elements for name in attrs if name.startswith("on")]
    assert parsed.text.count("<script>alert('x')</script>") >= 8


def test_the_page_needs_no_network(tmp_path: Path) -> None:
    page = render([drawn(tmp_path)], tmp_path)
    parsed = Page(page)
    links = [*parsed.values("href"), *parsed.values("src"), *parsed.values("xlink:href")]
    assert links
    assert all(link.startswith(("#", "data:")) for link in links)
    assert re.findall(r"url\((?!#)", page) == []
    assert re.findall(r"https?://", page) == []
    assert not {"script", "link"} & {tag for tag, attrs in parsed.elements if "rel" not in attrs}


def test_ids_are_unique_and_found(tmp_path: Path) -> None:
    page = render([drawn(tmp_path), drawn(tmp_path, 1)], tmp_path)
    parsed = Page(page)
    ids = parsed.values("id")
    assert len(ids) == len(set(ids))
    aims = [link[1:] for link in parsed.values("href") if link.startswith("#")]
    aims += re.findall(r"url\(#([^)]+)\)", page)
    assert len(aims) > 10
    assert set(aims) <= set(ids)


def test_figures_have_names_and_pictures(tmp_path: Path) -> None:
    parsed = Page(render([drawn(tmp_path), drawn(tmp_path, 1)], tmp_path))
    names = [attrs["aria-label"] for tag, attrs in parsed.elements if tag == "svg"]
    loss = "Training loss, averaged over stretches of steps"
    assert names == [loss, "Samples, seed 0", "The same again, seed 0"]
    assert parsed.count("figure") == parsed.count("figcaption") == 3
    assert parsed.count("image") == 2  # the pixels of imshow
    assert "a < b & c" in parsed.text


def test_headings_and_tables_are_in_order(tmp_path: Path) -> None:
    parsed = Page(render([drawn(tmp_path), record(preset="smoke")], tmp_path))
    levels = [int(tag[1]) for tag, _ in parsed.elements if re.fullmatch("h[1-6]", tag)]
    assert (levels[0], levels.count(1)) == (1, 1)
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert parsed.count("table") == parsed.count("caption") == 4
    assert all("scope" in attrs for tag, attrs in parsed.elements if tag == "th")


def test_the_same_records_make_the_same_page(tmp_path: Path) -> None:
    records = [drawn(tmp_path), drawn(tmp_path, 1)]
    page = render(records, tmp_path)
    drawn(tmp_path)
    assert render(records[::-1], tmp_path) == page


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "x.svg: No such file"), ("<svg", "not SVG"), ("<html/>", "the root is html")],
)
def test_a_broken_figure_costs_itself(tmp_path: Path, content: str | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "x.svg").write_text(content)
    good = drawn(tmp_path)
    page = Page(render([replace(good, figures={"Bad": "x.svg", **good.figures})], tmp_path))
    assert "This figure can’t be shown." in page.text
    assert reason in page.text
    assert page.count("svg") == 3
    assert str(tmp_path) not in page.text


def test_figures_outside_the_folder_stay_there(tmp_path: Path) -> None:
    drawn(tmp_path)
    (tmp_path / "runs").mkdir()
    for path in ("../samples.svg", str(tmp_path / "samples.svg")):
        page = Page(render([record(figures={"Samples": path})], tmp_path / "runs"))
        assert "is outside the folder of the records" in page.text


def test_published_figures_say_how_they_were_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    figure = Published(
        "images/digits", "bits_per_dim", "a method", 2.42, "bits/dim", "a paper", "so and so", True
    )
    other = replace(figure, same_protocol=False, value=2.1)
    monkeypatch.setattr(report, "load", lambda task: [figure, other])
    text = Page(render([record()], Path())).text
    assert "Method Bits per dimension (bits/dim) Protocol Source" in text
    assert "a method 2.42 As ours: so and so a paper" in text
    assert "a method 2.1 Not as ours: so and so a paper" in text


def test_published_figures_at_several_budgets_stand_side_by_side(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    figure = Published("images/digits", "w2@5", "one", 0.3, "", "a paper", "so", True)
    figures = [
        replace(figure, name=name, metric=metric, value=value)
        for name, metric, value in (
            ("one", "w2@5", 0.3), ("one", "w2@10", 0.2), ("two", "w2@10", 0.1), ("two", "bits", 7.0),
        )
    ]  # fmt: skip
    monkeypatch.setattr(report, "load", lambda task: figures)
    page = Page(render([record(metrics={"w2@5": replace(BITS, title="W2, 5 NFE")})], Path()))
    assert "Method W2, 5 NFE w2@10 Protocol Source one 0.3 0.2 As ours: so a paper" in page.text
    assert "two — 0.1 As ours: so a paper" in page.text
    assert "Method bits Protocol Source two 7 As ours: so a paper" in page.text


def test_tables_of_a_run_are_shown_with_what_is_missing() -> None:
    tables = {"Every sampler": {"Heun": {"5 NFE": 0.25, "10 NFE": 0.125}, "DDIM": {"5 NFE": None}}}
    text = Page(render([record(tables=tables), record(1)], Path())).text
    assert "Every sampler, seed 0 of preset cpu. 5 NFE 10 NFE Heun 0.2500 0.1250 DDIM — —" in text


def test_a_run_without_training_says_so() -> None:
    exact = record(steps=0, parameters=0, train_seconds=0.0, nfe=None)
    text = Page(render([exact], Path())).text
    assert "Training none" in text
    assert "Optimiser steps" not in text
    assert "Optimiser steps 200" in Page(render([record()], Path())).text


def test_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "report.html"
    write([record()], tmp_path, path)
    before = path.read_text()
    assert before == render([record()], tmp_path)

    def full(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="no space"):
        write([record(1)], tmp_path, path)
    assert path.read_text() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_curve_for_every_history() -> None:
    steep = [Point(step, 10 / step, 0.0) for step in range(1, 1001)]
    below = [Point(step, -step, 0.0) for step in (1, 2)]  # no logarithm
    broken = [Point(1, math.nan, 0.0)]
    assert curve({0: broken}) is None
    assert curve({}) is None
    for histories in ({0: steep}, {0: below}, {0: steep[:1]}, {1: below, 0: broken, 2: steep}):
        text = curve(histories)
        assert text is not None
        assert ElementTree.fromstring(text).tag.endswith("svg")
    both = curve({0: steep, 1: steep})
    assert both is not None
    assert "seed 1" in both
    assert "1,000" in both  # a logarithmic axis, labelled without powers


def test_inline_keeps_what_draws() -> None:
    text = (
        '<?xml version="1.0"?><!DOCTYPE svg><svg xmlns="http://www.w3.org/2000/svg" '
        'xmlns:xlink="http://www.w3.org/1999/xlink"><metadata>m</metadata><style>*{}</style>'
        '<clipPath id="c"/><path id="p" clip-path="url(#c)" style="fill: url(#h)"/>'
        '<use xlink:href="#p"/><image xlink:href="https://x"/><rect fill="url(https://x)"/></svg>'
    )
    assert inline(text, "f-", 'a "title"') == (
        '<svg role="img" aria-label="a &quot;title&quot;"><clipPath id="f-c" />'
        '<path id="f-p" clip-path="url(#f-c)" style="fill: url(#f-h)" />'
        '<use href="#f-p" /><image /><rect /></svg>'
    )
