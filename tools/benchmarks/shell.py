"""Commands run from a benchmark, in this process."""

from __future__ import annotations

import sys

from chromalab.cli.main import run


def chromalab(*arguments: str) -> None:
    """Run a command; one that fails ends the benchmark."""
    before, sys.argv = sys.argv, ["chromalab", *arguments]
    try:
        run()
    except SystemExit as stop:
        if stop.code not in (None, 0):
            raise
    finally:
        sys.argv = before
