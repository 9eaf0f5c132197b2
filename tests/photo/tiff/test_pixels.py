"""Pixels of TIFF files of all kinds are those that were written, or the reason names what is wrong."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from skimage.color import rgb2lab

from chromalab.photo import scan as scans
from chromalab.photo.reading import UnreadablePhotoError, read_photo
from chromalab.photo.scan import Scan, open_scan
from tests.photo.tiff_files import (
    RATIONAL,
    SHORT,
    cases,
    empty_part,
    fax,
    levels_of_lightness,
    made,
    page,
    parts_of,
    saved,
    scene,
    shorten_part,
)

LOSSLESS = ["none", "lzw", "packbits", "deflate", "adobe_deflate", "zstd", "lzma", "jpeg2000", "png", "jpegxl"]
IMAGE_CODECS = {"jpeg2000", "png", "jpegxl"}
"""Codecs that have a byte order of their own, and that tifffile writes from little-endian pixels only."""

ORDERS = ["<", ">"]


@pytest.fixture(params=[False, True], ids=["whole", "strips"])
def in_strips(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Read photos whole, and in strips of a few rows like large ones."""
    if request.param:
        monkeypatch.setattr(scans, "WHOLE_PIXELS", 0)
        monkeypatch.setattr(scans, "STRIP_PIXELS", 700)
    return bool(request.param)


def levels(scan: Scan) -> NDArray[Any]:
    return np.concatenate([strip for _, strip in scan.strips()])


def levels_of_rgb(rgb: NDArray[Any]) -> NDArray[Any]:
    return levels_of_lightness(rgb2lab(rgb if rgb.dtype == np.uint8 else rgb / 65535)[..., 0])


def reason_of(path: Path) -> str:
    with pytest.raises(UnreadablePhotoError) as caught:
        levels(open_scan(path))
    return caught.value.reason


def warning_or_reason(path: Path) -> str:
    """Return the first warning about a file, or the reason why it can't be read."""
    try:
        return open_scan(path).warnings[0]
    except UnreadablePhotoError as error:
        return error.reason


@pytest.mark.usefixtures("in_strips")
@pytest.mark.parametrize("tile", [None, (32, 16)], ids=["strips", "tiles"])
@pytest.mark.parametrize("compression", LOSSLESS)
def test_lossless_codecs(tmp_path: Path, compression: str, tile: tuple[int, int] | None) -> None:
    for order in ORDERS[: 1 if compression in IMAGE_CODECS else 2]:
        for big in (False, True):
            options = {"compression": compression, "tile": tile, "byteorder": order, "bigtiff": big}
            rows = {} if tile else {"rowsperstrip": 7}
            for bits in (8, 16):
                gray = saved(tmp_path / "gray.tif", scene(bits=bits), **options, **rows)
                expected = scene(bits=bits) / (1 if bits == 8 else 257)
                assert np.abs(levels(open_scan(gray)) - expected).max() < 1e-3
                color = saved(tmp_path / "color.tif", scene(bits=bits, channels=3), **options, **rows)
                assert np.abs(levels(open_scan(color)) - levels_of_rgb(scene(bits=bits, channels=3))).max() < 0.6


@pytest.mark.parametrize("tile", [None, (32, 16)], ids=["strips", "tiles"])
@pytest.mark.parametrize("compression", ["jpeg", "webp"])
def test_lossy_codecs(tmp_path: Path, compression: str, tile: tuple[int, int] | None) -> None:
    rgb = scene(channels=3)
    options = {"compressionargs": {"level": 95}} if compression == "jpeg" else {}
    path = saved(
        tmp_path / "a.tif", rgb, compression=compression, tile=tile, rowsperstrip=None if tile else 16, **options
    )
    assert np.abs(levels(open_scan(path)) - levels_of_rgb(rgb)).mean() < 2


