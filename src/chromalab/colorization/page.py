"""HTML pages of this package from its templates."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape


def rendered(template: str, **values: object) -> str:
    """Return the HTML page of a template of this package, filled in with values."""
    environment = Environment(
        loader=PackageLoader("chromalab.colorization"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)
