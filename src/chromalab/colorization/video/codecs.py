"""The codecs of colorized films, and the settings with which films are encoded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from chromalab.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class UnfitFilmError(UsageError):
    """A film that its output cannot hold, because of its streams, its size or the output's file type."""


CodecName = Literal["h264", "hevc", "av1", "ffv1", "prores"]
CODECS: tuple[CodecName, ...] = get_args(CodecName)


_X26X_PRESETS = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast"),
    *("medium", "slow", "slower", "veryslow", "placebo"),
)


@dataclass(frozen=True)
class Codec:
    """A codec of the build.

    Attributes:
        encoder: FFmpeg's name of the encoder.
        crf: default constant rate factor; None if the codec has none.
        preset: default balance of speed and size; None if the codec has none.
        options: further options of the encoder.
        suffixes: file types that hold it.
        largest_crf: largest constant rate factor.
        presets: the presets, from the fastest to the slowest or the reverse.
    """

    encoder: str
    crf: int | None
    preset: str | None
    options: dict[str, str] = field(default_factory=dict)
    suffixes: frozenset[str] = frozenset({".mkv", ".mp4", ".m4v", ".mov"})
    largest_crf: int = 51
    presets: tuple[str, ...] = _X26X_PRESETS


CODEC_FACTS: dict[CodecName, Codec] = {
    # x264's AVX-512 code for the macroblock tree reads memory that nothing has set: without this setting, the packets
    # of the same frames differ from run to run.
    "h264": Codec("libx264", 18, "medium", {"x264-params": "cpu-independent=1"}),
    "hevc": Codec("libx265", 20, "medium", {"x265-params": "log-level=none"}),
    "av1": Codec(
        "libsvtav1",
        28,
        "8",
        suffixes=frozenset({".mkv", ".mp4", ".m4v", ".webm"}),
        largest_crf=63,
        presets=tuple(str(number) for number in range(14)),
    ),
    "ffv1": Codec(
        "ffv1",
        None,
        None,
        {"level": "3", "slicecrc": "1", "slices": "4", "g": "1"},
        suffixes=frozenset({".mkv"}),
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


@dataclass(frozen=True)
class Encoding:
    """How colorized films are encoded.

    Attributes:
        codec: codec of the film; None selects H.264, and AV1 in WebM files.
        crf: constant rate factor: the smaller, the better and the larger; None selects the codec's default.
        preset: balance of speed and size, in the codec's terms, such as `fast`; None selects the codec's default.
        fps: frames per second of films that are image sequences.
    """

    codec: CodecName | None = None
    crf: int | None = None
    preset: str | None = None
    fps: float = 24.0

    def chosen(self, output: Path) -> CodecName:
        """Return the codec for a file.

        Raises:
            UnfitFilmError: the file type does not hold the codec.
            UsageError: the codec has no such setting or value.
        """
        suffix = output.suffix.lower()
        name = self.codec or ("av1" if suffix == ".webm" else "h264")
        facts = CODEC_FACTS[name]
        if suffix not in facts.suffixes:
            raise UnfitFilmError(
                f"{output.name} cannot hold {name}: choose a file ending in {' or '.join(sorted(facts.suffixes))}, or "
                "another --codec"
            )
        for word, value, default in (("--crf", self.crf, facts.crf), ("--preset", self.preset, facts.preset)):
            if value is not None and default is None:
                raise UsageError(f"the codec {name} has no {word}: leave it out")
        if self.crf is not None and not 0 <= self.crf <= facts.largest_crf:
            raise UsageError(f"--crf {self.crf}: expected 0 to {facts.largest_crf} for the codec {name}")
        if self.preset is not None and self.preset not in facts.presets:
            raise UsageError(f"--preset {self.preset}: the presets of the codec {name} are {', '.join(facts.presets)}")
        return name


def check_encoding(encoding: Encoding, outputs: Sequence[Path]) -> None:
    """Refuse settings that fail for every film, or that a codec of any of the films does not have.

    Raises:
        UsageError: with the setting.
    """
    unfit = []
    for output in outputs:
        try:
            encoding.chosen(output)
        except UnfitFilmError as error:
            unfit.append(error)
    if unfit and len(unfit) == len(outputs):
        raise unfit[0]


def codec_name(text: str) -> CodecName:
    """Return a codec by its name.

    Raises:
        UsageError: there is no such codec.
    """
    for name in CODECS:
        if text.lower() == name:
            return name
    raise UsageError(f"unknown codec '{text}': choose {', '.join(CODECS[:-1])} or {CODECS[-1]}")
