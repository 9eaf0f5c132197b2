"""Measures of five typical faults of colorizers, on the small copy, which rank the results that need a check.

High values are no proof of a fault: a red door is measured as a blotch, and a silver spoon as a gray object. The order
lets a person find the real faults sooner.
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
"""Shorter side of the copy on which faults are measured."""

LONGEST_PX = 4096
"""Longest side of that copy, which matters for strips with an aspect ratio above 40."""

BLOTCH_CHROMA, BLOTCH_LEVEL = 15.0, 8.0
"""A blotch differs by more than the first from the median chroma around it, and by at most the second from the median
gray level."""

GRAY_CHROMA = 4.0
"""Chroma below which a pixel looks gray."""

_WINDOW = 13
_MIDDLE = (60.0, 220.0)


class Audit(Record):
    """The measured faults of a photo; larger values are more suspicious.

    Attributes:
        blotches: share of pixels whose color differs from their surroundings while the lightness does not, 0 to 1.
        grey_objects: share of middle tones without color, 0 to 1.
        bleeding: share of the change in chroma in the half of the image where lightness changes least, 0 to 1.
        cast: dominance of one hue: mean color divided by mean chroma, weighted with that chroma, 0 to 1.
        instability: mean change of chroma at half and at twice the photo's size, in CIELAB units.
    """

    blotches: float
    grey_objects: float
    bleeding: float
    cast: float
    instability: float


FAULTS = tuple(Audit.model_fields)


class Ranked(Record):
    """A photo ranked by suspicion.

    Attributes:
        name: name of the output.
        suspicion: largest rank of its faults among all photos, 0 to 1; the mean of all ranks breaks ties.
        worst: the fault with that rank.
        audit: all measured faults.
    """

    name: str
    suspicion: float
    worst: str
    audit: Audit


def audit(small: SmallColors, instability: float) -> Audit:
    """Measure the faults of a small copy."""
    scale = min(AUDIT_PX / min(small.levels.shape), LONGEST_PX / max(small.levels.shape))
    size = (max(16, round(small.levels.shape[0] * scale)), max(16, round(small.levels.shape[1] * scale)))
    planes = enlarge(_smoothed(np.concatenate([small.chroma, small.levels[None]]), scale), *size)
    ab, level = planes[:2], planes[2]
    chroma = np.hypot(ab[0], ab[1])
    return Audit(
        blotches=round(_blotches(chroma, level), 5),
        grey_objects=round(_gray_objects(chroma, level), 5),
        bleeding=round(_bleeding(ab, level), 5),
        cast=round(_cast(ab, chroma), 5),
        instability=round(instability, 4),
    )


def _smoothed(planes: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Blur before a reduction, to avoid aliasing."""
    sigma = max(0.0, 0.5 / scale - 0.5)
    return np.asarray(gaussian_filter(planes, (0, sigma, sigma)), dtype=np.float32)


def _blotches(chroma: NDArray[np.float32], level: NDArray[np.float32]) -> float:
    off = np.abs(chroma - median_filter(chroma, _WINDOW, mode="mirror"))
    near = np.abs(level - median_filter(level, _WINDOW, mode="mirror"))
    return float(((off > BLOTCH_CHROMA) & (near <= BLOTCH_LEVEL)).mean())


def _gray_objects(chroma: NDArray[np.float32], level: NDArray[np.float32]) -> float:
    middle = (level > _MIDDLE[0]) & (level < _MIDDLE[1])
    return float((chroma[middle] < GRAY_CHROMA).mean()) if middle.any() else 0.0


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
    """Rank photos by suspicion, the most suspicious first.

    Faults have different units, so their ranks among all photos are compared, not their values.
    """
    if not audits:
        return []
    values = np.array([[getattr(found, fault) for fault in FAULTS] for _, found in audits])
    ranks = np.stack([_ranks(column) for column in values.T], axis=1)
    order = sorted(range(len(audits)), key=lambda row: (-ranks[row].max(), -ranks[row].mean(), audits[row][0]))
    return [
        Ranked(
            name=audits[row][0],
            suspicion=round(float(ranks[row].max()), 4),
            worst=FAULTS[int(ranks[row].argmax())],
            audit=audits[row][1],
        )
        for row in order
    ]


def _ranks(column: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each photo the share of photos with lower values, plus half of those with equal values."""
    below = np.searchsorted(np.sort(column), column, side="left")
    upto = np.searchsorted(np.sort(column), column, side="right")
    return np.asarray((below + upto) / 2 / len(column))
