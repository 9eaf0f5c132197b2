"""Two things whose cost is known, so that absolute figures of a benchmark can be read on another machine."""

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


def reference_speeds() -> str:
    """Return how fast this machine multiplies matrices and decodes a JPEG, in words."""
    matrix = torch.rand(1024, 1024)
    noise = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG", quality=90)
    product = median_ms(lambda: matrix @ matrix)
    decode = median_ms(lambda: np.asarray(Image.open(io.BytesIO(file.getvalue()))))
    return f"a matrix product of 1024 takes {product:.1f} ms, decoding a noisy JPEG of 1024x1024 {decode:.1f} ms"


def median_ms(work: Callable[[], object]) -> float:
    """Return the median of twenty runs."""
    times = []
    for _ in range(20):
        started = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times)
