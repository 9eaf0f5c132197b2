"""Rows of numbers in a file: what is appended is there, whole, whatever happened to the file's end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from chromalab.core.errors import OutputError
from chromalab.metrics.rows import Rows

if TYPE_CHECKING:
    from pathlib import Path


def numbers(count: int, start: int = 0) -> np.ndarray:
    return np.arange(3 * start, 3 * (start + count), dtype=np.float32).reshape(-1, 3)


def test_rows_come_back_in_blocks_in_their_order() -> None:
    rows = Rows(3)
    for start in range(0, 10, 4):
        rows.append(numbers(min(4, 10 - start), start))
    blocks = list(rows.blocks(3))
    assert [len(block) for block in blocks] == [3, 3, 3, 1]
    assert np.concatenate(blocks).tolist() == numbers(10).tolist()
    assert blocks[0].dtype == np.float64
    assert rows.read(8).tolist() == numbers(2, 8).tolist()
    assert rows.read(20).shape == (0, 3)


def test_a_file_is_gone_on_with_and_a_broken_row_is_not_counted(tmp_path: Path) -> None:
    path = tmp_path / "new" / "features.f32"
    first = Rows(3, path)
    first.append(numbers(5))
    first.close()
    with path.open("ab") as file:
        file.write(b"half")
    again = Rows(3, path)
    assert len(again) == 5
    again.truncate(4)
    again.append(numbers(2, 4))
    assert again.read().tolist() == numbers(6).tolist()


def test_wrong_rows_and_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rows of 3 numbers"):
        Rows(3).append(np.zeros((2, 4)))
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="a file of that name is in the way"):
        Rows(3, tmp_path / "file" / "features.f32")
