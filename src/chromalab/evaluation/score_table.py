"""The values of every photo, and a finished comparison with everything that a report needs of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from chromalab.evaluation.protocols import Protocol
    from chromalab.evaluation.records import ComparisonRecord


@dataclass(frozen=True)
class ScoreTable:
    """The per-photo metrics of one method.

    Attributes:
        photos: names of the photos.
        width_px: their widths as they were measured, (N,).
        height_px: their heights.
        columns: metric -> (N,), NaN where a photo is too small for it; PSNR may be infinite.
        truth: the same of the true photographs themselves, for metrics where closer to it is better.
    """

    photos: tuple[str, ...]
    width_px: NDArray[np.int64]
    height_px: NDArray[np.int64]
    columns: Mapping[str, NDArray[np.float64]]
    truth: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Comparison:
    """A finished evaluation of one method or several.

    Attributes:
        record: the result.
        scores: the values of every photo, by method and bound, all in one order.
        files: the files behind them, by method and by name of the photo; also of `target` and `grey`, where they are.
        protocol: the rules.
    """

    record: ComparisonRecord
    scores: Mapping[str, ScoreTable]
    files: Mapping[str, Mapping[str, Path]]
    protocol: Protocol
