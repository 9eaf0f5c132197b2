"""Conditions of viewing that participants measure: pixels per millimeter, distance, brightness and gamma.

The pixels come from an outline that people fit to a bank card. The distance comes from the blind spot, as in the
virtual chinrest of Li et al. (2020), "Controlling for participants' viewing distance in large-scale, psychophysical
online experiments using a virtual chinrest", Scientific Reports 10, 904: people fixate a square with the left eye while
a dot moves to the left and vanishes at about 13.5 degrees. The brightness strips and the gamma pattern check the
conditions and do not calibrate the screen: people report what they see.
"""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, FiniteFloat

from chromalab.core.records import Record
from chromalab.survey.design import MEASUREMENTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CARD_MM = 85.60
"""Long side of a card of the format ID-1 (ISO/IEC 7810)."""

BLIND_SPOT_DEGREES = 13.5
"""Angle between the fixated point and the place where a dot enters the blind spot (Li et al. 2020)."""

REPETITIONS = 5
DARK_STEPS = (4, 8, 12, 16, 24, 32)
"""Gray levels of the squares on black; those on white are as far from 255."""

GAMMAS = (1.4, 1.6, 1.8, 2.0, 2.2, 2.4, 2.6, 2.8)
PLAUSIBLE_CSS_PX_PER_MM = (1.0, 15.0)
PLAUSIBLE_MM = (150.0, 3000.0)

Offset = Annotated[float, Field(gt=0, le=100_000)]
Ratio = Annotated[float, Field(gt=0, le=20)]


class Card(Record):
    """The long side of the outline that fits the card, in CSS pixels, or None, and screen pixels per CSS pixel."""

    step: Literal["card"]
    long_side_px: FiniteFloat | None
    ratio: Ratio


class Distance(Record):
    """The offsets at which the dot vanished, in CSS pixels, or None, and screen pixels per CSS pixel."""

    step: Literal["distance"]
    offsets_px: list[Offset] | None = Field(min_length=REPETITIONS, max_length=REPETITIONS)
    ratio: Ratio


class Brightness(Record):
    """The numbers of steps seen on black and on white, and the index of the gray that matches the lines, or None."""

    step: Literal["brightness"]
    dark_seen: int | None = Field(ge=0, le=len(DARK_STEPS))
    light_seen: int | None = Field(ge=0, le=len(DARK_STEPS))
    match: int | None = Field(ge=0, lt=len(GAMMAS))


Measurement = Annotated[Card | Distance | Brightness, Field(discriminator="step")]


def next_measurement(steps: Sequence[str], screen: Mapping[str, Any]) -> str | None:
    """Return the first step that is neither measured nor skipped, or None."""
    return next((step for step in steps if any(name not in screen for name in MEASUREMENTS[step])), None)


def page(steps: Sequence[str], screen: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the browser needs to show the due step, or the summary after the last."""
    return {
        "step": next_measurement(steps, screen) or "summary",
        "steps": steps,
        "skipped": [step for step in steps if all(screen.get(name) is None for name in MEASUREMENTS[step])],
        "css_px_per_mm": screen.get("css_px_per_mm"),
        "distance_mm": screen.get("distance_mm"),
        "repetitions": REPETITIONS,
        "dark": DARK_STEPS,
        "light": [255 - level for level in DARK_STEPS],
        "grays": [matching_gray(gamma) for gamma in GAMMAS],
    }


def with_measurement(screen: Mapping[str, Any], measurement: Card | Distance | Brightness) -> dict[str, Any]:
    """Return the facts about a screen with those of a measurement. A new card makes the distance due again.

    Raises:
        ValueError: the measurement is implausible.
    """
    if isinstance(measurement, Card):
        kept = {name: value for name, value in screen.items() if name not in MEASUREMENTS["distance"]}
        return {**kept, **_of_card(measurement)}
    if isinstance(measurement, Distance):
        return {**screen, **_of_distance(measurement, screen)}
    return {**screen, **_of_brightness(measurement)}


def _of_card(card: Card) -> dict[str, float | None]:
    if card.long_side_px is None:  # without the card, there is no distance either
        return dict.fromkeys((*MEASUREMENTS["card"], *MEASUREMENTS["distance"]))
    css = card.long_side_px / CARD_MM
    low, high = PLAUSIBLE_CSS_PX_PER_MM
    if not low <= css <= high:
        raise ValueError(f"{css:.2f} CSS pixels per millimeter are implausible; fit the outline to the card again")
    return {"css_px_per_mm": round(css, 4), "screen_px_per_mm": round(css * card.ratio, 4)}


def _of_distance(found: Distance, screen: Mapping[str, Any]) -> dict[str, float | None]:
    if found.offsets_px is None:
        return dict.fromkeys(MEASUREMENTS["distance"])
    pixels = screen.get("screen_px_per_mm")
    if pixels is None:
        raise ValueError("the distance needs the size of the screen; fit the outline to a card first")
    each = [distance_mm(offset * found.ratio / pixels) for offset in found.offsets_px]
    distance, (low, high) = statistics.median(each), PLAUSIBLE_MM
    if not low <= distance <= high:
        raise ValueError(f"a distance of {distance:.0f} mm is implausible; measure it again")
    return {
        "distance_mm": round(distance, 1),
        "distance_spread_mm": round(max(each) - min(each), 1),
        "px_per_degree": round(px_per_degree(distance, pixels), 2),
    }


def _of_brightness(found: Brightness) -> dict[str, float | None]:
    darkest = DARK_STEPS[-found.dark_seen] if found.dark_seen else None
    brightest = 255 - DARK_STEPS[-found.light_seen] if found.light_seen else None
    return {
        "darkest_step": darkest,
        "brightest_step": brightest,
        "gamma": None if found.match is None else GAMMAS[found.match],
    }


def distance_mm(offset_mm: float) -> float:
    """Return the distance at which an offset on the screen spans the angle to the blind spot.

    >>> round(distance_mm(136.8))
    570
    """
    return offset_mm / math.tan(math.radians(BLIND_SPOT_DEGREES))


def px_per_degree(distance: float, px_per_mm: float) -> float:
    """Return the pixels in one degree of visual angle around the line of sight, at a distance in millimeters."""
    return 2 * distance * math.tan(math.radians(0.5)) * px_per_mm


def matching_gray(gamma: float) -> int:
    """Return the gray level with half the luminance of white on a screen of this gamma, as alternating lines have.

    >>> matching_gray(2.2)
    186
    """
    return round(255 * math.pow(0.5, 1 / gamma))
