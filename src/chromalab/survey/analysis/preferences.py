"""Preference scores: log-abilities, order effect, ties and JODs of pairwise votes, with their intervals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from chromalab.stats.clusters import (
    ASSUMED_CORRELATION,
    Array,
    TwoWay,
    assumed_design_effect,
    observed_design_effect,
    two_way,
)
from chromalab.stats.pivots import FEW, Pivot, StudentT
from chromalab.stats.preference import (
    PreferenceFit,
    PreferencePosterior,
    ThurstonePosterior,
    Votes,
    components,
    fit_preferences,
    fit_thurstone,
    order_is_separable,
    preference_parameters,
    weakest_chains,
)
from chromalab.stats.profile import Profile
from chromalab.survey.analysis.scores import numbered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from chromalab.survey.design import AnalysisPlan
    from chromalab.survey.votes import VoteRow

WIDEST_PRIOR = 10.0
"""Widest prior for resampled data, in some of which a method wins every comparison."""

ONE_SIDED = "the order effect cannot be estimated from these votes and was left out"
INSEPARABLE = (
    "the order effect cannot be separated from preference, because the same methods always stand on the left; it was "
    "left out, so scores include any advantage of the left side"
)


@dataclass(frozen=True)
class PreferenceScores:
    """Preference scores of methods.

    Attributes:
        votes: counts of the votes.
        cells: contribution of each vote to these counts, shape (votes, 3 M M).
        observers: index of the participant of each vote.
        scenes: index of the photo of each vote.
        fit: log-abilities, order effect and tie parameter.
        jod: Thurstone scores in just-objectionable differences.
        errors: covariances of (theta, order, log nu, jod).
        groups: groups of methods that votes connect.
        order: whether the order effect was estimated.
        prior_sd: standard deviation of the prior on log-abilities, or None.
        notes: remarks for the reader.
    """

    votes: Votes
    cells: sparse.csr_matrix
    observers: list[int]
    scenes: list[int]
    fit: PreferenceFit
    jod: Array
    errors: TwoWay
    groups: list[list[int]]
    order: bool
    prior_sd: float | None
    notes: list[str]

    @cached_property
    def wins(self) -> Array:
        """`wins[i, j]` counts how often i was preferred to j; a tie counts half for both."""
        return self.votes.wins()

    @cached_property
    def few(self) -> NDArray[np.bool_]:
        """Whether fewer than `FEW` votes keep the difference of two methods finite in one direction, shape (M, M)."""
        chains = weakest_chains(self.wins, FEW)
        return np.minimum(chains, chains.T) < FEW

    def connecting(self, enough: int) -> Array:
        """Return the number of votes, up to `enough`, that connect two methods, directly or through others."""
        return weakest_chains(self.wins + self.wins.T, enough)

    def score(self, k: int) -> Pivot:
        """Return the log-ability of method k relative to the mean of its group."""
        student = self._student(float(self.fit.theta[k]), self._unit(k))
        return self._profile(self._centered(k)) if self._few_in_group(k) or student.se == 0 else student

    def jods(self, k: int) -> Pivot:
        """Return the JOD of method k relative to the mean of its group."""
        student = self._student(float(self.jod[k]), self._unit(self.votes.n_methods + 2 + k))
        if not self._few_in_group(k) and student.se > 0:
            return student
        contrast = self._centered(k)
        posterior = ThurstonePosterior(self.votes, self.prior_sd)
        effect = self._design_effect(contrast)
        return Profile(posterior, self.jod, contrast[: self.votes.n_methods], effect, self.errors.df)

    def difference(self, i: int, j: int) -> Pivot:
        """Return the difference of log-abilities of methods i and j of one group."""
        student = self._student(float(self.fit.theta[i] - self.fit.theta[j]), self._unit(i) - self._unit(j))
        if not self.few[i, j] and student.se > 0:
            return student
        contrast = np.zeros(self.votes.n_methods + 2)
        contrast[i], contrast[j] = 1.0, -1.0
        return self._profile(contrast)

    def order_effect(self) -> Pivot:
        """Return the advantage of the left side in logits."""
        m = self.votes.n_methods
        student = self._student(float(self.fit.order), self._unit(m))
        if min(self.votes.left.sum(), self.votes.right.sum()) >= FEW and student.se > 0:
            return student
        return self._profile(np.eye(m + 2)[m])

    def _few_in_group(self, k: int) -> bool:
        return bool(self.few[k, [other for other in self._group(k) if other != k]].any())

    def _group(self, k: int) -> list[int]:
        return next(group for group in self.groups if k in group)

    def _unit(self, place: int) -> Array:
        return np.asarray(np.eye(2 * self.votes.n_methods + 2)[place])

    def _student(self, value: float, contrast: Array) -> StudentT:
        """Return an estimate whose variance is at least that of independent votes.

        Votes that are spread more evenly than by chance would otherwise give an interval of no width.
        """
        variance = max(self.errors.variance(contrast), float(contrast @ self.errors.votes @ contrast))
        return StudentT(value, float(np.sqrt(variance)), self.errors.df)

    def _centered(self, k: int) -> Array:
        contrast = np.zeros(self.votes.n_methods + 2)
        contrast[self._group(k)] = -1.0 / len(self._group(k))
        contrast[k] += 1.0
        return contrast

    @cached_property
    def _posterior(self) -> PreferencePosterior:
        return PreferencePosterior(self.votes, self.prior_sd, self.order, bool(self.votes.ties.sum() > 0))

    @cached_property
    def _mode(self) -> Array:
        log_nu = float(np.log(self.fit.nu)) if self._posterior.ties else 0.0
        return np.array([*self.fit.theta, float(self.fit.order), log_nu])

    def _profile(self, contrast: Array) -> Profile:
        return Profile(self._posterior, self._mode, contrast, self._design_effect(contrast), self.errors.df)

    def _design_effect(self, contrast: Array) -> float:
        """Return the design effect that the votes show, at least 1 and at least the assumed one."""
        influence, leverage = self._influence(contrast)
        m = self.votes.n_methods
        assumed = assumed_design_effect(self.observers, self.scenes) if contrast[m] else self._assumed(leverage)
        return max(1.0, assumed, observed_design_effect(influence, self.observers, self.scenes))

    @cached_property
    def _sides(self) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
        """Answer (0 left, 1 right, 2 tie), left method and right method of every vote."""
        m = self.votes.n_methods
        answer, left, right = np.unravel_index(self.cells.indices, (3, m, m))
        return answer, left, right

    @cached_property
    def _covariance(self) -> Array:
        _, information = self._posterior.derivatives(self._mode)
        return np.asarray(np.linalg.pinv(information, hermitian=True))

    def _influence(self, contrast: Array) -> tuple[Array, Array]:
        """Return the first-order influence of each vote on the contrast, and its weight in logits."""
        m, model = self.votes.n_methods, self._posterior
        answer, left, right = self._sides
        pull = self._covariance @ contrast
        d = self._mode[left] - self._mode[right] + self._mode[m]
        odds = np.stack([np.exp(d / 2), np.exp(-d / 2), np.full_like(d, np.exp(self._mode[m + 1]) * model.ties)])
        p_left, p_right, p_tie = odds / odds.sum(axis=0)
        weight = pull[left] - pull[right] + pull[m]
        residual = (np.array([1.0, -1.0, 0.0])[answer] - (p_left - p_right)) / 2
        return residual * weight + ((answer == 2) - p_tie) * pull[m + 1] * model.ties, weight

    def _assumed(self, weight: Array) -> float:
        """Return the design effect if participants and photos shift abilities as `ASSUMED_CORRELATION` assumes.

        Votes of a cluster are then correlated by that value times the overlap of their pairs: 1 for the same pair, -1
        with its sides flipped, 1/2 with one method in common.
        """
        _, left, right = self._sides
        total = float((weight**2).sum())
        if total == 0:
            return 1.0
        votes = np.arange(len(left))
        signed = sparse.csr_matrix(
            (np.concatenate([weight, -weight]), (np.tile(votes, 2), np.concatenate([left, right]))),
            shape=(len(left), self.votes.n_methods),
        )
        shared = 0.0
        for groups in (self.observers, self.scenes):
            gather = sparse.csr_matrix((np.ones(len(left)), (np.array(groups), votes)))
            shared += float(((gather @ signed).toarray() ** 2).sum()) / 2 - total
        return 1 + ASSUMED_CORRELATION * shared / total


def score_preferences(
    rows: Sequence[VoteRow], methods: Sequence[str], plan: AnalysisPlan, *, seed: int = 0
) -> PreferenceScores:
    """Return the scores of methods from scored votes.

    Raises:
        NoEstimateError: there is no prior and no finite estimate.
    """
    m = len(methods)
    cells = vote_cells(rows, methods)
    votes = votes_of_sums(np.asarray(cells.sum(axis=0)).ravel(), m)
    notes = _order_notes(votes) if plan.order_effect else []
    order = plan.order_effect and not notes
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
        votes, cells, observers, scenes, fit, fit_thurstone(votes, prior_sd=plan.prior_sd), errors, components(votes),
        order, plan.prior_sd, notes,
    )  # fmt: skip


def _order_notes(votes: Votes) -> list[str]:
    """Return why the order effect cannot be estimated, if it cannot. Columns may just list winner and loser."""
    if not order_is_separable(votes):
        return [INSEPARABLE]
    return [] if votes.left.sum() > 0 and votes.right.sum() > 0 else [ONE_SIDED]


def _fisher(fit: PreferenceFit, m: int) -> TwoWay:
    covariance = np.zeros((2 * m + 2, 2 * m + 2))
    covariance[:m, :m] = fit.covariance
    covariance[m, m] = float(fit.order_se) ** 2
    covariance[m + 2 :, m + 2 :] = fit.covariance / np.log(3) ** 2
    return TwoWay(participants=None, photos=None, votes=covariance, n_participants=1, n_photos=1)


def vote_cells(rows: Sequence[VoteRow], methods: Sequence[str]) -> sparse.csr_matrix:
    """Return the contribution of each vote to the counts of (left, right, tie) by (left method, right method)."""
    m = len(methods)
    place = {name: k for k, name in enumerate(methods)}
    columns = [
        (2 if row.is_tie else 0 if row.left_selected else 1) * m * m + place[row.left] * m + place[row.right]
        for row in rows
    ]
    return sparse.csr_matrix((np.ones(len(rows)), (np.arange(len(rows)), columns)), shape=(len(rows), 3 * m * m))


def votes_of_sums(sums: Array, m: int) -> Votes:
    """Return vote counts from sums of `vote_cells`, shape (..., 3 M M)."""
    tables = sums.reshape(*sums.shape[:-1], 3, m, m)
    return Votes(tables[..., 0, :, :], tables[..., 1, :, :], tables[..., 2, :, :])


def count_votes(rows: Sequence[VoteRow], methods: Sequence[str]) -> Votes:
    """Return the counts of votes by pair of methods."""
    return votes_of_sums(np.asarray(vote_cells(rows, methods).sum(axis=0)).ravel(), len(methods))
