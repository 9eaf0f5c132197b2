"""Chroma of a small copy: the network's prediction with the user's settings and hints applied."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chromalab.color.lab import rgb_to_lab
from chromalab.colorization.guided import Coefficients, enlarge, fit, mixed
from chromalab.colorization.hints import apply_hints, overlay_seeds, seeds_of
from chromalab.colorization.reference import transfer
from chromalab.colorization.render import Tone
from chromalab.colorization.sampling import sample_chroma
from chromalab.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from chromalab.colorization.engine import Engine
    from chromalab.colorization.options import Options
    from chromalab.colorization.reference import Reference

GUIDE_PX = 384
"""Shorter side of the small copy on which the guided filter works; the network's input is smaller still."""

CELL_PX = 4
"""Side of the cells of the network's input that get one color: the stride of the bins head."""

_WARM_A = 0.2
_TONE_SMOOTHING = 8.0
_ONE_TONE = 2.0
"""Mean distance of own colors from one tone, in CIELAB units, above which a photo or film is in color."""


class SmallColors(NamedTuple):
    """A colorized small copy.

    Attributes:
        levels: gray levels, 0 to 255, (h, w).
        chroma: a* and b* in CIELAB units, (2, h, w).
        logits: the network's logits over the ab bins, at its own size; None if it predicts no distribution.
        coefficients: coefficients of the guided filter, which compute chroma from gray levels at any size.
    """

    levels: NDArray[np.float32]
    chroma: NDArray[np.float32]
    logits: NDArray[np.float32] | None
    coefficients: Coefficients


def guide_px(engine: Engine, options: Options) -> int:
    """Return the shorter side of the small copy for this model."""
    largest = engine.spec.size.px * max(options.scales)
    return max(GUIDE_PX, int(np.ceil(largest)))


def small_colors(
    engine: Engine,
    levels: NDArray[np.float32],
    options: Options,
    photo: tuple[int, int],
    overlay: NDArray[np.uint8] | None = None,
    references: Sequence[Reference] = (),
) -> SmallColors:
    """Colorize a small copy.

    Args:
        engine: the network.
        levels: gray levels of the small copy, upright, 0 to 255, (h, w).
        options: settings of the colors.
        photo: height and width of the upright photo, to which the hints refer.
        overlay: painted hints, RGBA, in the proportions of the photo, (H, W, 4).
        references: images whose colors the photo takes where both are alike; hints still apply.

    Raises:
        UsageError: a plausible version is requested from a network without a distribution.
        ConfigError: a hint is outside the photo.
    """
    predicted = predict_chroma(engine, levels, options)
    chroma = predicted.chroma
    if references:
        chroma, confidence = transfer(references, levels, chroma)
    chroma = adjusted(chroma, levels, options)
    if options.hints:
        chroma = apply_hints(levels, chroma, *seeds_of(options.hints, photo, levels.shape))
    if overlay is not None:
        chroma = apply_hints(levels, chroma, *overlay_seeds(overlay, levels.shape))
    coefficients = fit(levels, chroma, max(2, round(predicted.cell_px)))
    if references:  # their colors have finer detail than the network's
        coefficients = mixed(coefficients, fit(levels, chroma, 2), confidence)
    return SmallColors(levels, chroma, predicted.logits, coefficients)


class PredictedChroma(NamedTuple):
    """The prediction for a small copy, averaged over the scales.

    Attributes:
        chroma: a* and b* in CIELAB units, at the small copy's size, (2, h, w).
        logits: the logits of the first scale, at the network's size; None if it predicts no distribution.
        cell_px: side of a cell of the network, in pixels of the small copy.
    """

    chroma: NDArray[np.float32]
    logits: NDArray[np.float32] | None
    cell_px: float


def predict_chroma(engine: Engine, levels: NDArray[np.float32], options: Options) -> PredictedChroma:
    """Return the network's prediction for a small copy, (h, w), before any adjustment.

    Raises:
        UsageError: a plausible version is requested from a network without a distribution.
    """
    height, width = levels.shape
    chroma, logits, cell = np.zeros((2, height, width), dtype=np.float32), None, 0.0
    for number, scale in enumerate(options.scales):
        predicted = engine.predict(levels, scale)
        ab = predicted.ab
        if options.sample is not None:
            ab = _version(engine, predicted.logits, options)
        if number == 0:
            logits, cell = predicted.logits, CELL_PX * height / predicted.ab.shape[1]
        chroma += enlarge(ab, height, width) / len(options.scales)
    return PredictedChroma(chroma, logits, cell)


