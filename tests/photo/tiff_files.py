"""TIFF files of all kinds for the tests, written without the code under test."""

from __future__ import annotations

import importlib.util
import io
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from chromalab.color.lab import level_of
from tests.conftest import SHARED

SHORT, LONG, RATIONAL = 3, 4, 5


@cache
def cases() -> ModuleType:
    """Return the module that makes the cases of `shared/cases`."""
    path = SHARED / "cases" / "make_cases.py"
    spec = importlib.util.spec_from_file_location("make_cases", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


def scene(height: int = 61, width: int = 83, *, bits: int = 8, number: int = 0, channels: int = 1) -> NDArray[Any]:
    """Return an image without symmetry, (H, W) or (H, W, channels)."""
    return np.asarray(cases().scene(height, width, bits=bits, number=number, channels=channels))


def saved(path: Path, pixels: NDArray[Any], **options: Any) -> Path:
    """Write pixels with tifffile."""
    kind = "rgb" if pixels.ndim == 3 else "minisblack"
    tifffile.imwrite(path, pixels, **{"photometric": kind, "metadata": None, **options})
    return path


def made(path: Path, *pages: Any, **options: Any) -> Path:
    """Write pages that `page` returns."""
    path.write_bytes(cases().tiff(list(pages), **options))
    return path


def page(pixels: NDArray[Any], **options: Any) -> Any:
    """Return pixels as a page for `made`; `order` must be that of the file."""
    return cases().page_of(pixels, **options)


def fax(path: Path, pixels: NDArray[Any], compression: str) -> Path:
    """Write black and white with Pillow, whose libtiff has the codecs of fax machines."""
    Image.fromarray(pixels).convert("1").save(path, compression=compression)
    return path


def parts_of(data: bytes) -> list[tuple[int, int]]:
    """Return position and size of the tiles or strips of the first page."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        first = file.pages[0]
        assert isinstance(first, tifffile.TiffPage)
        return list(zip(first.dataoffsets, first.databytecounts, strict=True))


def empty_part(path: Path, index: int) -> None:
    """Change a file as if a tile or strip of it had never been written: it has no place and no bytes."""
    _overwrite(path, "Offsets", index, lambda place: 0)
    _overwrite(path, "ByteCounts", index, lambda size: 0)


def shorten_part(path: Path, index: int, share: float) -> None:
    """Change a file so that a tile or strip of it has fewer bytes."""
    _overwrite(path, "ByteCounts", index, lambda size: int(size * share))


def _overwrite(path: Path, name: str, index: int, change: Callable[[int], int]) -> None:
    """Change the number of a tile or strip in one of the two tags that every file has for them."""
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        first = file.pages[0]
        assert isinstance(first, tifffile.TiffPage)
        tag = first.tags[("Tile" if first.is_tiled else "Strip") + name]
        size, little = tag.valuebytecount // tag.count, file.byteorder == "<"
    place = tag.valueoffset + index * size
    data[place : place + size] = change(tag.value[index]).to_bytes(size, "little" if little else "big")
    path.write_bytes(data)


def levels_of_lightness(lightness: NDArray[Any]) -> NDArray[Any]:
    """Return the gray levels, 0 to 255, of L*, 0 to 100."""
    return np.asarray(level_of(np.asarray(lightness, dtype=np.float64)))
