"""Diagnostics of the last third of a training: numbers on the terms and the critic, with their interpretation."""

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
"""Smallest reported cosine, in absolute value. For gradients of equal length, a step along one does this share of the
work of the other, or undoes it."""

LITTLE_SHARE = 0.02
"""A share below this is reported: an orthogonal term of this share turns the gradient by about one degree."""

MOST_SHARE = 1 - LITTLE_SHARE

WINS = 0.95
"""Accuracy from which a critic wins nearly always: it errs on at most one photo in 20."""

COIN = 0.55
"""Accuracy up to which a critic is no better than chance."""

FOOLED = 1 - COIN
"""Accuracy up to which a critic is worse than chance."""

NORM_OFF = 0.5
"""Largest accepted distance of the critic's gradient norm from 1, the target of the penalty of WGAN-GP."""

TREND = 0.2
"""Smallest reported change of a distance from the middle to the last third, relative to the larger of the two."""


SEEDS_APART = 0.05
"""Spread between seeds below which only their mean is given."""


@dataclass(frozen=True)
class Measured:
    """Mean, lowest and highest value over seeds."""

    mean: float
    lowest: float
    highest: float
    n_seeds: int

    def text(self, name: str) -> str:
        """Return the mean with its name, and the range over seeds if it is wide.

        >>> Measured(-0.41, -0.46, -0.38, 3).text("cosine")
        'cosine −0.41, seeds −0.46 to −0.38'
        """
        low, high = (format_number(value, 2) for value in (self.lowest, self.highest))
        spread = f", seeds {low} to {high}" if self.highest - self.lowest >= SEEDS_APART else ""
        return f"{name} {format_number(self.mean, 2)}{spread}"


class Finding(NamedTuple):
    """An interpretation: a short phrase, and a sentence with the number. Both are empty for unremarkable numbers."""

    words: str = ""
    sentence: str = ""


def percent(share: float) -> str:
    """Return a share in percent, with decimals if it is near 0 or 1.

    >>> percent(0.72), percent(0.008), percent(0.00021), percent(0.9971), percent(0.95)
    ('72 %', '0.8 %', '0.021 %', '99.7 %', '95 %')
    """
    if 0 < share < 0.001:
        return f"{format_significant(100 * share)} %"
    return f"{100 * share:.{0 if 0.1 <= share <= 0.9 else 1}f}".removesuffix(".0") + " %"


def interpret_share(term: str, share: Measured) -> Finding:
    """Interpret a term's share of the gradient."""
    share_text = f"`{term}` has {percent(share.mean)} of the gradient"
    if share.mean < LITTLE_SHARE:
        return Finding("has little effect", f"{share_text} and little effect: raise its weight or drop it.")
    if share.mean > MOST_SHARE:
        return Finding("dominates", f"{share_text}: it dominates the training.")
    return Finding()


def interpret_cosine(first: str, second: str, cosine: Measured) -> Finding:
    """Interpret the cosine between the gradients of two terms."""
    both, number = f"`{first}` and `{second}`", f"({cosine.text('cosine')})"
    if cosine.lowest == cosine.highest == 0:
        return Finding(
            "orthogonal",
            f"The gradients of {both} are always orthogonal (cosine 0): the terms act on different outputs of the "
            "network, or one of them has no gradient.",
        )
    if cosine.mean <= -PULL:
        return Finding("pull against each other", f"{both} pull against each other {number}.")
    if cosine.mean >= PULL:
        return Finding("pull the same way", f"{both} pull the same way {number}.")
    return Finding("nearly independent", f"{both} are nearly independent {number}.")


def interpret_accuracy(accuracy: Measured, *, wasserstein: bool) -> Finding:
    """Interpret the share of photos whose true colors the critic scores above the generated ones."""
    number = f"(accuracy {percent(accuracy.mean)})"
    if accuracy.mean >= WINS:
        advice = (
            "a Wasserstein critic still gives a useful gradient. Check that its estimate falls."
            if wasserstein
            else "a critic that is never wrong gives little gradient. Lower its learning rate or its width."
        )
        return Finding("wins nearly always", f"The critic wins nearly always {number}: {advice}")
    if accuracy.mean <= FOOLED:
        return Finding(
            "is fooled",
            f"The critic scores the generated colors above the true ones {number}: it learns more slowly than the "
            "colorizer. Raise its learning rate or its steps.",
        )
    if accuracy.mean <= COIN:
        return Finding(
            "can't tell them apart",
            f"The critic can't tell true from generated colors {number}. Either the colors are good or the critic has "
            "stopped learning: check its distance.",
        )
    return Finding("tells them apart")


def distance_name(*, wasserstein: bool) -> str:
    """Return the name of the difference between the critic's scores of true and generated colors."""
    return "Wasserstein estimate" if wasserstein else "score difference"


