"""What decides the colors of a photo beside the model, as the command line, the API and the page all say it."""

from __future__ import annotations

from pydantic import Field

from chromalab.colorization.hints import Hint
from chromalab.core.records import Record


class Options(Record):
    """How to colorize.

    Attributes:
        saturation: what chroma is multiplied with; 0 is gray.
        warmth: how much warmer (or with a minus cooler) colors become, in CIELAB units of b* at middle gray.
        keep_tone: keep a print's own tone, as sepia, beneath the colors.
        scales: the network sees the picture at each of these multiples of its size, and the chroma is averaged.
        hints: known colors.
        sample: None for the model's best guess; a number for one of its plausible versions.
        temperature: how far plausible versions depart from the best guess.
    """

    saturation: float = Field(default=1.0, ge=0, le=4)
    warmth: float = Field(default=0.0, ge=-50, le=50)
    keep_tone: bool = False
    scales: list[float] = Field(default=[1.0], min_length=1, max_length=5)
    hints: list[Hint] = []
    sample: int | None = Field(default=None, ge=0)
    temperature: float = Field(default=1.0, gt=0, le=5)

    def described(self) -> dict[str, object]:
        """Return what differs from the defaults, for records."""
        return self.model_dump(mode="json", exclude_defaults=True)