@pytest.mark.parametrize("tile", [None, 16], ids=["strips", "tiles"])
@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits(tmp_path: Path, bits: int, tile: int | None) -> None:
    values = scene(bits=bits)
    for kind in (0, 1):
        path = made(tmp_path / "a.tif", page(values, bits=bits, tile=tile, rows=None if tile else 9, photometric=kind))
        expected = values.astype(int) * (255 // (2**bits - 1))
        assert np.array_equal(levels(open_scan(path)), 255 - expected if kind == 0 else expected)


@pytest.mark.usefixtures("in_strips")
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("tile", [None, 32], ids=["strips", "tiles"])
def test_12_bits(tmp_path: Path, tile: int | None, big: bool, order: str) -> None:
    for channels, width in ((1, 83), (1, 84), (3, 83), (3, 84)):  # of odd widths, rows end in half a byte, or in more
        values = scene(61, width, bits=12, channels=channels)
        pages = page(values, bits=12, tile=tile, rows=None if tile else 5, order=order)
        scan = open_scan(made(tmp_path / "a.tif", pages, order=order, big=big))
        assert scan.bits == 16
        full = values / 4095
        expected = full * 255 if channels == 1 else levels_of_lightness(rgb2lab(full)[..., 0])
        assert np.abs(levels(scan) - expected).max() < 0.05


@pytest.mark.parametrize("bits", [9, 10, 11, 13, 14, 15])
def test_unusual_depths(tmp_path: Path, bits: int) -> None:
    values = scene(40, 64, bits=bits)
    ones = np.unpackbits(values.astype(">u2").view(np.uint8).reshape(40, 64, 2), axis=-1)[..., -bits:]
    packed = np.packbits(ones.reshape(40, -1), axis=-1).tobytes()
    tags = page(np.zeros((40, 64), np.uint8)).tags | {258: (SHORT, bits)}
    scan = open_scan(made(tmp_path / "a.tif", cases().Page(tags, [packed])))
    assert np.abs(levels(scan) - values / (2**bits - 1) * 255).max() < 0.01
    assert read_photo(tmp_path / "a.tif").bits == 16


@pytest.mark.usefixtures("in_strips")
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("compression", ["none", "lzw", "deflate", "zstd"])
@pytest.mark.parametrize("tile", [None, (16, 32)], ids=["strips", "tiles"])
def test_channels_stored_one_by_one(tmp_path: Path, tile: Any, compression: str, order: str) -> None:
    for bits in (8, 16):
        rgb = scene(bits=bits, channels=3)
        options = {"compression": compression, "tile": tile, "byteorder": order, "planarconfig": "separate"}
        path = saved(tmp_path / "a.tif", np.moveaxis(rgb, -1, 0), photometric="rgb", **options)
        assert np.abs(levels(open_scan(path)) - levels_of_rgb(rgb)).max() < 0.6


@pytest.mark.usefixtures("in_strips")
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("tile", "planar"), [(None, False), (None, True), (32, False), (32, True)])
def test_cielab_by_its_lightness(tmp_path: Path, tile: int | None, planar: bool, order: str) -> None:
    tops = {(8, 8): 255, (8, 16): 65535, (9, 8): 255, (9, 16): 0xFF00}
    for (kind, bits), top in tops.items():
        light = scene(bits=bits)
        color = np.random.default_rng(0).integers(0, 2**bits, (*light.shape, 2)).astype(light.dtype)
        lab = np.dstack([light, color])
        pages = page(lab, photometric=kind, tile=tile, planar=planar, order=order)
        scan = open_scan(made(tmp_path / "a.tif", pages, order=order))
        expected = levels_of_lightness(np.clip(light / top, 0, 1) * 100)
        assert np.abs(levels(scan) - expected).max() <= (0.51 if bits == 8 else 0.01)
        assert (scan.kind, scan.bits) == ("grey", bits)


