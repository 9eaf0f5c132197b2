"""Colorization: infer chroma on a small copy of a photo, enlarge it, and join it with the photo's own lightness.

>>> from chromalab import colorization
>>> from chromalab.data import sample_path
>>> colorization.colorize(sample_path("chelsea"), saturation=1.2, hints=["120,80=#8a2b2b"]).dtype
dtype('uint8')

Nothing here imports PyTorch: the networks run in ONNX Runtime.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chromalab.colorization.api import colorize
    from chromalab.colorization.batch import Batch, run_batch
    from chromalab.colorization.engine import Engine
    from chromalab.colorization.hints import Hint
    from chromalab.colorization.options import Options
    from chromalab.colorization.plan import make_plan

__all__ = ["Batch", "Engine", "Hint", "Options", "colorize", "make_plan", "run_batch"]

_MODULES = {
    "Batch": "batch",
    "Engine": "engine",
    "Hint": "hints",
    "Options": "options",
    "colorize": "api",
    "make_plan": "plan",
    "run_batch": "batch",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that the command line starts without ONNX Runtime."""
    if name not in _MODULES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
