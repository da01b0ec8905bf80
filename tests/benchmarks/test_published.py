"""Published figures: what we ship is sound, and what is not says where."""

from importlib.resources import files

import pytest

from unnoise.benchmarks.published import Published, load, parse

FIGURE = """
[[figure]]
task = "images/digits"
metric = "bits_per_dim"
name = "a method"
value = 2.42
unit = "bits/dim"
source = "a paper"
protocol = "as the paper says"
same_protocol = false
"""


def test_parsed() -> None:
    assert parse(FIGURE, "images") == [
        Published(
            task="images/digits",
            metric="bits_per_dim",
            name="a method",
            value=2.42,
            unit="bits/dim",
            source="a paper",
            protocol="as the paper says",
            same_protocol=False,
        )
    ]
    assert parse("", "images") == []


def test_a_table_of_values_is_a_figure_for_every_budget() -> None:
    figures = parse(FIGURE.replace("value = 2.42", "value = {5 = 0.5, 10 = 0.25}"), "images")
    assert [(f.metric, f.value) for f in figures] == [
        ("bits_per_dim@5", 0.5),
        ("bits_per_dim@10", 0.25),
    ]
    assert {f.name for f in figures} == {"a method"}


def test_all_that_we_ship_is_sound() -> None:
    shipped = [file for file in (files("unnoise.benchmarks") / "reference").iterdir()]
    names = [file.name.removesuffix(".toml") for file in shipped if file.name.endswith(".toml")]
    assert {"core", "images"} <= set(names)
    for name in names:
        text = (files("unnoise.benchmarks") / "reference" / f"{name}.toml").read_text("utf-8")
        assert parse(text, name)
        assert "(memory)" not in text  # figures remembered, not read, are no figures


def test_figures_of_a_task_alone() -> None:
    digits = load("images/digits")
    assert [figure.value for figure in digits] == [2.420, 2.182, 2.95]
    assert {figure.task for figure in digits} == {"images/digits"}
    assert [figure.value for figure in load("images/mnist")] == [1.689, 5.285]


@pytest.mark.parametrize("task", ["images/none", "nowhere/none", "../x", ""])
def test_no_figures_of_other_tasks(task: str) -> None:
    assert load(task) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[figure", "images.toml: "),
        ("[figure]", r"images.toml: expected nothing but \[\[figure\]\]"),
        ("figure = [1]", "images.toml, figure 1: expected a table"),
        ("[[figures]]", r"images.toml: expected nothing but \[\[figure\]\]"),
        (FIGURE + FIGURE.replace("value = 2.42", ""), "images.toml, figure 2: no value"),
        (FIGURE.replace("2.42", '"2.42"'), "value can't be '2.42'"),
        (FIGURE.replace("2.42", '{5 = "2.42"}'), "figure 1: value can't be '2.42'"),
        (FIGURE.replace("false", "0"), "same_protocol can't be 0"),
        (FIGURE + "year = 2020", "unknown year"),
        (FIGURE.replace("a paper", ""), "source can't be empty"),
        (FIGURE.replace("images/digits", "audio/digits"), "belongs in another file"),
    ],
)
def test_malformed_figures_are_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(text, "images")
