"""What a task asks of the node that it landed on."""

from __future__ import annotations

import os
import platform

from chromalab.core.errors import UsageError
from chromalab.version import __version__


def check_version(version: str) -> None:
    """See that this node has the sender's chromalab.

    Raises:
        UsageError: it has another.
    """
    if version != __version__:
        raise UsageError(
            f"{platform.node()} has chromalab {__version__}, the sender {version}: install the same everywhere"
        )


def task_threads() -> int:
    """Return how many threads this task may have; Ray says it as it says it to numerical libraries."""
    return max(1, int(os.environ.get("OMP_NUM_THREADS", "1")))