def interpret_trend(change: Measured, middle: float, last: float, *, wasserstein: bool) -> Finding:
    """Interpret the change of the critic's distance from the middle third of the training to the last.

    Args:
        change: change relative to the larger of the two distances.
        middle: mean distance in the middle third.
        last: mean distance in the last third.
        wasserstein: whether the distance estimates the Wasserstein distance.
    """
    name = f"The critic's {distance_name(wasserstein=wasserstein)}"
    numbers = f"({format_significant(middle)} in the middle third, {format_significant(last)} in the last)"
    if change.lowest < 0 < change.highest and abs(change.mean) >= TREND:
        return Finding("seeds disagree", f"{name} has no trend that all seeds share {numbers}.")
    if change.mean <= -TREND:
        return Finding("falls", f"{name} falls {numbers}: generated colors come closer to true ones.")
    if change.mean >= TREND:
        return Finding(
            "grows",
            f"{name} grows {numbers}: the critic improves faster than the colorizer.",
        )
    return Finding("is steady", f"{name} is steady {numbers}.")


def interpret_gradient_norm(norm: Measured) -> Finding:
    """Interpret the critic's gradient norm, which the penalty of WGAN-GP pulls toward 1."""
    if abs(norm.mean - 1) <= NORM_OFF:
        return Finding("the penalty works")
    return Finding(
        "the penalty is too weak",
        f"The critic's gradient norm is {format_significant(norm.mean)} rather than 1: the penalty is too weak. "
        "Raise `penalty` or lower the critic's learning rate.",
    )


def thresholds() -> str:
    """Return a sentence on the thresholds of the interpretations."""
    return (
        "The interpretations use this project's own thresholds: cosines from ±"
        f"{PULL} on, shares below {percent(LITTLE_SHARE)} and above {percent(MOST_SHARE)}, a critic's accuracy from "
        f"{percent(WINS)} up and {percent(COIN)} down, a change of its distance by {percent(TREND)}, a gradient norm "
        f"more than {NORM_OFF} from 1."
    )


LAST, MIDDLE = (2 / 3, 1.0), (1 / 3, 2 / 3)
"""Parts of a training, as shares of its steps. The last third shows the balance that the terms settle at."""

PENALIZED = "wgan_gp"
"""The term whose penalty keeps the critic's gradient norm near 1."""

Quantity = Literal[
    "share", "weight", "cosine", "accuracy", "Wasserstein estimate", "score difference", "distance change",
    "gradient norm",
]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """One number of the last third of a training, with its interpretation.

    Attributes:
        color_space: the training space.
        objective: ID of the objective.
        quantity: the measured quantity.
        subject: the term, `A vs B` for a pair of terms, or `critic`.
        mean: mean over seeds and the last third of the training.
        lowest: lowest mean of a seed.
        highest: highest mean of a seed.
        n_seeds: number of seeds that logged the quantity.
        reading: interpretation as a short phrase; empty if unremarkable.
        sentence: interpretation as a sentence with the number; empty if unremarkable.
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
    """All diagnoses of one objective as a table row."""

    objective: str
    terms: tuple[str, ...]
    critic: tuple[str, ...]
    sentences: tuple[str, ...]


def diagnose(runs: Sequence[RunCurves], objectives: Sequence[str]) -> list[Diagnosis]:
    """Return the diagnoses of every objective of one color space that has several terms or a critic.

    Quantities that a log lacks are left out.
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
        finding = interpret_accuracy(accuracy, wasserstein=runs[0].wasserstein)
        yield _diagnosis(runs, "accuracy", "critic", accuracy, finding)
    yield from _of_distance(runs)
    if norm is not None:
        finding = interpret_gradient_norm(norm) if PENALIZED in runs[0].terms else Finding()
        yield _diagnosis(runs, "gradient norm", "critic", norm, finding)


def _of_distance(runs: Sequence[RunCurves]) -> Iterator[Diagnosis]:
    last, middle = (_measure(runs, "critic.distance", part) for part in (LAST, MIDDLE))
    changes = [each for run in runs if (each := _change(run)) is not None]
    if last is not None:
        quantity: Quantity = "Wasserstein estimate" if runs[0].wasserstein else "score difference"
        yield _diagnosis(runs, quantity, "critic", last, Finding())
    if last is not None and middle is not None and changes:
        change = _measured(changes)
        finding = interpret_trend(change, middle.mean, last.mean, wasserstein=runs[0].wasserstein)
        yield _diagnosis(runs, "distance change", "critic", change, finding)


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
    """Return the mean of a column over a part of the training, or None if it has no numbers there."""
    if column not in run.columns:
        return None
    done = run.steps / max(float(run.steps[-1]), 1.0)
    values = run.columns[column][(done > part[0]) & (done <= part[1])]
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else None


def _diagnosis(
    runs: Sequence[RunCurves], quantity: Quantity, subject: str, value: Measured, finding: Finding
) -> Diagnosis:
    name = runs[0].name
    return Diagnosis(
        name.color_space, name.objective, quantity, subject, value.mean, value.lowest, value.highest, value.n_seeds,
        finding.words, finding.sentence,
    )  # fmt: skip


def diagnosis_rows(found: Sequence[Diagnosis]) -> list[DiagnosisRow]:
    """Return the diagnoses of one color space as a table with a row for each objective."""
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
    text = f"{one.quantity} {value}"
    if one.quantity in {"Wasserstein estimate", "score difference"}:
        text += "".join(f", {change.reading}" for change in own if change.quantity == "distance change")
    return text
