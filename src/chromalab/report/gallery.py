"""The image grid of a report page: find, encode and arrange images, and draw error maps on fixed scales."""

from __future__ import annotations

import base64
import dataclasses
import io
from typing import TYPE_CHECKING, NamedTuple

import matplotlib as mpl
import numpy as np
import torch
from PIL import Image

from chromalab.color.spaces import rgb_to_lab
from chromalab.functional.color import chroma
from chromalab.functional.delta_e import delta_e_2000
from chromalab.report.formatting import space_label
from chromalab.report.study.training_logs import RunName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from chromalab.studies.records import StudyRecord

BUDGET_BYTES = 11 * 2**20
"""Total size of all images of a page, before base64 makes them a third larger."""

MAP_QUALITY = 88
"""JPEG quality of error maps, and of the images beside them."""

REFERENCES = ("grey", "truth")


class Encoding(NamedTuple):
    """How images are embedded in the page: unchanged (PNG), or as JPEG with full color resolution."""

    jpeg_quality: int | None
    longest_side_px: int | None


ENCODINGS = (Encoding(None, None), Encoding(92, None), Encoding(90, 640), Encoding(88, 448), Encoding(85, 320))


@dataclasses.dataclass(frozen=True)
class PhotoFiles:
    """The image files of one photo.

    Attributes:
        name: name of the photo in the study.
        files: PNG files by method: `grey`, `truth` and run ids. A missing method has no entry.
    """

    name: str
    files: Mapping[str, Path]


@dataclasses.dataclass(frozen=True)
class EncodedPhoto:
    """One photo encoded for the page: data URIs by method, and the size in pixels of the first."""

    name: str
    uris: Mapping[str, str]
    width: int
    height: int


@dataclasses.dataclass(frozen=True)
class EncodedImages:
    """The photos of a page, their encoding, and the number of photos left out."""

    photos: tuple[EncodedPhoto, ...]
    encoding: Encoding
    n_left_out: int = 0


def find_test_images(folder: Path, pictured: Sequence[str]) -> list[PhotoFiles]:
    """Find the files `pictures/METHOD/PHOTO.png` of a study: first those in `pictured`, then the others by name."""
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
    """Find the files `colorized/PHOTO/METHOD.png` of a study, sorted by name."""
    root = folder / "colorized"
    homes = sorted({path.parent for path in root.rglob("*.png")})
    return [
        PhotoFiles(home.relative_to(root).as_posix(), {path.stem: path for path in sorted(home.glob("*.png"))})
        for home in homes
    ]


def _known_name(key: str, pictured: Iterable[str]) -> str:
    """Return the recorded name of a photo from the name of an image file, in which folders are joined by `__`."""
    for name in pictured:
        stem = name.rsplit(".", 1)[0]
        if key in {name, name.replace("/", "__"), stem, stem.replace("/", "__")}:
            return name
    return key


def encode_images(photos: Sequence[PhotoFiles], *, budget_bytes: int = BUDGET_BYTES) -> EncodedImages:
    """Encode all images at the best quality at which together they fit the budget.

    If even the smallest encoding is too large, the last photos are left out and counted. JPEG keeps the full color
    resolution (4:4:4), because readers compare colors. Files that are not images are skipped.
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
        images = {method: image for method, path in photo.files.items() if (image := _encode(path, encoding))}
        if images:
            width, height = next(iter(images.values())).size
            yield EncodedPhoto(photo.name, {method: image.uri for method, image in images.items()}, width, height)


class _EncodedImage(NamedTuple):
    uri: str
    size: tuple[int, int]


def _encode(path: Path, encoding: Encoding) -> _EncodedImage | None:
    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as opened:
            image = opened.convert("RGB")
    except (OSError, SyntaxError):  # what Pillow raises for a damaged file
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
    """One view of the grid, such as a color space with a seed; a page shows one variant at a time."""

    key: str
    label: str


@dataclasses.dataclass(frozen=True)
class GridImage:
    """One image of a cell. Reference images have an empty variant, because they belong to all variants."""

    uri: str
    variant: str
    alt: str


@dataclasses.dataclass(frozen=True)
class GridRow:
    """One photo, with the images of each column; a cell may be empty."""

    name: str
    width: int
    height: int
    cells: tuple[tuple[GridImage, ...], ...]


@dataclasses.dataclass(frozen=True)
class Gallery:
    """The content of an image grid.

    Attributes:
        columns: `grey` and `truth` if they have images, then the objectives.
        variants: the variants; the page starts with the first.
        rows: the photos.
        jpeg: whether the images were compressed to keep the page small.
        n_left_out: number of photos that did not fit.
    """

    columns: tuple[str, ...]
    variants: tuple[Variant, ...]
    rows: tuple[GridRow, ...]
    jpeg: bool
    n_left_out: int


def study_gallery(folder: Path, study: StudyRecord, objectives: Sequence[str]) -> Gallery:
    """Return the grid of a study's test photos."""
    return gallery(find_test_images(folder, study.pictured), objectives)


def gallery(photos: Sequence[PhotoFiles], objectives: Sequence[str]) -> Gallery:
    """Encode the images and order them: `grey`, `truth`, then the objectives as given."""
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


class MapKind(NamedTuple):
    """A kind of error map.

    Attributes:
        key: short name.
        label: name shown on the page.
        low: value of the first color of the scale; values beyond the scale get the color of its end.
        high: value of the last color.
        colors: name of the color map.
        of: maps CIELAB (1, 3, H, W) of an image and of its reference to values (1, H, W).
    """

    key: str
    label: str
    low: float
    high: float
    colors: str
    of: Callable[[Tensor, Tensor], Tensor]

    @property
    def scale(self) -> str:
        """The scale as a CSS gradient."""
        colors = mpl.colormaps[self.colors](np.linspace(0, 1, 9))
        return f"linear-gradient(to right, {', '.join(mpl.colors.to_hex(color) for color in colors)})"


MAPS = (
    MapKind("delta_e", "CIEDE2000", 0, 40, "inferno", delta_e_2000),
    MapKind("chroma", "chroma minus the truth's", -40, 40, "coolwarm", lambda a, b: chroma(a) - chroma(b)),
    MapKind("lightness", "L* minus that of the gray photo", -5, 5, "coolwarm", lambda a, b: a[:, 0] - b[:, 0]),
)


def draw_map(kind: MapKind, preds: NDArray[np.uint8], reference: NDArray[np.uint8]) -> str:
    """Return the map of an image (H, W, 3) against a reference of the same size, as a data URI."""
    values = kind.of(_lab(preds), _lab(reference))[0].numpy()
    shares = np.clip((values - kind.low) / (kind.high - kind.low), 0, 1)
    colors = mpl.colormaps[kind.colors](shares)[..., :3]
    return data_uri(np.rint(colors * 255).astype(np.uint8))


def data_uri(rgb: NDArray[np.uint8]) -> str:
    """Return an image (H, W, 3) as the data URI of a JPEG with full color resolution."""
    return _jpeg(Image.fromarray(rgb), MAP_QUALITY, None).uri


def _lab(rgb: NDArray[np.uint8]) -> Tensor:
    return rgb_to_lab(torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None].float() / 255)
