"""Image folders for training: index, cache, splits, crops, duplicates and the built-in sample photos.

>>> from chromalab import data
>>> data.sample_path("coffee").name
'coffee.png'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.core.lazy import lazy_names

if TYPE_CHECKING:
    from chromalab.data.cache import open_cache
    from chromalab.data.check import check_folders
    from chromalab.data.library import FolderShare, open_library
    from chromalab.data.photoset import PhotoSet
    from chromalab.data.sources import SAMPLES, folder_sources, sample_path, sample_sources
    from chromalab.data.split import split_photos

__all__ = [
    "SAMPLES",
    "FolderShare",
    "PhotoSet",
    "check_folders",
    "folder_sources",
    "open_cache",
    "open_library",
    "sample_path",
    "sample_sources",
    "split_photos",
]

_MODULES = {
    "SAMPLES": "sources",
    "FolderShare": "library",
    "PhotoSet": "photoset",
    "check_folders": "check",
    "folder_sources": "sources",
    "open_cache": "cache",
    "open_library": "library",
    "sample_path": "sources",
    "sample_sources": "sources",
    "split_photos": "split",
}

__getattr__ = lazy_names(__name__, _MODULES)


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
