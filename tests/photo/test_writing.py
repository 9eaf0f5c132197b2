"""Written PNG files hold exactly the picture."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from chromalab.core.errors import OutputError
from chromalab.photo.reading import read_photo
from chromalab.photo.writing import encode_png, write_png
from tests.photo.odd_files import picture, pillow_rgb

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def test_pillow_reads_the_same_pixels(tmp_path: Path) -> None:
    rgb = picture()
    write_png(tmp_path / "new" / "photo.png", rgb)
    assert np.array_equal(pillow_rgb(tmp_path / "new" / "photo.png"), rgb)
    assert np.array_equal(read_photo(tmp_path / "new" / "photo.png").rgb, rgb)
    with Image.open(io.BytesIO(encode_png(rgb[:, ::-1]))) as image:
        assert image.mode == "RGB"
        assert np.array_equal(np.asarray(image), rgb[:, ::-1])


def test_same_picture_same_bytes() -> None:
    assert encode_png(picture()) == encode_png(picture().copy())


@pytest.mark.parametrize("wrong", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_other_arrays_are_refused(wrong: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match=r"expected a uint8 picture of shape \(H, W, 3\)"):
        encode_png(wrong)


def test_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        write_png(tmp_path / "file" / "photo.png", picture())
