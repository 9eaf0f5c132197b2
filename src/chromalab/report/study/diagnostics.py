"""Diagnostics of the last third of a training: what the terms and the critic did, in numbers and words."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from chromalab.report.formatting import format_number, format_significant
from chromalab.report.study.training_logs import SHARE, WEIGHT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chromalab.report.study.training_logs import RunCurves

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


class Finding(NamedTuple):
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


def interpret_share(term: str, share: Measured) -> Finding:
    """Read a term's share of the gradient."""
    said = f"`{term}` has {percent(share.mean)} of the gradient"
    if share.mean < LITTLE_SHARE:
        return Finding("has hardly any say", f"{said} and hardly any say: raise its weight or drop it.")
    if share.mean > MOST_SHARE:
        return Finding("decides alone", f"{said}: it decides alone.")
    return Finding()


def interpret_cosine(first: str, second: str, cosine: Measured) -> Finding:
    """Read the cosine between two terms' gradients."""
    both, number = f"`{first}` and `{second}`", f"({cosine.text('cosine')})"
    if cosine.lowest == cosine.highest == 0:
        return Finding(
            "at right angles",
            f"{both} are at right angles all the time (cosine 0): they act on different outputs of the network, or "
            "one of them has no gradient.",
        )
    if cosine.mean <= -PULL:
        return Finding("pull against each other", f"{both} pull against each other {number}.")
    if cosine.mean >= PULL:
        return Finding("pull the same way", f"{both} pull the same way {number}.")
    return Finding("nearly independent", f"{both} are nearly independent {number}.")


def interpret_accuracy(accuracy: Measured, *, wasserstein: bool) -> Finding:
    """Read the share of photographs whose true colors the critic scores above the generated ones."""
    number = f"(accuracy {percent(accuracy.mean)})"
    if accuracy.mean >= WINS:
        advice = (
            "no fault in itself of a Wasserstein critic, whose gradient does not fade; look whether its estimate falls."
            if wasserstein
            else "one that is never in doubt has little to teach. Lower its rate or its width."
        )
        return Finding("wins nearly always", f"The critic wins nearly always {number}: {advice}")
    if accuracy.mean <= FOOLED:
        return Finding(
            "is fooled",
            f"The critic scores the generated colors above the true ones {number}: it learns more slowly than the "
            "colorizer. Raise its rate or its steps.",
        )
    if accuracy.mean <= COIN:
        return Finding(
            "can't tell them apart",
            f"The critic can't tell true from generated colors {number}: either the colors are good or it has "
            "stopped learning; see the distance.",
        )
    return Finding("tells them apart")


def distance_name(*, wasserstein: bool) -> str:
    """Return what the difference between the critic's scores of true and generated colors is."""
    return "Wasserstein estimate" if wasserstein else "score difference"


def interpret_trend(change: Measured, middle: float, last: float, *, wasserstein: bool) -> Finding:
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
        return Finding("seeds disagree", f"{name} has no trend that all seeds share {numbers}.")
    if change.mean <= -TREND:
        return Finding("falls", f"{name} falls {numbers}: in the critic's eyes the colors come closer to true ones.")
    if change.mean >= TREND:
        return Finding(
            "grows",
            f"{name} grows {numbers}: the critic parts them faster than the colorizer closes the gap.",
        )
    return Finding("is steady", f"{name} is steady {numbers}.")


