"""Scores of single images: real-or-fake fooling rates and mean opinion scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from chromalab.stats.clusters import Array, TwoWay, assumed_design_effect, two_way
from chromalab.stats.detection import clopper_pearson, two_alternatives, wilson, yes_no
from chromalab.stats.opinion import LEAST_SPREAD, RaterModel, rater_model
from chromalab.stats.pivots import FEW, BoundedMean, MeanDifference, Pivot, StudentT
from chromalab.survey.analysis.records import Estimate, Fooling
from chromalab.survey.design import RANDOM, TRUTH
from chromalab.survey.votes import SCALES, VoteRow, by_observer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix


def numbered(names: Iterable[str]) -> list[int]:
    """Return a number from 0 for each name; equal names get equal numbers."""
    known: dict[str, int] = {}
    return [known.setdefault(name, len(known)) for name in names]


@dataclass(frozen=True)
class MeanScores:
    """Scores that are means of votes on single methods: fooling rates or mean opinions.

    Attributes:
        means: the mean of each method with its interval.
        few: whether nearly all votes on a method are alike, so that the bootstrap's variance is not trusted.
        errors: covariances of the means, then of other statistics.
        people: number of participants with votes on each method.
        photos: number of photos with votes on each method.
        counts: number of votes on each method.
    """

    means: list[BoundedMean]
    few: list[bool]
    errors: TwoWay
    people: list[int]
    photos: list[int]
    counts: list[int]

    def correlation(self, i: int, j: int) -> float:
        """Return the correlation of two means, which share participants or photos."""
        combined = self.errors.combined
        spread = float(np.sqrt(combined[i, i] * combined[j, j]))
        return 0.0 if spread == 0 else float(np.clip(combined[i, j] / spread, -1.0, 1.0))


@dataclass(frozen=True)
class FoolingScores(MeanScores):
    """Fooling rates: shares of trials in which generated colors were taken for true ones.

    Attributes:
        facts: other results by method.
    """

    facts: dict[str, Fooling]

    def score(self, k: int) -> Pivot:
        """Return the fooling rate of method k."""
        return self.means[k]

    def difference(self, i: int, j: int) -> Pivot:
        """Return the difference of the fooling rates of two methods."""
        return MeanDifference(self.means[i], self.means[j], self.correlation(i, j))


def score_fooling(
    rows: Sequence[VoteRow], methods: Sequence[str], *, draws: int, level: float, seed: int = 0
) -> FoolingScores:
    """Return the fooling scores of methods from scored trials; each method needs at least one trial."""
    single = not rows[0].condition_b
    sums = _single_sums(rows, methods) if single else _pair_sums(rows, methods)
    m = len(methods)

    def statistic(totals: Array) -> Array:
        return _statistic(totals.reshape(len(totals), m, 4), single=single)

    observers, scenes = numbered(row.observer for row in rows), numbered(row.scene for row in rows)
    errors = two_way(sums, observers, scenes, statistic, draws=draws, seed=seed)
    totals = np.asarray(sums.sum(axis=0)).ravel()
    values = statistic(totals[None])[0]
    clusters = [Clusters.of(_rows_of(sums, 4 * k, 4), observers, scenes) for k in range(m)]
    few, means = [], []
    for k, counts in enumerate(totals.reshape(m, 4)):
        fooled, n = _fooled(counts, single=single)
        few.append(min(fooled, n - fooled) < FEW)
        means.append(_rate(float(values[k]), n, _variance(errors, k), clusters[k], few=few[k]))
    facts = {
        name: _facts(totals.reshape(m, 4)[k], values[[m + k, 2 * m + k]], errors, (m + k, 2 * m + k), clusters[k],
                     level, single=single)
        for k, name in enumerate(methods)
    }  # fmt: skip
    return FoolingScores(
        means, few, errors, [each.n_participants for each in clusters], [each.n_photos for each in clusters],
        [facts[name].n for name in methods], facts,
    )  # fmt: skip


@dataclass(frozen=True)
class Clusters:
    """The participants and photos behind the votes on one method.

    Attributes:
        n_participants: number of participants.
        n_photos: number of photos.
        design_effect: the assumed inflation of the variance by clustering.
    """

    n_participants: int
    n_photos: int
    design_effect: float

    @classmethod
    def of(cls, rows: NDArray[np.intp], observers: Sequence[int], scenes: Sequence[int]) -> Clusters:
        """Return the clusters of some rows."""
        own = [np.asarray(groups)[rows] for groups in (observers, scenes)]
        people, photos = (len(np.unique(groups)) for groups in own)
        return cls(people, photos, assumed_design_effect(*(groups.tolist() for groups in own)))

    @property
    def df(self) -> float:
        """Degrees of freedom of Student's t."""
        known = [n for n in (self.n_participants, self.n_photos) if n > 1]
        return min(known) - 1 if known else np.inf


