"""A laboratory for the objectives of deep image colorization."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chromalab.version import __version__

if TYPE_CHECKING:
    from chromalab.colorization.api import colorize

__all__ = ["__version__", "colorize"]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is: `import chromalab` alone stays light."""
    if name == "colorize":
        from chromalab.colorization.api import colorize  # noqa: PLC0415

        return colorize
    raise AttributeError(f"module 'chromalab' has no attribute '{name}'")
