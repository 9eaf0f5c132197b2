"""The content of a photo file beside its pixels: read from every file type, and written into every other.

libvips writes the pixels and the profile of an output. All else is put into the finished file here, because libvips
drops tags that it does not know, changes resolutions, stores a part of the IPTC records only, and omits long XMP.
"""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import IO, Any

from chromalab.photo import containers, iptc, jpeg
from chromalab.photo.containers import Chunks, Text
from chromalab.photo.text import decode_text
from chromalab.photo.tiff.directory import Value
from chromalab.photo.tiff.tags import RESOLUTION, Tags, exif_block, read_exif, read_tags
from chromalab.photo.xmp import Listed, Packet, Property, XmpError, match_pixels, without_lost_images

_XMP, _IPTC, _PHOTOSHOP = 700, 33723, 34377
_ORIENTATION, _X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 274, 282, 283, 296
_COLOR_SPACE, _WIDTH, _HEIGHT = 40961, 40962, 40963
_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED = 1, 2, 3, 4, 5, 7
_UNITS = {1: "none", 2: "inch", 3: "cm"}
_EXIF_MARK = b"Exif\0\0"
_MOST_KEPT_ASIDE = 2**20
_LARGEST_EXIF = 65_500
_TEXT_PROPERTIES: dict[str, tuple[Property, str]] = {
    "Title": (("dc", "title"), "Alt"),
    "Author": (("dc", "creator"), "Seq"),
    "Description": (("dc", "description"), "Alt"),
    "Copyright": (("dc", "rights"), "Alt"),
    "Comment": (("exif", "UserComment"), "Alt"),
    "Software": (("xmp", "CreatorTool"), ""),
    "Source": (("dc", "source"), ""),
}
_NO_IPTC = frozenset({"png", "webp", "avif", "heic"})


@dataclass(frozen=True)
class Resolution:
    """Pixels per unit.

    Attributes:
        x: horizontally.
        y: vertically.
        unit: `inch`, `cm`, or `none` for the proportions of a pixel.
    """

    x: Fraction
    y: Fraction
    unit: str


@dataclass(frozen=True)
class Metadata:
    """The content of a photo file beside its pixels.

    Attributes:
        tags: tags of the TIFF directory or of the EXIF block, with texts in UTF-8.
        xmp: XMP packet, well-formed, with its extended parts; empty if there is none that can be read.
        iptc: IPTC records.
        photoshop: Photoshop resources other than IPTC and thumbnails.
        comments: comments of a JPEG file.
        texts: texts of a PNG file.
        resolution: pixels per unit; None if the file has no resolution.
        warnings: what of the metadata is damaged or left out, a sentence each.
        kept_aside: what cannot be read and written again, in Base64, by its name.
    """

    tags: Tags = field(default_factory=Tags)
    xmp: bytes = b""
    iptc: bytes = b""
    photoshop: bytes = b""
    comments: tuple[str, ...] = ()
    texts: tuple[Text, ...] = ()
    resolution: Resolution | None = None
    warnings: tuple[str, ...] = ()
    kept_aside: dict[str, str] = field(default_factory=dict)


# ---- reading


def read_metadata(
    file: IO[bytes], kind: str, image: Any, *, place: int | None = None, structure: jpeg.Jpeg | None = None
) -> Metadata:
    """Return the metadata of a photo file, without reading its pixels.

    Args:
        file: the file.
        kind: `jpeg`, `png`, `tiff`, `webp`, `heif`, or the name of another reader.
        image: the file as a libvips image, of which only files of the last two kinds need the fields.
        place: position of the directory of a TIFF page; None selects the first one.
        structure: structure of a JPEG file, if it has been read already.
    """
    match kind:
        case "jpeg":
            return _of_jpeg(structure or jpeg.read_jpeg(file))
        case "png":
            return _of_chunks(containers.read_png(file))
        case "webp":
            return _of_chunks(containers.read_webp(file))
        case "tiff":
            return metadata_of_tags(read_tags(file, place))
    found = Chunks(exif=_blob(image, "exif-data").removeprefix(_EXIF_MARK), xmp=_blob(image, "xmp-data"))
    found.frames = containers.heif_frames(file)
    if found.frames > 1:
        return _of_chunks(found)
    found.frames = int(image.get("n-pages")) if image.get_typeof("n-pages") else 1
    if kind.startswith("pillow-") and image.get_typeof("resolution-unit"):
        found.density = (round(1000 * image.xres), round(1000 * image.yres), True)
    return _of_chunks(found, frame="images")


