"""Which results are worth a second look: five faults that colorizers are known for, measured on the small copy.

None of them is proof of a fault: a red door is a blotch, a silver spoon a gray object. They put the pictures in an
order in which a person finds the faults sooner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter, median_filter, sobel

from chromalab.colorization.guided import enlarge
from chromalab.core.records import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from chromalab.colorization.small import SmallColors

AUDIT_PX = 96
"""Shorter side of the copy on which faults are looked for."""

BLOTCH_CHROMA, BLOTCH_LEVEL = 15.0, 8.0
"""A blotch is more than this off the median chroma around it, and within this of the median gray level."""

GREY_CHROMA = 4.0
"""Chroma below which a place has no color to the eye."""

_WINDOW = 13
_MIDDLE = (60.0, 220.0)


class Audit(Record):
    """What was found on a photo; larger is more suspicious in all of them.

    Attributes:
        blotches: share of places whose color leaves their surroundings where the lightness does not, 0 to 1.
        grey_objects: share of middle tones without color, 0 to 1.
        bleeding: how much of the chroma's change lies where lightness does not change, 0 to 1.
        cast: how far one hue covers everything: mean color over mean chroma, weighted with that chroma.
        instability: mean change of chroma when the photo comes at half or twice its size, in CIELAB units.
    """

    blotches: float
    grey_objects: float
    bleeding: float
    cast: float
    instability: float


FAULTS = tuple(Audit.model_fields)


class Ranked(Record):
    """A photo's place in the order of suspicion.

    Attributes:
        name: the output's.
        suspicion: the largest of its faults' places among all photos, 0 to 1; of equals the mean of all decides.
        worst: which fault that is.
        audit: what was found.
    """

    name: str
    suspicion: float
    worst: str
    audit: Audit


def audit(small: SmallColors, instability: float) -> Audit:
    """Look for faults on a small copy."""
    scale = AUDIT_PX / min(small.levels.shape)
    size = (max(16, round(small.levels.shape[0] * scale)), max(16, round(small.levels.shape[1] * scale)))
    planes = enlarge(_smoothed(np.concatenate([small.chroma, small.levels[None]]), scale), *size)
    ab, level = planes[:2], planes[2]
    chroma = np.hypot(ab[0], ab[1])
    return Audit(
        blotches=round(_blotches(chroma, level), 5),
        grey_objects=round(_grey_objects(chroma, level), 5),
        bleeding=round(_bleeding(ab, level), 5),
        cast=round(_cast(ab, chroma), 5),
        instability=round(instability, 4),
    )


def _smoothed(planes: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Blur before a reduction, so that no detail turns into a pattern."""
    sigma = max(0.0, 0.5 / scale - 0.5)
    return np.asarray(gaussian_filter(planes, (0, sigma, sigma)), dtype=np.float32)


def _blotches(chroma: NDArray[np.float32], level: NDArray[np.float32]) -> float:
    off = np.abs(chroma - median_filter(chroma, _WINDOW, mode="mirror"))
    near = np.abs(level - median_filter(level, _WINDOW, mode="mirror"))
    return float(((off > BLOTCH_CHROMA) & (near <= BLOTCH_LEVEL)).mean())


def _grey_objects(chroma: NDArray[np.float32], level: NDArray[np.float32]) -> float:
    middle = (level > _MIDDLE[0]) & (level < _MIDDLE[1])
    return float((chroma[middle] < GREY_CHROMA).mean()) if middle.any() else 0.0


def _bleeding(ab: NDArray[np.float32], level: NDArray[np.float32]) -> float:
    change = np.sqrt(sum(sobel(plane, axis) ** 2 for plane in ab for axis in (0, 1)))
    edge = np.hypot(sobel(level, 0), sobel(level, 1))
    flat = edge <= np.quantile(edge, 0.5)
    total = float(change.sum())
    return float(change[flat].sum()) / total if total > 0 else 0.0


def _cast(ab: NDArray[np.float32], chroma: NDArray[np.float32]) -> float:
    mean = float(np.hypot(ab[0].mean(), ab[1].mean()))
    amount = float(chroma.mean())
    return mean / amount * min(1.0, amount / 20) if amount > 0 else 0.0


def rank(audits: Sequence[tuple[str, Audit]]) -> list[Ranked]:
    """Return photos in the order of suspicion, the most suspicious first.

    Faults are measured in different units, so their places among all photos are compared, not their sizes.
    """
    if not audits:
        return []
    values = np.array([[getattr(found, fault) for fault in FAULTS] for _, found in audits])
    places = np.stack([_places(column) for column in values.T], axis=1)
    order = sorted(range(len(audits)), key=lambda row: (-places[row].max(), -places[row].mean(), audits[row][0]))
    return [
        Ranked(
            name=audits[row][0],
            suspicion=round(float(places[row].max()), 4),
            worst=FAULTS[int(places[row].argmax())],
            audit=audits[row][1],
        )
        for row in order
    ]


def _places(column: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of photos that each is above, half of its equals counted."""
    below = np.searchsorted(np.sort(column), column, side="left")
    upto = np.searchsorted(np.sort(column), column, side="right")
    return np.asarray((below + upto) / 2 / len(column))
