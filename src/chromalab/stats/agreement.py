"""Agreement of a metric with human ratings, and agreement among raters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.optimize
import scipy.stats

from chromalab.stats.intervals import t_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

SPLITS = 500
DRAWS = 1000
MIN_IMAGES = 3


@dataclass(frozen=True)
class Interval95:
    """A value with its 95% interval; the ends are None for too few scenes or images."""

    value: float | None
    low: float | None = None
    high: float | None = None


def srcc(first: ArrayLike, second: ArrayLike) -> float | None:
    """Return Spearman's rank correlation, with mean ranks for ties, or None if one of the two is constant."""
    return _correlation(scipy.stats.rankdata(first), scipy.stats.rankdata(second))


def krcc(first: ArrayLike, second: ArrayLike) -> float | None:
    """Return Kendall's tau-b, or None if one of the two is constant."""
    if _is_constant(np.asarray(first)) or _is_constant(np.asarray(second)):
        return None
    return float(scipy.stats.kendalltau(first, second).statistic)


def plcc(metric: ArrayLike, people: ArrayLike) -> float | None:
    """Return Pearson's correlation with human ratings after fitting a monotone logistic curve to the metric.

    VQEG 2003, *Final Report from the Video Quality Experts Group, Phase II*: b2 + (b1 - b2) / (1 + exp((b3 - x) / b4)),
    with four parameters by least squares, starting from the range of the data. If the fit fails or is no better than a
    straight line, the line is used. The curve may rise or fall, so the result has no sign. None if metric or ratings
    are constant.
    """
    x, y = np.asarray(metric, dtype=np.float64), np.asarray(people, dtype=np.float64)
    plain = _correlation(x, y)
    if plain is None:
        return None
    spread = x.std()
    start = (y.max(), y.min(), float(np.median(x)), spread if plain > 0 else -spread)
    found = scipy.optimize.least_squares(lambda curve: _logistic(x, *curve) - y, start, max_nfev=2000)
    fitted = _correlation(_logistic(x, *found.x), y)
    return max(abs(plain), fitted if fitted is not None and math.isfinite(fitted) else 0.0)


def _logistic(x: NDArray[np.float64], high: float, low: float, middle: float, width: float) -> NDArray[np.float64]:
    curve: NDArray[np.float64] = low + (high - low) * scipy.special.expit((x - middle) / (width or 1e-12))
    return curve


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float | None:
    if _is_constant(first) or _is_constant(second):
        return None
    return float(np.corrcoef(first, second)[0, 1])


def _is_constant(values: NDArray[np.float64]) -> bool:
    return len(values) < 2 or bool(np.ptp(values) == 0)


def pairwise_agreement(metric: ArrayLike, people: ArrayLike, scenes: Sequence[str]) -> float | None:
    """Return the share of pairs of images of one scene that metric and people rank alike, in [0, 1].

    Pairs that people rate equal are left out, and ties of the metric count one half. None if no pair is left.
    """
    x, y, groups = np.asarray(metric), np.asarray(people), np.asarray(scenes)
    hits = total = 0.0
    for scene in dict.fromkeys(scenes):
        inside = groups == scene
        order = np.sign(np.subtract.outer(x[inside], x[inside]) * np.subtract.outer(y[inside], y[inside]))
        pairs = np.triu(np.subtract.outer(y[inside], y[inside]) != 0, 1)
        hits += float((order[pairs] > 0).sum() + 0.5 * (order[pairs] == 0).sum())
        total += float(pairs.sum())
    return hits / total if total else None


def scene_srcc(metric: ArrayLike, people: ArrayLike, scenes: Sequence[str]) -> Interval95:
    """Return the mean of the rank correlations within scenes, with a t interval over scenes on Fisher's z.

    The z of a correlation of 1 is infinite, and with few images per scene such correlations are frequent. They are
    therefore limited, as by a continuity correction, to the middle between 1 and the next smaller correlation that n
    images without ties can have: 1 - 6 / (n (n^2 - 1)), which is .75 for 3 images, .97 for 6 and .99998 for 65.

    Scenes with fewer than three images, or with constant metric or ratings, are left out. The value of a single scene
    is its own correlation.
    """
    x, y, groups = np.asarray(metric), np.asarray(people), np.asarray(scenes)
    own, limits = [], []
    for scene in dict.fromkeys(scenes):
        inside = groups == scene
        n = int(inside.sum())
        found = srcc(x[inside], y[inside]) if n >= MIN_IMAGES else None
        if found is not None:
            own.append(found)
            limits.append(1 - 6 / (n * (n**2 - 1)))
    if not own:
        return Interval95(None)
    if len(own) < 2:
        return Interval95(own[0])
    interval = t_interval(np.arctanh(np.clip(own, np.negative(limits), limits)))
    return Interval95(float(np.tanh(interval.mean)), float(np.tanh(interval.low)), float(np.tanh(interval.high)))


