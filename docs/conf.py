"""The book: `make docs` builds it into build/docs.

The suite's docstrings are Google style, written in Markdown: `code`, $formulas$, and indented blocks that are shown as they stand. Sphinx
reads reStructuredText, so `markdown` turns one into the other before napoleon sees the sections.
"""

import re

from sphinx.application import Sphinx

import unnoise

project = "unnoise"
author = "the authors of unnoise"
release = version = unnoise.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"unnoise {release}"
html_show_copyright = False

default_role = "code"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False
autodoc_typehints_format = "short"
autodoc_use_type_comments = False
toc_object_entries_show_parents = "hide"

SECTION = re.compile(r"(Args|Attributes|Raises|Returns|Yields):$")
SPAN = re.compile(r"``.+?``|`[^`]+`|\$([^$`]+)\$", re.DOTALL)


def markdown(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Rewrites the lines of a docstring from Markdown to reStructuredText."""
    rewritten: list[str] = []
    prose: list[str] = []
    section = code = False
    for line, before in zip(lines, ["", *lines], strict=False):
        indented = line.startswith("    ") and not section
        if line.strip() and not (code and indented):
            code = line.startswith(">>>") or (indented and not before.strip())
            if code:
                rewritten += [*_spans(prose), *(["::", ""] if indented else [])]
                prose = []
        if line.strip() and not line.startswith(" "):
            section = SECTION.match(line) is not None
        (rewritten if code else prose).append(line)
    lines[:] = rewritten + _spans(prose)


def _spans(prose: list[str]) -> list[str]:
    """Formulas as roles, bars as bars; code as it stands."""
    text, end = "", 0
    source = "\n".join(prose)
    for span in SPAN.finditer(source):
        text += source[end : span.start()].replace("|", r"\|")
        text += f":math:`{span[1]}`" if span[1] else span[0]
        end = span.end()
    return (text + source[end:].replace("|", r"\|")).split("\n")


def setup(app: Sphinx) -> None:
    """Napoleon, which comes next, has priority 500."""
    app.connect("autodoc-process-docstring", markdown, priority=400)
