"""The XMP packet of MP4 files is found and appended, and malformed files give none."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from chromalab.colorization.video.boxes import append_xmp, read_xmp
from tests.colorization.video.clips import decoded, gray_clip

if TYPE_CHECKING:
    from pathlib import Path


def test_a_packet_comes_back_and_the_film_still_decodes(tmp_path: Path) -> None:
    path = gray_clip(tmp_path / "a.mp4", 3, "libx264")
    assert read_xmp(path) == b""
    append_xmp(path, b"<x:xmpmeta/>")
    assert read_xmp(path) == b"<x:xmpmeta/>"
    assert len(decoded(path)) == 3


def test_boxes_with_64_bit_sizes_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(struct.pack(">I4sQ", 1, b"mdat", 20) + b"abcd")
    append_xmp(path, b"packet")
    assert read_xmp(path) == b"packet"


@pytest.mark.parametrize(
    "content",
    [b"", b"abc", b"\x00" * 40, struct.pack(">I4s", 1000, b"uuid"), struct.pack(">I4s", 4, b"free") + b"\x00" * 20],
)
def test_malformed_files_have_no_packet(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    assert read_xmp(path) == b""
