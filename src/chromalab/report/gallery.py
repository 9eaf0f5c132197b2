"""The image grid of a report page: find, encode and arrange the images of a study."""

from __future__ import annotations

import base64
import dataclasses
import io
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from chromalab.report.formatting import space_label
from chromalab.report.study.training_logs import RunName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from chromalab.studies.records import StudyRecord

BUDGET_BYTES = 11 * 2**20
"""All pictures of a page together, before base64 makes them a third larger."""

REFERENCES = ("grey", "truth")


class Encoding(NamedTuple):
    """How pictures are put into the page: as they are (PNG), or as JPEG with full color resolution."""

    jpeg_quality: int | None
    longest_side_px: int | None


ENCODINGS = (Encoding(None, None), Encoding(92, None), Encoding(90, 640), Encoding(88, 448), Encoding(85, 320))


@dataclasses.dataclass(frozen=True)
class PhotoFiles:
    """One photograph in all its versions.

    Attributes:
        name: the photograph's name as people know it.
        files: its PNG files by method: `grey`, `truth` and run ids. A missing method has no entry.
    """

    name: str
    files: Mapping[str, Path]


@dataclasses.dataclass(frozen=True)
class EncodedPhoto:
    """One photograph ready for the page: data URIs by method, and the size in pixels as shown first."""

    name: str
    uris: Mapping[str, str]
    width: int
    height: int


@dataclasses.dataclass(frozen=True)
class EncodedImages:
    """The photographs of a page, how they were encoded, and how many more there were."""

    photos: tuple[EncodedPhoto, ...]
    encoding: Encoding
    n_left_out: int = 0


def find_test_images(folder: Path, pictured: Sequence[str]) -> list[PhotoFiles]:
    """Find `pictures/METHOD/PHOTO.png` of a study, in the order of `pictured`; others follow by name."""
    root = folder / "pictures"
    methods = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    found: dict[str, dict[str, Path]] = {}
    for method in methods:
        for path in sorted((root / method).rglob("*.png")):
            found.setdefault(path.relative_to(root / method).with_suffix("").as_posix(), {})[method] = path
    names = {key: _known_name(key, pictured) for key in found}
    rank = {name: index for index, name in enumerate(pictured)}
    order = sorted(found, key=lambda key: (rank.get(names[key], len(rank)), key))
    return [PhotoFiles(names[key], found[key]) for key in order]


def find_colorized_images(folder: Path) -> list[PhotoFiles]:
    """Find `colorized/PHOTO/METHOD.png` of a study, by name."""
    root = folder / "colorized"
    homes = sorted({path.parent for path in root.rglob("*.png")})
    return [
        PhotoFiles(home.relative_to(root).as_posix(), {path.stem: path for path in sorted(home.glob("*.png"))})
        for home in homes
    ]


def _known_name(key: str, pictured: Iterable[str]) -> str:
    """Return the photo's name in the record for a picture file's name, in which folders are joined by `__`."""
    for name in pictured:
        stem = name.rsplit(".", 1)[0]
        if key in {name, name.replace("/", "__"), stem, stem.replace("/", "__")}:
            return name
    return key


def encode_images(photos: Sequence[PhotoFiles], *, budget_bytes: int = BUDGET_BYTES) -> EncodedImages:
    """Encode every picture at the best quality with which all of them fit the budget.

    If even the smallest encoding is too large, photographs are left out from the end and counted. JPEG keeps full
    color resolution (4:4:4), because color is what these pictures are looked at for. Files that are no pictures
    are passed over.
    """
    sizes = sum(path.stat().st_size for photo in photos for path in photo.files.values())
    if sizes <= budget_bytes:
        return EncodedImages(tuple(_encoded(photos, ENCODINGS[0])), ENCODINGS[0])
    for encoding in ENCODINGS[1:]:
        encoded = list(_encoded(photos, encoding))
        if sum(map(_weight, encoded)) <= budget_bytes:
            return EncodedImages(tuple(encoded), encoding)
    kept, used = [], 0
    for photo in encoded:
        used += _weight(photo)
        if used > budget_bytes:
            break
        kept.append(photo)
    return EncodedImages(tuple(kept), encoding, n_left_out=len(encoded) - len(kept))


