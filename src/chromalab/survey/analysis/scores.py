"""Scores by protocol: pairwise preference, real-or-fake fooling rates, and mean opinion scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from chromalab.stats.clusters import Array, TwoWay, two_way
from chromalab.stats.detection import clopper_pearson, two_alternatives, wilson, yes_no
from chromalab.stats.opinion import rater_model
from chromalab.stats.preference import (
    NoEstimateError,
    PreferenceFit,
    Votes,
    components,
    fit_preferences,
    fit_thurstone,
    preference_parameters,
)
from chromalab.survey.analysis.records import Estimate, Fooling
from chromalab.survey.design import RANDOM, TRUTH
from chromalab.survey.votes import VoteRow, by_observer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chromalab.survey.design import AnalysisPlan

WIDEST_PRIOR = 10.0
"""Widest prior for resampled data, in some of which a method wins every comparison."""


@dataclass(frozen=True)
class PreferenceScores:
    """Preference scores of methods.

    Attributes:
        fit: log-abilities, order effect and tie parameter.
        jod: Thurstone scores in just-objectionable differences.
        errors: covariances of (theta, order, log nu, jod).
        wins: `wins[i, j]` counts how often i was preferred to j; a tie counts half for both.
        groups: groups of methods that votes connect.
        order: whether the order effect was estimated.
        notes: remarks for the reader.
    """

    fit: PreferenceFit
    jod: Array
    errors: TwoWay
    wins: Array
    groups: list[list[int]]
    order: bool
    notes: list[str]


def score_preferences(
    rows: Sequence[VoteRow], methods: Sequence[str], plan: AnalysisPlan, *, seed: int = 0
) -> PreferenceScores:
    """Return the scores of methods from scored votes.

    Raises:
        NoEstimateError: there is no prior and no finite estimate.
    """
    m = len(methods)
    cells = _cells(rows, methods)
    votes = votes_of_sums(np.asarray(cells.sum(axis=0)).ravel(), m)
    notes: list[str] = []
    order = plan.order_effect and _order_is_known(votes)
    if plan.order_effect and not order:
        notes.append("the order effect cannot be estimated from these votes and was left out")
    fit = fit_preferences(votes, prior_sd=plan.prior_sd, order=order)
    ties = bool(votes.ties.sum() > 0)
    narrow = min(plan.prior_sd or WIDEST_PRIOR, WIDEST_PRIOR)

    def statistic(sums: Array) -> Array:
        resampled = votes_of_sums(sums, m)
        state = preference_parameters(resampled, prior_sd=narrow, order=order, ties=ties, start=fit.theta)
        return np.concatenate([state, fit_thurstone(resampled, prior_sd=narrow)], axis=-1)

    observers, scenes = numbered(row.observer for row in rows), numbered(row.scene for row in rows)
    errors = two_way(cells, observers, scenes, statistic, draws=plan.draws, seed=seed)
    if errors.participants is None and errors.photos is None:
        errors = _fisher(fit, m)
        notes.append("there is only one participant and one photo, so intervals treat votes as independent")
    return PreferenceScores(
        fit, _thurstone(votes, plan.prior_sd), errors, votes.wins(), components(votes), order, notes
    )


def _thurstone(votes: Votes, prior_sd: float | None) -> Array:
    try:
        return fit_thurstone(votes, prior_sd=prior_sd)
    except NoEstimateError:
        return fit_thurstone(votes, prior_sd=WIDEST_PRIOR)


def _fisher(fit: PreferenceFit, m: int) -> TwoWay:
    covariance = np.zeros((2 * m + 2, 2 * m + 2))
    covariance[:m, :m] = fit.covariance
    covariance[m, m] = float(fit.order_se) ** 2
    covariance[m + 2 :, m + 2 :] = fit.covariance / np.log(3) ** 2
    return TwoWay(participants=None, photos=None, votes=covariance, n_participants=1, n_photos=1)


def _order_is_known(votes: Votes) -> bool:
    """Return whether both sides were chosen. If not, columns may just list winner and loser."""
    return bool(votes.left.sum() > 0 and votes.right.sum() > 0)


def _cells(rows: Sequence[VoteRow], methods: Sequence[str]) -> sparse.csr_matrix:
    """Return the contribution of each vote to the counts of (left, right, tie) by (left method, right method)."""
    m = len(methods)
    place = {name: k for k, name in enumerate(methods)}
    columns = [
        (2 if row.is_tie else 0 if row.left_selected else 1) * m * m + place[row.left] * m + place[row.right]
        for row in rows
    ]
    return sparse.csr_matrix((np.ones(len(rows)), (np.arange(len(rows)), columns)), shape=(len(rows), 3 * m * m))


def votes_of_sums(sums: Array, m: int) -> Votes:
    """Return vote counts from sums of `_cells`, shape (..., 3 M M)."""
    tables = sums.reshape(*sums.shape[:-1], 3, m, m)
    return Votes(tables[..., 0, :, :], tables[..., 1, :, :], tables[..., 2, :, :])


def count_votes(rows: Sequence[VoteRow], methods: Sequence[str]) -> Votes:
    """Return the counts of votes by pair of methods."""
    return votes_of_sums(np.asarray(_cells(rows, methods).sum(axis=0)).ravel(), len(methods))


def numbered(names: Iterable[str]) -> list[int]:
    """Return a number from 0 for each name; equal names get equal numbers."""
    known: dict[str, int] = {}
    return [known.setdefault(name, len(known)) for name in names]


@dataclass(frozen=True)
class FoolingScores:
    """Rates, sensitivities and criteria by method.

    Attributes:
        rates: share of trials in which generated colors were taken for true ones, shape (M,).
        errors: covariances of (rates, d', criteria).
        facts: results by method.
    """

    rates: Array
    errors: TwoWay
    facts: dict[str, Fooling]


def score_fooling(
    rows: Sequence[VoteRow], methods: Sequence[str], *, draws: int, level: float, seed: int = 0
) -> FoolingScores:
    """Return the fooling scores of methods from scored trials; each method needs at least one trial."""
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
    """Return (rate, d', c), shape (draws, 3 M), from (hits, signals, false alarms, noises), shape (draws, M, 4)."""
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
    """Return a value with its interval over participants and photos."""
    half = errors.half_width(contrast, level)
    se = float(np.sqrt(errors.variance(contrast)))
    return Estimate(value=value, se=se, low=value - half, high=value + half)


def _pair_sums(rows: Sequence[VoteRow], methods: Sequence[str]) -> sparse.csr_matrix:
    """Return hits and signals ("left" if the left image is real), false alarms and noises ("left" if it is not)."""
    place = {name: k for k, name in enumerate(methods)}
    entries = []
    for index, row in enumerate(rows):
        real_left = row.left == TRUTH
        first = 4 * place[row.right if real_left else row.left] + (0 if real_left else 2)
        entries += [(index, first, float(row.left_selected)), (index, first + 1, 1.0)]
    return _matrix(entries, len(rows), 4 * len(methods))


def _single_sums(rows: Sequence[VoteRow], methods: Sequence[str]) -> sparse.csr_matrix:
    """Return hits (true photos called real, counted for the participant's method) and false alarms (generated ones)."""
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


@dataclass(frozen=True)
class RatingScores:
    """Rating scores of methods.

    Attributes:
        mos: mean opinion scores, shape (M,).
        errors: covariances of the mean opinion scores.
        quality: mean quality of each method's images by the rater model of ITU-T P.910.
    """

    mos: Array
    errors: TwoWay
    quality: dict[str, float]


def score_ratings(rows: Sequence[VoteRow], methods: Sequence[str], *, draws: int, seed: int = 0) -> RatingScores:
    """Return the rating scores of methods from scored ratings."""
    m = len(methods)
    place = {name: k for k, name in enumerate(methods)}
    values = np.array([float(row.rating or 0) for row in rows])
    method = np.array([place[row.condition_a] for row in rows])
    index = np.arange(len(rows))
    sums = sparse.csr_matrix(
        (np.concatenate([values, np.ones(len(rows))]), (np.tile(index, 2), np.concatenate([method, m + method]))),
        shape=(len(rows), 2 * m),
    )

    def statistic(totals: Array) -> Array:
        n = totals[:, m:]
        return np.divide(totals[:, :m], n, out=np.full_like(n, np.nan), where=n > 0)

    errors = two_way(
        sums, numbered(row.observer for row in rows), numbered(row.scene for row in rows), statistic,
        draws=draws, seed=seed,
    )  # fmt: skip
    table, _, images = ratings_table(rows)
    model = rater_model(table)
    quality = {
        name: float(np.nanmean([q for q, (_, own) in zip(model.quality, images, strict=True) if own == name]))
        for name in methods
    }
    return RatingScores(statistic(np.asarray(sums.sum(axis=0)))[0], errors, quality)


def ratings_table(rows: Sequence[VoteRow]) -> tuple[Array, list[str], list[tuple[str, str]]]:
    """Return ratings by participant and image (NaN if missing), the participants, and the images."""
    observers = list(dict.fromkeys(row.observer for row in rows))
    images = sorted({(row.scene, row.condition_a) for row in rows})
    table = np.full((len(observers), len(images)), np.nan)
    who = {name: k for k, name in enumerate(observers)}
    what = {name: k for k, name in enumerate(images)}
    for row in rows:
        table[who[row.observer], what[row.scene, row.condition_a]] = float(row.rating or 0)
    return table, observers, images
