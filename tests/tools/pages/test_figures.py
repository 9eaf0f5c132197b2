"""The figures of the docs match the committed records."""

from __future__ import annotations

import pytest

from tools.pages.figures import IMAGES, drawings


@pytest.mark.slow
def test_the_figures_are_current() -> None:
    for name, svg in drawings().items():
        assert (IMAGES / f"{name}.svg").read_text(encoding="utf-8") == svg, f"{name}: run `make results`"