def _rows_of(sums: csr_matrix, first: int, width: int) -> NDArray[np.intp]:
    """Return the rows with an entry in some columns."""
    return np.unique(sums[:, first : first + width].tocoo().row).astype(np.intp)


def groups_by_photo(rows: Sequence[VoteRow], methods: Sequence[str]) -> list[list[int]]:
    """Return the groups of methods that share photos, directly or through others.

    Scores of different groups differ for their photos as much as for their colors.
    """
    place = {name: k for k, name in enumerate(methods)}
    scenes = numbered(row.scene for row in rows)
    shown = np.zeros((len(methods), max(scenes) + 1), dtype=np.intp)
    for scene, row in zip(scenes, rows, strict=True):
        for name in {*row.methods} & place.keys():
            shown[place[name], scene] = 1
    count, labels = connected_components(shown @ shown.T, directed=False)
    return [np.flatnonzero(labels == group).tolist() for group in range(count)]


def _variance(errors: TwoWay, k: int) -> float:
    return errors.variance(np.eye(len(errors.votes))[k])


def _rate(value: float, n: int, variance: float, clusters: Clusters, *, few: bool) -> BoundedMean:
    """Return a rate with its effective number of trials, which never exceeds the number of trials."""
    naive = value * (1 - value) / n
    effect = 1.0 if naive == 0 else max(1.0, variance / naive)
    if few:
        effect = max(effect, clusters.design_effect)
    return BoundedMean(value, n / effect, clusters.df)


def _fooled(counts: Array, *, single: bool) -> tuple[int, int]:
    """Return the trials in which generated colors were taken for true ones, and their total number."""
    hits, signals, alarms, noises = (round(float(count)) for count in counts)
    return (alarms, noises) if single else (signals - hits + alarms, signals + noises)


def _statistic(counts: Array, *, single: bool) -> Array:
    """Return (rate, d', c), shape (draws, 3 M), from (hits, signals, false alarms, noises), shape (draws, M, 4)."""
    hits, signals, alarms, noises = np.moveaxis(counts, -1, 0)
    found = (yes_no if single else two_alternatives)(hits, signals, alarms, noises)
    fooled, n = (alarms, noises) if single else (signals - hits + alarms, signals + noises)
    rate = np.divide(fooled, n, out=np.full_like(n, np.nan), where=n > 0)
    return np.concatenate([rate, found.d_prime, found.criterion], axis=-1)


def _facts(
    counts: Array, values: Array, errors: TwoWay, places: tuple[int, int], clusters: Clusters, level: float, *,
    single: bool,
) -> Fooling:  # fmt: skip
    hits, signals, alarms, noises = (float(count) for count in counts)
    found = (yes_no if single else two_alternatives)(hits, signals, alarms, noises)
    few = min(hits, signals - hits, alarms, noises - alarms) < FEW
    estimates = []
    for value, place, naive in zip(values, places, (found.d_prime_se, found.criterion_se), strict=True):
        se = float(np.sqrt(_variance(errors, place)))
        if few:  # the corrected rates have a standard error even if all answers are alike
            se = max(se, float(naive) * clusters.design_effect**0.5)
        estimates.append(estimate_of(StudentT(float(value), se, clusters.df), level))
    fooled, n = _fooled(counts, single=single)
    intervals = wilson(fooled, n, level), clopper_pearson(fooled, n, level)
    return Fooling(
        fooled=fooled, n=n, wilson=(intervals[0].low, intervals[0].high),
        clopper_pearson=(intervals[1].low, intervals[1].high), d_prime=estimates[0], criterion=estimates[1],
    )  # fmt: skip


