"""Photo files of all types for the tests."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageCms

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def picture(height: int = 60, width: int = 90, seed: int = 0) -> NDArray[np.uint8]:
    """Return a colorful image with smooth areas and some detail, different for every seed; shape (H, W, 3)."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 9, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float64)
    return np.clip(smooth + rng.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8)


def save(path: Path, rgb: NDArray[np.uint8], **options: Any) -> Path:
    """Write an image with Pillow, whose encoders are independent of the decoders under test."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgb).save(path, **options)
    return path


def pillow_rgb(path: Path) -> NDArray[np.uint8]:
    """Return a file as Pillow decodes it."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def to_srgb(image: Image.Image, icc: bytes) -> NDArray[np.uint8]:
    """Return an image converted from a profile to sRGB by Pillow's own LittleCMS."""
    result = ImageCms.profileToProfile(
        image,
        ImageCms.ImageCmsProfile(io.BytesIO(icc)),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert result is not None
    return np.asarray(result)


def png_that_declares(width: int, height: int) -> bytes:
    """Return a PNG file whose header declares a larger size than its data has."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
