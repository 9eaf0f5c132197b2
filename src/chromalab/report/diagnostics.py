"""Why a mixture behaves as it does: what its terms and its critic did at the end of the training, from the logs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

import numpy as np

from chromalab.report.curves import SHARE, WEIGHT
from chromalab.report.numbers import format_significant
from chromalab.report.readings import (
    Measured,
    Reading,
    percent,
    read_accuracy,
    read_cosine,
    read_gradient_norm,
    read_share,
    read_trend,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chromalab.report.curves import RunCurves

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
            yield _diagnosis(runs, "share", term, share, read_share(term, share))
        if weight is not None:
            yield _diagnosis(runs, "weight", term, weight, Reading())


def _of_pairs(runs: Sequence[RunCurves]) -> Iterator[Diagnosis]:
    for column, (first, second) in runs[0].pairs.items():
        cosine = _measure(runs, column)
        if cosine is not None:
            yield _diagnosis(runs, "cosine", f"{first} vs {second}", cosine, read_cosine(first, second, cosine))


def _of_critic(runs: Sequence[RunCurves]) -> Iterator[Diagnosis]:
    accuracy, norm = _measure(runs, "critic.accuracy"), _measure(runs, "critic.gradient_norm")
    if accuracy is not None:
        reading = read_accuracy(accuracy, wasserstein=runs[0].wasserstein)
        yield _diagnosis(runs, "accuracy", "critic", accuracy, reading)
    yield from _of_distance(runs)
    if norm is not None:
        reading = read_gradient_norm(norm) if PENALIZED in runs[0].terms else Reading()
        yield _diagnosis(runs, "gradient norm", "critic", norm, reading)


def _of_distance(runs: Sequence[RunCurves]) -> Iterator[Diagnosis]:
    last, middle = (_measure(runs, "critic.distance", part) for part in (LAST, MIDDLE))
    changes = [each for run in runs if (each := _change(run)) is not None]
    if last is not None:
        quantity: Quantity = "Wasserstein estimate" if runs[0].wasserstein else "score difference"
        yield _diagnosis(runs, quantity, "critic", last, Reading())
    if last is not None and middle is not None and changes:
        change = _measured(changes)
        reading = read_trend(change, middle.mean, last.mean, wasserstein=runs[0].wasserstein)
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
    runs: Sequence[RunCurves], quantity: Quantity, subject: str, value: Measured, reading: Reading
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
