"""What the numbers of a training's end mean, in words; where one reading begins and another ends is said here alone.

No publication gives these thresholds: they are this project's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from chromalab.report.numbers import format_number, format_significant

PULL = 0.2
"""Of two gradients of equal length, a step along one does this much of the other's work, or undoes it: from a fifth
on it is said."""

LITTLE_SHARE = 0.02
"""A term at right angles to the rest, with this share of the gradient, turns the whole by about a degree."""

MOST_SHARE = 1 - LITTLE_SHARE

WINS = 0.95
"""A critic that errs at fewer than one photograph in 20."""

COIN = 0.55
"""A critic that does no better than a tossed coin but at one photograph in 20 ..."""

FOOLED = 1 - COIN
"""... and one that does worse by as much."""

NORM_OFF = 0.5
"""The penalty of WGAN-GP wants a gradient norm of 1: Lipschitz bounds of less than 0.5 or more than 1.5 are others."""

TREND = 0.2
"""Change of a distance from the middle to the last third of a training, relative to the larger of the two."""


SEEDS_APART = 0.05
"""Seeds that differ by less are not listed: the mean says it all."""


@dataclass(frozen=True)
class Measured:
    """A number of each seed: their mean, the lowest and the highest."""

    mean: float
    lowest: float
    highest: float
    n_seeds: int

    def text(self, name: str) -> str:
        """Return the number with its name, and how far seeds differ if they do.

        >>> Measured(-0.41, -0.46, -0.38, 3).text("cosine")
        'cosine −0.41, seeds −0.46 to −0.38'
        """
        low, high = (format_number(value, 2) for value in (self.lowest, self.highest))
        spread = f", seeds {low} to {high}" if self.highest - self.lowest >= SEEDS_APART else ""
        return f"{name} {format_number(self.mean, 2)}{spread}"


class Reading(NamedTuple):
    """The same few words for every number of one kind, and a sentence that names the number; empty if unremarkable."""

    words: str = ""
    sentence: str = ""


def percent(share: float) -> str:
    """Return a share in percent, with decimals where it is near 0 or 1.

    >>> percent(0.72), percent(0.008), percent(0.00021), percent(0.9971), percent(0.95)
    ('72 %', '0.8 %', '0.021 %', '99.7 %', '95 %')
    """
    if 0 < share < 0.001:
        return f"{format_significant(100 * share)} %"
    return f"{100 * share:.{0 if 0.1 <= share <= 0.9 else 1}f}".removesuffix(".0") + " %"


def read_share(term: str, share: Measured) -> Reading:
    """Read a term's share of the gradient."""
    said = f"`{term}` has {percent(share.mean)} of the gradient"
    if share.mean < LITTLE_SHARE:
        return Reading("has hardly any say", f"{said} and hardly any say: raise its weight or drop it.")
    if share.mean > MOST_SHARE:
        return Reading("decides alone", f"{said}: it decides alone.")
    return Reading()


def read_cosine(first: str, second: str, cosine: Measured) -> Reading:
    """Read the cosine between two terms' gradients."""
    both, number = f"`{first}` and `{second}`", f"({cosine.text('cosine')})"
    if cosine.lowest == cosine.highest == 0:
        return Reading(
            "at right angles",
            f"{both} are at right angles all the time (cosine 0): they act on different outputs of the network, or "
            "one of them has no gradient.",
        )
    if cosine.mean <= -PULL:
        return Reading("pull against each other", f"{both} pull against each other {number}.")
    if cosine.mean >= PULL:
        return Reading("pull the same way", f"{both} pull the same way {number}.")
    return Reading("nearly independent", f"{both} are nearly independent {number}.")


def read_accuracy(accuracy: Measured, *, wasserstein: bool) -> Reading:
    """Read the share of photographs whose true colors the critic scores above the generated ones."""
    number = f"(accuracy {percent(accuracy.mean)})"
    if accuracy.mean >= WINS:
        advice = (
            "no fault in itself of a Wasserstein critic, whose gradient does not fade; look whether its estimate falls."
            if wasserstein
            else "one that is never in doubt has little to teach. Lower its rate or its width."
        )
        return Reading("wins nearly always", f"The critic wins nearly always {number}: {advice}")
    if accuracy.mean <= FOOLED:
        return Reading(
            "is fooled",
            f"The critic scores the generated colors above the true ones {number}: it learns more slowly than the "
            "colorizer. Raise its rate or its steps.",
        )
    if accuracy.mean <= COIN:
        return Reading(
            "can't tell them apart",
            f"The critic can't tell true from generated colors {number}: either the colors are good or it has "
            "stopped learning; see the distance.",
        )
    return Reading("tells them apart")


def distance_name(*, wasserstein: bool) -> str:
    """Return what the difference between the critic's scores of true and generated colors is."""
    return "Wasserstein estimate" if wasserstein else "score difference"


def read_trend(change: Measured, middle: float, last: float, *, wasserstein: bool) -> Reading:
    """Read how the critic's distance changed from the middle third of the training to the last.

    Args:
        change: relative to the larger of the two distances.
        middle: mean distance in the middle third.
        last: mean distance in the last third.
        wasserstein: whether the distance estimates that of Wasserstein.
    """
    name = f"The critic's {distance_name(wasserstein=wasserstein)}"
    numbers = f"({format_significant(middle)} in the middle third, {format_significant(last)} in the last)"
    if change.lowest < 0 < change.highest and abs(change.mean) >= TREND:
        return Reading("seeds disagree", f"{name} has no trend that all seeds share {numbers}.")
    if change.mean <= -TREND:
        return Reading("falls", f"{name} falls {numbers}: in the critic's eyes the colors come closer to true ones.")
    if change.mean >= TREND:
        return Reading(
            "grows",
            f"{name} grows {numbers}: the critic parts them faster than the colorizer closes the gap.",
        )
    return Reading("is steady", f"{name} is steady {numbers}.")


def read_gradient_norm(norm: Measured) -> Reading:
    """Read the norm that the penalty of WGAN-GP wants to be 1."""
    if abs(norm.mean - 1) <= NORM_OFF:
        return Reading("the penalty holds")
    return Reading(
        "the penalty doesn't hold",
        f"The critic's gradient norm is {format_significant(norm.mean)} rather than 1: the penalty doesn't hold. "
        "Raise `penalty` or lower the critic's rate.",
    )


def thresholds() -> str:
    """Return where readings begin, for those who read them."""
    return (
        "Readings begin at this project's own thresholds: cosines from ±"
        f"{PULL} on, shares below {percent(LITTLE_SHARE)} and above {percent(MOST_SHARE)}, a critic's accuracy from "
        f"{percent(WINS)} up and {percent(COIN)} down, a change of its distance by {percent(TREND)}, a gradient norm "
        f"more than {NORM_OFF} from 1."
    )
