"""The files of a photo as arrays of one size, put together in batches of one size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chromalab.evaluation.protocols import fit
from chromalab.evaluation.records import SkippedPair
from chromalab.photo.reading import Photo, UnreadablePhotoError, read_photo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from chromalab.evaluation.pairing import PhotoFiles
    from chromalab.evaluation.protocols import Protocol

BATCH_PIXELS = 2**18
"""Photos of one size are judged together up to this many pixels; more makes nothing faster on a CPU."""

PART = 64
"""Photos of a part, the unit in which work is given away."""

MAX_PIXELS = 12_000_000
"""Above this a photo is left out: what the networks see of one pair would take more than about 10 GB of memory."""

GREY_FILE, ALPHA, DEEP, RESIZED = "grey", "transparent", "16-bit", "resized"
"""What is told of files: one channel only, transparency laid on white, 16 bits rounded to 8, another size than the
truth before the protocol resized both."""


@dataclass(frozen=True)
class PhotoPixels:
    """One photo's pictures as 8-bit sRGB of one size, (H, W, 3) each.

    Attributes:
        name: its name.
        preds: the prediction of every method.
        target: the true photograph, where there is one.
        grey: the gray photograph that was colorized, where there is one.
        oddities: what is to be told of a method's file, as (method, what).
    """

    name: str
    preds: Mapping[str, NDArray[np.uint8]]
    target: NDArray[np.uint8] | None
    grey: NDArray[np.uint8] | None
    oddities: tuple[tuple[str, str], ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        height, width = next(iter(self.preds.values())).shape[:2]
        return height, width


def read_files(photo: PhotoFiles, protocol: Protocol) -> PhotoPixels | SkippedPair:
    """Read the files of a photo under a protocol, or say why it can't be judged."""
    try:
        preds = {method: _read(path, photo.role(method)) for method, path in photo.preds.items()}
        target = _read(photo.target, "target") if photo.target else None
        grey = _read(photo.grey, "gray photograph") if photo.grey else None
    except _UnreadableError as error:
        return SkippedPair(name=photo.name, reason=str(error))
    pictures = {photo.role(method): picture for method, picture in preds.items()}
    others = {"target": target, "gray photograph": grey}
    beside = {role: picture for role, picture in others.items() if picture is not None}
    if reason := _size_fault(pictures | beside, next(iter(beside)), protocol):
        return SkippedPair(name=photo.name, reason=reason)
    reference = next(iter(beside.values()))
    return PhotoPixels(
        photo.name,
        {method: fit(picture.rgb, protocol) for method, picture in preds.items()},
        None if target is None else fit(target.rgb, protocol),
        None if grey is None else fit(grey.rgb, protocol),
        tuple((method, what) for method, picture in preds.items() for what in _oddities(picture, reference)),
    )


class _UnreadableError(Exception):
    pass


def _read(path: Path, role: str) -> Photo:
    try:
        return read_photo(path)
    except UnreadablePhotoError as error:
        raise _UnreadableError(f"the {role} {path.name} can't be read: {error.reason}") from error


def _oddities(picture: Photo, reference: Photo) -> Iterator[str]:
    if picture.grey_only:
        yield GREY_FILE
    if picture.has_alpha:
        yield ALPHA
    if picture.bits > 8:
        yield DEEP
    if picture.rgb.shape != reference.rgb.shape:
        yield RESIZED


def _size_fault(pictures: Mapping[str, Photo], reference: str, protocol: Protocol) -> str:
    """Say what is wrong with the sizes, or return an empty string."""
    if protocol.resize != "none":
        return ""
    height, width = pictures[reference].rgb.shape[:2]
    for role, picture in pictures.items():
        own_height, own_width = picture.rgb.shape[:2]
        if (own_height, own_width) != (height, width):
            return (
                f"the {role} has {own_width}x{own_height} px and the {reference} {width}x{height}: "
                "nothing is resized under this protocol, so bring both to one size first"
            )
    if height * width > MAX_PIXELS:
        return f"{width}x{height} px are over the limit of {MAX_PIXELS // 10**6} million: scale both down first"
    return ""


def batches_of_one_size(photos: Iterable[PhotoPixels | SkippedPair]) -> Iterator[list[PhotoPixels] | SkippedPair]:
    """Put neighbors of one size together, in their order, up to `BATCH_PIXELS`; what was skipped passes through.

    A batch ends with every `PART` photos: a part of the photos gives the same batches wherever it is judged.
    """
    batch: list[PhotoPixels] = []
    for place, photo in enumerate(photos):
        if batch and place % PART == 0:
            yield batch
            batch = []
        if isinstance(photo, SkippedPair):
            yield photo
            continue
        height, width = photo.size
        if batch and (batch[0].size != photo.size or (len(batch) + 1) * height * width > BATCH_PIXELS):
            yield batch
            batch = []
        batch.append(photo)
    if batch:
        yield batch
