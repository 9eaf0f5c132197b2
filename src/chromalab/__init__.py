"""A laboratory for the objectives of deep image colorization.

>>> import chromalab
>>> from chromalab.data import sample_path
>>> chromalab.colorize(sample_path("chelsea")).shape
(300, 451, 3)
>>> record = chromalab.train("baseline", data="photos/", out="mine/")  # doctest: +SKIP
>>> result = chromalab.evaluate("colorized/", "photos/")  # doctest: +SKIP
>>> analysis = chromalab.studies.run("quick", out="study/")  # doctest: +SKIP

Functions and packages are imported on first use, so `import chromalab` alone loads neither NumPy nor PyTorch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from chromalab.version import __version__

if TYPE_CHECKING:
    from chromalab import colorization, data, evaluation, losses, metrics, studies
    from chromalab.api import train
    from chromalab.colorization.colorizer import colorize
    from chromalab.evaluation.folders import evaluate

__all__ = [
    "__version__",
    "colorization",
    "colorize",
    "data",
    "evaluate",
    "evaluation",
    "losses",
    "metrics",
    "studies",
    "train",
]

_MODULES = {"colorize": "colorization.colorizer", "evaluate": "evaluation.folders", "train": "api"}


def __getattr__(name: str) -> Any:
    """Import a public function or package on first use."""
    if name not in __all__:
        raise AttributeError(f"module 'chromalab' has no attribute '{name}'")
    if name in _MODULES:
        return getattr(import_module(f"chromalab.{_MODULES[name]}"), name)
    return import_module(f"chromalab.{name}")


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
