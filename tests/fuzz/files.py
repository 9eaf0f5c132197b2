"""Valid photo files of every kind that the readers take, small enough to colorize hundreds of them in seconds."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pillow_heif
import pyvips
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms, PngImagePlugin

HEIGHT, WIDTH = 24, 34

_XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="image/any"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


def pixels(channels: int = 3, dtype: Any = np.uint8, *, height: int = HEIGHT, width: int = WIDTH) -> NDArray[Any]:
    """Return slopes with some noise, (H, W) or (H, W, channels), over the whole range of an integer type."""
    rows, columns = np.mgrid[0:height, 0:width]
    slopes = [rows / height, columns / width, (rows + columns) / (height + width), 0.5 + rows / (2 * height)]
    noise = np.random.default_rng(0).uniform(0, 0.05, (height, width, channels))
    values = np.clip(np.stack(slopes[:channels], axis=-1) + noise, 0, 1)
    values = values * np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else values
    return values.astype(dtype)[..., 0] if channels == 1 else values.astype(dtype)


def families() -> list[str]:
    """Return the names of the file families."""
    return list(_FAMILIES)


@functools.cache
def files(family: str) -> dict[str, bytes]:
    """Return the valid files of a family by their names."""
    return _FAMILIES[family]()


def _pillow(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _rgb() -> Image.Image:
    return Image.fromarray(pixels())


def _grey() -> Image.Image:
    return Image.fromarray(pixels(1))


def _exif(orientation: int = 6) -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x9003] = orientation, "Maker", "2001:02:03 04:05:06"
    return exif.tobytes()


def _srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _described() -> dict[str, Any]:
    return {"exif": _exif(), "icc_profile": _srgb(), "xmp": _XMP}


def _jpeg() -> dict[str, bytes]:
    rgb, grey = _rgb(), _grey()
    restarts = pyvips.Image.new_from_array(pixels()).copy(interpretation="srgb")
    return {
        "grey.jpg": _pillow(grey, "JPEG"),
        "baseline.jpg": _pillow(rgb, "JPEG", quality=90, subsampling="4:2:0"),
        "full.jpg": _pillow(rgb, "JPEG", quality=95, subsampling="4:4:4", comment=b"a comment"),
        "progressive.jpg": _pillow(rgb, "JPEG", progressive=True),
        "restarts.jpg": restarts.jpegsave_buffer(restart_interval=1, Q=90),
        "cmyk.jpg": _pillow(rgb.convert("CMYK"), "JPEG"),
        "described.jpg": _pillow(rgb, "JPEG", dpi=(300, 300), **_described()),
        "two.jpg": _pillow(rgb, "MPO", save_all=True, append_images=[rgb.rotate(180)]),
        "one.jpg": _pillow(grey.crop((0, 0, 1, 1)), "JPEG"),
    }


def _png() -> dict[str, bytes]:
    rgb, grey = _rgb(), _grey()
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", "Ada", zip=True)
    texts.add_itxt("Title", "Straße", "de", "Name")
    palette = rgb.quantize(16)
    interlaced = pyvips.Image.new_from_array(pixels()).copy(interpretation="srgb")
    return {
        "one_bit.png": _pillow(grey.convert("1"), "PNG"),
        "grey.png": _pillow(grey, "PNG"),
        "grey16.png": _pillow(Image.fromarray(pixels(1, np.uint16)), "PNG"),
        "grey_alpha.png": _pillow(rgb.convert("LA"), "PNG"),
        "rgb.png": _pillow(rgb, "PNG", pnginfo=texts),
        "rgb16.png": _vips(pixels(3, np.uint16), "rgb16").pngsave_buffer(),
        "rgba.png": _pillow(rgb.convert("RGBA"), "PNG"),
        "palette.png": _pillow(palette, "PNG", transparency=3),
        "interlaced.png": interlaced.pngsave_buffer(interlace=True),
        "described.png": _pillow(rgb, "PNG", dpi=(300, 300), exif=_exif(), icc_profile=_srgb()),
        "one.png": _pillow(rgb.crop((0, 0, 1, 1)), "PNG"),
    }


def _vips(values: NDArray[Any], interpretation: str) -> Any:
    return pyvips.Image.new_from_array(values).copy(interpretation=interpretation)


def _tiff_file(values: NDArray[Any], **options: Any) -> bytes:
    byteorder, big = options.pop("byteorder", "<"), options.pop("bigtiff", False)
    file = io.BytesIO()
    with tifffile.TiffWriter(file, byteorder=byteorder, bigtiff=big) as writer:
        writer.write(values, metadata=None, **options)
    return file.getvalue()


def _tiff() -> dict[str, bytes]:
    strips = {"rowsperstrip": 7}
    tiles = {"tile": (16, 16)}
    exif = [(315, "s", 0, "Ada", True), (274, "H", 1, 6, True)]
    rgb, grey = pixels(), pixels(1)
    made = {
        "grey.tif": _tiff_file(grey, **strips, extratags=exif),
        "white_is_zero.tif": _tiff_file(grey, photometric="miniswhite"),
        "big_endian.tif": _tiff_file(pixels(1, np.uint16), byteorder=">", **strips),
        "big.tif": _tiff_file(rgb, photometric="rgb", bigtiff=True, compression="zlib", predictor=True, **strips),
        "big_endian_big.tif": _tiff_file(rgb, photometric="rgb", bigtiff=True, byteorder=">", compression="lzw"),
        "rgb16.tif": _tiff_file(pixels(3, np.uint16), photometric="rgb", compression="zlib", predictor=True, **strips),
        "rgba.tif": _tiff_file(pixels(4), photometric="rgb", extrasamples=["unassalpha"], **strips),
        "planar.tif": _tiff_file(np.moveaxis(rgb, 2, 0), photometric="rgb", planarconfig="separate", **strips),
        "tiles.tif": _tiff_file(rgb, photometric="rgb", compression="zlib", **tiles),
        "tiles_raw.tif": _tiff_file(grey, **tiles),
        "jpeg.tif": _tiff_file(rgb, photometric="ycbcr", compression="jpeg", **tiles),
        "packbits.tif": _tiff_file(grey, compression="packbits", **strips),
        "cmyk.tif": _tiff_file(pixels(4), photometric="separated", compression="lzw", **strips),
        "palette.tif": _pillow(_rgb().quantize(16), "TIFF"),
        "fax.tif": _pillow(_grey().convert("1"), "TIFF", compression="group4"),
        "described.tif": _pillow(_rgb(), "TIFF", compression="tiff_lzw", dpi=(300, 300), icc_profile=_srgb()),
        "float.tif": _tiff_file(pixels(1, np.float32), **strips),
        "zstd.tif": _tiff_file(grey, compression="zstd", **strips),
        "one.tif": _tiff_file(grey[:1, :1]),
    }
    return made | {"pages.tif": _pages(), "pyramid.tif": _pyramid()}


def _pages() -> bytes:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(pixels(1), metadata=None)
        writer.write(pixels(height=18, width=20), photometric="rgb", compression="zlib", metadata=None)
        writer.write(pixels(1, np.uint16), metadata=None)
    return file.getvalue()


def _pyramid() -> bytes:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(pixels(), photometric="rgb", tile=(16, 16), subifds=1, metadata=None)
        writer.write(pixels()[::2, ::2], photometric="rgb", tile=(16, 16), subfiletype=1, metadata=None)
        writer.write(pixels()[::2, ::2], photometric="rgb", subfiletype=1, metadata=None)
    return file.getvalue()


def _webp() -> dict[str, bytes]:
    rgb = _rgb()
    return {
        "lossy.webp": _pillow(rgb, "WEBP"),
        "lossless.webp": _pillow(rgb, "WEBP", lossless=True),
        "alpha.webp": _pillow(rgb.convert("RGBA").rotate(20), "WEBP"),
        "described.webp": _pillow(rgb, "WEBP", **_described()),
        "frames.webp": _pillow(rgb, "WEBP", save_all=True, append_images=[rgb.rotate(180)]),
    }


def _heif() -> dict[str, bytes]:
    rgb = _rgb().resize((2 * WIDTH, 2 * HEIGHT))
    return {
        "plain.avif": _pillow(rgb, "AVIF", speed=10),
        "alpha.avif": _pillow(rgb.convert("RGBA").rotate(20), "AVIF", speed=10),
        "described.avif": _pillow(rgb, "AVIF", speed=10, **_described()),
        "plain.heic": _heic(rgb),
        "described.heic": _heic(rgb, exif=_exif(1)),
    }


def _heic(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(file, **options)
    return file.getvalue()


def _further() -> dict[str, bytes]:
    return {
        "grey.bmp": _pillow(_grey(), "BMP"),
        "rgb.bmp": _pillow(_rgb(), "BMP"),
        "palette.bmp": _pillow(_rgb().quantize(8), "BMP"),
        "grey.jp2": _pillow(_grey(), "JPEG2000"),
        "rgb.jp2": _pillow(_rgb(), "JPEG2000"),
        "grey.ppm": _pillow(_grey(), "PPM"),
        "rgb.ppm": _pillow(_rgb(), "PPM"),
        "rgb.tga": _pillow(_rgb(), "TGA"),
        "packed.tga": _pillow(_rgb(), "TGA", compression="tga_rle"),
    }


_FAMILIES: dict[str, Callable[[], dict[str, bytes]]] = {
    "jpeg": _jpeg,
    "png": _png,
    "tiff": _tiff,
    "webp": _webp,
    "heif": _heif,
    "further": _further,
}