def _weight(photo: EncodedPhoto) -> int:
    return sum(len(uri) for uri in photo.uris.values()) * 3 // 4


def _encoded(photos: Iterable[PhotoFiles], encoding: Encoding) -> Iterator[EncodedPhoto]:
    for photo in photos:
        pictures = {method: picture for method, path in photo.files.items() if (picture := _encode(path, encoding))}
        if pictures:
            width, height = next(iter(pictures.values())).size
            yield EncodedPhoto(photo.name, {method: picture.uri for method, picture in pictures.items()}, width, height)


class _EncodedImage(NamedTuple):
    uri: str
    size: tuple[int, int]


def _encode(path: Path, encoding: Encoding) -> _EncodedImage | None:
    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as opened:
            image = opened.convert("RGB")
    except (OSError, SyntaxError):  # Pillow's words for a damaged file
        return None
    if encoding.jpeg_quality is None:
        return _EncodedImage(_data_uri("image/png", data), image.size)
    return _jpeg(image, encoding.jpeg_quality, encoding.longest_side_px)


def _jpeg(image: Image.Image, quality: int, longest_side_px: int | None) -> _EncodedImage:
    if longest_side_px is not None:
        image.thumbnail((longest_side_px, longest_side_px), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality, subsampling="4:4:4")
    return _EncodedImage(_data_uri("image/jpeg", data.getvalue()), image.size)


def _data_uri(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


REFERENCE_LABELS = {"grey": "gray", "truth": "truth"}


@dataclasses.dataclass(frozen=True)
class Variant:
    """A color space and seed, of which the grid shows every objective at once."""

    key: str
    label: str


@dataclasses.dataclass(frozen=True)
class GridImage:
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
    cells: tuple[tuple[GridImage, ...], ...]


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
    return gallery(find_test_images(folder, study.pictured), objectives)


def gallery(photos: Sequence[PhotoFiles], objectives: Sequence[str]) -> Gallery:
    """Encode the pictures and order them: `grey`, `truth`, then the objectives as given."""
    encoded = encode_images(photos)
    methods = {method for photo in encoded.photos for method in photo.uris}
    names = sorted(name for method in methods if (name := RunName.parse(method)) is not None)
    variants = tuple(_variant(*key) for key in dict.fromkeys((name.color_space, name.seed) for name in _by_seed(names)))
    seen = {name.objective for name in names}
    columns = (*(ref for ref in REFERENCES if ref in methods), *(name for name in objectives if name in seen))
    rows = tuple(_grid_row(photo, columns, variants) for photo in encoded.photos)
    return Gallery(columns, variants, rows, _compressed(encoded), encoded.n_left_out)


def _by_seed(names: Sequence[RunName]) -> list[RunName]:
    return sorted(names, key=lambda name: (name.color_space, name.seed))


def _variant(color_space: str, seed: int) -> Variant:
    return Variant(f"{color_space}-s{seed}", f"{space_label(color_space)}, seed {seed}")


def _compressed(encoded: EncodedImages) -> bool:
    return encoded.encoding.jpeg_quality is not None


def _grid_row(photo: EncodedPhoto, columns: Sequence[str], variants: Sequence[Variant]) -> GridRow:
    return GridRow(
        photo.name, photo.width, photo.height, tuple(_grid_cell(photo, column, variants) for column in columns)
    )


def _grid_cell(photo: EncodedPhoto, column: str, variants: Sequence[Variant]) -> tuple[GridImage, ...]:
    if column in REFERENCES:
        uri = photo.uris.get(column)
        return (GridImage(uri, "", f"{photo.name}, {REFERENCE_LABELS[column]}"),) if uri else ()
    return tuple(
        GridImage(photo.uris[run_id], variant.key, f"{photo.name} colorized by {column} ({variant.label})")
        for variant in variants
        if (run_id := f"{column}-{variant.key}") in photo.uris
    )
