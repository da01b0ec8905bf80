"""The book: `make docs` builds it into build/docs.

The suite's docstrings are Google style, written in Markdown: `code`, $formulas$, and indented blocks
that are shown as they stand. Sphinx reads reStructuredText, so `markdown` turns one into the other
before napoleon sees the sections.
"""

import re
import sys

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

default_role = "code"  # docstrings are Markdown
highlight_language = "text"
add_module_names = False
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False
autodoc_default_options = {
    "members": True,
    "special-members": "__call__",
    "ignore-module-all": True,
}
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False
autodoc_typehints_format = "short"
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


def private(
    app: Sphinx, what: str, name: str, obj: object, skip: bool, options: object
) -> bool | None:
    """Leaves out what a module doesn't list in its `__all__`."""
    module = sys.modules.get(getattr(obj, "__module__", None) or "")
    listed = getattr(module, "__all__", [name])
    return True if what == "module" and name.rpartition(".")[2] not in listed else None


def signature(
    app: Sphinx, what: str, name: str, obj: object, options: object, text: str | None, back: str
) -> tuple[str | None, str] | None:
    """Says `...` where a dataclass makes its default, and nothing where a module takes nothing."""
    if text is None:
        return None
    return re.sub(r"\(\*args.*\*\*kwargs.*\)$", "()", text.replace("<factory>", "...")), back


def setup(app: Sphinx) -> None:
    """Napoleon, which comes after `markdown`, has priority 500."""
    app.connect("autodoc-process-docstring", markdown, priority=400)
    app.connect("autodoc-process-signature", signature)
    app.connect("autodoc-skip-member", private)
