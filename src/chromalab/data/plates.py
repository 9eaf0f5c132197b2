"""Three-color plates, as Prokudin-Gorskii exposed them: gray photographs of their time whose true colors are known.

A plate is three black-and-white exposures through a red, a green and a blue filter. Each is a gray photograph that a
colorizer may be given, with the faults of its time; the three together are the truth that stays hidden from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from chromalab.core.errors import UsageError
from chromalab.core.hashing import sha256_file
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
    "The truth is the plain stack of three exposures, without white balance: judge hues by it, not exact values.",
    "The three exposures were made one after the other: what moved has colored fringes, and corners have faded.",
]

_EXPOSURES = {"red": "r", "green": "g", "blue": "b"}
_LUMA = np.array([0.299, 0.587, 0.114])
"""BT.601, as in the luma of every other part of the laboratory."""


class PhotoSetRecord(Record):
    """What a folder with `grey/` and `truth/` holds: pictures to be colorized, and what they should look like.

    Attributes:
        name: the set's name in results.
        grey: what the gray pictures are made of.
        photos: names of the photographs.
        files_sha256: hash of every file that they were made from.
        caveats: what a reader of numbers on this set must know.
    """

    name: str
    grey: GreySource
    photos: list[str]
    files_sha256: dict[str, str]
    caveats: list[str] = []


@dataclass(frozen=True)
class Plate:
    """One plate's files: its exposures by color, and its stack in color, where they are there."""

    name: str
    exposures: dict[str, Path]
    stack: Path | None

    @property
    def files(self) -> list[Path]:
        """All files of the plate."""
        return [*self.exposures.values(), *([self.stack] if self.stack else [])]

    def truth(self) -> NDArray[np.uint8]:
        """Return the plate in color, (H, W, 3): its stack as it came, else its three exposures put together."""
        if self.stack is not None:
            return read_photo(self.stack).rgb
        channels = [read_photo(self.exposures[color]).rgb[..., 0] for color in _EXPOSURES]
        if len({channel.shape for channel in channels}) > 1:
            raise UsageError(f"the exposures of plate {self.name} differ in size: align and cut them first")
        return np.stack(channels, axis=-1)

    def grey(self, source: GreySource) -> NDArray[np.uint8]:
        """Return one exposure, or the luma of the plate in color, in three equal channels (H, W, 3)."""
        if source == "luma":
            light = np.rint(self.truth() @ _LUMA).astype(np.uint8)
        else:
            light = read_photo(self.exposures[source]).rgb[..., 0]
        return np.repeat(light[..., None], 3, axis=-1)


def make_plate_set(folder: Path, out: Path, *, grey: GreySource = "luma") -> PhotoSetRecord:
    """Make a set to colorize and evaluate of plates: `out/grey`, `out/truth` and `out/set.json`.

    Args:
        folder: for each plate `ID_r`, `ID_g`, `ID_b` (its exposures, aligned) and, where there is one, `ID_rgb` (its
            stack in color), in any photo format.
        out: where to; a set that is there already is not overwritten.
        grey: what the colorizer is to see: one exposure, or the luma of the stack.

    Raises:
        UsageError: no plates, a plate without what is needed, exposures of different sizes, or `out` holds a set.
        UnreadablePhotoError: a file can't be read.
        OutputError: `out` can't be written.
    """
    if (out / SET_FILE).exists():
        raise UsageError(f"{out} holds a set already: choose another folder, or remove it first")
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
        UsageError: there are none, or one lacks a file that `grey` or the truth needs.
    """
    files: dict[str, dict[str, Path]] = {}
    for path in list_photos(folder):
        name, _, part = path.stem.rpartition("_")
        if name and part in {*_EXPOSURES.values(), "rgb"}:
            files.setdefault(name, {})[part] = path
    if not files:
        raise UsageError(
            f"{folder} holds no plates: expected files called ID_r, ID_g, ID_b and ID_rgb, as 00194v_r.png"
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
