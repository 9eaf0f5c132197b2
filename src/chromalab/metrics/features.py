"""Features for set metrics: their kinds, their collection over photos, and files of feature rows."""

from __future__ import annotations

import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from chromalab.core.files import explain_write_errors, make_folder
from chromalab.core.registry import Registry
from chromalab.functional.distribution import CHANNELS, LEVELS
from chromalab.functional.tensors import one_torch_thread
from chromalab.metrics.photo_view import INCEPTION, LITE0
from chromalab.nets.efficientnet_lite import TAP_CHANNELS
from chromalab.nets.inception_fid import FEATURES as INCEPTION_FEATURES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from chromalab.metrics.facts import SetValue
    from chromalab.metrics.metric import SetMetric
    from chromalab.metrics.photo_view import PhotoView


@dataclass(frozen=True, kw_only=True)
class Features:
    """A kind of features.

    Attributes:
        name: registry name.
        dimensions: number of features per photo.
        of: a view of B photos -> (B, dimensions).
    """

    name: str
    dimensions: int
    of: Callable[[PhotoView], Tensor]


FEATURES: Registry[Features] = Registry("kind of features")


def _add(name: str, dimensions: int, of: Callable[[PhotoView], Tensor]) -> None:
    FEATURES.add(name, Features(name=name, dimensions=dimensions, of=of))


_add("lite0_pooled", TAP_CHANNELS[-1], lambda view: view.pooled(LITE0))
_add("inception_pooled", INCEPTION_FEATURES, lambda view: view.pooled(INCEPTION))
_add("colorfulness", 1, lambda view: view.colorfulness[:, None])
_add("rgb_histogram", CHANNELS * LEVELS, lambda view: view.rgb_histogram.flatten(1))


def features_of(kinds: Iterable[str], photos: PhotoView) -> dict[str, NDArray[np.float32]]:
    """Return the features of B photos, by kind, (B, dimensions) each."""
    return {kind: FEATURES[kind].of(photos).float().cpu().numpy() for kind in kinds}


class FeatureRows:
    """Features of several kinds for one set of photos, in their order.

    Args:
        kinds: names in `FEATURES`.
        folder: folder of the files `KIND.f32`; None uses temporary files.

    Raises:
        UnknownNameError: unknown kind.
        OutputError: a file cannot be written.
    """

    def __init__(self, kinds: Iterable[str], folder: Path | None = None) -> None:
        self.rows = {
            kind: Rows(FEATURES[kind].dimensions, None if folder is None else folder / f"{kind}.f32")
            for kind in dict.fromkeys(kinds)
        }

    def update(self, photos: PhotoView) -> None:
        """Append the features of B photos."""
        self.append(features_of(self.rows, photos))

    def append(self, features: Mapping[str, NDArray[np.float32]]) -> None:
        """Append the features of B photos, (B, dimensions) by kind."""
        for kind, rows in self.rows.items():
            rows.append(features[kind])

    @property
    def complete(self) -> int:
        """The number of photos with a complete row of every kind."""
        return min((len(rows) for rows in self.rows.values()), default=0)

    def truncate(self, count: int) -> None:
        """Keep the first `count` photos."""
        for rows in self.rows.values():
            rows.truncate(count)

    def close(self) -> None:
        """Close the files; temporary files are deleted."""
        for rows in self.rows.values():
            rows.close()


class FeatureSets:
    """The features of predictions and of their true photos, for several set metrics.

    Args:
        metrics: the metrics, by name.
    """

    def __init__(self, metrics: Mapping[str, SetMetric]) -> None:
        self.metrics = dict(metrics)
        kinds = [metric.features for metric in metrics.values()]
        self.preds, self.target = FeatureRows(kinds), FeatureRows(kinds)

    def update(self, preds: PhotoView, target: PhotoView) -> None:
        """Append the features of B pairs."""
        self.preds.update(preds)
        self.target.update(target)

    def compute(self) -> dict[str, SetValue]:
        """Return the value of every metric over the photos so far."""
        return compare_sets(self.metrics, self.preds, self.target)


@one_torch_thread()
def compare_sets(metrics: Mapping[str, SetMetric], preds: FeatureRows, target: FeatureRows) -> dict[str, SetValue]:
    """Return the value of every set metric from the features of predictions and of true photos."""
    return {
        name: metric.compare(preds.rows[metric.features], target.rows[metric.features])
        for name, metric in metrics.items()
    }


BLOCK_ROWS = 1024
SINGLE, DOUBLE = np.dtype("<f4"), np.dtype("<f8")


class Rows:
    """Rows of numbers in a file that can be appended to.

    >>> rows = Rows(2)
    >>> rows.append(np.array([[1, 2], [3, 4], [5, 6]]))
    >>> len(rows), rows.read(1, 5).tolist()
    (3, [[3.0, 4.0], [5.0, 6.0]])

    Args:
        dimensions: numbers in a row.
        path: the file, which is created if missing; None uses a temporary file.
        item: precision of a stored number, `SINGLE` or `DOUBLE`.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(self, dimensions: int, path: Path | None = None, *, item: np.dtype[np.floating] = SINGLE) -> None:
        self.dimensions = dimensions
        self._item = item
        self._place = path or Path(tempfile.gettempdir())
        with explain_write_errors(self._place):
            self._file = _open(path)
        weakref.finalize(self, self._file.close)

    def __len__(self) -> int:
        """Return the number of complete rows."""
        return self._file.seek(0, 2) // self._row_bytes

    def append(self, rows: NDArray[np.floating | np.integer]) -> None:
        """Append rows, (N, dimensions).

        Raises:
            ValueError: the number of dimensions is wrong.
            OutputError: the file cannot be written.
        """
        if rows.ndim != 2 or rows.shape[1] != self.dimensions:
            raise ValueError(f"expected rows of {self.dimensions} numbers, not the shape {rows.shape}")
        with explain_write_errors(self._place):
            self._file.seek(0, 2)
            self._file.write(np.ascontiguousarray(rows, dtype=self._item).tobytes())
            self._file.flush()

    def truncate(self, count: int) -> None:
        """Keep only the first `count` rows, without a trailing incomplete row."""
        with explain_write_errors(self._place):
            self._file.truncate(min(count, len(self)) * self._row_bytes)

    def read(self, start: int = 0, count: int | None = None) -> NDArray[np.float64]:
        """Return up to `count` rows from row `start` on, (N, dimensions), float64."""
        left = max(0, len(self) - start)
        wanted = left if count is None else min(count, left)
        self._file.seek(start * self._row_bytes)
        data = self._file.read(wanted * self._row_bytes)
        return np.frombuffer(data, dtype=self._item).reshape(-1, self.dimensions).astype(np.float64)

    def blocks(self, count: int = BLOCK_ROWS) -> Iterator[NDArray[np.float64]]:
        """Yield all rows in order, up to `count` at a time, (N, dimensions), float64."""
        for start in range(0, len(self), count):
            yield self.read(start, count)

    def close(self) -> None:
        """Close the file; a temporary file is deleted."""
        self._file.close()

    @property
    def _row_bytes(self) -> int:
        return self.dimensions * self._item.itemsize


def _open(path: Path | None) -> IO[bytes]:
    if path is None:
        return tempfile.TemporaryFile()
    make_folder(path.parent)
    path.touch()
    return path.open("r+b")
