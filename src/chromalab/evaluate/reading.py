"""Pairs of photo files as arrays, put together in batches of one size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chromalab.evaluate.records import SkippedPair
from chromalab.photo.reading import UnreadablePhotoError, read_photo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from chromalab.evaluate.pairing import Pair

BATCH_PIXELS = 2**18
"""Photos of one size are judged together up to this many pixels; more makes nothing faster on a CPU."""

MAX_PIXELS = 12_000_000
"""Above this a pair is left out: what the networks see of one pair would take more than about 10 GB of memory."""


@dataclass(frozen=True)
class PixelPair:
    """A prediction and its target as 8-bit sRGB of one size, (H, W, 3)."""

    name: str
    preds: NDArray[np.uint8]
    target: NDArray[np.uint8]


def read_pair(pair: Pair) -> PixelPair | SkippedPair:
    """Read both files of a pair, or say why it can't be judged."""
    try:
        preds, target = read_photo(pair.preds).rgb, read_photo(pair.target).rgb
    except UnreadablePhotoError as error:
        role = "prediction" if error.path == pair.preds else "target"
        return SkippedPair(name=pair.name, reason=f"the {role} {error.path.name} can't be read: {error.reason}")
    if reason := _size_fault(preds, target):
        return SkippedPair(name=pair.name, reason=reason)
    return PixelPair(pair.name, preds, target)


def _size_fault(preds: NDArray[np.uint8], target: NDArray[np.uint8]) -> str:
    """Say what is wrong with the sizes, or return an empty string."""
    height, width = target.shape[:2]
    if preds.shape != target.shape:
        return (
            f"the prediction has {preds.shape[1]}x{preds.shape[0]} px and the target {width}x{height}: "
            "nothing is resized here, so bring both to one size first"
        )
    if height * width > MAX_PIXELS:
        return f"{width}x{height} px are over the limit of {MAX_PIXELS // 10**6} million: scale both down first"
    return ""


def batches_of_one_size(pairs: Iterable[PixelPair | SkippedPair]) -> Iterator[list[PixelPair] | SkippedPair]:
    """Put neighbours of one size together, in their order, up to `BATCH_PIXELS`; what was skipped passes through."""
    batch: list[PixelPair] = []
    for pair in pairs:
        if isinstance(pair, SkippedPair):
            yield pair
            continue
        height, width = pair.target.shape[:2]
        if batch and (batch[0].target.shape != pair.target.shape or (len(batch) + 1) * height * width > BATCH_PIXELS):
            yield batch
            batch = []
        batch.append(pair)
    if batch:
        yield batch
