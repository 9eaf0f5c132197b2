"""Reference speeds of a machine, by which absolute figures of a benchmark can be compared with another machine's."""

from __future__ import annotations

import io
import statistics
import time
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

MATRIX_SIDE = 1024
JPEG_PX = 1024


def reference_speeds() -> str:
    """Return the time of a matrix product and of decoding a JPEG on this machine, in words."""
    return (
        f"a matrix product of {MATRIX_SIDE} takes {product_ms():.1f} ms, decoding a noisy JPEG of {JPEG_PX}x{JPEG_PX} "
        f"{jpeg_ms():.1f} ms"
    )


def product_ms(dtype: torch.dtype = torch.float32) -> float:
    """Return the milliseconds of a product of two square matrices with PyTorch's threads."""
    matrix = torch.rand(MATRIX_SIDE, MATRIX_SIDE).to(dtype)
    return median_ms(lambda: matrix @ matrix)


def product_gflops(dtype: torch.dtype = torch.float32) -> float:
    """Return the speed of the same product in GFLOP/s, a multiplication and an addition counted as two operations."""
    return 2 * MATRIX_SIDE**3 / 1e6 / product_ms(dtype)


def jpeg_ms() -> float:
    """Return the milliseconds that Pillow takes to decode a JPEG of noise."""
    noise = np.random.default_rng(0).integers(0, 256, (JPEG_PX, JPEG_PX, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG", quality=90)
    return median_ms(lambda: np.asarray(Image.open(io.BytesIO(file.getvalue()))))


def median_ms(work: Callable[[], object]) -> float:
    """Return the median of twenty runs."""
    times = []
    for _ in range(20):
        started = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times)