def _blob(image: Any, name: str) -> bytes:
    return bytes(image.get(name)) if image.get_typeof(name) else b""


def _of_jpeg(found: jpeg.Jpeg) -> Metadata:
    records, resources = iptc.split_resources(found.photoshop)
    read = read_exif(found.exif)
    tags, resolution = _readable(read), _resolution_of(read)
    if resolution is None and found.density:
        across, down, unit = found.density
        resolution = Resolution(Fraction(across), Fraction(down), {1: "inch", 2: "cm"}.get(unit, "none"))
    warnings = [*read.problems]
    if found.images > 1:
        warnings.append(f"1 of {found.images} images of the file is colorized, and the others are left out")
    if found.video:
        warnings.append("the video behind the photo (a motion photo) is left out")
    if found.credentials:
        warnings.append(containers.NO_CREDENTIALS)
    raw = found.xmp_packets()[0]
    try:
        xmp, lost = jpeg.merged_xmp(found)
    except XmpError:
        xmp, lost = raw, []
    metadata = Metadata(
        tags=tags,
        iptc=records,
        photoshop=resources,
        comments=tuple(map(decode_text, found.comments)),
        resolution=resolution,
        warnings=(*warnings, *lost),
    )
    return _with_xmp(metadata, xmp)


def _of_chunks(found: Chunks, frame: str = "frames") -> Metadata:
    records, resources = iptc.split_resources(found.photoshop)
    read = read_exif(found.exif)
    tags, resolution = _readable(read), _resolution_of(read)
    if found.density and (resolution is None or not _agree(resolution, found.density)):
        across, down, meters = found.density
        scale = Fraction(1, 100 if meters else 1)
        if meters or (across, down) != (1, 1):
            resolution = Resolution(across * scale, down * scale, "cm" if meters else "none")
    warnings = [*found.problems, *read.problems]
    if found.frames > 1:
        warnings.append(f"1 of {found.frames} {frame} of the file is colorized, and the others are left out")
    metadata = Metadata(
        tags=tags,
        iptc=records or (found.photoshop if found.photoshop[:1] == b"\x1c" else b""),
        photoshop=resources,
        texts=tuple(found.texts),
        resolution=resolution,
        warnings=tuple(warnings),
    )
    return _with_xmp(metadata, found.xmp)


def _agree(resolution: Resolution, density: tuple[int, int, bool]) -> bool:
    """Return whether PNG's density is the same resolution, rounded to pixels per meter."""
    rounded = _png_density(resolution)
    return rounded is not None and all(abs(mine - other) <= 1 for mine, other in zip(rounded, density, strict=True))


def metadata_of_tags(tags: Tags) -> Metadata:
    """Return the metadata of a TIFF page from its tags."""
    problems, tags, resolution = tags.problems, _readable(tags), _resolution_of(tags)
    image = dict(tags.image)
    packet, records, block = (image.pop(tag, Value(_BYTE, 0, b"")).data for tag in (_XMP, _IPTC, _PHOTOSHOP))
    in_resources, resources = iptc.split_resources(block)
    return _with_xmp(
        Metadata(
            tags=replace(tags, image=image),
            iptc=iptc.native_order(records) or in_resources,
            photoshop=resources,
            resolution=resolution,
            warnings=problems,
        ),
        packet,
    )


def _with_xmp(metadata: Metadata, data: bytes) -> Metadata:
    """Add an XMP packet; one that is damaged beyond repair is kept aside."""
    if not data.strip(b"\0 \t\r\n"):
        return metadata
    try:
        packet = Packet.parse(data)
    except XmpError as error:
        short = len(data) <= _MOST_KEPT_ASIDE
        place = (
            "it is left out, and only a record beside the output (--sidecar) keeps it" if short else "it is left out"
        )
        return replace(
            metadata,
            warnings=(*metadata.warnings, f"its XMP cannot be read: {error}; {place}"),
            kept_aside={"xmp": base64.b64encode(data).decode()} if short else {},
        )
    return replace(metadata, xmp=packet.to_bytes())


def _readable(tags: Tags) -> Tags:
    """Return tags whose texts are UTF-8, without the resolution."""
    image = {number: value for number, value in tags.image.items() if number not in RESOLUTION}
    image, exif, gps = (
        {number: _in_utf_8(value) for number, value in block.items()} for block in (image, tags.exif, tags.gps)
    )
    return Tags(image, exif, gps)


