"""Three-color plates such as those by Prokudin-Gorskii: historical gray photos whose true colors are known.

A plate consists of three black-and-white exposures through a red, a green and a blue filter. One exposure is a
realistic historical input for a colorizer, and the three together are the ground truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from chromalab.color.lab import LUMA_WEIGHTS
from chromalab.core.errors import UsageError
from chromalab.core.files import sha256_file
from chromalab.core.progress import progress
from chromalab.core.records import Record
from chromalab.photo.listing import list_photos
from chromalab.photo.reading import read_photo
from chromalab.photo.writing import write_png

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

GreySource = Literal["luma", "red", "green", "blue"]

SET_FILE = "set.json"
GREY_FOLDER, TRUTH_FOLDER = "grey", "truth"

CAVEATS = [
    "The truth is the plain stack of three exposures, without white balance: compare hues with it, not exact values.",
    "The three exposures were made one after the other: moving objects have colored fringes, and corners have faded.",
]

_EXPOSURES = {"red": "r", "green": "g", "blue": "b"}


class PhotoSetRecord(Record):
    """The record of an evaluation set: a folder with gray images in `grey/` and the ground truth in `truth/`.

    Attributes:
        name: name of the set in results.
        grey: source of the gray images.
        photos: names of the photos.
        files_sha256: SHA-256 of every source file, by file name.
        caveats: limitations that affect the interpretation of results.
    """

    name: str
    grey: GreySource
    photos: list[str]
    files_sha256: dict[str, str]
    caveats: list[str] = []


@dataclass(frozen=True)
class Plate:
    """The files of one plate: its exposures by color, and its color stack, as far as they exist."""

    name: str
    exposures: dict[str, Path]
    stack: Path | None

    @property
    def files(self) -> list[Path]:
        """All files of the plate."""
        return [*self.exposures.values(), *([self.stack] if self.stack else [])]

    def truth(self) -> NDArray[np.uint8]:
        """Return the plate in color, (H, W, 3): its color stack, or else its three exposures stacked."""
        if self.stack is not None:
            return read_photo(self.stack).rgb
        channels = [read_photo(self.exposures[color]).rgb[..., 0] for color in _EXPOSURES]
        if len({channel.shape for channel in channels}) > 1:
            raise UsageError(f"the exposures of plate {self.name} differ in size: align and crop them first")
        return np.stack(channels, axis=-1)

    def grey(self, source: GreySource) -> NDArray[np.uint8]:
        """Return one exposure, or the luma of the color plate, in three equal channels (H, W, 3)."""
        if source == "luma":
            light = np.rint(self.truth() @ LUMA_WEIGHTS).astype(np.uint8)
        else:
            light = read_photo(self.exposures[source]).rgb[..., 0]
        return np.repeat(light[..., None], 3, axis=-1)


def make_plate_set(folder: Path, out: Path, *, grey: GreySource = "luma") -> PhotoSetRecord:
    """Make an evaluation set from plates: `out/grey`, `out/truth` and `out/set.json`.

    Args:
        folder: for each plate `ID_r`, `ID_g`, `ID_b` (its aligned exposures) and optionally `ID_rgb` (its color stack),
            in any photo format.
        out: output folder; an existing set is not overwritten.
        grey: input of the colorizer: one exposure, or the luma of the stack.

    Raises:
        UsageError: there are no plates, a plate lacks a file, exposures differ in size, or `out` already has a set.
        UnreadablePhotoError: a file can't be read.
        OutputError: `out` can't be written.
    """
    if (out / SET_FILE).exists():
        raise UsageError(f"{out} already contains a set: choose another folder, or remove it first")
    plates = find_plates(folder, grey)
    with progress("plates", len(plates)) as advance:
        for plate in plates:
            truth, light = plate.truth(), plate.grey(grey)
            if truth.shape != light.shape:
                raise UsageError(f"the exposures of plate {plate.name} and its stack differ in size: align them first")
            write_png(out / TRUTH_FOLDER / f"{plate.name}.png", truth)
            write_png(out / GREY_FOLDER / f"{plate.name}.png", light)
            advance()
    record = PhotoSetRecord(
        name="prokudin-gorskii",
        grey=grey,
        photos=[plate.name for plate in plates],
        files_sha256={path.name: sha256_file(path) for plate in plates for path in plate.files},
        caveats=CAVEATS,
    )
    record.save(out / SET_FILE)
    return record


def find_plates(folder: Path, grey: GreySource = "luma") -> list[Plate]:
    """Return the plates of a folder, sorted by name.

    Raises:
        UsageError: there are none, or a plate lacks a file that `grey` or the ground truth requires.
    """
    files: dict[str, dict[str, Path]] = {}
    for path in list_photos(folder):
        name, _, part = path.stem.rpartition("_")
        if name and part in {*_EXPOSURES.values(), "rgb"}:
            files.setdefault(name, {})[part] = path
    if not files:
        raise UsageError(
            f"{folder} contains no plates: expected files named ID_r, ID_g, ID_b and ID_rgb, such as 00194v_r.png"
        )
    return [_plate(name, parts, grey) for name, parts in sorted(files.items())]


def _plate(name: str, parts: dict[str, Path], grey: GreySource) -> Plate:
    exposures = {color: parts[letter] for color, letter in _EXPOSURES.items() if letter in parts}
    missing = [color for color in _EXPOSURES if color not in exposures]
    if "rgb" not in parts and missing:
        raise UsageError(f"plate {name} has neither a stack ({name}_rgb) nor its {missing[0]} exposure")
    if grey != "luma" and grey not in exposures:
        raise UsageError(f"plate {name} has no {grey} exposure ({name}_{_EXPOSURES[grey]}): choose another gray")
    return Plate(name, exposures, parts.get("rgb"))
