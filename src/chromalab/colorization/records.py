"""What a batch deals with: a photo or film with its output, the result of colorizing it, and the folders beside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chromalab.core.files import printable, with_ending
from chromalab.core.records import Record

if TYPE_CHECKING:
    from pathlib import Path

KEPT = ".chromalab"
"""Name of the folder inside the output folder with the state of the batch."""

REPORT = "report"
"""Name of the folder inside the output folder with the contact sheet and its thumbnails."""


def version_file(output: Path, number: int) -> Path:
    """Return the file of a plausible version beside an output, numbered from 1: NAME.v1.EXT."""
    return with_ending(output.with_name(output.stem), f".v{number}{output.suffix}")


def map_file(output: Path, *, by_stem: bool = True) -> Path:
    """Return the file of an output's map of uncertainty: NAME.uncertainty.png, or else NAME.EXT.uncertainty.png."""
    return with_ending(output.with_name(output.stem) if by_stem else output, ".uncertainty.png")


@dataclass(frozen=True)
class Item:
    """A photo and its output.

    Attributes:
        source: the photo.
        output: the file to write.
        name: path of the output relative to the output folder, with forward slashes.
    """

    source: Path
    output: Path
    name: str

    @property
    def key(self) -> str:
        """The name as the journal and the report hold it: as valid text."""
        return printable(self.name)

    @property
    def sidecar(self) -> Path:
        """The record beside the output."""
        return with_ending(self.output, ".json")


class Colorized(Record):
    """The result of colorizing a photo file.

    Attributes:
        source: path of the photo, as given.
        output: path of the written file.
        seconds: time for reading, colorizing and writing.
        height: rows of the output.
        width: columns of the output.
        bits: bits per value of the output; of its deepest page.
        pages: pages of the output.
        frames: frames of a film; None for a photo.
        lightness_error: largest absolute difference in L* between photo and output, before any lossy compression; None
            for a film, whose luma is passed on as it is.
        gamut_share: share of pixels whose chroma was reduced to stay in the gamut, 0 to 1; None for a film.
        mean_chroma: mean chroma of the small copy, in CIELAB units.
        in_color: whether the photo had colors of its own, which are replaced; toned prints do not count.
        warnings: what of the photo is damaged or left out, a sentence each, without the path.
        is_incomplete: a part of the film could not be decoded and is missing.
        kept_aside: metadata that cannot be read and written again, in Base64, by its name, such as `xmp`.
    """

    source: str
    output: str
    seconds: float
    height: int
    width: int
    bits: int
    pages: int
    frames: int | None = None
    lightness_error: float | None = None
    gamut_share: float | None = None
    mean_chroma: float
    in_color: bool = False
    warnings: list[str] = []
    is_incomplete: bool = False
    kept_aside: dict[str, str] = {}


class ShotRecord(Record):
    """A shot, or a part of one that began in an earlier segment.

    Attributes:
        first: index of its first frame.
        frames: number of frames.
        begins: whether it begins here.
    """

    first: int
    frames: int
    begins: bool


class FilmRecord(Record):
    """What a report needs of a film.

    Attributes:
        result: the result of colorizing it.
        times_s: time of each frame from the first, in seconds.
        shots: its shots, each once.
        measures: of each frame the mean chroma, and the change of chroma along the motion `before` and `after` the
            averaging, in CIELAB units; the changes are missing at cuts.
        rotation: counterclockwise rotation, in degrees, with which the frames are shown.
    """

    result: Colorized
    times_s: list[float]
    shots: list[ShotRecord]
    measures: list[dict[str, float]]
    rotation: int = 0

    def flicker(self, which: str) -> float | None:
        """Return the mean change of chroma `before` or `after` the averaging; None for a film without motion."""
        values = [measure[which] for measure in self.measures if which in measure]
        return sum(values) / len(values) if values else None
