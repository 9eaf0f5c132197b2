"""Photo files of all types become upright 8-bit sRGB, or an error with a reason.

Pillow (with its own LittleCMS for profiles) is the independent reference.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image, ImageOps

from chromalab.photo.reading import MAX_PIXELS, UnreadablePhotoError, read_photo, resize, resize_shortest_side
from tests.photo.odd_files import picture, pillow_rgb, png_that_declares, save, to_srgb

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RGB = picture()


def profile(name: str) -> bytes:
    """Return one of the ICC profiles that come with libvips: "p3", "srgb" or "cmyk"."""
    return bytes(pyvips.Operation.call("profile_load", name))


def largest_difference(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> int:
    return int(np.abs(first.astype(int) - second).max())


def reason_of(path: Path) -> str:
    with pytest.raises(UnreadablePhotoError) as caught:
        read_photo(path)
    assert caught.value.path == path
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == 1
    return caught.value.reason


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_plain_files_decode_as_pillow_decodes_them(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"photo.{suffix}", RGB, quality=90)
    photo = read_photo(path)
    assert largest_difference(photo.rgb, pillow_rgb(path)) <= 1
    assert photo.rgb.dtype == np.uint8
    assert photo.rgb.flags.c_contiguous
    assert photo.rgb.flags.writeable
    assert (photo.name, photo.grey_only) == (path.name, False)
    assert (photo.source_height_px, photo.source_width_px) == RGB.shape[:2]


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / f"photo.{suffix}", RGB, exif=exif, quality=95)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    photo = read_photo(path)
    assert photo.rgb.shape == expected.shape
    assert largest_difference(photo.rgb, expected) <= 1
    assert (photo.source_height_px, photo.source_width_px) == expected.shape[:2]
    scaled = read_photo(path, shortest_side_px=30).rgb
    assert scaled.shape == ((30, 45, 3) if orientation < 5 else (45, 30, 3))


@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_invalid_orientation_is_ignored(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "photo.png", RGB, exif=exif)
    assert np.array_equal(read_photo(path).rgb, RGB)


def test_wide_gamut_profile_is_converted_to_srgb(tmp_path: Path) -> None:
    path = save(tmp_path / "photo.png", RGB, icc_profile=profile("p3"))
    expected = to_srgb(Image.fromarray(RGB), profile("p3"))
    assert largest_difference(expected, RGB) > 10
    assert largest_difference(read_photo(path).rgb, expected) <= 1


@pytest.mark.parametrize("icc", [profile("srgb"), b"no profile at all" * 20, profile("cmyk")])
def test_srgb_damaged_and_foreign_profiles_change_nothing(tmp_path: Path, icc: bytes) -> None:
    path = save(tmp_path / "photo.png", RGB, icc_profile=icc)
    assert largest_difference(read_photo(path).rgb, RGB) <= 1


@pytest.mark.parametrize("embedded", [True, False])
@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk(tmp_path: Path, suffix: str, embedded: bool) -> None:
    inks = Image.fromarray(RGB).convert("CMYK")
    path = tmp_path / f"inks.{suffix}"
    inks.save(path, quality=100, subsampling=0, icc_profile=profile("cmyk") if embedded else None)
    with Image.open(path) as decoded:
        expected = to_srgb(decoded, profile("cmyk"))
    photo = read_photo(path)
    assert largest_difference(photo.rgb, expected) <= 2
    assert not photo.grey_only


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_palette(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"palette.{suffix}"
    Image.fromarray(RGB).quantize(64).save(path)
    assert np.array_equal(read_photo(path).rgb, pillow_rgb(path))


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_transparency_is_blended_with_white(tmp_path: Path, suffix: str) -> None:
    alpha = np.tile(np.linspace(0, 255, RGB.shape[1]).astype(np.uint8), (RGB.shape[0], 1))
    rgba = Image.fromarray(np.dstack([RGB, alpha]))
    path = tmp_path / f"alpha.{suffix}"
    options: dict[str, Any] = {"lossless": True, "exact": True} if suffix == "webp" else {}
    rgba.save(path, **options)
    opacity = alpha[..., None] / 255
    expected = np.rint(RGB * opacity + 255 * (1 - opacity)).astype(np.uint8)
    photo = read_photo(path)
    assert largest_difference(photo.rgb, expected) <= 1
    assert np.abs(photo.rgb.astype(int) - expected).mean() < 0.01
    assert np.all(photo.rgb[:, 0] == 255)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_scaled_and_rounded(tmp_path: Path, suffix: str) -> None:
    jitter = np.random.default_rng(1).integers(-128, 129, RGB.shape)
    deep = np.clip(RGB.astype(int) * 257 + jitter, 0, 65535).astype(np.uint16)  # within half a step of an 8-bit level
    path = tmp_path / f"deep.{suffix}"
    if suffix == "tif":
        tifffile.imwrite(path, deep, photometric="rgb")
    else:
        pyvips.Image.new_from_array(deep, interpretation="rgb16").write_to_file(str(path))
    assert np.array_equal(read_photo(path).rgb, RGB)


def test_sixteen_bits_with_profile(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    deep = pyvips.Image.new_from_array(RGB.astype(np.uint16) * 257, interpretation="rgb16")
    deep.write_to_file(str(path), profile="p3")
    assert largest_difference(read_photo(path).rgb, to_srgb(Image.fromarray(RGB), profile("p3"))) <= 1


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_one_channel_is_gray_only(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "grey.png"
    Image.fromarray(RGB).convert(mode).save(path)
    photo = read_photo(path)
    assert photo.grey_only
    assert np.array_equal(photo.rgb, pillow_rgb(path))


def test_gray_sixteen_bits(tmp_path: Path) -> None:
    path = tmp_path / "grey.tif"
    tifffile.imwrite(path, RGB[..., 0].astype(np.uint16) * 257)
    photo = read_photo(path)
    assert photo.grey_only
    assert np.array_equal(photo.rgb, np.repeat(RGB[..., :1], 3, axis=2))


def test_rgb_file_with_equal_channels_is_not_gray_only(tmp_path: Path) -> None:
    path = save(tmp_path / "equal.png", np.repeat(RGB[..., :1], 3, axis=2))
    assert not read_photo(path).grey_only


def test_first_page_of_several(tmp_path: Path) -> None:
    path = tmp_path / "pages.tif"
    tifffile.imwrite(path, np.stack([RGB, 255 - RGB]), photometric="rgb")
    assert np.array_equal(read_photo(path).rgb, RGB)


@pytest.mark.parametrize("name", ["été 写真.jpg", 'it\'s "quoted".jpg', "page[1].jpg", "photo.jpg[x=1].jpg"])
def test_any_name(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, RGB)
    assert read_photo(path).name == name


def test_name_that_is_not_unicode(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path)
    try:
        os.rename(save(tmp_path / "photo.jpg", RGB), folder + b"/\xff\xfe.jpg")  # noqa: PTH104 - a name of bytes
    except OSError:
        pytest.skip("this file system takes only Unicode names")
    (path,) = tmp_path.iterdir()
    assert read_photo(path).rgb.shape == RGB.shape


def test_content_decides_not_the_suffix(tmp_path: Path) -> None:
    path = save(tmp_path / "photo.png", RGB).rename(tmp_path / "photo.jpg")
    assert np.array_equal(read_photo(path).rgb, RGB)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("share", [0.03, 0.5, 0.97])
@pytest.mark.parametrize("size", [None, 20])
def test_truncated(tmp_path: Path, suffix: str, share: float, size: int | None) -> None:
    path = save(tmp_path / f"whole.{suffix}", picture(200, 300), quality=90)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(UnreadablePhotoError, match="cut off"):
        read_photo(path, shortest_side_px=size)


def test_truncated_progressive_jpeg(tmp_path: Path) -> None:
    path = save(tmp_path / "whole.jpg", picture(200, 300), progressive=True)
    path.write_bytes(path.read_bytes()[:-1500])
    assert reason_of(path) == "it is cut off or damaged: its pixels can't be read to the end"


def test_damaged_png(tmp_path: Path) -> None:
    path = save(tmp_path / "whole.png", RGB)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))
    assert "damaged" in reason_of(path)


@pytest.mark.parametrize("content", [b"hello\n" * 100, b"1,2,3\n4,5,6\n", b"<svg width='9' height='9'></svg>", b"\x00"])
def test_not_a_photo(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "text.jpg"
    path.write_bytes(content)
    assert reason_of(path) == "its content is not a JPEG, PNG, TIFF, WebP or HEIF photo"


def test_reasons_of_threads_are_not_mixed_up(tmp_path: Path) -> None:
    """All threads of libvips share one text buffer for errors."""
    (tmp_path / "text.jpg").write_text("hello")
    cut = save(tmp_path / "cut.jpg", picture(200, 300))
    cut.write_bytes(cut.read_bytes()[:-900])
    wrong = [tmp_path / "text.jpg", cut] * 100
    with ThreadPoolExecutor(4) as pool:
        reasons = list(pool.map(reason_of, wrong))
    assert [reason.split()[1] for reason in reasons] == ["content", "is"] * 100


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.jpg"
    path.touch()
    assert reason_of(path) == "it is empty (0 bytes)"


def test_missing_file_folder_pipe_and_loop(tmp_path: Path) -> None:
    assert reason_of(tmp_path / "missing.jpg") == "no such file or directory"
    (tmp_path / "folder.jpg").mkdir()
    assert reason_of(tmp_path / "folder.jpg") == "it is not a file"
    os.mkfifo(tmp_path / "pipe.jpg")
    assert reason_of(tmp_path / "pipe.jpg") == "it is not a file"
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    assert "symbolic links" in reason_of(tmp_path / "loop.jpg")


def test_no_permission(tmp_path: Path) -> None:
    path = save(tmp_path / "secret.png", RGB)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    assert reason_of(path) == "permission denied"


def test_giant_declared_size_is_refused_before_decoding(tmp_path: Path) -> None:
    path = tmp_path / "giant.png"
    path.write_bytes(png_that_declares(60_000, 60_000))
    assert "60000x60000" in reason_of(path)
    assert str(MAX_PIXELS // 10**6) in reason_of(path)


def test_unsupported_pixel_types_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "float.tif", (RGB / 255).astype(np.float32), photometric="rgb")
    assert "8 or 16 bits" in reason_of(tmp_path / "float.tif")
    tifffile.imwrite(
        tmp_path / "bands.tif",
        np.dstack([RGB, RGB]),
        photometric="minisblack",
        planarconfig="contig",
        extrasamples=None,
    )
    assert "channels" in reason_of(tmp_path / "bands.tif")


def test_one_pixel_is_read(tmp_path: Path) -> None:
    path = save(tmp_path / "one.png", np.full((1, 1, 3), 7, np.uint8))
    assert read_photo(path).rgb.tolist() == [[[7, 7, 7]]]
    assert np.all(read_photo(path, shortest_side_px=12).rgb == 7)


def test_long_strip_is_cropped_around_the_center(tmp_path: Path) -> None:
    strip = np.zeros((20, 20_000, 3), np.uint8)
    strip[:, 9_960:10_040] = 200  # the middle 80 of 20,000 columns: four times the height
    path = save(tmp_path / "strip.png", strip)
    photo = read_photo(path, shortest_side_px=40, aspect_limit=4)
    assert photo.rgb.shape == (40, 160, 3)
    assert np.all(photo.rgb == 200)
    assert (photo.source_height_px, photo.source_width_px) == (20, 20_000)
    assert read_photo(path, aspect_limit=4).rgb.shape == (20, 80, 3)


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_scaling_while_reading_equals_scaling_afterwards(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"photo.{suffix}", picture(301, 407))
    assert np.array_equal(read_photo(path, shortest_side_px=24).rgb, resize_shortest_side(read_photo(path).rgb, 24))


@pytest.mark.parametrize("size", [20, 40, 80, 300, 900])
def test_jpeg_decoded_small_is_close_to_full_decoding(tmp_path: Path, size: int) -> None:
    path = save(tmp_path / "photo.jpg", picture(1000, 1408), quality=92)
    small = read_photo(path, shortest_side_px=size).rgb.astype(int)
    full = resize_shortest_side(read_photo(path).rgb, size)
    assert small.shape == full.shape
    assert np.abs(small - full).mean() < 0.6
    assert abs((small - full).mean()) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("size", "shrink"), [(20, 8), (40, 4), (80, 2)])
def test_jpeg_decoded_small_drops_the_incomplete_block(tmp_path: Path, size: int, shrink: int) -> None:
    path = save(tmp_path / "photo.jpg", picture(1007, 1407), quality=92)
    full = read_photo(path).rgb
    blocks = full[: 1007 // shrink * shrink, : 1407 // shrink * shrink]
    small = read_photo(path, shortest_side_px=size).rgb.astype(int)
    assert np.abs(small - resize(blocks, *small.shape[:2])).mean() < 0.6


def test_decoder_warnings_are_hidden(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Problems are raised as errors, and nothing is written to standard error."""
    path = save(tmp_path / "whole.jpg", RGB)
    path.write_bytes(path.read_bytes()[:-200])
    save(tmp_path / "profile.png", RGB, icc_profile=b"nonsense" * 40)
    with pytest.raises(UnreadablePhotoError):
        read_photo(path)
    read_photo(tmp_path / "profile.png")
    assert capfd.readouterr() == ("", "")
