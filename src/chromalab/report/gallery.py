"""The grid of pictures: photographs down, methods across, one variant (space and seed) shown at a time."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from chromalab.report.curves import RunName
from chromalab.report.numbers import space_label
from chromalab.report.pictures import REFERENCES, encode_pictures, study_pictures

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from chromalab.report.pictures import EncodedPhoto, EncodedPictures, PhotoPictures
    from chromalab.studies.records import StudyRecord

REFERENCE_LABELS = {"grey": "grey", "truth": "truth"}


@dataclasses.dataclass(frozen=True)
class Variant:
    """A color space and seed, of which the grid shows every objective at once."""

    key: str
    label: str


@dataclasses.dataclass(frozen=True)
class Picture:
    """One picture of a cell; a reference belongs to every variant and has none."""

    uri: str
    variant: str
    alt: str


@dataclasses.dataclass(frozen=True)
class GridRow:
    """One photograph: for each column its pictures, which may be none."""

    name: str
    width: int
    height: int
    cells: tuple[tuple[Picture, ...], ...]


@dataclasses.dataclass(frozen=True)
class Gallery:
    """What the grid shows.

    Attributes:
        columns: `grey` and `truth` where there are pictures of them, then the objectives.
        variants: the first is the one shown at first.
        rows: the photographs.
        jpeg: whether the pictures had to be compressed to keep the page small.
        n_left_out: photographs for which there was no room.
    """

    columns: tuple[str, ...]
    variants: tuple[Variant, ...]
    rows: tuple[GridRow, ...]
    jpeg: bool
    n_left_out: int


def study_gallery(folder: Path, study: StudyRecord, objectives: Sequence[str]) -> Gallery:
    """Return the grid of a study's test photographs."""
    return gallery(study_pictures(folder, study.pictured), objectives)


def gallery(photos: Sequence[PhotoPictures], objectives: Sequence[str]) -> Gallery:
    """Encode the pictures and order them: `grey`, `truth`, then the objectives as given."""
    encoded = encode_pictures(photos)
    methods = {method for photo in encoded.photos for method in photo.uris}
    names = sorted(name for method in methods if (name := RunName.parse(method)) is not None)
    variants = tuple(_variant(*key) for key in dict.fromkeys((name.color_space, name.seed) for name in _by_seed(names)))
    seen = {name.objective for name in names}
    columns = (*(ref for ref in REFERENCES if ref in methods), *(name for name in objectives if name in seen))
    rows = tuple(_row(photo, columns, variants) for photo in encoded.photos)
    return Gallery(columns, variants, rows, _compressed(encoded), encoded.n_left_out)


def _by_seed(names: Sequence[RunName]) -> list[RunName]:
    return sorted(names, key=lambda name: (name.color_space, name.seed))


def _variant(color_space: str, seed: int) -> Variant:
    return Variant(f"{color_space}-s{seed}", f"{space_label(color_space)}, seed {seed}")


def _compressed(encoded: EncodedPictures) -> bool:
    return encoded.encoding.jpeg_quality is not None


def _row(photo: EncodedPhoto, columns: Sequence[str], variants: Sequence[Variant]) -> GridRow:
    return GridRow(photo.name, photo.width, photo.height, tuple(_cell(photo, column, variants) for column in columns))


def _cell(photo: EncodedPhoto, column: str, variants: Sequence[Variant]) -> tuple[Picture, ...]:
    if column in REFERENCES:
        uri = photo.uris.get(column)
        return (Picture(uri, "", f"{photo.name}, {REFERENCE_LABELS[column]}"),) if uri else ()
    return tuple(
        Picture(photo.uris[run_id], variant.key, f"{photo.name} colorized by {column} ({variant.label})")
        for variant in variants
        if (run_id := f"{column}-{variant.key}") in photo.uris
    )