def _version(engine: Engine, logits: NDArray[np.float32] | None, options: Options) -> NDArray[np.float32]:
    if logits is None:
        raise no_distribution(engine)
    return sample_chroma(logits, options.sample or 0, options.temperature)


def no_distribution(engine: Engine) -> UsageError:
    """Return the error for plausible versions from a model that predicts a single color."""
    return UsageError(
        f"the model {engine.spec.name} predicts one color and no distribution: choose a model with bins for versions"
    )


def adjusted(chroma: NDArray[np.float32], levels: NDArray[np.float32], options: Options) -> NDArray[np.float32]:
    """Apply saturation and warmth; warmth leaves black and white unchanged."""
    result = chroma * np.float32(options.saturation)
    if options.warmth:
        light = levels / np.float32(255)
        amount = np.float32(options.warmth) * 4 * light * (1 - light)
        result = result + np.stack([_WARM_A * amount, amount])
    return np.asarray(result, dtype=np.float32)


def tone_of(rgb: NDArray[np.float32]) -> Tone:
    """Return the tone of a print: the smoothed mean a* and b* of its own colors at every lightness.

    Args:
        rgb: reduced photo with its own colors, sRGB in [0, 1], (h, w, 3).
    """
    lab = rgb_to_lab(rgb.reshape(-1, 3))
    place = np.rint(rgb.reshape(-1, 3).mean(axis=1) * 255)
    # Every level gets a weighted mean over similar levels, so levels that do not occur get a tone, too.
    distance = np.arange(256)[:, None] - np.arange(256)
    weight = np.exp(-0.5 * (distance / _TONE_SMOOTHING) ** 2) + 1e-9
    counts = np.bincount(place.astype(np.intp), minlength=256)
    sums = [np.bincount(place.astype(np.intp), weights=lab[:, channel], minlength=256) for channel in (1, 2)]
    tone = np.stack([(weight @ total) / np.maximum(weight @ counts, 1e-9) for total in sums])
    return Tone(tone.astype(np.float32))


class OwnColors(NamedTuple):
    """The own colors of a photo or frame, in CIELAB units.

    Attributes:
        a: mean a*.
        b: mean b*.
        spread: mean distance from the colors of a print of one tone.
    """

    a: float
    b: float
    spread: float

    @property
    def several(self) -> bool:
        """Whether there are several hues, and not only the tone of a print."""
        return self.spread > _ONE_TONE


def measured_own_colors(rgb: NDArray[np.float32]) -> OwnColors:
    """Return the own colors of a reduced copy, sRGB in [0, 1], (..., 3)."""
    pixels = rgb.reshape(-1, 3)
    lab, tone = rgb_to_lab(pixels), tone_of(pixels)
    a, b = lab[:, 1].astype(np.float32), lab[:, 2].astype(np.float32)
    tone_a, tone_b = np.zeros_like(a), np.zeros_like(b)
    tone.add(pixels.mean(axis=1) * np.float32(255), tone_a, tone_b)
    return OwnColors(float(a.mean()), float(b.mean()), float(np.hypot(a - tone_a, b - tone_b).mean()))


def rotate_upright(plane: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    """Rotate and mirror planes (..., h, w) from the given EXIF orientation to upright."""
    if orientation in {5, 6, 7, 8}:
        plane = plane.swapaxes(-1, -2)
    if orientation in {2, 3, 6, 7}:
        plane = plane[..., ::-1]
    if orientation in {3, 4, 7, 8}:
        plane = plane[..., ::-1, :]
    return np.ascontiguousarray(plane)


def rotate_back(plane: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    """Undo `rotate_upright`; all orientations but the rotations 6 and 8 are their own inverse."""
    return rotate_upright(plane, {6: 8, 8: 6}.get(orientation, orientation))
