"""Fast reading with Pillow agrees with reading by libvips."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageCms

from chromalab.photo import quick
from chromalab.photo.quick import read_at_most, read_thumbnail, resize_region
from chromalab.photo.reading import UnreadablePhotoError, read_photo, resize
from tests.photo.odd_files import picture, save

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def pillow_only(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if a plain file falls back to libvips, except in tests with the fixture `any_way`."""
    if "any_way" not in request.fixturenames:
        monkeypatch.setattr(quick, "read_photo", lambda *_, **__: pytest.fail("a plain file went to libvips"))


@pytest.fixture
def any_way() -> None:
    """Allow reading by both libraries."""


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_plain_jpeg_has_the_same_pixels(tmp_path: Path, subsampling: int, progressive: bool) -> None:
    path = save(tmp_path / "a.jpg", picture(151, 193), quality=80, subsampling=subsampling, progressive=progressive)
    assert np.array_equal(read_at_most(path, 192), read_photo(path).rgb)


@pytest.mark.parametrize(
    ("height", "width", "size"), [(151, 193, 100), (300, 203, 64), (1003, 1601, 96), (900, 700, 20)]
)
def test_reduced_jpeg_is_close_to_libvips(tmp_path: Path, height: int, width: int, size: int) -> None:
    path = save(tmp_path / "a.jpg", picture(height, width), quality=90)
    fast, slow = read_at_most(path, size), read_photo(path, shortest_side_px=size).rgb
    assert fast.shape == slow.shape
    assert min(fast.shape[:2]) == size
    difference = np.abs(fast.astype(int) - slow)
    assert difference.mean() < 0.5
    assert difference.max() <= 6


def test_other_files_are_read_by_libvips(tmp_path: Path, any_way: None) -> None:
    rgb = picture(50, 80)
    rotated = Image.Exif()
    rotated[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    paths = [
        save(tmp_path / "a.png", rgb),
        save(tmp_path / "rotated.jpg", rgb, exif=rotated),
        save(tmp_path / "profile.jpg", rgb, icc_profile=profile),
    ]
    Image.fromarray(rgb).convert("L").save(tmp_path / "grey.jpg")
    Image.fromarray(rgb).convert("CMYK").save(tmp_path / "cmyk.jpg")
    for path in [*paths, tmp_path / "grey.jpg", tmp_path / "cmyk.jpg"]:
        assert np.array_equal(read_at_most(path, 50), read_photo(path).rgb)
        assert np.array_equal(read_at_most(path, 20), read_photo(path, shortest_side_px=20).rgb)
    assert read_at_most(paths[1], 50).shape == (80, 50, 3)


def test_exif_without_rotation_is_plain(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    exif[0x0112] = 1
    path = save(tmp_path / "a.jpg", picture(), exif=exif)
    assert np.array_equal(read_at_most(path, 100), np.asarray(Image.open(path)))


@pytest.mark.parametrize(("height", "width"), [(192, 256), (64, 64), (40, 300), (700, 500)])
def test_thumbnail(tmp_path: Path, height: int, width: int) -> None:
    path = save(tmp_path / "a.jpg", picture(height, width), quality=90)
    photo = read_thumbnail(path, path.read_bytes(), side_px=64, aspect_limit=4)
    slow = resize(read_photo(path, shortest_side_px=64, aspect_limit=4).rgb, 64, 64)
    assert (photo.source_height_px, photo.source_width_px, photo.grey_only) == (height, width, False)
    assert np.abs(photo.rgb.astype(int) - slow).mean() < 1.5


def test_thumbnail_of_other_files(tmp_path: Path, any_way: None) -> None:
    path = save(tmp_path / "a.png", picture(100, 120))
    photo = read_thumbnail(path, path.read_bytes(), side_px=64, aspect_limit=4)
    assert photo.rgb.shape == (64, 64, 3)
    assert np.array_equal(photo.rgb, read_thumbnail(path, None, side_px=64, aspect_limit=4).rgb)
    Image.fromarray(picture()).convert("L").save(tmp_path / "grey.jpg")
    assert read_thumbnail(tmp_path / "grey.jpg", None, side_px=64, aspect_limit=4).grey_only


@pytest.mark.parametrize("keep", [0.02, 0.5, 0.95])
def test_truncated_file(tmp_path: Path, keep: float, any_way: None) -> None:
    path = save(tmp_path / "a.jpg", picture(200, 200))
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    with pytest.raises(UnreadablePhotoError, match="cut off or damaged"):
        read_at_most(path, 192)
    with pytest.raises(UnreadablePhotoError, match="cut off or damaged"):
        read_thumbnail(path, path.read_bytes(), side_px=64, aspect_limit=4)


def test_missing_file(tmp_path: Path, any_way: None) -> None:
    with pytest.raises(UnreadablePhotoError, match="no such file"):
        read_at_most(tmp_path / "missing.jpg", 96)


def test_without_pillow_libvips_reads_all_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, any_way: None) -> None:
    monkeypatch.setattr(quick, "PILLOW", False)
    rgb = picture(120, 160)
    path = save(tmp_path / "a.jpg", rgb)
    assert np.array_equal(read_at_most(path, 64), read_photo(path, shortest_side_px=64).rgb)
    assert np.array_equal(resize_region(rgb, 10, 20, 90, 48), resize(rgb[10:100, 20:110], 48, 48))


def test_region() -> None:
    rgb = picture(120, 160)
    assert np.array_equal(resize_region(rgb, 5, 7, 40, 40), rgb[5:45, 7:47])
    for side, size in ((90, 48), (40, 96)):
        expected = resize(rgb[10 : 10 + side, 20 : 20 + side], size, size)
        difference = np.abs(resize_region(rgb, 10, 20, side, size).astype(int) - expected)
        assert difference.mean() < 0.5
        assert difference.max() <= 3
