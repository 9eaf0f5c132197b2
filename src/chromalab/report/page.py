"""The HTML environment that every report page shares: templates, filters and inline SVG figures."""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup, escape

from chromalab.core.wording import listing, plural
from chromalab.report import formatting

if TYPE_CHECKING:
    from chromalab.report.figures.style import Drawing


def environment(*packages: str) -> jinja2.Environment:
    """Return the template environment: escaping on, undefined names are errors, style and script inlined.

    Args:
        packages: other packages whose templates extend those of `chromalab.report`.
    """
    found = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(name) for name in ("chromalab.report", *packages)]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(space_label=formatting.space_label, code_spans=_code_spans, breakable=_breakable)
    found.globals.update(figure=_figure, static=_static, formatting=formatting, plural=plural, listing=listing)
    return found


def _figure(drawing: Drawing) -> Markup:
    """Return a drawing for a page; matplotlib has already escaped its text."""
    return Markup(inline_svg(drawing.svg, prefix=drawing.name, alt=drawing.alt))  # noqa: S704


def _code_spans(text: str) -> Markup:
    """Return escaped text in which `names` between backticks are set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704


def _breakable(name: str) -> Markup:
    """Return an escaped name that a narrow column may break after its underscores."""
    return Markup("_<wbr>").join(name.split("_"))


def _static(name: str) -> Markup:
    """Return a file of the `static` folder unescaped."""
    return Markup((resources.files("chromalab.report") / "static" / name).read_text(encoding="utf-8"))  # noqa: S704


_PROLOG = re.compile(r"^.*?(?=<svg\b)", re.DOTALL)
_METADATA = re.compile(r"<!--.*?-->|<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<defs>\s*</defs>", re.DOTALL)
_ROOT = re.compile(r'<svg\b[^>]*?viewBox="(?P<box>[^"]+)"[^>]*>')
_GROUP_ID = re.compile(r'<g id="[^"]*">')
_ID = re.compile(r'\bid="([^"]+)"')
_REFERENCE = re.compile(r'((?:xlink:)?href="#|url\(#)')


def inline_svg(svg: str, *, prefix: str, alt: str) -> str:
    """Return a figure as an `<svg>` element for a page.

    Identifiers get a prefix, so that two figures on a page do not share clip paths. The XML prolog, the metadata and
    the figure's style sheet, which would apply to the whole page, are removed.

    Args:
        svg: an SVG document written by matplotlib.
        prefix: a prefix that is unique on the page.
        alt: text alternative of the figure.
    """
    body = _METADATA.sub("", _PROLOG.sub("", svg))
    body = _GROUP_ID.sub("<g>", body)
    body = _ID.sub(rf'id="{prefix}-\1"', body)
    body = _REFERENCE.sub(rf"\1{prefix}-", body)
    label = str(escape(alt))
    return _ROOT.sub(
        lambda match: (
            f'<svg viewBox="{match["box"]}" style="--width: {match["box"].split()[2]}" role="img" aria-label="{label}" xmlns:xlink="http://www.w3.org/1999/xlink">'
        ),
        body,
        count=1,
    ).strip()
