"""The codecs of colorized films, and the settings with which films are encoded."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from chromalab.core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

_SEQUENCE = re.compile(r"%0?\d*d")

CodecName = Literal["h264", "hevc", "av1", "ffv1", "prores"]
CODECS: tuple[CodecName, ...] = get_args(CodecName)


@dataclass(frozen=True)
class Codec:
    """A codec of the build.

    Attributes:
        encoder: FFmpeg's name of the encoder.
        crf: constant rate factor, without a choice of the user; None if the codec has none.
        preset: balance of speed and size, without a choice of the user; None if the codec has none.
        options: further options of the encoder.
        suffixes: file types that hold it.
        lossless: the luma comes back bit for bit.
    """

    encoder: str
    crf: int | None
    preset: str | None
    options: dict[str, str] = field(default_factory=dict)
    suffixes: frozenset[str] = frozenset({".mkv", ".mp4", ".m4v", ".mov"})
    lossless: bool = False


CODEC_FACTS: dict[CodecName, Codec] = {
    "h264": Codec("libx264", 18, "medium"),
    "hevc": Codec("libx265", 20, "medium", {"x265-params": "log-level=none"}),
    "av1": Codec("libsvtav1", 28, "8", suffixes=frozenset({".mkv", ".mp4", ".m4v", ".webm"})),
    "ffv1": Codec(
        "ffv1",
        None,
        None,
        {"level": "3", "slicecrc": "1", "slices": "4", "g": "1"},
        suffixes=frozenset({".mkv"}),
        lossless=True,
    ),
    "prores": Codec("prores_ks", None, None, {"vendor": "apl0"}, suffixes=frozenset({".mov", ".mkv"})),
}
SUFFIXES = frozenset({".mkv", ".mp4", ".m4v", ".mov", ".webm"})
"""File types of colorized films."""

READABLE = SUFFIXES | frozenset(
    {".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".m2ts", ".m2v", ".mjpeg", ".mjpg", ".mpeg", ".mpg"}
    | {".mts", ".mxf", ".nut", ".ogm", ".ogv", ".rm", ".ts", ".vob", ".wmv", ".y4m"}
)
"""Suffixes of the files in a folder that are read as films."""

FALLBACK = ".mkv"
"""File type of the colorized film where the source's own is not written; it holds nearly all codecs of sound."""


def is_film(path: Path) -> bool:
    """Return whether an output of this name is a film."""
    return path.suffix.lower() in SUFFIXES


def is_sequence(text: str) -> bool:
    """Return whether a text is the pattern of an image sequence, such as `frame_%05d.tif`."""
    return _SEQUENCE.search(text) is not None


@dataclass(frozen=True)
class Encoding:
    """How colorized films are encoded.

    Attributes:
        codec: codec of the film; None selects H.264, and AV1 in WebM files.
        crf: constant rate factor: the smaller, the better and the larger; None selects the codec's default.
        preset: balance of speed and size, in the codec's terms, such as `fast`; None selects the codec's default.
    """

    codec: CodecName | None = None
    crf: int | None = None
    preset: str | None = None

    def chosen(self, output: Path) -> CodecName:
        """Return the codec for a file.

        Raises:
            UsageError: the file type does not hold the codec, or the codec has no such setting.
        """
        suffix = output.suffix.lower()
        name = self.codec or ("av1" if suffix == ".webm" else "h264")
        facts = CODEC_FACTS[name]
        if suffix not in facts.suffixes:
            raise UsageError(
                f"{output.name} cannot hold {name}: choose a file ending in {' or '.join(sorted(facts.suffixes))}, or "
                "another --codec"
            )
        for word, value, default in (("--crf", self.crf, facts.crf), ("--preset", self.preset, facts.preset)):
            if value is not None and default is None:
                raise UsageError(f"the codec {name} has no {word}: leave it out")
        return name


def codec_name(text: str) -> CodecName:
    """Return a codec by its name.

    Raises:
        UsageError: there is no such codec.
    """
    for name in CODECS:
        if text.lower() == name:
            return name
    raise UsageError(f"unknown codec '{text}': choose {', '.join(CODECS[:-1])} or {CODECS[-1]}")
