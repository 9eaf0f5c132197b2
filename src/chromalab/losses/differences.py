"""Gradients beside finite differences, in double precision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from chromalab.losses.bench import BrokenContractError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from chromalab.losses.bench import Bench, Photos

SIZE_PX = 32
"""Side of the picture; larger where a loss asks for more."""

DIRECTIONS = 3
STEPS = (1e-6, 1e-7)
"""Networks of rectifiers have kinks, which small steps hardly ever cross: a wrong gradient is wrong for every step."""

TOLERANCE = 2e-3
"""Of the gradient's norm, which is how far a random direction of unit variance takes the loss."""

ROUNDING = 1e-7
"""Of the loss's own value: a step of 1e-6 makes its rounding errors a million times as large."""


def check_differences(bench: Bench) -> str:
    """Compare the gradient of a loss with central differences along a few random directions.

    Returns:
        How far they are apart, in words.

    Raises:
        BrokenContractError: they are too far apart.
    """
    generator = torch.Generator().manual_seed(2)
    exact, photos = bench.exact, _rough(bench.photos(1, SIZE_PX).double(), generator)
    gradients = exact.gradients(photos)
    scale = float(torch.cat([gradient.flatten() for gradient in gradients]).norm())
    rounding = ROUNDING * abs(float(exact.values(photos).detach().sum())) + 1e-12
    worst = 0.0
    for _ in range(DIRECTIONS):
        ways = _random(photos, generator)
        stated = sum(float((gradient * way).sum()) for gradient, way in zip(gradients, ways, strict=True))
        measured = min((_slope(exact, photos, ways, step) for step in STEPS), key=lambda slope: abs(slope - stated))
        if not abs(stated - measured) <= TOLERANCE * max(abs(measured), scale) + rounding:
            raise BrokenContractError(
                f"along a direction the gradient says {stated:.6g}, finite differences {measured:.6g}: a detach, a "
                "round or an argmax inside?"
            )
        worst = max(worst, abs(stated - measured) / max(abs(measured), scale, 1e-300))
    return f"off by {worst:.1e} of the gradient at most"


def _random(photos: Photos, generator: torch.Generator) -> list[Tensor]:
    return [torch.randn(part.shape, generator=generator, dtype=part.dtype) for part in photos.inputs]


def _rough(photos: Photos, generator: torch.Generator) -> Photos:
    """Return predictions with some noise: where neighbors are equal, a maximum over them has a kink."""
    return _moved(photos, _random(photos, generator), 0.01)


def _slope(bench: Bench, photos: Photos, ways: Sequence[Tensor], step: float) -> float:
    above, below = (bench.values(_moved(photos, ways, sign * step)).detach().sum() for sign in (1, -1))
    return float(above - below) / (2 * step)


def _moved(photos: Photos, ways: Sequence[Tensor], step: float) -> Photos:
    """Return the predictions a step along `ways`."""
    return photos.given([part + step * way for part, way in zip(photos.inputs, ways, strict=True)])
