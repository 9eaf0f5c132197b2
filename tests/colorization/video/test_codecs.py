"""Codecs are offered only in file types that hold them, with settings that they have."""

from __future__ import annotations

from pathlib import Path

import pytest

from chromalab.colorization.video.codecs import CODECS, Encoding, UnfitFilmError, check_encoding, codec_name
from chromalab.core.errors import UsageError


def test_the_codec_follows_the_file_type() -> None:
    assert Encoding().chosen(Path("a.MP4")) == "h264"
    assert Encoding().chosen(Path("a.webm")) == "av1"
    assert Encoding("ffv1").chosen(Path("a.mkv")) == "ffv1"


@pytest.mark.parametrize(
    ("encoding", "name", "words"),
    [
        (Encoding("ffv1"), "a.mp4", r"a\.mp4 cannot hold ffv1.*\.mkv"),
        (Encoding("prores"), "a.webm", r"\.mkv or \.mov"),
        (Encoding("av1"), "a.mov", "cannot hold av1"),
        (Encoding("ffv1", crf=3), "a.mkv", "has no --crf"),
        (Encoding("prores", preset="fast"), "a.mov", "has no --preset"),
        (Encoding("hevc", crf=60), "a.mp4", "--crf 60: expected 0 to 51"),
        (Encoding(preset="8"), "a.mp4", "the presets of the codec h264 are ultrafast"),
        (Encoding("av1", preset="fast"), "a.mp4", "the presets of the codec av1 are 0, 1"),
    ],
)
def test_impossible_settings_are_refused_with_the_possible_ones(encoding: Encoding, name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        encoding.chosen(Path(name))


def test_settings_that_fail_for_all_films_are_refused_at_once() -> None:
    outputs = [Path("a.mp4"), Path("b.webm")]
    check_encoding(Encoding("hevc", crf=20), outputs)
    with pytest.raises(UnfitFilmError, match=r"a\.mp4 cannot hold ffv1"):
        check_encoding(Encoding("ffv1"), outputs)
    with pytest.raises(UsageError, match="--crf 60: expected 0 to 51"):
        check_encoding(Encoding(crf=60), [*outputs[1:], *outputs])


def test_codecs_are_found_by_name() -> None:
    assert [codec_name(name.upper()) for name in CODECS] == list(CODECS)
    with pytest.raises(UsageError, match="unknown codec 'vp9': choose h264"):
        codec_name("vp9")
