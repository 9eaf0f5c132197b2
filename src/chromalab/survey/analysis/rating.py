"""Mean opinion scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from chromalab.stats.clusters import Array, TwoWay, two_way
from chromalab.stats.opinion import rater_model
from chromalab.survey.analysis.preference import numbered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chromalab.survey.analysis.votes import VoteRow


@dataclass(frozen=True)
class RatingScores:
    """What ratings say of methods.

    Attributes:
        mos: mean opinion scores, shape (M,).
        errors: their covariances.
        quality: mean quality of each method's pictures by the rater model of ITU-T P.910.
    """

    mos: Array
    errors: TwoWay
    quality: dict[str, float]


def score_ratings(rows: Sequence[VoteRow], methods: Sequence[str], *, draws: int, seed: int = 0) -> RatingScores:
    """Return what scored ratings say."""
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
    table, _, pictures = ratings_table(rows)
    model = rater_model(table)
    quality = {
        name: float(np.nanmean([q for q, (_, own) in zip(model.quality, pictures, strict=True) if own == name]))
        for name in methods
    }
    return RatingScores(statistic(np.asarray(sums.sum(axis=0)))[0], errors, quality)


def ratings_table(rows: Sequence[VoteRow]) -> tuple[Array, list[str], list[tuple[str, str]]]:
    """Return ratings by person and picture, NaN where there is none, with the people and the pictures."""
    observers = list(dict.fromkeys(row.observer for row in rows))
    pictures = sorted({(row.scene, row.condition_a) for row in rows})
    table = np.full((len(observers), len(pictures)), np.nan)
    who = {name: k for k, name in enumerate(observers)}
    what = {name: k for k, name in enumerate(pictures)}
    for row in rows:
        table[who[row.observer], what[row.scene, row.condition_a]] = float(row.rating or 0)
    return table, observers, pictures
