"""SVG figures inside an HTML page."""

from __future__ import annotations

import re
from html import escape

_PROLOG = re.compile(r"^.*?(?=<svg\b)", re.DOTALL)
_METADATA = re.compile(r"<!--.*?-->|<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<defs>\s*</defs>", re.DOTALL)
_ROOT = re.compile(r'<svg\b[^>]*?viewBox="(?P<box>[^"]+)"[^>]*>')
_GROUP_ID = re.compile(r'<g id="[^"]*">')
_ID = re.compile(r'\bid="([^"]+)"')
_REFERENCE = re.compile(r'((?:xlink:)?href="#|url\(#)')


def inline_svg(svg: str, *, prefix: str, alt: str) -> str:
    """Return a figure as an element to put into a page.

    Identifiers get a prefix, so that two figures on one page can't take each other's clip paths; the XML prolog,
    the metadata and the figure's own style sheet (which would rule the whole page) are left out.

    Args:
        svg: a whole SVG document as matplotlib writes it.
        prefix: unique on the page.
        alt: what the figure shows, in words.
    """
    body = _METADATA.sub("", _PROLOG.sub("", svg))
    body = _GROUP_ID.sub("<g>", body)
    body = _ID.sub(rf'id="{prefix}-\1"', body)
    body = _REFERENCE.sub(rf"\1{prefix}-", body)
    label = escape(alt, quote=True)
    return _ROOT.sub(
        lambda match: (
            f'<svg viewBox="{match["box"]}" role="img" aria-label="{label}" xmlns:xlink="http://www.w3.org/1999/xlink">'
        ),
        body,
        count=1,
    ).strip()