def _in_utf_8(value: Value) -> Value:
    if value.kind != _ASCII or value.data.isascii():
        return value
    data = decode_text(value.data).encode()
    return Value(_ASCII, len(data), data)


def _resolution_of(tags: Tags) -> Resolution | None:
    unit = tags.image.get(_RESOLUTION_UNIT)
    name = _UNITS.get(int.from_bytes(unit.data[:2], "little"), "none") if unit else "inch"
    numbers = [_rational(tags.image.get(number)) for number in (_X_RESOLUTION, _Y_RESOLUTION)]
    x, y = numbers
    if x is None or y is None or (name == "none" and x == y == 1):
        return None
    return Resolution(x, y, name)


def _rational(value: Value | None) -> Fraction | None:
    if value is None or value.kind != _RATIONAL or len(value.data) < 8:
        return None
    above, below = struct.unpack("<II", value.data[:8])
    return Fraction(above, below) if above and below else None


# ---- writing


@dataclass(frozen=True)
class Written:
    """The metadata of an output, ready for one file type.

    Attributes:
        kind: file type: `jpeg`, `png`, `tiff`, `webp`, `avif` or `heic`.
        metadata: metadata of the source.
        orientation: EXIF orientation of the pixels.
        xmp: XMP packet.
        losses: what of the source this file type cannot hold, a sentence each.
    """

    kind: str
    metadata: Metadata
    orientation: int
    xmp: bytes
    losses: tuple[str, ...] = ()


def prepare(kind: str, metadata: Metadata, orientation: int, xmp: bytes | None, size: tuple[int, int]) -> Written:
    """Return the metadata that an output gets.

    IPTC, comments and texts go into XMP where the file type has no place for them.

    Args:
        kind: file type of the output.
        metadata: metadata of the source.
        orientation: EXIF orientation of the output's pixels.
        xmp: packet that replaces the source's; None keeps that.
        size: width and height of the output.
    """
    packet = Packet.parse(metadata.xmp if xmp is None else xmp)
    losses = []
    if kind in _NO_IPTC and (left := iptc.add_iptc(packet, metadata.iptc)):
        losses.append(f"IPTC datasets {', '.join(f'2:{number:03}' for number in left)} have no place in this file type")
    losses += _add_texts(packet, metadata, kind)
    without_lost_images(packet)
    match_pixels(packet, orientation)
    described = replace(metadata, tags=_matching(metadata.tags, size))
    empty = xmp is None and not metadata.xmp and not any(packet.names())
    return Written(kind, described, orientation, b"" if empty else packet.to_bytes(), tuple(losses))


def _add_texts(packet: Packet, metadata: Metadata, kind: str) -> list[str]:
    """Add comments and texts to XMP for files that have none, and return what has no place."""
    texts = [] if kind == "png" else [(text.keyword, text.text) for text in metadata.texts]
    if kind not in {"jpeg", "png"} and metadata.comments:
        texts.append(("Comment", "\n".join(metadata.comments)))
    found, left = {}, []
    for keyword, text in texts:
        if keyword == "Comment" and kind == "jpeg":
            continue
        key, listed = _TEXT_PROPERTIES.get(keyword, (None, ""))
        held = packet.holds(key, (text,)) if key is not None else False
        if key is not None and held is None and key not in found:
            found[key] = Listed(listed, (text,)) if listed else text
        elif not held:
            left.append(keyword)
    packet.add(found)
    return [f"texts that have no place in this file type: {', '.join(left)}"] if left else []


def _matching(tags: Tags, size: tuple[int, int]) -> Tags:
    """Return tags that describe sRGB pixels of this size, where the source describes its own."""
    true = {
        _COLOR_SPACE: _short(1),
        _WIDTH: Value(_LONG, 1, struct.pack("<I", size[0])),
        _HEIGHT: Value(_LONG, 1, struct.pack("<I", size[1])),
    }
    exif = {number: true.get(number, value) for number, value in tags.exif.items()}
    return replace(tags, exif=exif)


def _short(number: int) -> Value:
    return Value(_SHORT, 1, struct.pack("<H", number))


def page_tags(written: Written) -> Tags:
    """Return the tags of a TIFF page: those of the source, its resolution, XMP, IPTC and Photoshop resources."""
    metadata = written.metadata
    image = dict(metadata.tags.image) | _resolution_tags(metadata.resolution)
    if written.xmp:
        image[_XMP] = Value(_BYTE, len(written.xmp), written.xmp)
    if metadata.iptc:
        image[_IPTC] = Value(_UNDEFINED, len(metadata.iptc), metadata.iptc)
    if metadata.photoshop:
        image[_PHOTOSHOP] = Value(_BYTE, len(metadata.photoshop), metadata.photoshop)
    return replace(metadata.tags, image=image)


