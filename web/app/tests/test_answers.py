"""The same photos through the Python tool and through the app in Chromium: pixels, metadata and refusals are compared.

`make app-check` builds the app and runs these tests. The photos are made from the samples of the package.
"""

from __future__ import annotations

import contextlib
import re
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image
from playwright.sync_api import expect
from skimage.color import deltaE_ciede2000

import chromalab
from chromalab.color.lab import rgb_to_lab
from chromalab.colorization.engine import Engine
from chromalab.colorization.guided import Enlarged
from chromalab.colorization.options import Options
from chromalab.colorization.render import Renderer
from chromalab.colorization.small import guide_px, small_colors
from chromalab.data import sample_path
from chromalab.photo.reading import UnreadablePhotoError
from chromalab.photo.scan import open_scan
from chromalab.weights.colorizers import find_colorizer
from web.app.tests.test_page import DIST, TIMEOUT_MS, Handler, Isolated, browser, choose, download, served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from playwright.sync_api import Browser, Page

__all__ = ["browser"]  # a fixture

LARGEST_MEAN, LARGEST_P99 = 0.3, 1.0
"""CIEDE2000 between both results."""

DESCRIPTION, ORIENTATION = 0x010E, 0x0112
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="album"/>'
    b"</rdf:RDF></x:xmpmeta>"
)
ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
"""XYZ of the primaries, adapted to D50."""


POLICY = re.search(r'http-equiv="Content-Security-Policy"\s+content="([^"]+)"', (DIST / "index.html").read_text())


class Strict(Isolated):
    """Sends the page's policy with every file, so that it holds in the workers, too."""

    def end_headers(self) -> None:
        """Add the header."""
        assert POLICY is not None
        self.send_header("Content-Security-Policy", POLICY[1])
        super().end_headers()


@contextlib.contextmanager
def opened(browser: Browser, handler: type[Handler]) -> Iterator[Page]:
    """Open the app on a server of its own."""
    with served(DIST, handler) as address:
        page = browser.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.goto(address)
        expect(page.locator("#status")).to_contain_text("Ready", timeout=TIMEOUT_MS)
        yield page
        page.close()


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """Yield the app, in which all photos are opened one after the other."""
    with opened(browser, Strict) as page:
        yield page


def rgb(name: str = "coffee") -> NDArray[np.uint8]:
    """Return a sample photo at half its size."""
    image = Image.open(sample_path(name)).convert("RGB")
    return np.asarray(image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS))


def gray() -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(rgb("astronaut")).convert("L"))


