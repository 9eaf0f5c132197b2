"""Files of feature rows, which grow photo by photo and are read in blocks."""

from __future__ import annotations

import tempfile
import weakref
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from chromalab.core.files import explain_write_errors, make_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

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

    def reordered(self, order: Sequence[int]) -> Rows:
        """Return a copy in a temporary file, whose row i is row `order[i]`.

        >>> rows = Rows(1)
        >>> rows.append(np.array([[1], [2], [3]]))
        >>> rows.reordered([2, 0, 1]).read().ravel().tolist()
        [3.0, 1.0, 2.0]

        Raises:
            OutputError: the file cannot be written.
        """
        copy = Rows(self.dimensions, item=self._item)
        for start in range(0, len(order), BLOCK_ROWS):
            copy.append(np.concatenate([self.read(index, 1) for index in order[start : start + BLOCK_ROWS]]))
        return copy

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