def pooled_srcc(metric: ArrayLike, people: ArrayLike, scenes: Sequence[str], *, seed: int = 0) -> Interval95:
    """Return the rank correlation over all images together, with a bootstrap interval over scenes and their images.

    Scenes are drawn with replacement, then images within each scene. With few scenes the interval is only approximate.
    """
    x, y, groups = np.asarray(metric, dtype=np.float64), np.asarray(people, dtype=np.float64), np.asarray(scenes)
    value = srcc(x, y)
    members = [np.flatnonzero(groups == scene) for scene in dict.fromkeys(scenes)]
    if value is None or len(members) < 2:
        return Interval95(value)
    generator = np.random.default_rng(seed)
    draws = [found for _ in range(DRAWS) if (found := _resampled(x, y, members, generator)) is not None]
    low, high = np.quantile(draws, [0.025, 0.975])
    return Interval95(value, float(low), float(high))


def _resampled(
    x: NDArray[np.float64], y: NDArray[np.float64], members: list[NDArray[np.intp]], generator: np.random.Generator
) -> float | None:
    chosen = [members[index] for index in generator.integers(len(members), size=len(members))]
    places = np.concatenate([generator.choice(images, size=len(images)) for images in chosen])
    return srcc(x[places], y[places])


@dataclass(frozen=True)
class Ceiling:
    """Agreement among raters, which limits the agreement that a metric can reach.

    Attributes:
        single: rank correlation of one rating with the mean of the other raters' ratings, over all ratings.
        split_half: rank correlation between the mean ratings of two random halves of the raters, averaged over splits.
        corrected: the same for all raters, by the Spearman-Brown formula 2 r / (1 + r).
        ceiling: the square root of `corrected`: the correlation that a perfect metric would reach with these ratings.
        n_raters: number of raters.
    """

    single: float | None
    split_half: float | None
    corrected: float | None
    ceiling: float | None
    n_raters: int


def rater_ceiling(raters: Sequence[str], images: Sequence[str], values: ArrayLike, *, seed: int = 0) -> Ceiling | None:
    """Return the agreement among raters, or None for fewer than four raters or three images.

    Args:
        raters: the rater of each rating.
        images: the image of each rating.
        values: the value of each rating.
        seed: seed of the random splits.
    """
    who, rater = np.unique(raters, return_inverse=True)
    what, image = np.unique(images, return_inverse=True)
    rating = np.asarray(values, dtype=np.float64)
    if len(who) < 4 or len(what) < MIN_IMAGES:
        return None
    generator = np.random.default_rng(seed)
    halves = [_split(generator.permutation(len(who)) % 2 == 0, rater, image, rating, len(what)) for _ in range(SPLITS)]
    known = [half for half in halves if half is not None]
    split = float(np.mean(known)) if known else None
    corrected = 2 * split / (1 + split) if split is not None and split > 0 else None
    return Ceiling(
        _single(image, rating, len(what)),
        split,
        corrected,
        math.sqrt(corrected) if corrected is not None else None,
        len(who),
    )


def _means(image: NDArray[np.intp], rating: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return the mean rating of every image, NaN without a rating."""
    sums, numbers = np.bincount(image, rating, count), np.bincount(image, minlength=count)
    means: NDArray[np.float64] = np.divide(sums, numbers, out=np.full(count, np.nan), where=numbers > 0)
    return means


def _split(
    half: NDArray[np.bool_], rater: NDArray[np.intp], image: NDArray[np.intp], rating: NDArray[np.float64], count: int
) -> float | None:
    inside = half[rater]
    first, second = (_means(image[part], rating[part], count) for part in (inside, ~inside))
    both = ~(np.isnan(first) | np.isnan(second))
    return srcc(first[both], second[both])


def _single(image: NDArray[np.intp], rating: NDArray[np.float64], count: int) -> float | None:
    sums, numbers = np.bincount(image, rating, count), np.bincount(image, minlength=count)
    others = numbers[image] > 1
    rest = (sums[image] - rating)[others] / (numbers[image] - 1)[others]
    return srcc(rating[others], rest)
