"""The parser of BIF: a text by hand, the networks' known counts, and every kind of damage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from unnoise.data import DataError, UnknownSource, load_bayesnet, parse_bif

if TYPE_CHECKING:
    from collections.abc import Callable

    from unnoise.data import Source

GARDEN = """network "a garden" { property made by hand ; }
// Grass comes first, but depends on the others.
variable grass { type discrete [ 3 ] { <5, 5-12, 12+ }; property unit mm ; }
variable rain { type discrete [ 2 ] { yes, no }; }
variable sprinkler { type discrete[2] {on, off}; }
probability ( grass | sprinkler, rain ) {
  (on, yes) 0.0, 0.1, 0.9;
  (off, yes) 0.0, 0.2, 0.8;
  /* one row
     out of order */
  (off, no) 1.0, 0.0, 0.0;
  (on, no) 1e-1, 0.2, 0.7;
}
probability ( sprinkler | rain ) { (yes) 0.01, 0.99; (no) 0.4, 0.6; }
probability ( rain ) { property seen often ; table 0.2, 0.8; }
"""


def test_a_text_by_hand() -> None:
    net = parse_bif(GARDEN, "garden")
    assert net.names == ("rain", "sprinkler", "grass")  # parents first
    assert net.levels == (("yes", "no"), ("on", "off"), ("<5", "5-12", "12+"))
    assert net.parents == ((), (0,), (1, 0))
    rain, sprinkler, grass = net.tables
    np.testing.assert_allclose(rain, [0.2, 0.8], rtol=1e-15)
    np.testing.assert_allclose(sprinkler, [[0.01, 0.99], [0.4, 0.6]], rtol=1e-15)
    expected = [[[0, 0.1, 0.9], [0.1, 0.2, 0.7]], [[0, 0.2, 0.8], [1, 0, 0]]]
    np.testing.assert_allclose(grass, expected, rtol=1e-15)
    assert all(table.dtype == np.float64 for table in net.tables)


def test_rounded_rows_are_made_whole() -> None:
    text = "variable a { type discrete [ 3 ] { x, y, z }; } probability ( a ) { table %s; }"
    net = parse_bif(text % "0.333, 0.333, 0.333", "thirds")
    np.testing.assert_allclose(net.tables[0], np.full(3, 1 / 3), rtol=1e-15)


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("alarm", 37),
        ("asia", 8),
        ("cancer", 5),
        ("child", 20),
        ("earthquake", 5),
        ("insurance", 27),
        ("sachs", 11),
        ("survey", 6),
    ],
)
def test_the_eight_networks(here: Callable[[str], Source], name: str, variables: int) -> None:
    here("bayesnets")
    assert len(load_bayesnet(name).names) == variables


def test_the_order_of_the_text_is_kept_where_parents_allow(here: Callable[[str], Source]) -> None:
    here("bayesnets")
    net = load_bayesnet("asia")
    assert net.names == ("asia", "tub", "smoke", "lung", "bronc", "either", "xray", "dysp")
    assert net.parents[5] == (3, 1)  # probability ( either | lung, tub )
    assert net.tables[5][1, 0].tolist() == [1, 0]  # (no, yes) 1.0, 0.0


DAMAGE = [
    ("network", "netwrok", 1, "'netwrok', not network, variable or probability"),
    ("variable rain", "variable grass", 4, "variable 'grass': is declared twice"),
    ("[ 3 ]", "[ 2 ]", 3, "'grass': <5, 5-12, 12\\+ are not 2 different states"),
    ("{ yes, no }", "{ yes, yes }", 4, "'rain': yes, yes are not 2 different states"),
    ("{ yes, no }", "{ yes no }", 4, "'rain': 'no', not ',' or '}'"),
    ("{ yes, no }", "{ yes, }", 4, "'rain': '}' where a word should be"),
    ("type discrete[2]", "type continuous", 5, "'sprinkler': 'continuous', not 'discrete'"),
    ("( rain )", "( snow )", 15, "'snow': 'snow' is not declared before"),
    ("| rain", "| snow", 14, "'sprinkler': 'snow' is not declared before"),
    ("( rain )", "( sprinkler )", 15, "'sprinkler': has two blocks of probabilities"),
    ("| rain", "| sprinkler", 14, "'sprinkler': depends twice on a variable, or on itself"),
    ("( rain )", "( rain | rain )", 15, "'rain': depends twice on a variable, or on itself"),
    ("(on, yes)", "(on, perhaps)", 7, "'grass': 'perhaps' is no state of 'rain'"),
    ("(on, yes)", "(on)", 7, "'grass': a row about 1 states, not 2"),
    ("(on, yes)", "(on, no)", 12, "'grass': a row is given twice"),
    ("(on, yes)", "table", 7, "'grass': one table over all parents"),
    ("(on, yes)", "default", 7, "'grass': 'default', not '\\(' or 'table'"),
    ("  (off, yes) 0.0, 0.2, 0.8;\n", "", 12, "'grass': 3 rows of 4 are given"),
    ("table 0.2, 0.8;", "", 15, "'rain': 0 rows of 1 are given"),
    ("0.2, 0.8; }", "0.2, 0.3, 0.5; }", 15, "'rain': 3 probabilities for 2 states"),
    ("0.2, 0.8; }", "0.2, 0.7; }", 15, "'rain': 0.2, 0.7 are not probabilities that sum to 1"),
    ("0.2, 0.8; }", "-0.2, 1.2; }", 15, "'rain': -0.2, 1.2 are not probabilities"),
    ("0.2, 0.8; }", "nan, nan; }", 15, "'rain': nan, nan are not probabilities"),
    ("0.2, 0.8; }", "0.2, many; }", 15, "'rain': 0.2, many are not all numbers"),
    ("0.2, 0.8; }\n", "0.2,", 15, "'rain': the text ends too early"),
]


@pytest.mark.parametrize(("old", "new", "line", "fault"), DAMAGE)
def test_damage_is_named(old: str, new: str, line: int, fault: str) -> None:
    text = GARDEN.replace(old, new, 1)
    assert text != GARDEN
    with pytest.raises(DataError, match=f"^network garden, line {line}: .*{fault}"):
        parse_bif(text, "garden")


def test_what_no_single_line_is_to_blame_for() -> None:
    with pytest.raises(DataError, match="^network garden: 'rain' has no probabilities"):
        parse_bif(GARDEN[: GARDEN.index("probability ( rain )")], "garden")
    text = GARDEN.replace("( rain ) { property seen often ; table", "( rain | sprinkler ) { (on)")
    text = text.replace("0.2, 0.8; }", "0.2, 0.8; (off) 1, 0; }")
    with pytest.raises(DataError, match="^network garden: a cycle among grass, rain, sprinkler"):
        parse_bif(text, "garden")
    with pytest.raises(DataError, match="^network void: declares no variable"):
        parse_bif("network void { }", "void")


def test_wrong_name() -> None:
    with pytest.raises(UnknownSource, match="network is named 'asai'; did you mean 'asia'"):
        load_bayesnet("asai")
