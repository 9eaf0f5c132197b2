"""Preparation of the confirming study."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tools.release import large

if TYPE_CHECKING:
    from pathlib import Path


def test_an_interrupted_copy_leaves_no_part_of_a_photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "test.txt").write_text("# sealed\nset/one.webp\n", encoding="utf-8")
    (tmp_path / "collected" / "set").mkdir(parents=True)
    (tmp_path / "collected" / "set" / "one.webp").write_bytes(b"abc")
    monkeypatch.setattr(large, "STUDY", tmp_path)

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            large.sealed_photos(tmp_path / "collected", tmp_path / "sealed")
    assert not any(path.is_file() for path in (tmp_path / "sealed").rglob("*"))
    assert large.sealed_photos(tmp_path / "collected", tmp_path / "sealed") == tmp_path / "sealed"
    assert (tmp_path / "sealed" / "set" / "one.webp").read_bytes() == b"abc"
