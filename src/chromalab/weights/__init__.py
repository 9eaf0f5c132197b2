"""Network weights: the known published files with their sources, and the colorizers that ship with the package."""

from chromalab.weights.colorizers import DEFAULT_MODEL, ColorizerFile, ColorizerSpec, find_colorizer, shipped_models
from chromalab.weights.manifest import MANIFEST
from chromalab.weights.status import list_weights, verify_weights
from chromalab.weights.store import find_weights, weights_folder

__all__ = [
    "DEFAULT_MODEL",
    "MANIFEST",
    "ColorizerFile",
    "ColorizerSpec",
    "find_colorizer",
    "find_weights",
    "list_weights",
    "shipped_models",
    "verify_weights",
    "weights_folder",
]
