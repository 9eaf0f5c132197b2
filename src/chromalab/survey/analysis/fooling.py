"""Real or fake: how often colors are taken for true, and how well people tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from chromalab.stats.clusters import Array, TwoWay, two_way
from chromalab.stats.detection import clopper_pearson, two_alternatives, wilson, yes_no
from chromalab.survey.analysis.preference import numbered
from chromalab.survey.analysis.records import Estimate, Fooling
from chromalab.survey.analysis.votes import VoteRow, by_observer
from chromalab.survey.design import RANDOM, TRUTH

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class FoolingScores:
    """Rates, sensitivities and criteria by method.

    Attributes:
        rates: share of trials in which the colored photograph was taken for the true one, shape (M,).
        errors: covariances of (rates, d', criteria).
        facts: by method.
    """

    rates: Array
    errors: TwoWay
    facts: dict[str, Fooling]


def score_fooling(
    rows: Sequence[VoteRow], methods: Sequence[str], *, draws: int, level: float, seed: int = 0
) -> FoolingScores:
    """Return what scored trials say; each method needs at least one trial."""
    single = not rows[0].condition_b
    sums = _single_sums(rows, methods) if single else _pair_sums(rows, methods)
    m = len(methods)

    def statistic(totals: Array) -> Array:
        return _statistic(totals.reshape(len(totals), m, 4), single=single)

    errors = two_way(
        sums, numbered(row.observer for row in rows), numbered(row.scene for row in rows), statistic,
        draws=draws, seed=seed,
    )  # fmt: skip
    totals = np.asarray(sums.sum(axis=0)).ravel()
    values = statistic(totals[None])[0]
    counts = totals.reshape(m, 4)
    facts = {
        name: _facts(counts[k], values[[m + k, 2 * m + k]], errors, (m + k, 2 * m + k), level, single=single)
        for k, name in enumerate(methods)
    }
    return FoolingScores(values[:m], errors, facts)


def _statistic(counts: Array, *, single: bool) -> Array:
    """Return (rate, d', c) of (hits, signals, false alarms, noises), shape (draws, M, 4) to (draws, 3 M)."""
    hits, signals, alarms, noises = np.moveaxis(counts, -1, 0)
    found = (yes_no if single else two_alternatives)(hits, signals, alarms, noises)
    fooled, n = (alarms, noises) if single else (signals - hits + alarms, signals + noises)
    rate = np.divide(fooled, n, out=np.full_like(n, np.nan), where=n > 0)
    return np.concatenate([rate, found.d_prime, found.criterion], axis=-1)


def _facts(
    counts: Array, values: Array, errors: TwoWay, places: tuple[int, int], level: float, *, single: bool
) -> Fooling:
    hits, signals, alarms, noises = (round(float(count)) for count in counts)
    fooled, n = (alarms, noises) if single else (signals - hits + alarms, signals + noises)
    estimates = [
        estimate_of(float(value), errors, np.eye(len(errors.votes))[place], level)
        for value, place in zip(values, places, strict=True)
    ]
    naive = wilson(fooled, n, level), clopper_pearson(fooled, n, level)
    return Fooling(
        fooled=fooled, n=n, wilson=(naive[0].low, naive[0].high), clopper_pearson=(naive[1].low, naive[1].high),
        d_prime=estimates[0], criterion=estimates[1],
    )  # fmt: skip


def estimate_of(value: float, errors: TwoWay, contrast: Array, level: float) -> Estimate:
    """Return a number with its interval over people and photographs."""
    half = errors.half_width(contrast, level)
    se = float(np.sqrt(errors.variance(contrast)))
    return Estimate(value=value, se=se, low=value - half, high=value + half)


def _pair_sums(rows: Sequence[VoteRow], methods: Sequence[str]) -> sparse.csr_matrix:
    """Hits: "left is real" where it was, and how often it was; false alarms: "left is real" where it was not."""
    place = {name: k for k, name in enumerate(methods)}
    entries = []
    for index, row in enumerate(rows):
        real_left = row.left == TRUTH
        first = 4 * place[row.right if real_left else row.left] + (0 if real_left else 2)
        entries += [(index, first, float(row.left_selected)), (index, first + 1, 1.0)]
    return _matrix(entries, len(rows), 4 * len(methods))


def _single_sums(rows: Sequence[VoteRow], methods: Sequence[str]) -> sparse.csr_matrix:
    """Hits: true ones called real, in the count of the method that this person sees; false alarms: colored ones."""
    place = {name: k for k, name in enumerate(methods)}
    own = {observer: _method_of(mine) for observer, mine in by_observer(rows).items()}
    entries = []
    for index, row in enumerate(rows):
        method = own[row.observer] if row.condition_a == TRUTH else row.condition_a
        if method in place:
            first = 4 * place[method] + (0 if row.condition_a == TRUTH else 2)
            entries += [(index, first, float(row.is_a_selected)), (index, first + 1, 1.0)]
    return _matrix(entries, len(rows), 4 * len(methods))


def _method_of(rows: Sequence[VoteRow]) -> str:
    return next((row.condition_a for row in rows if row.condition_a not in {TRUTH, RANDOM}), "")


def _matrix(entries: Sequence[tuple[int, int, float]], rows: int, columns: int) -> sparse.csr_matrix:
    places = np.array([entry[:2] for entry in entries], dtype=np.intp).reshape(-1, 2)
    values = np.array([entry[2] for entry in entries], dtype=np.float64)
    return sparse.csr_matrix((values, (places[:, 0], places[:, 1])), shape=(rows, columns))
