"""Colorization: infer chroma on a small copy of a photo or frame, enlarge it, and merge it with its lightness.

>>> from chromalab import colorization
>>> from chromalab.data import sample_path
>>> colorization.colorize(sample_path("chelsea"), saturation=1.2, hints=["120,80=#8a2b2b"]).dtype
dtype('uint8')

PyTorch is not needed: the networks run in ONNX Runtime.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.core.lazy import lazy_names

if TYPE_CHECKING:
    from chromalab.colorization.batch import Batch, run_batch
    from chromalab.colorization.colorizer import colorize
    from chromalab.colorization.engine import Engine
    from chromalab.colorization.hints import Hint
    from chromalab.colorization.options import Job, Options
    from chromalab.colorization.plan import make_plan
    from chromalab.colorization.records import Colorized
    from chromalab.colorization.video.codecs import Encoding

__all__ = ["Batch", "Colorized", "Encoding", "Engine", "Hint", "Job", "Options", "colorize", "make_plan", "run_batch"]

_MODULES = {
    "Batch": "batch",
    "Colorized": "records",
    "Encoding": "video.codecs",
    "Engine": "engine",
    "Hint": "hints",
    "Job": "options",
    "Options": "options",
    "colorize": "colorizer",
    "make_plan": "plan",
    "run_batch": "batch",
}

__getattr__ = lazy_names(__name__, _MODULES)


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
