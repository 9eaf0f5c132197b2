"""The settings of colorizing: what determines the colors, and how photos become files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from chromalab.colorization.hints import Hint
from chromalab.colorization.video.codecs import Encoding
from chromalab.core.records import Record
from chromalab.photo.writing import Saving

if TYPE_CHECKING:
    from chromalab.colorization.reference import Reference

Scale = Annotated[float, Field(ge=0.25, le=4)]

SourceType = Literal["compositeWithTrainedAlgorithmicMedia", "algorithmicallyEnhanced"]
"""Terms of the IPTC's DigitalSourceType."""


class Options(Record):
    """The settings that determine the colors, for a given model.

    Attributes:
        saturation: factor of the chroma; 0 gives gray.
        warmth: added warmth, in CIELAB units of b* at middle gray; negative values are cooler.
        keep_tone: keep the print's own tone, such as sepia, beneath the colors.
        scales: multiples of the network's input size, 0.25 to 4; the predicted chroma is averaged over them.
        hints: known colors.
        sample: index of a plausible version; None gives the model's best guess.
        temperature: how far plausible versions depart from the best guess; 1 draws from the network's distribution.
    """

    saturation: float = Field(default=1.0, ge=0, le=4)
    warmth: float = Field(default=0.0, ge=-50, le=50)
    keep_tone: bool = False
    scales: list[Scale] = Field(default=[1.0], min_length=1, max_length=5)
    hints: list[Hint] = []
    sample: int | None = Field(default=None, ge=0)
    temperature: float = Field(default=0.7, gt=0, le=5)

    @property
    def times(self) -> list[float]:
        """Times of the hints that are for frames of a film, in seconds."""
        return [hint.time_s for hint in self.hints if hint.time_s is not None]

    def described(self) -> dict[str, object]:
        """Return the settings that differ from the defaults, for records."""
        return self.model_dump(mode="json", exclude_defaults=True)


@dataclass(frozen=True)
class Job:
    """How photos become colorized files.

    Attributes:
        options: settings of the colors.
        saving: quality and compression of the files.
        source_type: IPTC DigitalSourceType of the files.
        label: visible line of text at the lower edge; empty for none.
        max_pixels: photos with larger declared sizes are refused.
        keep_times: give each file the time of the last change of its photo.
        encoding: codec and quality of films.
        references: images whose colors the photos take where both are alike.
    """

    options: Options
    saving: Saving = field(default_factory=Saving)
    source_type: SourceType = "compositeWithTrainedAlgorithmicMedia"
    label: str = ""
    max_pixels: int = 500_000_000
    keep_times: bool = False
    encoding: Encoding = field(default_factory=Encoding)
    references: tuple[Reference, ...] = ()
