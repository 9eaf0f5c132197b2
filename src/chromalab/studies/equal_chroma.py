"""A control of a study's differences: all networks with the same mean chroma.

Anyone can turn up the saturation of a colorization afterwards. A difference between two objectives that disappears at
equal chroma is one of saturation alone. So the colors of every network are multiplied by a factor, chosen on validation
photos such that all networks have the same mean chroma there: the mean over all networks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chromalab.color.spaces import SPACES
from chromalab.core.records import Record
from chromalab.evaluation.scoring import make_evaluator, score
from chromalab.studies.single import spread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from chromalab.data.photoset import Photographs

    Colorize = Callable[[Tensor], Tensor]

FACTORS_FILE = "chroma_factors.json"
MOST_PHOTOS = 100
TOLERANCE = 0.002
MOST_STEPS = 8
LARGEST_FACTOR = 5.0
"""A larger factor would show the rounding of a nearly gray network instead of its colors."""


class ChromaFactors(Record):
    """The factors on chroma, and what they were fitted to.

    Attributes:
        target: mean chroma of the validation photos that every network has with its factor.
        factors: factor by run.
        before: mean chroma by run without a factor.
        n_photos: number of validation photos.
    """

    target: float
    factors: dict[str, float]
    before: dict[str, float]
    n_photos: int


def saturated(colorize: Colorize, factor: float) -> Colorize:
    """Return a colorization whose CIELAB chroma is multiplied by a factor; colors outside sRGB are clipped."""
    lab = SPACES["lab"]

    def changed(rgb: Tensor) -> Tensor:
        lightness, ab = lab.encode(colorize(rgb))
        return lab.decode(lightness, factor * ab).clamp(0, 1)

    return changed


def fit_factors(networks: Mapping[str, Colorize], photos: Photographs) -> ChromaFactors:
    """Return the factors that give every network the same mean chroma on the validation photos.

    Args:
        networks: what colorizes (B, 3, H, W) sRGB in [0, 1], by run.
        photos: validation photos, of which at most 100 are used.
    """
    some = spread(photos, MOST_PHOTOS)
    before = {name: mean_chroma(colorize, some) for name, colorize in networks.items()}
    target = float(np.mean(list(before.values())))
    factors = {name: _factor(colorize, before[name], target, some) for name, colorize in networks.items()}
    return ChromaFactors(target=target, factors=factors, before=before, n_photos=len(some))


def mean_chroma(colorize: Colorize, photos: Photographs) -> float:
    """Return the mean chroma of colorized photos."""
    return float(np.mean(score(colorize, photos, make_evaluator(metrics=["chroma"])).per_photo["chroma"]))


def _factor(colorize: Colorize, before: float, target: float, photos: Photographs) -> float:
    """Return the factor on chroma that reaches the target; clipping makes chroma grow more slowly than the factor."""
    factor, found = 1.0, before
    for _ in range(MOST_STEPS):
        if found <= 0 or abs(found / target - 1) < TOLERANCE:
            break
        factor = min(factor * target / found, LARGEST_FACTOR)
        found = mean_chroma(saturated(colorize, factor), photos)
    return factor