def _resolution_tags(resolution: Resolution | None) -> dict[int, Value]:
    if resolution is None:
        return {}
    unit = next(number for number, name in _UNITS.items() if name == resolution.unit)
    return {
        _X_RESOLUTION: _rational_value(resolution.x),
        _Y_RESOLUTION: _rational_value(resolution.y),
        _RESOLUTION_UNIT: _short(unit),
    }


def _rational_value(number: Fraction) -> Value:
    small = number.limit_denominator(10_000)
    return Value(_RATIONAL, 1, struct.pack("<II", min(small.numerator, 2**32 - 1), small.denominator))


def exif_of(written: Written) -> tuple[bytes, list[str]]:
    """Return the EXIF block of an output without its mark, and what does not fit into it."""
    metadata = written.metadata
    image = dict(metadata.tags.image)
    if written.kind != "jpeg" or image:
        image |= _resolution_tags(metadata.resolution)
    if written.orientation != 1 or _ORIENTATION in image:
        image[_ORIENTATION] = _short(written.orientation)
    tags = replace(metadata.tags, image=image)
    if not tags:
        return b"", []
    block = exif_block(tags)
    left = []
    while written.kind == "jpeg" and len(block) > _LARGEST_EXIF:
        part, number = max(
            ((part, number) for part in ("image", "exif", "gps") for number in getattr(tags, part)),
            key=lambda place: len(getattr(tags, place[0])[place[1]].data),
        )
        shorter: dict[str, Any] = {part: {key: value for key, value in getattr(tags, part).items() if key != number}}
        tags = replace(tags, **shorter)
        block = exif_block(tags)
        left.append(f"the tag {number} is too long for a JPEG file and left out")
    return block, left


def write_metadata(file: IO[bytes], written: Written) -> tuple[str, ...]:
    """Put metadata into a finished JPEG, PNG, WebP, AVIF or HEIC file.

    Returns:
        What of the source this file does not hold, a sentence each.
    """
    metadata = written.metadata
    exif, left = exif_of(written)
    match written.kind:
        case "jpeg":
            comments = [*metadata.comments, *(text.text for text in metadata.texts if text.keyword == "Comment")]
            head = jpeg.Head(
                density=_jpeg_density(metadata.resolution),
                exif=exif,
                xmp=written.xmp,
                photoshop=iptc.photoshop_block(metadata.iptc, metadata.photoshop),
                comments=tuple(comment.encode() for comment in comments),
            )
            jpeg.write_head(file, head)
        case "png":
            texts = [*metadata.texts, *(Text("Comment", comment) for comment in metadata.comments)]
            containers.write_png(
                file, Chunks(exif, written.xmp, texts=texts, density=_png_density(metadata.resolution))
            )
        case "webp":
            containers.write_webp(file, Chunks(exif, written.xmp))
        case _ if exif:
            containers.write_heif_exif(file, exif)
    return (*written.losses, *left)


def _jpeg_density(resolution: Resolution | None) -> tuple[int, int, int]:
    if resolution is None:
        return 1, 1, 0
    x, y = resolution.x, resolution.y
    if resolution.unit == "none":
        return *_shape(resolution), 0
    rounded = [max(1, min(65_535, round(value))) for value in (x, y)]
    return rounded[0], rounded[1], {"inch": 1, "cm": 2}[resolution.unit]


def _shape(resolution: Resolution) -> tuple[int, int]:
    """Return a resolution without a unit as two integers of 16 bits."""
    x, y = resolution.x, resolution.y
    if x.denominator == y.denominator == 1 and max(x, y) < 2**16:
        return int(x), int(y)
    ratio = (x / y).limit_denominator(2**16 - 1)
    return min(ratio.numerator, 2**16 - 1), ratio.denominator


def _png_density(resolution: Resolution | None) -> tuple[int, int, bool] | None:
    if resolution is None:
        return None
    if resolution.unit == "none":
        return *_shape(resolution), False
    scale = 100 if resolution.unit == "cm" else Fraction(10_000, 254)
    across, down = (max(1, min(2**31 - 1, round(value * scale))) for value in (resolution.x, resolution.y))
    return across, down, True
