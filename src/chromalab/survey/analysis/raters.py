"""What is known of every person, and which of the rules fixed beforehand leave them out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.stats
from scipy import special

from chromalab.stats.opinion import bt500_rejected, rater_model
from chromalab.stats.preference import Votes, fit_preferences
from chromalab.survey.analysis.records import Rater
from chromalab.survey.analysis.scores import count_votes, ratings_table
from chromalab.survey.design import RANDOM, TRUTH
from chromalab.survey.votes import VoteRow, by_observer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chromalab.survey.design import Exclusions

MIN_SIDES, MIN_REPEATS = 10, 4
OUTLIER_PRIOR = 3.0


def report_raters(votes: Sequence[VoteRow], methods: Sequence[str], rules: Exclusions, protocol: str) -> list[Rater]:
    """Return every person with what speaks for and against them."""
    people = by_observer(votes)
    likelihoods = _likelihoods(people, methods) if protocol == "pairwise" else {}
    distances = _distances(likelihoods)
    found = [_rater(observer, rows, rules, likelihoods, distances) for observer, rows in people.items()]
    return _with_opinions(found, votes, rules) if protocol == "rating" else found


def _rater(
    observer: str,
    rows: Sequence[VoteRow],
    rules: Exclusions,
    likelihoods: dict[str, float],
    distances: dict[str, float],
) -> Rater:
    scored = [row for row in rows if row.kind == "test"]
    checks = [check_passed(row) for row in rows if row.kind == "vigilance"]
    repeats = repeat_agreements(rows)
    timed = [row.response_ms for row in scored if row.response_ms is not None]
    sided = [row for row in scored if row.condition_b and not row.is_tie]
    lefts = sum(row.left_selected for row in sided)
    rater = Rater(
        observer=observer,
        n=len(scored),
        vigilance=(sum(checks), len(checks)),
        repeats=(sum(repeats), len(repeats)),
        fast_share=float(np.mean([ms < rules.fast_ms for ms in timed])) if timed else None,
        left_share=lefts / len(sided) if sided else None,
        left_p=float(scipy.stats.binomtest(lefts, len(sided)).pvalue) if sided else None,
        median_s=float(np.median(timed)) / 1000 if timed else None,
        log_likelihood=likelihoods.get(observer),
        outlier_distance=distances.get(observer),
        screening_passed=rows[0].screening_passed,
        blurs=sum(row.blurs > 0 for row in rows),
    )
    return rater.model_copy(update={"excluded": _reasons(rater, len(sided), rules)})


def _reasons(rater: Rater, n_sided: int, rules: Exclusions) -> list[str]:
    found = []
    right, checks = rater.vigilance
    if checks and right < rules.vigilance_share * checks:
        found.append("vigilance")
    if rater.fast_share is not None and rater.fast_share > rules.fast_share:
        found.append("fast")
    if rater.left_p is not None and n_sided >= MIN_SIDES and rater.left_p < rules.side_p:
        found.append("side")
    alike, repeats = rater.repeats
    if repeats >= MIN_REPEATS and alike < rules.repeat_share * repeats:
        found.append("repeats")
    limit = rules.outlier_distance
    if limit is not None and rater.outlier_distance is not None and rater.outlier_distance > limit:
        found.append("outlier")
    return found


def check_passed(row: VoteRow) -> bool:
    """Return whether an attention check was answered right: random colors are the worse, fake, or poor ones."""
    if row.rating is not None:
        return row.rating <= 2
    if not row.condition_b:
        return row.is_a_selected == (row.condition_a == TRUTH)
    return not row.is_tie and (row.left if row.left_selected else row.right) != RANDOM


def repeat_agreements(rows: Sequence[VoteRow]) -> list[bool]:
    """Return for every repeat whether the same picture was preferred as the first time."""
    first = {row.position: row for row in rows if row.kind == "test"}
    return [
        _preferred(row) == _preferred(first[row.repeat_of])
        for row in rows
        if row.kind == "repeat" and row.repeat_of is not None and row.repeat_of in first
    ]


def _preferred(row: VoteRow) -> str:
    return "" if row.is_tie else row.left if row.left_selected else row.right


def _likelihoods(people: dict[str, list[VoteRow]], methods: Sequence[str]) -> dict[str, float]:
    """Return the mean log-likelihood of each person's votes under the scores of everybody else."""
    if len(people) < 3:
        return {}
    counts = {
        observer: count_votes([row for row in rows if row.kind == "test"], methods) for observer, rows in people.items()
    }
    stacked = [np.stack([getattr(each, side) for each in counts.values()]) for side in ("left", "right", "ties")]
    rest = Votes(*(stack.sum(axis=0) - stack for stack in stacked)).halved_ties()
    theta = fit_preferences(rest, prior_sd=OUTLIER_PRIOR, order=False, ties=False).theta
    own = Votes(*stacked).halved_ties()
    d = theta[:, :, None] - theta[:, None, :]
    total = (own.left * special.log_expit(d) + own.right * special.log_expit(-d)).sum(axis=(1, 2))
    n = own.total.sum(axis=(1, 2))
    return {observer: float(total[k] / n[k]) for k, observer in enumerate(counts) if n[k] > 0}


def _distances(likelihoods: dict[str, float]) -> dict[str, float]:
    """Return (Q1 - L) / IQR of each person (Perez-Ortiz and Mantiuk 2017); above 1.5 they are worth a look."""
    if len(likelihoods) < 4:
        return {}
    q1, q3 = np.quantile(list(likelihoods.values()), [0.25, 0.75])
    if q3 == q1:
        return {}
    return {observer: float((q1 - value) / (q3 - q1)) for observer, value in likelihoods.items()}


def _with_opinions(raters: list[Rater], votes: Sequence[VoteRow], rules: Exclusions) -> list[Rater]:
    """Add bias and inconsistency (P.910), and BT.500's rejection."""
    rows = [row for row in votes if row.kind == "test"]
    if not rows:
        return raters
    table, observers, _ = ratings_table(rows)
    model, rejected = rater_model(table), bt500_rejected(table)
    place = {observer: k for k, observer in enumerate(observers)}
    found = []
    for rater in raters:
        k = place.get(rater.observer)
        if k is None:
            found.append(rater)
            continue
        reasons = [*rater.excluded, *(["bt500"] if rules.bt500 and rejected[k] else [])]
        found.append(
            rater.model_copy(
                update={
                    "bias": float(model.bias[k]),
                    "inconsistency": float(model.inconsistency[k]),
                    "excluded": reasons,
                }
            )
        )
    return found