def interpret_gradient_norm(norm: Measured) -> Finding:
    """Read the norm that the penalty of WGAN-GP wants to be 1."""
    if abs(norm.mean - 1) <= NORM_OFF:
        return Finding("the penalty holds")
    return Finding(
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


LAST, MIDDLE = (2 / 3, 1.0), (1 / 3, 2 / 3)
"""Parts of a training, in steps: its end is what a mixture came to, without the start that any mixture has."""

PENALIZED = "wgan_gp"
"""The term whose penalty holds the critic's gradient norm near 1."""

Quantity = Literal[
    "share", "weight", "cosine", "accuracy", "Wasserstein estimate", "score difference", "distance change",
    "gradient norm",
]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """One number of a training's end, and how it reads.

    Attributes:
        color_space: the training space.
        objective: identity of the objective.
        quantity: what was measured.
        subject: the term, `A vs B` for a pair of terms, or `critic`.
        mean: over seeds and the last third of the training.
        lowest: mean of the seed with the lowest.
        highest: mean of the seed with the highest.
        n_seeds: seeds that logged it.
        reading: a few words, the same for every number of a kind; empty where there is nothing to say.
        sentence: the same as a sentence that names the number; empty where there is nothing to say.
    """

    color_space: str
    objective: str
    quantity: Quantity
    subject: str
    mean: float
    lowest: float
    highest: float
    n_seeds: int
    reading: str
    sentence: str


@dataclasses.dataclass(frozen=True)
class DiagnosisRow:
    """All diagnoses of one objective, as a row of the page's table."""

    objective: str
    terms: tuple[str, ...]
    critic: tuple[str, ...]
    sentences: tuple[str, ...]


def diagnose(runs: Sequence[RunCurves], objectives: Sequence[str]) -> list[Diagnosis]:
    """Return what the logs of one color space say of every objective with two terms or more, or with a critic.

    What an older log lacks is left out.
    """
    found: list[Diagnosis] = []
    for objective in objectives:
        own = [run for run in runs if run.name.objective == objective]
        if own:
            found += [*_of_terms(own), *_of_pairs(own), *_of_critic(own)]
    return found


def _of_terms(runs: Sequence[RunCurves]) -> Iterator[Diagnosis]:
    terms = runs[0].terms
    for term in terms if len(terms) > 1 else ():
        share, weight = _measure(runs, term + SHARE), _measure(runs, term + WEIGHT)
        if share is not None:
            yield _diagnosis(runs, "share", term, share, interpret_share(term, share))
        if weight is not None:
            yield _diagnosis(runs, "weight", term, weight, Finding())


def _of_pairs(runs: Sequence[RunCurves]) -> Iterator[Diagnosis]:
    for column, (first, second) in runs[0].pairs.items():
        cosine = _measure(runs, column)
        if cosine is not None:
            yield _diagnosis(runs, "cosine", f"{first} vs {second}", cosine, interpret_cosine(first, second, cosine))


def _of_critic(runs: Sequence[RunCurves]) -> Iterator[Diagnosis]:
    accuracy, norm = _measure(runs, "critic.accuracy"), _measure(runs, "critic.gradient_norm")
    if accuracy is not None:
        reading = interpret_accuracy(accuracy, wasserstein=runs[0].wasserstein)
        yield _diagnosis(runs, "accuracy", "critic", accuracy, reading)
    yield from _of_distance(runs)
    if norm is not None:
        reading = interpret_gradient_norm(norm) if PENALIZED in runs[0].terms else Finding()
        yield _diagnosis(runs, "gradient norm", "critic", norm, reading)


def _of_distance(runs: Sequence[RunCurves]) -> Iterator[Diagnosis]:
    last, middle = (_measure(runs, "critic.distance", part) for part in (LAST, MIDDLE))
    changes = [each for run in runs if (each := _change(run)) is not None]
    if last is not None:
        quantity: Quantity = "Wasserstein estimate" if runs[0].wasserstein else "score difference"
        yield _diagnosis(runs, quantity, "critic", last, Finding())
    if last is not None and middle is not None and changes:
        change = _measured(changes)
        reading = interpret_trend(change, middle.mean, last.mean, wasserstein=runs[0].wasserstein)
        yield _diagnosis(runs, "distance change", "critic", change, reading)


def _change(run: RunCurves) -> float | None:
    middle, last = (_mean_of(run, "critic.distance", part) for part in (MIDDLE, LAST))
    if middle is None or last is None:
        return None
    return (last - middle) / (max(abs(last), abs(middle)) or 1.0)


def _measure(runs: Sequence[RunCurves], column: str, part: tuple[float, float] = LAST) -> Measured | None:
    values = [mean for run in runs if (mean := _mean_of(run, column, part)) is not None]
    return _measured(values) if values else None


def _measured(values: Sequence[float]) -> Measured:
    return Measured(float(np.mean(values)), min(values), max(values), len(values))


def _mean_of(run: RunCurves, column: str, part: tuple[float, float]) -> float | None:
    """Return the mean of a column over a part of what was logged, or None where it has no number there."""
    if column not in run.columns:
        return None
    done = run.steps / max(float(run.steps[-1]), 1.0)
    values = run.columns[column][(done > part[0]) & (done <= part[1])]
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else None


def _diagnosis(
    runs: Sequence[RunCurves], quantity: Quantity, subject: str, value: Measured, reading: Finding
) -> Diagnosis:
    name = runs[0].name
    return Diagnosis(
        name.color_space, name.objective, quantity, subject, value.mean, value.lowest, value.highest, value.n_seeds,
        reading.words, reading.sentence,
    )  # fmt: skip


def diagnosis_rows(found: Sequence[Diagnosis]) -> list[DiagnosisRow]:
    """Gather the diagnoses of one color space as a table: a row for each objective."""
    return [
        _row(objective, [one for one in found if one.objective == objective])
        for objective in dict.fromkeys(one.objective for one in found)
    ]


def _row(objective: str, own: Sequence[Diagnosis]) -> DiagnosisRow:
    return DiagnosisRow(
        objective,
        terms=tuple(_term_cell(one, own) for one in own if one.quantity == "share"),
        critic=tuple(_critic_cell(one, own) for one in own
                     if one.subject == "critic" and one.quantity != "distance change"),
        sentences=tuple(one.sentence for one in own if one.sentence),
    )  # fmt: skip


def _term_cell(share: Diagnosis, own: Sequence[Diagnosis]) -> str:
    weights = [one.mean for one in own if one.quantity == "weight" and one.subject == share.subject]
    return f"{share.subject} {percent(share.mean)}" + "".join(f", weight {format_significant(w)}" for w in weights)


def _critic_cell(one: Diagnosis, own: Sequence[Diagnosis]) -> str:
    value = percent(one.mean) if one.quantity == "accuracy" else format_significant(one.mean)
    said = f"{one.quantity} {value}"
    if one.quantity in {"Wasserstein estimate", "score difference"}:
        said += "".join(f", {change.reading}" for change in own if change.quantity == "distance change")
    return said
