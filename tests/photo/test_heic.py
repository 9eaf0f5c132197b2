"""HEIC photos are read by pillow-heif, or the missing decoder is named."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from chromalab.photo.reading import UnreadablePhotoError, read_photo
from chromalab.photo.scan import open_scan
from tests.photo.tiff_files import scene


def heic(path: Path, bits: int = 8) -> Path:
    pixels = scene(64, 96, bits=bits, channels=3)
    with path.open("wb") as file:
        pillow_heif.encode("RGB" if bits == 8 else "RGB;16", (96, 64), pixels.tobytes(), file, quality=95)
    return path


@pytest.mark.parametrize("bits", [8, 16])
def test_pixels_and_depth(tmp_path: Path, bits: int) -> None:
    scan = open_scan(heic(tmp_path / "a.heic", bits))
    assert (scan.bits, scan.kind, scan.file_kind, scan.height, scan.width) == (bits, "rgb", "heif", 64, 96)
    gray = Image.fromarray(scene(64, 96, channels=3)).convert("L")
    assert np.abs(scan.levels() - np.asarray(gray, np.float32)).mean() < 3
    assert read_photo(tmp_path / "a.heic").rgb.shape == (64, 96, 3)


def test_damaged_photos_fail(tmp_path: Path) -> None:
    path = heic(tmp_path / "a.heic")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - 400])
    with pytest.raises(UnreadablePhotoError, match="cut off or damaged"):
        open_scan(path)


def test_missing_decoder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UnreadablePhotoError, match=r"without a decoder for it \(HEVC\): install chromalab\[scans\]"):
        open_scan(heic(tmp_path / "a.heic"))


def test_avif_is_not_taken_for_heic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    Image.fromarray(scene(64, 96, channels=3)).save(tmp_path / "a.avif")
    assert open_scan(tmp_path / "a.avif").width == 96