def estimate_of(pivot: StudentT | Pivot, level: float) -> Estimate:
    """Return an estimate with its interval."""
    low, high = pivot.bounds(level)
    return Estimate(value=pivot.value, se=pivot.se, low=low, high=high)


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
class RatingScores(MeanScores):
    """Mean opinion scores.

    Attributes:
        quality: mean quality of each method's images by the rater model of ITU-T P.910.
    """

    quality: dict[str, float]

    def score(self, k: int) -> Pivot:
        """Return the mean opinion score of method k."""
        mean = self.means[k]
        student = StudentT(mean.value, float(np.sqrt(_variance(self.errors, k))), mean.df)
        low, high = student.bounds(0.99)
        return mean if self.few[k] or low < mean.low or high > mean.high else student

    def difference(self, i: int, j: int) -> Pivot:
        """Return the difference of the mean opinion scores of two methods."""
        if self.few[i] or self.few[j]:
            return MeanDifference(self.means[i], self.means[j], self.correlation(i, j))
        size = np.eye(len(self.means))
        se = float(np.sqrt(self.errors.variance(size[i] - size[j])))
        return StudentT(self.means[i].value - self.means[j].value, se, min(self.means[i].df, self.means[j].df))


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

    observers, scenes = numbered(row.observer for row in rows), numbered(row.scene for row in rows)
    errors = two_way(sums, observers, scenes, statistic, draws=draws, seed=seed)
    few, means, counts = [], [], []
    clustered = [Clusters.of(np.flatnonzero(method == k), observers, scenes) for k in range(m)]
    for k, clusters in enumerate(clustered):
        own = np.flatnonzero(method == k)
        unlike = len(own) - int(np.unique(values[own], return_counts=True)[1].max())
        few.append(unlike < FEW or _variance(errors, k) == 0)
        means.append(_mean_opinion(values[own], _variance(errors, k), clusters, rows[0].scale, few=few[k]))
        counts.append(len(own))
    table, _, images = ratings_table(rows)
    model = model_of_ratings(table, rows[0].scale)
    quality = {
        name: float(np.nanmean([q for q, (_, own) in zip(model.quality, images, strict=True) if own == name]))
        for name in methods
    }
    people, photos = [each.n_participants for each in clustered], [each.n_photos for each in clustered]
    return RatingScores(means, few, errors, people, photos, counts, quality)


def model_of_ratings(table: Array, scale: int) -> RaterModel:
    """Return the rater model; a point of the scale from 1 to 5 is 25 points of a slider."""
    return rater_model(table, least_spread=LEAST_SPREAD * (scale - SCALES[scale]) / 4)


def _mean_opinion(ratings: Array, variance: float, clusters: Clusters, scale: int, *, few: bool) -> BoundedMean:
    """Return a mean opinion with its effective number of ratings.

    Nearly equal ratings do not show their variance. It is then at least that of the ratings with one more rating spread
    evenly over the scale.
    """
    mean, n = float(ratings.mean()), len(ratings)
    low, high = float(SCALES[scale]), float(scale)
    if few:
        points = np.arange(low, high + 1)
        shares = ((ratings[:, None] == points).sum(axis=0) + 1 / len(points)) / (n + 1)
        smoothed = float(shares @ points**2 - (shares @ points) ** 2)
        variance = max(variance, smoothed * clusters.design_effect / n)
    product = (mean - low) * (high - mean)
    effective = n / clusters.design_effect if product == 0 else product / variance
    return BoundedMean(mean, effective, clusters.df, low, high)


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
