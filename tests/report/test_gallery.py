"""Images of a page are found, named, and kept within the size budget."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from chromalab.report.gallery import PhotoFiles, encode_images, find_test_images, gallery

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def save(path: Path, rgb: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgb).save(path)


def noise(side: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1])))


def test_images_are_found_in_the_order_of_the_record(tmp_path: Path) -> None:
    for method in ("grey", "truth", "l1-lab-s0"):
        for name in ("trip__a", "trip__b", "stray"):
            save(tmp_path / "pictures" / method / f"{name}.png", noise(8))
    found = find_test_images(tmp_path, ["trip/b.jpg", "trip/a.jpg"])
    assert [photo.name for photo in found] == ["trip/b.jpg", "trip/a.jpg", "stray"]
    assert set(found[0].files) == {"grey", "truth", "l1-lab-s0"}
    assert find_test_images(tmp_path / "nowhere", []) == []


def test_small_images_are_embedded_unchanged(tmp_path: Path) -> None:
    save(tmp_path / "a.png", noise(16))
    encoded = encode_images([PhotoFiles("a", {"truth": tmp_path / "a.png"})])
    uri = encoded.photos[0].uris["truth"]
    np.testing.assert_array_equal(np.asarray(decoded(uri)), noise(16))
    assert (encoded.photos[0].width, encoded.photos[0].height) == (16, 16)


def test_large_images_are_compressed_with_full_color_resolution(tmp_path: Path) -> None:
    save(tmp_path / "a.png", noise(256))
    encoded = encode_images([PhotoFiles("a", {"truth": tmp_path / "a.png"})], budget_bytes=150_000)
    picture = decoded(encoded.photos[0].uris["truth"])
    assert picture.format == "JPEG"
    assert {sampling[1:3] for sampling in picture.layer} == {(1, 1)}  # type: ignore[attr-defined] # no subsampling


@pytest.mark.parametrize("budget_bytes", [30_000, 120_000])
def test_the_budget_holds_and_left_out_photos_are_counted(tmp_path: Path, budget_bytes: int) -> None:
    photos = []
    for index in range(5):
        save(tmp_path / f"{index}.png", noise(200, index))
        photos.append(PhotoFiles(str(index), {"truth": tmp_path / f"{index}.png"}))
    encoded = encode_images(photos, budget_bytes=budget_bytes)
    data = [uri.split(",", 1)[1] for photo in encoded.photos for uri in photo.uris.values()]
    assert sum(len(base64.b64decode(text)) for text in data) <= budget_bytes
    assert len(encoded.photos) + encoded.n_left_out == 5
    assert encoded.n_left_out > 0


def test_a_file_that_is_not_an_image_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture", encoding="utf-8")
    save(tmp_path / "b.png", noise(8))
    encoded = encode_images([PhotoFiles("a", {"grey": tmp_path / "a.png", "truth": tmp_path / "b.png"})])
    assert set(encoded.photos[0].uris) == {"truth"}


def test_the_grid_orders_columns_and_variants(tmp_path: Path) -> None:
    files = {}
    for method in ("grey", "truth", "l2-lab-s1", "l1-lab-s0", "l2-lab-s0", "l1-yuv-s0"):
        save(tmp_path / f"{method}.png", noise(8))
        files[method] = tmp_path / f"{method}.png"
    grid = gallery([PhotoFiles("a", files)], ["l1", "l2", "perceptual"])
    assert grid.columns == ("grey", "truth", "l1", "l2")
    assert [variant.key for variant in grid.variants] == ["lab-s0", "lab-s1", "yuv-s0"]
    shown = [[picture.variant for picture in cell] for cell in grid.rows[0].cells]
    assert shown == [[""], [""], ["lab-s0", "yuv-s0"], ["lab-s0", "lab-s1"]]
