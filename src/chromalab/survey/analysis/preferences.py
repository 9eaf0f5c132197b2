"""Preference scores: log-abilities of pairwise votes and rankings, order effect, ties and JODs, with intervals."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise
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
from chromalab.stats.profile import LogPosterior, Profile
from chromalab.stats.ranking import Choices, RankingPosterior, fit_rankings, successive_choices
from chromalab.survey.analysis.scores import numbered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from chromalab.survey.plan import AnalysisPlan
    from chromalab.survey.votes import VoteRow

WIDEST_PRIOR = 10.0
"""Widest prior for resampled data, in some of which a method wins every comparison."""

ONE_SIDED = "the order effect cannot be estimated from these votes and was left out"
INSEPARABLE = (
    "the order effect cannot be separated from preference, because the same methods always stand on the left; it was "
    "left out, so scores include any advantage of the left side"
)


@dataclass(frozen=True)
class AbilityScores(ABC):
    """Log-abilities of methods from votes on pairs or from rankings.

    A ranking is a series of choices, and a vote on a pair is one choice.

    Attributes:
        theta: the log-abilities.
        wins: `wins[i, j]` counts how often i was preferred to j; a tie counts half for both.
        chains: the same counts, but each vote adds at most 1 to every way from one method to another.
        observers: index of the participant of each choice.
        scenes: index of the photo of each choice.
        errors: covariances of theta, then of other estimates.
        groups: groups of methods that votes connect.
        prior_sd: standard deviation of the prior on log-abilities, or None.
        notes: remarks for the reader.
    """

    theta: Array
    wins: Array
    chains: Array
    observers: list[int]
    scenes: list[int]
    errors: TwoWay
    groups: list[list[int]]
    prior_sd: float | None
    notes: list[str]

    @property
    @abstractmethod
    def posterior(self) -> LogPosterior:
        """The log-posterior of theta and other parameters."""

    @property
    @abstractmethod
    def mode(self) -> Array:
        """The maximum of the posterior."""

    @abstractmethod
    def influence(self, pull: Array) -> tuple[Array, sparse.csr_matrix]:
        """Return what each choice adds to a contrast, to first order, and the weights of its methods in it.

        Args:
            pull: the covariance of the parameters times the contrast.
        """

    @cached_property
    def few(self) -> NDArray[np.bool_]:
        """Whether fewer than `FEW` votes keep the difference of two methods finite in one direction, shape (M, M)."""
        found = weakest_chains(self.chains, FEW)
        return np.minimum(found, found.T) < FEW

    def connecting(self, enough: int) -> Array:
        """Return the number of votes, up to `enough`, that connect two methods, directly or through others."""
        return weakest_chains(self.chains + self.chains.T, enough)

    def score(self, k: int) -> Pivot:
        """Return the log-ability of method k relative to the mean of its group."""
        student = self._student(float(self.theta[k]), self._unit(k))
        return self._profile(self._centered(k)) if self._few_in_group(k) or student.se == 0 else student

    def difference(self, i: int, j: int) -> Pivot:
        """Return the difference of log-abilities of methods i and j of one group."""
        student = self._student(float(self.theta[i] - self.theta[j]), self._unit(i) - self._unit(j))
        if not self.few[i, j] and student.se > 0:
            return student
        contrast = np.zeros(len(self.mode))
        contrast[i], contrast[j] = 1.0, -1.0
        return self._profile(contrast)

    def _few_in_group(self, k: int) -> bool:
        return bool(self.few[k, [other for other in self._group(k) if other != k]].any())

    def _group(self, k: int) -> list[int]:
        return next(group for group in self.groups if k in group)

    def _unit(self, place: int) -> Array:
        return np.asarray(np.eye(len(self.errors.votes))[place])

    def _student(self, value: float, contrast: Array) -> StudentT:
        """Return an estimate whose variance is at least that of independent votes.

        Votes that are spread more evenly than by chance would otherwise give an interval of no width.
        """
        variance = max(self.errors.variance(contrast), float(contrast @ self.errors.votes @ contrast))
        return StudentT(value, float(np.sqrt(variance)), self.errors.df)

    def _centered(self, k: int) -> Array:
        contrast = np.zeros(len(self.mode))
        contrast[self._group(k)] = -1.0 / len(self._group(k))
        contrast[k] += 1.0
        return contrast

    def _profile(self, contrast: Array) -> Profile:
        return Profile(self.posterior, self.mode, contrast, self._design_effect(contrast), self.errors.df)

    @cached_property
    def _covariance(self) -> Array:
        _, information = self.posterior.derivatives(self.mode)
        return np.asarray(np.linalg.pinv(information, hermitian=True))

    def _design_effect(self, contrast: Array) -> float:
        """Return the design effect that the votes show, at least 1 and at least the assumed one."""
        influence, weights = self.influence(self._covariance @ contrast)
        of_methods = not contrast[len(self.theta) :].any()
        assumed = self._assumed(weights) if of_methods else assumed_design_effect(self.observers, self.scenes)
        return max(1.0, assumed, observed_design_effect(influence, self.observers, self.scenes))

    def _assumed(self, weights: sparse.csr_matrix) -> float:
        """Return the design effect if participants and photos shift abilities as `ASSUMED_CORRELATION` assumes.

        Choices of a cluster are then correlated by that value times the overlap of their methods: 1 for the same pair,
        -1 with its sides flipped, 1/2 with one method in common.
        """
        total = float(weights.multiply(weights).sum())
        if total == 0:
            return 1.0
        shared = 0.0
        for groups in (self.observers, self.scenes):
            gather = sparse.csr_matrix((np.ones(len(groups)), (np.array(groups), np.arange(len(groups)))))
            shared += float(((gather @ weights).toarray() ** 2).sum()) - total
        return 1 + ASSUMED_CORRELATION * shared / total


@dataclass(frozen=True)
class PreferenceScores(AbilityScores):
    """Scores from votes on pairs.

    Attributes:
        votes: counts of the votes.
        cells: contribution of each vote to these counts, shape (votes, 3 M M).
        fit: log-abilities, order effect and tie parameter.
        jod: Thurstone scores in just-objectionable differences. `errors` has covariances of (theta, order, log nu,
            jod).
        order: whether the order effect was estimated.
    """

    votes: Votes
    cells: sparse.csr_matrix
    fit: PreferenceFit
    jod: Array
    order: bool

    def jods(self, k: int) -> Pivot:
        """Return the JOD of method k relative to the mean of its group."""
        student = self._student(float(self.jod[k]), self._unit(self.votes.n_methods + 2 + k))
        if not self._few_in_group(k) and student.se > 0:
            return student
        contrast = self._centered(k)
        posterior = ThurstonePosterior(self.votes, self.prior_sd)
        effect = self._design_effect(contrast)
        return Profile(posterior, self.jod, contrast[: self.votes.n_methods], effect, self.errors.df)

    def order_effect(self) -> Pivot:
        """Return the advantage of the left side in logits."""
        m = self.votes.n_methods
        student = self._student(float(self.fit.order), self._unit(m))
        if min(self.votes.left.sum(), self.votes.right.sum()) >= FEW and student.se > 0:
            return student
        return self._profile(np.eye(m + 2)[m])

    @cached_property
    def posterior(self) -> PreferencePosterior:
        """The log-posterior of (theta, order, log nu)."""
        return PreferencePosterior(self.votes, self.prior_sd, self.order, bool(self.votes.ties.sum() > 0))

    @cached_property
    def mode(self) -> Array:
        """The maximum of the posterior."""
        log_nu = float(np.log(self.fit.nu)) if self.posterior.ties else 0.0
        return np.array([*self.theta, float(self.fit.order), log_nu])

    @cached_property
    def _sides(self) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
        """Answer (0 left, 1 right, 2 tie), left method and right method of every vote."""
        m = self.votes.n_methods
        answer, left, right = np.unravel_index(self.cells.indices, (3, m, m))
        return answer, left, right

    def influence(self, pull: Array) -> tuple[Array, sparse.csr_matrix]:
        """Return what each vote adds to a contrast, and the weights of its two methods in it."""
        m, model = self.votes.n_methods, self.posterior
        answer, left, right = self._sides
        d = self.mode[left] - self.mode[right] + self.mode[m]
        odds = np.stack([np.exp(d / 2), np.exp(-d / 2), np.full_like(d, np.exp(self.mode[m + 1]) * model.ties)])
        p_left, p_right, p_tie = odds / odds.sum(axis=0)
        weight = pull[left] - pull[right] + pull[m]
        residual = (np.array([1.0, -1.0, 0.0])[answer] - (p_left - p_right)) / 2
        influence = residual * weight + ((answer == 2) - p_tie) * pull[m + 1] * model.ties
        places = (np.tile(np.arange(len(left)), 2), np.concatenate([left, right]))
        return influence, sparse.csr_matrix((np.concatenate([weight, -weight]), places), shape=(len(left), m))


@dataclass(frozen=True)
class RankingScores(AbilityScores):
    """Scores from rankings.

    Attributes:
        choices: counts of the choices behind the rankings.
        sets: index of the set of each choice.
        chosen: method of each choice.
    """

    choices: Choices
    sets: NDArray[np.intp]
    chosen: NDArray[np.intp]

    @cached_property
    def posterior(self) -> RankingPosterior:
        """The log-posterior of theta."""
        return RankingPosterior(self.choices, self.prior_sd)

    @property
    def mode(self) -> Array:
        """The maximum of the posterior."""
        return self.theta

    def influence(self, pull: Array) -> tuple[Array, sparse.csr_matrix]:
        """Return what each choice adds to a contrast, and the weights of the methods of its set in it."""
        p = self.choices.probabilities(self.theta)
        influence = pull[self.chosen] - (p @ pull)[self.sets]
        members = self.choices.members
        means = (members @ pull) / members.sum(axis=1)
        return influence, sparse.csr_matrix((members * (pull - means[:, None]))[self.sets])


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
        notes.append(ALONE)
    return PreferenceScores(
        theta=fit.theta, wins=votes.wins(), chains=votes.wins(), observers=observers, scenes=scenes, errors=errors,
        groups=components(votes), prior_sd=plan.prior_sd, notes=notes, votes=votes, cells=cells, fit=fit,
        jod=fit_thurstone(votes, prior_sd=plan.prior_sd), order=order,
    )  # fmt: skip


ALONE = "there is only one participant and one photo, so intervals treat votes as independent"


def score_rankings(
    rows: Sequence[VoteRow], methods: Sequence[str], plan: AnalysisPlan, *, seed: int = 0
) -> RankingScores:
    """Return the scores of methods from scored rankings by the Plackett-Luce model.

    Places on the screen are balanced by the schedules, so that no advantage of a place is estimated.

    Raises:
        NoEstimateError: there is no prior and no finite estimate.
    """
    found = Rankings(rows, methods)
    wins, narrow = found.wins, min(plan.prior_sd or WIDEST_PRIOR, WIDEST_PRIOR)
    choices = found.choices(np.asarray(found.cells.sum(axis=0)).ravel())
    theta = fit_rankings(choices, wins, prior_sd=plan.prior_sd)

    def statistic(sums: Array) -> Array:
        return fit_rankings(found.choices(sums), wins, prior_sd=narrow, start=theta)

    notes = []
    observers, scenes = numbered(row.observer for row in rows), numbered(row.scene for row in rows)
    errors = two_way(found.cells, observers, scenes, statistic, draws=plan.draws, seed=seed)
    if errors.participants is None and errors.photos is None:
        _, information = RankingPosterior(choices, plan.prior_sd).derivatives(theta)
        covariance = np.asarray(np.linalg.pinv(information, hermitian=True), dtype=np.float64)
        errors, notes = TwoWay(None, None, covariance, n_participants=1, n_photos=1), [ALONE]
    return RankingScores(
        theta=theta, wins=wins, chains=found.chains, observers=[observers[k] for k in found.rows],
        scenes=[scenes[k] for k in found.rows], errors=errors, groups=components(Votes.from_wins(wins)),
        prior_sd=plan.prior_sd, notes=notes, choices=choices, sets=found.sets, chosen=found.chosen,
    )  # fmt: skip


class Rankings:
    """The choices behind rankings and votes on pairs.

    Attributes:
        rows: index of the vote of each choice.
        sets: index of the set of each choice.
        chosen: method of each choice.
        cells: contribution of each vote to the counts of `choices`, shape (votes, G M).
        members: the methods of each set, shape (G, M).
        wins: how often i was ranked above j, shape (M, M).
        chains: the same for neighbors in rankings only, divided by how often a ranking can enter and leave a set of
            methods, so that removing one ranking removes at most 1 from every way between two methods.
    """

    def __init__(self, rows: Sequence[VoteRow], methods: Sequence[str]) -> None:
        m = len(methods)
        place = {name: k for k, name in enumerate(methods)}
        rankings = [
            (number, [place[name] for name in order], share)
            for number, row in enumerate(rows)
            for order, share in row.orders
        ]
        known: dict[tuple[int, ...], int] = {}
        steps = [
            (number, known.setdefault(members, len(known)), item, share)
            for number, ranking, share in rankings
            for members, item in successive_choices(ranking)
        ]
        self.rows, self.sets, self.chosen = np.array([step[:3] for step in steps], dtype=np.intp).reshape(-1, 3).T
        self.members = np.array([[k in members for k in range(m)] for members in known])
        places = (self.rows, self.sets * m + self.chosen)
        shares = np.array([step[3] for step in steps])
        self.cells = sparse.csr_matrix((shares, places), shape=(len(rows), self.members.size))
        self.wins, self.chains = np.zeros((m, m)), np.zeros((m, m))
        for _, ranking, share in rankings:
            for better, worse in combinations(ranking, 2):
                self.wins[better, worse] += share
            for better, worse in pairwise(ranking):
                self.chains[better, worse] += share / (len(ranking) // 2)

    def choices(self, sums: Array) -> Choices:
        """Return the counts from sums of `cells`, shape (..., G M)."""
        return Choices(self.members, sums.reshape(*sums.shape[:-1], *self.members.shape))


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
