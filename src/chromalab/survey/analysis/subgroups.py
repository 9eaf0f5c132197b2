"""Scores by groups of participants, and a test of whether the groups differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import select

from chromalab.core.seeds import derive_seed
from chromalab.stats.preference import preference_parameters
from chromalab.stats.ranking import fit_rankings
from chromalab.stats.significance import holm
from chromalab.survey.analysis.preferences import WIDEST_PRIOR, Rankings, vote_cells, votes_of_sums
from chromalab.survey.analysis.records import Subgroup, SubgroupComparison
from chromalab.survey.analysis.scores import numbered
from chromalab.survey.database import Participant
from chromalab.survey.design import TRUTH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from chromalab.stats.clusters import Array
    from chromalab.survey.database import Database
    from chromalab.survey.design import Design
    from chromalab.survey.plan import SubgroupPlan
    from chromalab.survey.questions import Question
    from chromalab.survey.votes import VoteRow

Answers = dict[str, dict[str, object]]
"""Answers to questions by participant."""

_CHUNK = 250


def answers_of(database: Database) -> Answers:
    """Return the answers of every participant to the questions of the design."""
    with database.read() as connection:
        rows = connection.execute(select(Participant.id, Participant.answers))
        return {str(observer): dict(answers or {}) for observer, answers in rows}


def compare_subgroups(
    design: Design, methods: Sequence[str], rows: Sequence[VoteRow], answers: Answers,
    planned: Sequence[SubgroupPlan], describe: Callable[[str, Sequence[VoteRow]], Subgroup],
) -> list[SubgroupComparison]:  # fmt: skip
    """Return the scores of the groups of every question of the plan, with tests that the groups differ.

    Holm's correction covers the questions of the frozen plan alone, and for others all questions.

    Args:
        design: the design, whose analysis plan names the questions.
        methods: the compared methods.
        rows: scored votes.
        answers: the answers of the participants.
        planned: the questions of the plan as frozen before the first vote.
        describe: returns the scores of a group from its name and votes.
    """
    found = []
    for plan in design.analysis.subgroups:
        question = next(each for each in (*design.before, *design.after) if each.name == plan.question)
        group_of = _groups(plan, question, {row.observer: answers.get(row.observer, {}) for row in rows})
        names = list(dict.fromkeys(group_of.values()))
        groups = [describe(name, [row for row in rows if group_of.get(row.observer) == name]) for name in names]
        valid = {group.name for group in groups if group.lacking is None}
        own = [row for row in rows if group_of.get(row.observer) in valid]
        shown = [name for name in methods if any(name in row.methods for row in own)]
        p = interaction_p(design, shown, own, group_of) if len(valid) > 1 else None
        unanswered = len({row.observer for row in rows}) - len(group_of)
        found.append(
            SubgroupComparison(
                question=plan.question, planned=plan in planned, groups=groups, unanswered=unanswered, p=p
            )
        )
    return _with_holm(found)


def _with_holm(found: Sequence[SubgroupComparison]) -> list[SubgroupComparison]:
    p = {row.question: row.p for row in found if row.p is not None}
    corrected = dict(zip(p, holm(list(p.values())).tolist(), strict=True))
    frozen = [row.question for row in found if row.planned and row.question in p]
    corrected |= zip(frozen, holm([p[name] for name in frozen]).tolist(), strict=True)
    return [row.model_copy(update={"p_holm": corrected.get(row.question)}) for row in found]


def _groups(plan: SubgroupPlan, question: Question, answers: Mapping[str, Mapping[str, object]]) -> dict[str, str]:
    """Return the group of every participant who answered a question, in the order of the groups."""
    given = {observer: each.get(question.name) for observer, each in answers.items()}
    known = {observer: answer for observer, answer in given.items() if answer is not None}
    if question.kind == "choice":
        options = next(iter(question.options.values()))
        return {observer: name for name in options for observer, answer in known.items() if answer == name}
    values = {observer: float(str(answer)) for observer, answer in known.items()}
    ranked = sorted(values, key=lambda observer: values[observer])
    if plan.bins:
        return {observer: _bin(values[observer], plan.bins) for observer in ranked}
    if question.kind == "likert":
        return {observer: f"{values[observer]:g}" for observer in ranked}
    middle = float(np.median(list(values.values()))) if values else 0.0
    return {observer: f"up to {middle:g}" if values[observer] <= middle else f"above {middle:g}" for observer in ranked}


def _bin(value: float, edges: Sequence[float]) -> str:
    place = int(np.searchsorted(edges, value, side="right"))
    if place == 0:
        return f"below {edges[0]:g}"
    return f"{edges[-1]:g} and above" if place == len(edges) else f"{edges[place - 1]:g} to below {edges[place]:g}"


def interaction_p(
    design: Design, methods: Sequence[str], rows: Sequence[VoteRow], group_of: Mapping[str, str]
) -> float | None:
    """Return the p-value of the hypothesis that answers do not depend on the group, from a permutation test.

    The groups are assigned to the participants anew at random. The statistic is the sum over groups and methods of the
    votes, times the squared distance of the group's score from the mean score of all groups. A general level of a
    group's ratings does not count, a higher fooling rate does. The photos are fixed.

    Returns:
        The p-value, or None if there is only one method and its level does not count.
    """
    if len(methods) < 2 and design.protocol != "real_or_fake":
        return None
    observers = numbered(row.observer for row in rows)
    people = list(dict.fromkeys(row.observer for row in rows))
    labels = np.array(numbered(group_of[person] for person in people))
    of_protocol = {"pairwise": _preferences, "rank_order": _rankings}.get(design.protocol, _means)
    sums, statistic = of_protocol(design, methods, rows)
    by_person = np.zeros((len(people), sums.shape[1]))
    np.add.at(by_person, observers, sums)
    generator = np.random.default_rng(derive_seed("subgroups", len(people), len(rows)))
    draws = design.analysis.draws
    mixed = np.stack([labels, *(generator.permutation(labels) for _ in range(draws))])
    found = np.concatenate([
        _spread(*statistic(_totals(mixed[first : first + _CHUNK], by_person)))
        for first in range(0, len(mixed), _CHUNK)
    ])  # fmt: skip
    return float((found >= found[0] * (1 - 1e-9)).mean())


def _totals(labels: NDArray[np.int_], by_person: Array) -> Array:
    """Return the sums of groups, shape (draws, groups, K), from labels, shape (draws, people)."""
    member = labels[:, None, :] == np.arange(labels.max() + 1)[None, :, None]
    return np.asarray(member.astype(np.float64) @ by_person)


def _spread(scores: Array, weights: Array) -> Array:
    """Return the weighted spread of scores over groups, shape (draws,), from shape (draws, groups, methods)."""
    total = np.maximum(weights.sum(axis=1, keepdims=True), 1)
    mean = (weights * scores).sum(axis=1, keepdims=True) / total
    return np.asarray((weights * (scores - mean) ** 2).sum(axis=(1, 2)))


def _preferences(
    design: Design, methods: Sequence[str], rows: Sequence[VoteRow]
) -> tuple[Array, Callable[[Array], tuple[Array, Array]]]:
    """Return the contribution of each vote, and a function from sums of groups to their log-abilities and votes."""
    m = len(methods)
    narrow = min(design.analysis.prior_sd or WIDEST_PRIOR, WIDEST_PRIOR)

    def statistic(sums: Array) -> tuple[Array, Array]:
        votes = votes_of_sums(sums, m)
        state = preference_parameters(votes, prior_sd=narrow, order=False, ties=False, start=np.zeros(m))
        wins = votes.wins()
        return state[..., :m], wins.sum(axis=-1) + wins.sum(axis=-2)

    return vote_cells(rows, methods).toarray(), statistic


def _rankings(
    design: Design, methods: Sequence[str], rows: Sequence[VoteRow]
) -> tuple[Array, Callable[[Array], tuple[Array, Array]]]:
    """Return the contribution of each ranking, and a function from sums of groups to their log-abilities and counts."""
    found, m = Rankings(rows, methods), len(methods)
    narrow = min(design.analysis.prior_sd or WIDEST_PRIOR, WIDEST_PRIOR)
    shown = np.array([[float(name in row.methods) for name in methods] for row in rows])

    def statistic(sums: Array) -> tuple[Array, Array]:
        return fit_rankings(found.choices(sums[..., :-m]), found.wins, prior_sd=narrow), sums[..., -m:]

    return np.hstack([found.cells.toarray(), shown]), statistic


def _means(
    design: Design, methods: Sequence[str], rows: Sequence[VoteRow]
) -> tuple[Array, Callable[[Array], tuple[Array, Array]]]:
    """Return the contribution of each vote, and a function from sums of groups to their means and votes."""
    fakes = [name for name in methods if name != TRUTH]
    m = len(fakes)
    place = {name: k for k, name in enumerate(fakes)}
    sums = np.zeros((len(rows), 2 * m))
    for index, row in enumerate(rows):
        method = row.condition_b if row.condition_a == TRUTH else row.condition_a
        if method in place:
            fooled = row.is_a_selected == (row.condition_a == method)
            sums[index, place[method]] = fooled if row.rating is None else row.rating
            sums[index, m + place[method]] = 1

    def statistic(totals: Array) -> tuple[Array, Array]:
        n = totals[..., m:]
        means = totals[..., :m] / np.maximum(n, 1)
        if design.protocol == "rating":
            level = (n * means).sum(axis=-1, keepdims=True) / np.maximum(n.sum(axis=-1, keepdims=True), 1)
            means = means - level
        return means, n

    return sums, statistic