def deep(pixels: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return pixels in 16 bits, with values between those of 8 bits."""
    noise = np.random.default_rng(0).integers(-128, 129, pixels.shape)
    return np.asarray(np.clip(pixels.astype(int) * 257 + noise, 0, 65535), dtype=np.uint16)


def alpha(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return transparency of all degrees, with a part that hides its colors completely."""
    ramp = np.linspace(0, 255, shape[1]).astype(np.uint8)
    whole = np.broadcast_to(ramp, shape[:2]).copy()
    whole[: shape[0] // 3] = 0
    return whole


def profile(name: str) -> bytes:
    """Return an ICC profile that comes with libvips."""
    return bytes(pyvips.Operation.call("profile_load", name))


def matrix_profile(primaries: tuple[tuple[float, ...], ...], gamma: float, *, mono: bool = False) -> bytes:
    """Return an ICC profile of three primaries and a power, or of gray."""
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    tags = {b"wtpt": xyz((0.9642, 1, 0.8249))}
    if mono:
        tags[b"kTRC"] = curve
    else:
        for letter, primary in zip((b"r", b"g", b"b"), primaries, strict=True):
            tags |= {letter + b"XYZ": xyz(primary), letter + b"TRC": curve}
    table, body = struct.pack(">I", len(tags)), b""
    for tag, data in tags.items():
        table += struct.pack(">4sII", tag, 132 + 12 * len(tags) + len(body), len(data))
        body += data
    head = struct.pack(
        ">I4xI4s4s4s", 128 + len(table) + len(body), 0x02400000, b"mntr", b"GRAY" if mono else b"RGB ", b"XYZ "
    )
    head += struct.pack(">6H4s28x", 2000, 1, 1, 0, 0, 0, b"acsp") + xyz((0.9642, 1, 0.8249))[8:]
    return head.ljust(128, b"\0") + table + body


def xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def save(path: Path, pixels: NDArray[Any], mode: str | None = None, **options: Any) -> Path:
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def vips_image(pixels: NDArray[Any], interpretation: str) -> Any:
    return pyvips.Image.new_from_array(np.ascontiguousarray(pixels), interpretation=interpretation)


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[ORIENTATION], tags[DESCRIPTION] = orientation, "A cup"
    return tags


def inks(path: Path, *, profiled: bool) -> Path:
    """Write a photo in four inks, inverted as Adobe's programs do."""
    image = vips_image(rgb(), "srgb").icc_transform("cmyk", input_profile="srgb", intent="relative")
    image.jpegsave(str(path), Q=95, keep="icc" if profiled else "none")
    return path


def deep_png(path: Path, pixels: NDArray[np.uint8]) -> Path:
    vips_image(deep(pixels), "rgb16" if pixels.ndim == 3 else "grey16").pngsave(str(path))
    return path


def transparent_palette(path: Path) -> Path:
    image = Image.fromarray(rgb()).quantize(64)
    image.save(path, transparency=bytes(range(0, 256, 4)))
    return path


def long(path: Path, height: int, width: int) -> Path:
    """Write a photo whose sides differ by a factor of 500."""
    strip = np.asarray(Image.fromarray(rgb("chelsea")).resize((2000, 40)))
    tiled = np.tile(strip, (1, 10, 1)) if width > height else np.tile(strip, (1, 10, 1)).swapaxes(0, 1)
    return save(path, np.ascontiguousarray(tiled[:height, :width]), quality=95)


def with_alpha(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.dstack([pixels, alpha(pixels.shape)])


def vips_file(path: Path, pixels: NDArray[Any], **options: Any) -> Path:
    """Write a file whose type Pillow may not know."""
    vips_image(pixels, "srgb").write_to_file(str(path), **options)
    return path


def infrared(path: Path) -> Path:
    """Write a photo with a fourth channel, as scanners do for dust, which is not stated to be transparency."""
    pixels = np.dstack([rgb(), 255 - rgb()[..., 0]])
    tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=["unspecified"])
    return path


def thumbnail_first(path: Path) -> Path:
    with tifffile.TiffWriter(path) as file:
        file.write(rgb()[::4, ::4], photometric="rgb", subfiletype=1)
        file.write(rgb(), photometric="rgb")
    return path


def turned(orientation: int) -> Callable[[Path], Path]:
    return lambda path: save(path, rgb(), exif=exif(orientation), quality=95)


def text(path: Path) -> Path:
    path.write_bytes(b"\xff\xd8 no photo")
    return path


PHOTOS: dict[str, Callable[[Path], Path]] = {
    "gray.jpg": lambda path: save(path, gray(), quality=92),
    "color.jpg": lambda path: save(path, rgb(), quality=92),
    "progressive.jpg": lambda path: save(path, rgb("astronaut"), quality=80, progressive=True),
    **{f"orientation{number}.jpg": turned(number) for number in range(1, 9)},
    "rotated-alpha.png": lambda path: save(path, with_alpha(rgb()), exif=exif(6)),
    "alpha.png": lambda path: save(path, with_alpha(rgb())),
    "gray-alpha.png": lambda path: save(path, with_alpha(gray()[..., None])),
    "palette.png": transparent_palette,
    "gray16.png": lambda path: deep_png(path, gray()),
    "color16.png": lambda path: deep_png(path, rgb()),
    "inks.jpg": lambda path: inks(path, profiled=False),
    "inks-profile.jpg": lambda path: inks(path, profiled=True),
    "p3.jpg": lambda path: save(path, rgb(), quality=95, icc_profile=profile("p3")),
    "adobe-rgb.jpg": lambda path: save(path, rgb(), quality=95, icc_profile=matrix_profile(ADOBE_RGB, 2.2)),
    "gray-gamma.png": lambda path: save(path, gray(), icc_profile=matrix_profile(ADOBE_RGB, 1.8, mono=True)),
    "photo.webp": lambda path: save(path, rgb(), quality=90),
    "alpha.webp": lambda path: save(path, with_alpha(rgb()), lossless=True, exact=True),
    "gray.avif": lambda path: vips_file(path, np.dstack([gray()] * 3), Q=80),
    "photo.bmp": lambda path: save(path, rgb()),
    "photo.gif": lambda path: save(path, rgb(), "P"),
    "scan.tif": lambda path: vips_file(path, rgb()),
    "infrared.tif": infrared,
    "thumbnail-first.tif": thumbnail_first,
    "pixel.png": lambda path: save(path, rgb()[:1, :1]),
    "wide.jpg": lambda path: long(path, 40, 20_000),
    "high.jpg": lambda path: long(path, 20_000, 40),
}


def pixels_of(path: Path) -> NDArray[np.uint8]:
    """Return the stored pixels, also of transparent parts."""
    image = pyvips.Image.new_from_file(str(path))
    pixels: NDArray[np.uint8] = image.numpy()
    return pixels.reshape(image.height, image.width, image.bands)


def in_8_bits(photo: Path) -> NDArray[Any]:
    """Return the colors that the Python tool gives a 16-bit photo in an 8-bit file."""
    engine, scan = Engine(find_colorizer()), open_scan(photo)
    size = scan.height, scan.width
    colors = small_colors(engine, scan.small_levels(guide_px(engine, Options())), Options(), size)
    return Renderer(Enlarged(colors.coefficients, *size), deep=False).render(0, scan.levels())


def differences(ours: NDArray[np.uint8], theirs: NDArray[np.uint8]) -> tuple[float, float]:
    """Return the mean and the 99th percentile of CIEDE2000."""
    difference = deltaE_ciede2000(rgb_to_lab(ours[..., :3] / 255), rgb_to_lab(theirs[..., :3] / 255))
    return float(difference.mean()), float(np.quantile(difference, 0.99))


@pytest.mark.parametrize("name", PHOTOS)
def test_pixels_equal_those_of_the_python_tool(page: Page, tmp_path: Path, name: str) -> None:
    photo = PHOTOS[name](tmp_path / name)
    choose(page, photo)
    ours = download(page, "image/png", tmp_path)
    theirs = tmp_path / "theirs.png"
    if open_scan(photo).bits == 16:  # the app's result has 8 bits, like that of the Python tool in a JPEG file
        save(theirs, in_8_bits(photo))
    else:
        chromalab.colorize(photo, out=theirs)
    mine, other = pixels_of(ours), pixels_of(theirs)
    assert mine.shape == other.shape
    mean, p99 = differences(mine, other)
    print(f"{name}: CIEDE2000 {mean:.3f} mean, {p99:.3f} at the 99th percentile")  # noqa: T201
    assert mean <= LARGEST_MEAN
    assert p99 <= LARGEST_P99
    if mine.shape[2] == 4:
        assert np.array_equal(mine[..., 3], other[..., 3])
    own = np.rint(open_scan(photo).levels()).astype(int)
    errors = np.abs(open_scan(ours).levels().astype(int) - own)
    assert errors.max() <= 2  # the table of colors may be off by one level, and the decoders by another one
    assert (errors > 1).mean() <= 1e-4


@pytest.mark.parametrize("file_type", ["image/jpeg", "image/png"])
@pytest.mark.parametrize("name", ["tagged.jpg", "tagged.png", "tagged.webp", "tagged.avif"])
def test_metadata_equal_those_of_the_python_tool(page: Page, tmp_path: Path, name: str, file_type: str) -> None:
    photo = save(tmp_path / name, rgb(), exif=exif(8))
    add_xmp(photo)
    choose(page, photo)
    ours = download(page, file_type, tmp_path)
    theirs = tmp_path / f"theirs{ours.suffix}"
    chromalab.colorize(photo, out=theirs)
    mine, other = open_scan(ours), open_scan(theirs)
    assert mine.warnings == ()
    assert (mine.height, mine.width, mine.orientation) == (other.height, other.width, 1)
    assert mine.metadata.tags.image[DESCRIPTION] == other.metadata.tags.image[DESCRIPTION]
    for path in (ours, theirs):
        with Image.open(path) as image:
            assert image.getexif().get(ORIENTATION, 1) == 1
            assert "srgb" in image.info or b"sRGB" in image.info["icc_profile"].replace(b"\0", b"")
    for part in (b"album", b"compositeWithTrainedAlgorithmicMedia", b"ModelSHA256"):
        assert part in mine.metadata.xmp
        assert part in other.metadata.xmp


def add_xmp(path: Path) -> None:
    """Write the photo again with XMP."""
    with Image.open(path) as image:
        image.load()
        options: dict[str, Any] = {"exif": image.getexif()}
        if path.suffix == ".png":
            from PIL.PngImagePlugin import PngInfo  # noqa: PLC0415

            options["pnginfo"] = PngInfo()
            options["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP.decode())
        else:
            options["xmp"] = XMP
        image.save(path, **options)


def test_100_megapixels_are_colorized(page: Page, tmp_path: Path) -> None:
    photo = tmp_path / "large.jpg"
    vips_image(rgb(), "srgb").replicate(34, 50).crop(0, 0, 10_000, 10_000).jpegsave(str(photo))
    choose(page, photo)
    ours = pyvips.Image.new_from_file(str(download(page, "image/jpeg", tmp_path)))
    assert (ours.height, ours.width) == (10_000, 10_000)


def test_transparent_pixels_are_white_in_jpeg_files(page: Page, tmp_path: Path) -> None:
    photo = PHOTOS["alpha.png"](tmp_path / "alpha.png")
    choose(page, photo)
    ours = download(page, "image/jpeg", tmp_path)
    assert pixels_of(ours)[: len(rgb()) // 3 - 8].min() >= 250


def test_long_photos_are_written_as_jpeg(page: Page, tmp_path: Path) -> None:
    photo = PHOTOS["wide.jpg"](tmp_path / "wide.jpg")
    choose(page, photo)
    assert pixels_of(download(page, "image/jpeg", tmp_path)).shape == (40, 20_000, 3)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("color16.png", "16 bits per channel"),
        ("scan.tif", "not carried over"),
        ("infrared.tif", "infrared, are left out"),
        ("pages.tif", "several pages"),
        ("frames.gif", "several pages"),
    ],
)
def test_the_page_says_what_the_result_does_not_have(page: Page, tmp_path: Path, name: str, sentence: str) -> None:
    photo = tmp_path / name
    if name in PHOTOS:
        PHOTOS[name](photo)
    else:
        Image.fromarray(rgb()).save(photo, save_all=True, append_images=[Image.fromarray(rgb("chelsea"))])
    choose(page, photo)
    assert sentence in page.inner_text("#status")


def test_a_page_that_is_not_isolated_says_that_it_is_less_exact(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, Handler) as page:
        choose(page, PHOTOS["alpha.png"](tmp_path / "alpha.png"))
        assert "does not isolate it" in page.inner_text("#status")


def cut(photo: Path, share: float) -> Path:
    photo.write_bytes(photo.read_bytes()[: int(photo.stat().st_size * share)])
    return photo


BROKEN: dict[str, Callable[[Path], Path]] = {
    "cut.jpg": lambda path: cut(PHOTOS["color.jpg"](path), 0.5),
    "cut.png": lambda path: cut(save(path, rgb()), 0.5),
    "cut.webp": lambda path: cut(PHOTOS["photo.webp"](path), 0.5),
    "cut.tif": lambda path: cut(PHOTOS["scan.tif"](path), 0.5),
    "text.jpg": text,
}


@pytest.mark.parametrize("name", BROKEN)
def test_files_that_the_python_tool_refuses_get_a_message_and_the_next_photo_is_colorized(
    page: Page, tmp_path: Path, name: str
) -> None:
    photo = BROKEN[name](tmp_path / name)
    with pytest.raises(UnreadablePhotoError):
        open_scan(photo)
    page.set_input_files("#files", [photo])
    page.wait_for_selector("#status.bad")
    assert f"cannot read {name}" in page.inner_text("#status")
    choose(page, PHOTOS["gray.jpg"](tmp_path / "gray.jpg"))


def test_tiff_files_of_which_libvips_misreads_the_colors_get_a_message(page: Page, tmp_path: Path) -> None:
    photo = tmp_path / "ycbcr.tif"
    tifffile.imwrite(
        photo, np.asarray(Image.fromarray(rgb()).convert("YCbCr")), photometric="ycbcr", subsampling=(1, 1)
    )
    page.set_input_files("#files", [photo])
    page.wait_for_selector("#status.bad")
    assert "cannot read ycbcr.tif" in page.inner_text("#status")


def test_heic_files_get_a_message_where_the_browser_cannot_decode_them(page: Page, tmp_path: Path) -> None:
    photo = tmp_path / "photo.heic"
    photo.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    page.set_input_files("#files", [photo])
    page.wait_for_selector("#status.bad")
    assert "cannot read photo.heic" in page.inner_text("#status")