def subsampled(y: NDArray[Any], blue: NDArray[Any], red: NDArray[Any], across: int, down: int) -> bytes:
    """Return YCbCr in data units: the brightness of several pixels, then one value of each color difference."""
    height, width = y.shape
    units = y.reshape(height // down, down, width // across, across).transpose(0, 2, 1, 3)
    grouped = units.reshape(height // down, width // across, across * down)
    return np.dstack([grouped, blue[::down, ::across], red[::down, ::across]]).astype(np.uint8).tobytes()


@pytest.mark.usefixtures("in_strips")
@pytest.mark.parametrize("limits", [(0, 255, 128, 255, 128, 255), (16, 235, 128, 240, 128, 240)])
@pytest.mark.parametrize("compression", [1, 8])
@pytest.mark.parametrize(("across", "down"), [(1, 1), (2, 1), (2, 2)])
def test_ycbcr_without_jpeg(tmp_path: Path, across: int, down: int, compression: int, limits: tuple[int, ...]) -> None:
    y, blue, red = scene(64, 96), np.full((64, 96), 120, np.uint8), np.full((64, 96), 140, np.uint8)
    tags = {530: (SHORT, [across, down]), 532: (RATIONAL, [(limit, 1) for limit in limits])}
    made_page = page(np.dstack([y, blue, red]), photometric=6, compression=compression, rows=16, tags=tags)
    if (across, down) != (1, 1):
        bands = [slice(first, first + 16) for first in range(0, 64, 16)]
        made_page.blocks = [subsampled(y[rows], blue[rows], red[rows], across, down) for rows in bands]
        if compression == 8:
            made_page.blocks = [cases().zlib.compress(block) for block in made_page.blocks]
    scan = open_scan(made(tmp_path / "a.tif", made_page))
    low, high = limits[:2]
    bright = (y.astype(float) - low) * 255 / (high - low)
    scale = 127 / (limits[3] - limits[2])
    b, r = (120 - 128) * scale, (140 - 128) * scale
    rgb = np.dstack([bright + 1.402 * r, bright - 0.344136 * b - 0.714136 * r, bright + 1.772 * b])
    expected = levels_of_rgb(np.rint(np.clip(rgb, 0, 255)).astype(np.uint8))
    assert np.abs(levels(scan) - expected).max() < 1.6
    assert scan.kind == "rgb"


def test_gray_ycbcr_has_the_lightness_of_its_y(tmp_path: Path) -> None:
    y = scene(bits=16)
    pixels = np.dstack([y, np.full_like(y, 32768), np.full_like(y, 32768)])
    tags = {530: (SHORT, [1, 1])}
    scan = open_scan(made(tmp_path / "a.tif", page(pixels, photometric=6, tags=tags, order=">"), order=">"))
    assert np.abs(levels(scan) - y / 257).max() < 0.02


@pytest.mark.parametrize("tile", [None, (32, 32)], ids=["strips", "tiles"])
def test_palettes_of_rarer_codecs(tmp_path: Path, tile: Any) -> None:
    colors = np.random.default_rng(0).integers(0, 65536, (3, 256)).astype(np.uint16)
    path = saved(tmp_path / "a.tif", scene(), photometric="palette", colormap=colors, compression="lzma", tile=tile)
    expected = levels_of_rgb((colors >> 8).astype(np.uint8).T[scene()])
    assert np.abs(levels(open_scan(path)) - expected).max() < 0.6


def test_inverted_grays_of_rarer_codecs(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.tif", scene(bits=16), photometric="miniswhite", compression="zstd")
    assert np.abs(levels(open_scan(path)) - (255 - scene(bits=16) / 257)).max() < 1e-3


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("codec", ["none", "lzma"])
@pytest.mark.parametrize("planar", [False, True])
def test_transparency_among_extra_channels(tmp_path: Path, channels: int, codec: str, planar: bool) -> None:
    """Only the channel that states to be transparency is kept; the loss of the other one is a warning."""
    infrared, alpha = scene(number=3), scene(number=2)
    pixels = np.dstack([scene(channels=channels), infrared, alpha])
    options: dict[str, Any] = {"planarconfig": "separate", "tile": (32, 32)} if planar else {"planarconfig": "contig"}
    path = saved(
        tmp_path / "a.tif",
        np.moveaxis(pixels, -1, 0) if planar else pixels,
        photometric="rgb" if channels == 3 else "minisblack",
        extrasamples=["unspecified", "unassalpha"],
        compression=codec,
        **options,
    )
    scan = open_scan(path)
    expected = levels_of_rgb(scene(channels=3)) if channels == 3 else scene()
    assert np.abs(levels(scan) - expected).max() < 0.6
    assert np.array_equal(scan.alpha().numpy().reshape(alpha.shape), alpha)
    assert [warning.split(" is")[0] for warning in scan.warnings] == [f"channel {channels + 1}"]


@pytest.mark.parametrize("kind", [0, 1, 3])
@pytest.mark.parametrize("tile", [None, 32], ids=["strips", "tiles"])
@pytest.mark.parametrize("planar", [False, True])
def test_transparent_grays_and_palettes(tmp_path: Path, planar: bool, tile: int | None, kind: int) -> None:
    gray, alpha = scene(), 255 - scene(number=1)
    tags = {338: (SHORT, 2)} | ({320: (SHORT, [257 * level for level in range(256)] * 3)} if kind == 3 else {})
    made_page = page(np.dstack([gray, alpha]), photometric=kind, planar=planar, tile=tile, tags=tags)
    scan = open_scan(made(tmp_path / "a.tif", made_page))
    assert np.array_equal(levels(scan), 255 - gray if kind == 0 else gray)
    assert np.array_equal(scan.alpha().numpy().reshape(alpha.shape), alpha)


@pytest.mark.parametrize("tile", [None, 32], ids=["strips", "tiles"])
def test_inks_stored_one_by_one(tmp_path: Path, tile: int | None) -> None:
    inks = 255 - scene(channels=4)
    together = open_scan(made(tmp_path / "a.tif", page(inks, photometric=5)))
    apart = open_scan(made(tmp_path / "b.tif", page(inks, photometric=5, planar=True, tile=tile)))
    assert (together.kind, apart.kind) == ("cmyk", "cmyk")
    assert np.array_equal(levels(apart), levels(together))
    with Image.open(tmp_path / "a.tif") as image:
        assert np.corrcoef(levels(apart).ravel(), np.asarray(image.convert("L")).ravel())[0, 1] > 0.98


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("planar", [False, True])
def test_premultiplied_colors_are_divided_by_their_transparency(tmp_path: Path, planar: bool, bits: int) -> None:
    rgb, half = scene(bits=bits, channels=3), np.full((61, 83), 2 ** (bits - 1), np.uint16)
    shown = np.rint(rgb * (half[..., None] / (2**bits - 1))).astype(rgb.dtype)
    made_page = page(np.dstack([shown, half.astype(rgb.dtype)]), photometric=2, planar=planar, tags={338: (SHORT, 1)})
    scan = open_scan(made(tmp_path / "a.tif", made_page))
    assert np.abs(levels(scan) - levels_of_rgb(rgb)).max() < 2.5  # of the 8 bits, only 7 are left


@pytest.mark.parametrize("stated", [{338: (SHORT, 0)}, {}])
def test_fourth_channel_without_a_meaning(tmp_path: Path, stated: dict[int, Any]) -> None:
    pixels = np.dstack([scene(channels=3), scene(number=3)])
    scan = open_scan(made(tmp_path / "a.tif", page(pixels, photometric=2, tags=stated)))
    assert (scan.has_alpha, len(scan.warnings)) == (False, 1)
    assert np.abs(levels(scan) - levels_of_rgb(scene(channels=3))).max() < 0.6


@pytest.mark.parametrize(("height", "width"), [(64, 64), (48, 80), (50, 70)])
@pytest.mark.parametrize("tile", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_old_style_jpeg(tmp_path: Path, height: int, width: int, tile: bool, channels: int) -> None:
    pixels = scene(height, width, channels=channels)
    scan = open_scan(made(tmp_path / "a.tif", cases().old_jpeg(pixels, tile=tile)))
    expected = pixels if channels == 1 else levels_of_rgb(pixels)
    assert np.abs(levels(scan).astype(float) - expected).mean() < 1.5
    assert not scan.has_alpha


def test_old_style_jpeg_in_parts_is_refused_by_name(tmp_path: Path) -> None:
    old = cases().old_jpeg(scene(64, 64), tile=False)
    old.blocks = [b"\x01\x02" * 100]
    old.tags[514] = (4, 200)
    assert "old-style JPEG inside TIFF" in reason_of(made(tmp_path / "a.tif", old))


@pytest.mark.parametrize("tile", [None, (64, 64)], ids=["strips", "tiles"])
@pytest.mark.parametrize("rows", [16, 300])
@pytest.mark.parametrize("compression", ["lzw", "packbits", "deflate", "jpeg", "webp", "lzma", "jpeg2000", "png"])
def test_damage_is_never_read(tmp_path: Path, compression: str, rows: int, tile: Any) -> None:
    """Whatever tifffile refuses is refused, too; the middle of a part is overwritten in most ways of being damaged."""
    rgb = scene(300, 256, channels=3)
    path = saved(tmp_path / "a.tif", rgb, compression=compression, tile=tile, rowsperstrip=None if tile else rows)
    data = path.read_bytes()
    parts, generator = parts_of(data), np.random.default_rng(0)
    refused = 0
    for number in range(12):
        damaged, (start, size) = bytearray(data), parts[int(generator.integers(len(parts)))]
        middle = slice(start + size // 4, start + size - size // 4)
        filling = [b"\xff", b"\0", generator.bytes(1)][number % 3] * (middle.stop - middle.start)
        damaged[middle] = generator.bytes(len(filling)) if number % 4 == 3 else filling
        path.write_bytes(damaged)
        try:
            tifffile.imread(path)
        except Exception:
            assert "damaged" in reason_of(path)
            refused += 1
    assert refused >= 3


@pytest.mark.parametrize("compression", ["none", "lzw", "deflate", "jpeg", "zstd"])
@pytest.mark.parametrize("tile", [None, (32, 32)], ids=["strips", "tiles"])
@pytest.mark.parametrize("order", ORDERS)
def test_parts_that_were_never_written(tmp_path: Path, order: str, tile: Any, compression: str) -> None:
    path = saved(
        tmp_path / "a.tif",
        scene(64, 96),
        compression=compression,
        tile=tile,
        rowsperstrip=None if tile else 16,
        byteorder=order,
    )
    empty_part(path, 1)
    scan = open_scan(path)
    hole = (slice(0, 32), slice(32, 64)) if tile else (slice(16, 32), slice(0, 96))
    found, expected = levels(scan).astype(int), scene(64, 96).astype(int)
    assert not found[hole].any()
    found[hole] = expected[hole]
    assert np.abs(found - expected).mean() < (1 if compression == "jpeg" else 1e-6)
    (warning,) = scan.warnings
    assert f"rows {hole[0].start + 1} to {hole[0].stop}" in warning


@pytest.mark.parametrize("tile", [None, 32], ids=["strips", "tiles"])
@pytest.mark.parametrize("compression", [1, 8])
def test_parts_behind_the_end_are_cut_off(tmp_path: Path, compression: int, tile: int | None) -> None:
    whole = page(scene(64, 64), compression=compression, tile=tile, rows=None if tile else 16)
    data = cases().tiff([whole])
    places = [data.index(block) for block in whole.blocks]
    places[2] = len(data) - 3
    path = made(
        tmp_path / "a.tif", cases().Page(whole.tags | {324 if tile else 273: (4, places)}, whole.blocks, bool(tile))
    )
    reason = reason_of(path)
    assert "cut off" in reason
    assert "rows 33 to" in reason


def test_too_short_and_missing_parts(tmp_path: Path) -> None:
    short = page(scene(64, 64), rows=16, tags={279: (4, [1024, 500, 1024, 1024])})
    assert "rows 17 to 32 is too short" in reason_of(made(tmp_path / "a.tif", short))
    missing = page(scene(64, 64), rows=16, tags={273: (4, [8, 1032, 2056])})
    assert "only 3 of 4 strips" in reason_of(made(tmp_path / "a.tif", missing))


def test_sizes_of_parts_that_are_not_stated(tmp_path: Path) -> None:
    """Old programs leave the sizes of uncompressed strips out, or write 0."""
    for sizes in ([0, 0, 0, 0], [4]):
        path = made(tmp_path / "a.tif", page(scene(64, 64), rows=16, tags={279: (4, sizes)}))
        scan = open_scan(path)
        assert np.array_equal(levels(scan), scene(64, 64))
        assert scan.warnings == ()


@pytest.mark.parametrize("compression", ["group3", "group4"])
def test_fax_pages(tmp_path: Path, compression: str) -> None:
    path = fax(tmp_path / "a.tif", scene(300, 256), compression)
    with Image.open(path) as image:
        expected = np.asarray(image.convert("L"))
    scan = open_scan(path)
    assert np.array_equal(levels(scan), expected)
    assert scan.warnings == ()
    data = bytearray(path.read_bytes())
    ((start, size), *_) = parts_of(bytes(data))
    data[start + size // 3 : start + size // 3 + 40] = np.random.default_rng(1).bytes(40)
    path.write_bytes(data)
    assert "damaged" in warning_or_reason(path)


@pytest.mark.parametrize(
    ("pixels", "options", "words"),
    [
        (np.zeros((9, 9), np.float32), {}, "32-bit floating-point numbers"),
        (np.zeros((9, 9), np.float16), {}, "16-bit floating-point numbers"),
        (np.zeros((9, 9), np.int16), {}, "16-bit signed integers"),
        (np.zeros((9, 9), np.uint32), {}, "32-bit gray"),
        (np.zeros((9, 9, 6), np.uint8), {"photometric": "minisblack", "planarconfig": "contig"}, "6 channels"),
        (np.zeros((9, 9, 4), np.uint8), {"photometric": "separated", "extratags": [(332, 3, 1, 2, True)]}, "not CMYK"),
    ],
)
def test_refused_kinds_are_named(tmp_path: Path, pixels: NDArray[Any], options: dict[str, Any], words: str) -> None:
    assert words in reason_of(saved(tmp_path / "a.tif", pixels, **options))


def test_codecs_without_a_decoder_are_named(tmp_path: Path) -> None:
    whole = page(scene())
    unknown = cases().Page(whole.tags | {259: (SHORT, 34661)}, whole.blocks)
    assert "compressed with JBIG" in reason_of(made(tmp_path / "a.tif", unknown))
    lenient = cases().Page(whole.tags | {259: (SHORT, 34934)}, whole.blocks)
    assert "compressed with JPEG XR" in reason_of(made(tmp_path / "b.tif", lenient))


@pytest.mark.parametrize(
    "compression", ["lzw", "packbits", "deflate", "zstd", "lerc", "webp", "jpeg", "jpeg2000", "png"]
)
@pytest.mark.parametrize("tile", [None, (64, 64)], ids=["strips", "tiles"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_compressed_parts_that_are_too_short(tmp_path: Path, share: float, tile: Any, compression: str) -> None:
    rows = None if tile else 50
    path = saved(tmp_path / "a.tif", scene(150, 256, channels=3), compression=compression, tile=tile, rowsperstrip=rows)
    shorten_part(path, 1, share)
    assert "damaged" in reason_of(path)


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "a.tif", scene(), compression="lzma")
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    reason = reason_of(path)
    assert "compressed with LZMA" in reason
    assert "install chromalab[scans]" in reason


def test_declared_sizes_are_checked_before_anything_is_written(tmp_path: Path) -> None:
    tags = page(np.zeros((4, 4), np.uint8)).tags | {256: (4, 60000), 257: (4, 60000), 259: (SHORT, 34925)}
    assert "60000x60000 px" in reason_of(made(tmp_path / "a.tif", cases().Page(tags, [bytes(16)])))


def test_metadata_of_decoded_pages_is_kept(tmp_path: Path) -> None:
    options = {"description": "A barn", "resolution": (300, 300), "resolutionunit": "inch"}
    plain = open_scan(saved(tmp_path / "a.tif", scene(), **options)).metadata
    decoded = open_scan(saved(tmp_path / "b.tif", scene(), compression="lzma", **options)).metadata
    assert decoded.resolution == plain.resolution
    assert decoded.resolution is not None
    assert decoded.tags == plain.tags
    assert decoded.tags.image[270].data == b"A barn\0"


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    compression=st.sampled_from(["none", "lzw", "deflate", "packbits", "zstd"]),
    tile=st.sampled_from([None, (16, 16), (32, 48)]),
    order=st.sampled_from(ORDERS),
    big=st.booleans(),
    bits=st.sampled_from([8, 16]),
    color=st.booleans(),
    predictor=st.booleans(),
)
def test_sizes_of_all_kinds(tmp_path: Path, size: tuple[int, int], color: bool, bits: int, **options: Any) -> None:
    pixels = scene(*size, bits=bits, channels=3 if color else 1)
    path = saved(
        tmp_path / "a.tif",
        pixels,
        compression=options["compression"],
        tile=options["tile"],
        byteorder=options["order"],
        bigtiff=options["big"],
        predictor=options["predictor"] and options["compression"] not in {"none", "packbits"},
    )
    expected = levels_of_rgb(pixels) if color else pixels / (1 if bits == 8 else 257)
    assert np.abs(levels(open_scan(path)) - expected).max() < 0.6


STRUCTURE = [
    254,
    256,
    257,
    258,
    259,
    262,
    266,
    273,
    277,
    278,
    279,
    284,
    317,
    322,
    323,
    324,
    325,
    330,
    338,
    339,
    347,
    530,
]
NUMBERS = st.one_of(st.sampled_from([0, 1, 2, 3, 7, 16, 65535, 34712, 34925, 50000]), st.integers(0, 2**32 - 1))


@pytest.mark.slow
@settings(max_examples=120)
@given(
    changes=st.dictionaries(st.sampled_from(STRUCTURE), st.lists(NUMBERS, max_size=4), min_size=1, max_size=3),
    bits=st.sampled_from([8, 12, 16]),
    channels=st.sampled_from([1, 3, 4]),
    compression=st.sampled_from([1, 8]),
    tile=st.sampled_from([None, 16]),
    planar=st.booleans(),
    order=st.sampled_from(ORDERS),
    big=st.booleans(),
)
def test_changed_tags_give_a_photo_or_a_reason(
    tmp_path_factory: pytest.TempPathFactory,
    changes: dict[int, list[int]],
    bits: int,
    channels: int,
    order: str,
    big: bool,
    **kind: Any,
) -> None:
    whole = page(scene(21, 35, bits=bits, channels=channels), bits=bits, order=order, **kind)
    for tag, numbers in changes.items():
        whole.tags[tag] = (4, numbers)
        if not numbers:  # the tag is missing, and the writer must not fill it in
            del whole.tags[tag]
    path = made(tmp_path_factory.getbasetemp() / "changed.tif", whole, order=order, big=big)
    with contextlib.suppress(UnreadablePhotoError):
        scan = open_scan(path, max_pixels=1_000_000)
        assert levels(scan).shape == (scan.height, scan.width)
        assert scan.small_rgb(8).shape[2] == 3
