"""BMP, JPEG 2000, PPM and TGA files against Pillow's own pixels, their metadata, and what is refused."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from chromalab.photo.reading import UnreadablePhotoError, read_photo
from chromalab.photo.scan import open_scan
from tests.photo.odd_files import picture

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SUFFIXES = ["bmp", "jp2", "ppm", "tga"]
GRAY = np.asarray(Image.fromarray(picture()).convert("L"))


def written(path: Path, pixels: NDArray[Any], **options: Any) -> Path:
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_gray_and_color_have_the_pixels_of_the_file(tmp_path: Path, suffix: str) -> None:
    gray = open_scan(written(tmp_path / f"g.{suffix}", GRAY))
    assert (gray.kind, gray.bits) == ("grey", 8)
    assert np.array_equal(gray.levels(), GRAY)
    assert np.array_equal(read_photo(written(tmp_path / f"c.{suffix}", picture())).rgb, picture())


def test_palettes_and_transparency(tmp_path: Path) -> None:
    Image.fromarray(picture()).quantize(16).save(tmp_path / "p.bmp")
    expected = np.asarray(Image.fromarray(picture()).quantize(16).convert("RGB"))
    assert np.array_equal(read_photo(tmp_path / "p.bmp").rgb, expected)
    clear = np.dstack([picture(), GRAY])
    scan = open_scan(written(tmp_path / "a.tga", clear))
    assert scan.has_alpha
    assert np.array_equal(scan.alpha().numpy(), GRAY)


def test_gray_of_16_bits_is_kept(tmp_path: Path) -> None:
    deep = (GRAY.astype(np.uint16) << 8) + np.arange(GRAY.size, dtype=np.uint16).reshape(GRAY.shape) % 256
    files = [tmp_path / "a.pgm", tmp_path / "a.jp2"]
    files[0].write_bytes(b"P5 # a comment\n%d %d\n65535\n" % deep.shape[::-1] + deep.astype(">u2").tobytes())
    files[1].write_bytes(imagecodecs.jpeg2k_encode(deep, level=0))
    for path in files:
        scan = open_scan(path)
        assert scan.bits == 16
        np.testing.assert_allclose(scan.levels(), deep / 257, atol=1e-3)


def test_color_of_16_bits_is_refused(tmp_path: Path) -> None:
    deep = picture().astype(np.uint16) * 257
    files = [tmp_path / "a.ppm", tmp_path / "a.jp2"]
    files[0].write_bytes(b"P6 %d %d 65535\n" % deep.shape[1::-1] + deep.astype(">u2").tobytes())
    files[1].write_bytes(imagecodecs.jpeg2k_encode(deep, level=0))
    for path in files:
        with pytest.raises(UnreadablePhotoError, match="with over 8 bits per color channel"):
            open_scan(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_that_are_cut_off_fail(tmp_path: Path, suffix: str) -> None:
    path = written(tmp_path / f"a.{suffix}", picture())
    data = path.read_bytes()
    footer = data[-26:] if suffix == "tga" else b""
    for share in (0.3, 0.8):
        path.write_bytes(data[: int(len(data) * share)] + footer)
        with pytest.raises(UnreadablePhotoError, match="it is cut off or damaged"):
            open_scan(path)


def test_resolution_and_profile_are_kept(tmp_path: Path) -> None:
    scan = open_scan(written(tmp_path / "a.bmp", GRAY, dpi=(300, 300)))
    resolution = scan.metadata.resolution
    assert resolution is not None
    assert float(resolution.x) * 2.54 == pytest.approx(300, rel=1e-3)
    assert open_scan(written(tmp_path / "b.ppm", GRAY)).metadata.resolution is None


def test_without_pillow_the_reason_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a.bmp", GRAY)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(UnreadablePhotoError, match=r"it is BMP, .*install chromalab\[scans\]"):
        open_scan(path)
