"""Scores of pairwise preference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from chromalab.stats.clusters import Array, TwoWay, two_way
from chromalab.stats.preference import (
    NoEstimateError,
    PreferenceFit,
    Votes,
    components,
    fit_preferences,
    fit_thurstone,
    preference_parameters,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chromalab.survey.analysis.votes import VoteRow
    from chromalab.survey.design import AnalysisPlan

WIDEST_PRIOR = 10.0
"""Resampled data sets are fitted under a prior at most this wide: in some of them a method wins every comparison."""


@dataclass(frozen=True)
class PreferenceScores:
    """What votes say of methods.

    Attributes:
        fit: log-abilities, order effect and tie parameter.
        jod: Thurstone's scores.
        errors: covariances of (theta, order, log nu, jod).
        wins: `wins[i, j]`, how often i was preferred to j, ties halved.
        groups: methods that votes connect.
        order: the order effect was estimated.
        notes: what a reader must know.
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
    """Return the scores of scored votes.

    Raises:
        NoEstimateError: without a prior, where there is no finite estimate.
    """
    m = len(methods)
    cells = _cells(rows, methods)
    votes = votes_of_sums(np.asarray(cells.sum(axis=0)).ravel(), m)
    notes: list[str] = []
    order = plan.order_effect and _order_is_known(votes)
    if plan.order_effect and not order:
        notes.append("the order effect can't be told from these votes, and was left out")
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
        notes.append("one person and one photograph: intervals take votes for independent")
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
    """Say no where every vote chose the same side: then the order of columns is that of winner and loser."""
    return bool(votes.left.sum() > 0 and votes.right.sum() > 0)


def _cells(rows: Sequence[VoteRow], methods: Sequence[str]) -> sparse.csr_matrix:
    """Return what each vote adds to the counts of (left, right, tie) by (left method, right method)."""
    m = len(methods)
    place = {name: k for k, name in enumerate(methods)}
    columns = [
        (2 if row.is_tie else 0 if row.left_selected else 1) * m * m + place[row.left] * m + place[row.right]
        for row in rows
    ]
    return sparse.csr_matrix((np.ones(len(rows)), (np.arange(len(rows)), columns)), shape=(len(rows), 3 * m * m))


def votes_of_sums(sums: Array, m: int) -> Votes:
    """Return counts of votes from sums of `_cells`, shape (..., 3 M M)."""
    tables = sums.reshape(*sums.shape[:-1], 3, m, m)
    return Votes(tables[..., 0, :, :], tables[..., 1, :, :], tables[..., 2, :, :])


def count_votes(rows: Sequence[VoteRow], methods: Sequence[str]) -> Votes:
    """Return the counts of some votes."""
    return votes_of_sums(np.asarray(_cells(rows, methods).sum(axis=0)).ravel(), len(methods))


def numbered(names: Iterable[str]) -> list[int]:
    """Return a number from 0 for each name, the same for the same."""
    known: dict[str, int] = {}
    return [known.setdefault(name, len(known)) for name in names]
