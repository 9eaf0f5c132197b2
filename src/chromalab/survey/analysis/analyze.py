"""The analysis of a survey: from votes and an analysis plan to the record of scores."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sqlalchemy import select

from chromalab.core.errors import ConfigError, UsageError
from chromalab.core.wording import listing, plural
from chromalab.stats.preference import NoEstimateError
from chromalab.stats.profile import Profile
from chromalab.stats.significance import holm
from chromalab.survey.analysis.preferences import INSEPARABLE, PreferenceScores, score_preferences, score_rankings
from chromalab.survey.analysis.raters import image_scores, label_exclusions, participant_agreement, report_raters
from chromalab.survey.analysis.records import Difference, Score, Subgroup, SurveyAnalysis
from chromalab.survey.analysis.scores import estimate_of, groups_by_photo, score_fooling, score_ratings
from chromalab.survey.analysis.subgroups import answers_of, compare_subgroups
from chromalab.survey.database import Registration, count_withdrawn, interim_looks, open_database
from chromalab.survey.design import STAND_INS, TRUTH, Design
from chromalab.survey.folder import SurveyFolder
from chromalab.survey.plan import AnalysisPlan, Exclusions, SubgroupPlan
from chromalab.survey.registration import Frozen, frozen_design
from chromalab.survey.votes import VoteRow, protocol_of, votes_of_database
from chromalab.survey.votes_csv import read_votes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from chromalab.stats.clusters import Array, TwoWay
    from chromalab.stats.pivots import Pivot
    from chromalab.survey.analysis.scores import FoolingScores, RatingScores
    from chromalab.survey.database import Database


def design_of_votes(votes: Sequence[VoteRow], plan: AnalysisPlan) -> tuple[Design, list[str]]:
    """Return a design and the methods for votes from a file; no exclusion rules apply, because none was fixed."""
    names = {name for row in votes for name in row.methods} - {TRUTH, *STAND_INS}
    protocol = protocol_of(votes)
    if protocol in {"rating", "rank_order"} and any(TRUTH in row.methods for row in votes if row.kind == "test"):
        names.add(TRUTH)  # true photos are scored like those of any other method
    single = protocol == "real_or_fake" and not any(row.condition_b for row in votes)
    nobody = Exclusions(vigilance_share=0, fast_share=1, side_p=0, bt500=False)
    data = {"protocol": protocol, "analysis": plan, "title": "Votes", "exclusions": nobody}
    if single:
        data["form"] = "yes_no"
    if any(row.scale == 100 for row in votes):
        data["form"] = "slider"
    return Design.model_validate(data), sorted(names)


MIN_PEOPLE, MIN_PHOTOS, MIN_VOTES = 5, 5, 10
"""A winner is named only from this many participants, photos, and votes that connect the two methods.

Even if each of five participants, or photos, had a preference of its own that never varies, all five would agree by
chance in only 2 of 32 studies."""


def analyze(design: Design, methods: Sequence[str], votes: Sequence[VoteRow], *, seed: int = 0) -> SurveyAnalysis:
    """Return the scores of methods, with and without the participants that the rules exclude.

    Raises:
        ConfigError: a vote names a method that the survey does not have, or a primary comparison does.
        UsageError: there is no scored vote, or without a prior there is no finite estimate.
    """
    if not any(row.kind == "test" for row in votes):
        raise UsageError("there are no scored votes yet; analyze the survey once participants have voted")
    _check_names(design, methods, votes)
    raters = report_raters(votes, methods, design.exclusions, design.protocol)
    labeled = label_exclusions(votes, raters, design.exclusions)
    scored = [row for row in labeled if row.kind == "test"]
    kept = [row for row in scored if not row.exclusion]
    nobody, kept = not kept, kept or scored
    try:
        found = _scored(design, methods, kept, seed)
        everybody = _scored(design, methods, scored, seed).scores if len(kept) != len(scored) else found.scores
    except NoEstimateError as error:
        raise UsageError(f"{error} (--prior 3)") from error
    if nobody:
        found = _undecided(found, "the rules exclude all participants")
    plan, inside = design.analysis, {row.observer for row in kept}
    return found.model_copy(
        update={
            "scores_all": everybody,
            "raters": raters,
            "images": image_scores(kept),
            "people": participant_agreement(kept, [row for row in labeled if row.observer in inside]),
            "n_unfinished": len({row.observer for row in kept if row.finished is False}),
            "settings": {
                "level": plan.level,
                "draws": float(plan.draws),
                "prior_sd": plan.prior_sd,
                **({} if plan.margin is None else {"margin": plan.margin}),
            },
        }
    )


def _check_names(design: Design, methods: Sequence[str], votes: Sequence[VoteRow]) -> None:
    known = {*methods, TRUTH, *STAND_INS}
    unknown = sorted({name for row in votes for name in row.methods} - known)
    if unknown:
        raise ConfigError(f"votes name the method '{unknown[0]}', but the survey compares {', '.join(methods)}")
    for name in sorted({name for pair in design.analysis.primary or () for name in pair} - set(methods)):
        raise ConfigError(f"analysis.primary names '{name}', but the survey compares {', '.join(methods)}")


def _undecided(analysis: SurveyAnalysis, reason: str) -> SurveyAnalysis:
    rows = [row.model_copy(update={"winner": None, "lacking": reason}) for row in analysis.differences]
    note = f"{reason}, so the scores include everyone and no winner is named"
    return analysis.model_copy(update={"differences": rows, "notes": [note, *analysis.notes]})


def _scored(design: Design, methods: Sequence[str], rows: Sequence[VoteRow], seed: int) -> SurveyAnalysis:
    score = {"real_or_fake": _fooling, "rating": _ratings}.get(design.protocol, _preferences)
    present = {name for row in rows for name in row.methods}
    shown = [name for name in methods if name in present]
    found = score(design, shown, rows, seed)
    missing = [f"{name} has no votes yet" for name in methods if name not in present]
    return found.model_copy(update={"notes": [*found.notes, *missing]})


def _base(design: Design, methods: Sequence[str], rows: Sequence[VoteRow]) -> dict[str, object]:
    return {
        "protocol": design.protocol,
        "title": design.title,
        "methods": list(methods),
        "n_participants": len({row.observer for row in rows}),
        "n_photos": len({row.scene for row in rows}),
        "n_votes": len(rows),
    }


def _preferences(design: Design, methods: Sequence[str], rows: Sequence[VoteRow], seed: int) -> SurveyAnalysis:
    plan, level = design.analysis, design.analysis.level
    ranked = design.protocol == "rank_order"
    found = (score_rankings if ranked else score_preferences)(rows, methods, plan, seed=seed)
    groups = [[methods[k] for k in group] for group in found.groups]
    notes = [*found.notes, *_group_notes(groups, "compares")]
    people = _in_group([row.observer for row in rows], rows, groups)
    photos = _in_group([row.scene for row in rows], rows, groups)
    connecting = found.connecting(MIN_VOTES)

    def support(i: int, j: int) -> Support:
        return Support(people[methods[i]], photos[methods[i]], round(float(connecting[i, j])))

    counts = Counter(name for row in rows for name in row.methods)
    return SurveyAnalysis.model_validate(
        {
            **_base(design, methods, rows),
            "scores": _scores(methods, found.score, found.errors, [counts[name] for name in methods], level),
            "differences": _differences(plan, methods, found.groups, found.difference, support, found.wins),
            "components": groups,
            "notes": notes,
            **(_of_pairs(found, methods, level) if isinstance(found, PreferenceScores) else {}),
        }
    )


def _of_pairs(found: PreferenceScores, methods: Sequence[str], level: float) -> dict[str, object]:
    return {
        "jod": {name: estimate_of(found.jods(k), level) for k, name in enumerate(methods)},
        "order_effect": estimate_of(found.order_effect(), level) if found.order else None,
        "order_inseparable": INSEPARABLE in found.notes,
        "tie": float(found.fit.nu) if float(found.fit.nu) > 0 else None,
    }


def _group_notes(groups: Sequence[Sequence[str]], link: str) -> list[str]:
    if len(groups) == 1:
        return []
    names = "; ".join(listing(group) for group in groups)
    note = f"no vote {link} methods of different groups ({names}), directly or through others"
    return [f"{note}. Every score, rank and claim holds only inside its group"]


def _in_group(labels: Sequence[str], rows: Sequence[VoteRow], groups: Sequence[Sequence[str]]) -> dict[str, int]:
    """Return by method how many different labels the votes of its group have."""
    group_of = {name: k for k, group in enumerate(groups) for name in group}
    found: dict[int, set[str]] = {}
    for label, row in zip(labels, rows, strict=True):
        found.setdefault(group_of[row.methods[0]], set()).add(label)
    return {name: len(found[k]) for name, k in group_of.items()}


def _fooling(design: Design, methods: Sequence[str], rows: Sequence[VoteRow], seed: int) -> SurveyAnalysis:
    plan = design.analysis
    fakes = [name for name in methods if name != TRUTH]
    if not fakes:
        raise UsageError("no scored vote is about a colorized photo yet; analyze the survey once there are more votes")
    found = score_fooling(rows, fakes, draws=plan.draws, level=plan.level, seed=seed)
    return SurveyAnalysis.model_validate(
        {**_base(design, fakes, rows), **_mean_scores(plan, fakes, rows, found), "fooling": found.facts}
    )


def _ratings(design: Design, methods: Sequence[str], rows: Sequence[VoteRow], seed: int) -> SurveyAnalysis:
    plan = design.analysis
    found = score_ratings(rows, methods, draws=plan.draws, seed=seed)
    return SurveyAnalysis.model_validate(
        {
            **_base(design, methods, rows),
            **_mean_scores(plan, methods, rows, found),
            "mos": found.quality,
            "scale": design.scale,
        }
    )


def _mean_scores(
    plan: AnalysisPlan, methods: Sequence[str], rows: Sequence[VoteRow], found: FoolingScores | RatingScores
) -> dict[str, object]:
    groups = groups_by_photo(rows, methods)
    names = [[methods[k] for k in group] for group in groups]

    def support(i: int, j: int) -> Support:
        photos = min(found.photos[i], found.photos[j])
        return Support(min(found.people[i], found.people[j]), photos, min(found.counts[i], found.counts[j]))

    return {
        "scores": _scores(methods, found.score, found.errors, found.counts, plan.level),
        "differences": _differences(plan, methods, groups, found.difference, support, None),
        "components": names,
        "notes": _group_notes(names, "shares a photo between"),
    }


def _scores(
    methods: Sequence[str], score: Callable[[int], Pivot], errors: TwoWay, counts: Sequence[float], level: float
) -> dict[str, Score]:
    found = {}
    for k, name in enumerate(methods):
        pivot = score(k)
        estimate = estimate_of(pivot, level)
        parts = (None,) * 3 if isinstance(pivot, Profile) else (errors.participants, errors.photos, errors.votes)
        found[name] = Score(
            value=estimate.value, se=estimate.se, low=estimate.low, high=estimate.high, n=round(counts[k]),
            participants_se=_se(parts[0], k), photos_se=_se(parts[1], k), naive_se=_se(parts[2], k),
        )  # fmt: skip
    return found


def _se(covariance: Array | None, place: int) -> float | None:
    """Return a standard error, or None if the votes are too alike to show it."""
    variance = 0.0 if covariance is None else float(covariance[place, place])
    return float(np.sqrt(variance)) if variance > 0 else None


class Support(NamedTuple):
    """The data behind a comparison."""

    people: int
    photos: int
    votes: int

    @property
    def lacking(self) -> str | None:
        """Return why no winner can be named, or None."""
        limits = {"participant": MIN_PEOPLE, "photo": MIN_PHOTOS, "vote": MIN_VOTES}
        short = [
            f"{plural(n, name)} of at least {least}" for n, (name, least) in zip(self, limits.items(), strict=True)
            if n < least
        ]  # fmt: skip
        return f"the data are too few: {', '.join(short)}" if short else None


def _differences(
    plan: AnalysisPlan,
    methods: Sequence[str],
    groups: Sequence[Sequence[int]],
    difference: Callable[[int, int], Pivot],
    support: Callable[[int, int], Support],
    wins: Array | None,
) -> list[Difference]:
    """Return the differences inside each group, with Holm's correction over the primary ones, and over all."""
    pairs = sorted(pair for group in groups for pair in combinations(sorted(group), 2))
    pivots = [difference(i, j) for i, j in pairs]
    p = [pivot.p_value() for pivot in pivots]
    named = {frozenset(pair) for pair in plan.primary or ()}
    primary = [frozenset((methods[i], methods[j])) in named for i, j in pairs]
    corrected = np.asarray(holm(p))
    corrected[np.flatnonzero(primary)] = holm([value for value, own in zip(p, primary, strict=True) if own])
    return [
        _difference(plan, (methods[i], methods[j]), pivot, float(p_holm), support(i, j).lacking, preferred).model_copy(
            update={"primary": own}
        )
        for (i, j), pivot, p_holm, own, preferred in zip(
            pairs, pivots, corrected, primary, [_preferred(wins, i, j) for i, j in pairs], strict=True
        )
    ]


def _preferred(wins: Array | None, i: int, j: int) -> float | None:
    met = 0.0 if wins is None else float(wins[i, j] + wins[j, i])
    return float(wins[i, j]) / met if wins is not None and met else None


def _difference(
    plan: AnalysisPlan, pair: tuple[str, str], pivot: Pivot, p_holm: float, lacking: str | None, preferred: float | None
) -> Difference:
    low, high = pivot.bounds(plan.level)
    alpha = 1 - plan.level
    equivalence = None if plan.margin is None else pivot.equivalence_p(plan.margin)
    better = pair[0] if pivot.value > 0 else pair[1]
    return Difference(
        first=pair[0], second=pair[1], value=pivot.value, low=low, high=high, p=pivot.p_value(), p_holm=p_holm,
        winner=better if p_holm <= alpha and lacking is None else None, preferred=preferred, lacking=lacking,
        within=max(abs(bound) for bound in pivot.bounds(1 - 2 * alpha)), p_equivalence=equivalence,
        equivalent=None if equivalence is None else equivalence < alpha and lacking is None,
    )  # fmt: skip


def open_survey(root: Path, url: str | None) -> tuple[Frozen, Database]:
    """Return the design that holds for a survey, and its database.

    Raises:
        UsageError: the folder holds no survey, or the survey has not been served yet.
    """
    folder = SurveyFolder(root)
    record = folder.load()
    if url is None and not folder.database.exists():
        raise UsageError(f"{root} has no votes yet; collect them with 'chromalab survey serve {root}'")
    database = open_database(folder, url)
    return frozen_design(record, database), database


class Options(NamedTuple):
    """Options of an analysis that replace settings of the registered plan; None keeps them.

    Attributes:
        prior: standard deviation of the prior on log-abilities as text, or `none`.
        order_effect: whether to estimate the advantage of the left side.
        draws: draws of each bootstrap.
        margin: equivalence margin.
        subgroups: further questions whose answers give groups of participants.
    """

    prior: str | None = None
    order_effect: bool | None = None
    draws: int | None = None
    margin: float | None = None
    subgroups: Sequence[SubgroupPlan] | None = None


def analyze_source(
    source: Path,
    *,
    database: str | None = None,
    prior: str | None = None,
    order_effect: bool | None = None,
    draws: int | None = None,
    margin: float | None = None,
    subgroups: Sequence[SubgroupPlan] | None = None,
) -> tuple[SurveyAnalysis, list[VoteRow]]:
    """Return the analysis of a survey's folder or a CSV file, and the votes behind its scores.

    Raises:
        UsageError: there are no votes.
        ConfigError: the file or an option is invalid.
    """
    options = Options(prior, order_effect, draws, margin, subgroups or None)
    if source.is_dir():
        frozen, opened = open_survey(source, database)
        methods, votes = frozen.record.methods, votes_of_database(opened)
        planned = frozen.record.design.analysis
        plan = _changed_plan(planned, options)
        design = frozen.record.design.model_copy(update={"analysis": plan})
        analysis = _registered(analyze(design, methods, votes), opened, frozen, plan)
    else:
        if subgroups:
            raise UsageError(f"{source} has no answers to questions; give the folder of the survey for --subgroup")
        votes = read_votes(source)
        design, methods = design_of_votes(votes, _changed_plan(AnalysisPlan(), options))
        design = design.model_copy(update={"title": source.name})
        analysis = analyze(design, methods, votes)
    kept = [row for row in labeled_votes(design, methods, votes) if row.scored]
    kept = kept or [row for row in votes if row.kind == "test"]
    if design.analysis.subgroups:
        for each in design.analysis.subgroups:
            if fault := each.fault((*design.before, *design.after)):
                raise UsageError(fault)
        describe = partial(_subgroup, design, methods)
        groups = compare_subgroups(design, methods, kept, answers_of(opened), _frozen_subgroups(opened), describe)
        analysis = analysis.model_copy(update={"subgroups": groups})
    return analysis, kept


def _subgroup(design: Design, methods: Sequence[str], name: str, rows: Sequence[VoteRow]) -> Subgroup:
    """Return the scores of a group from its scored votes, under the same minimum numbers as a winner."""
    counts = Support(len({row.observer for row in rows}), len({row.scene for row in rows}), len(rows))
    scores, lacking = {}, counts.lacking
    if lacking is None:
        try:
            scores = _scored(design, methods, rows, 0).scores
        except (NoEstimateError, UsageError) as error:
            lacking = str(error)
    return Subgroup(
        name=name, n_participants=counts.people, n_photos=counts.photos, n_votes=counts.votes, scores=scores,
        lacking=lacking,
    )  # fmt: skip


def _frozen_subgroups(database: Database) -> list[SubgroupPlan]:
    """Return the questions that the plan named before the first vote."""
    with database.read() as connection:
        record = connection.scalar(select(Registration.record).order_by(Registration.id)) or {}
    named = record.get("design", {}).get("analysis", {}).get("subgroups", [])
    return [SubgroupPlan.model_validate(each) for each in named]


def _changed_plan(plan: AnalysisPlan, options: Options) -> AnalysisPlan:
    given = {name: value for name, value in options._asdict().items() if value is not None and name != "prior"}
    if options.subgroups is not None:
        new = {each.question for each in options.subgroups}
        given["subgroups"] = [*(each for each in plan.subgroups if each.question not in new), *options.subgroups]
    if options.prior is not None:
        given["prior_sd"] = None if options.prior == "none" else _positive(options.prior)
    return plan.model_copy(update=given)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise ConfigError(f"--prior must be a number above 0 or 'none', not '{text}'")
    return value


def _registered(analysis: SurveyAnalysis, database: Database, frozen: Frozen, used: AnalysisPlan) -> SurveyAnalysis:
    with database.read() as connection:
        query = select(Registration.changes, Registration.votes_before).order_by(Registration.id)
        later = list(connection.execute(query))[1:]
        withdrawn, _ = count_withdrawn(connection)
        looks = interim_looks(connection)
    changes = [f"after {entry.votes_before} votes, {change}" for entry in later for change in entry.changes]
    before, after = frozen.record.design.analysis.model_dump(), used.model_dump()
    changes += [
        f"for this analysis, {name}: {before[name]} became {after[name]}"
        for name in before
        if before[name] != after[name]
    ]
    return analysis.model_copy(
        update={
            "faults": frozen.faults,
            "changes": changes,
            "design_sha256": frozen.sha256,
            "withdrawn": withdrawn,
            "interim": looks,
        }
    )


def scores_json(analysis: SurveyAnalysis) -> str:
    """Return scores, order effect and ties as JSON."""
    return (
        json.dumps(
            {
                "schema_version": analysis.schema_version,
                "protocol": analysis.protocol,
                "scores": {
                    name: {
                        "theta": row.value, "se": row.se, "ci_low": row.low, "ci_high": row.high, "n": row.n,
                        "participants_se": row.participants_se, "photos_se": row.photos_se, "naive_se": row.naive_se,
                    }
                    for name, row in analysis.scores.items()
                },
                "order_effect": None if analysis.order_effect is None else analysis.order_effect.value,
                "order_effect_interval": None if analysis.order_effect is None else analysis.order_effect.model_dump(),
                "tie": analysis.tie,
                "differences": [row.model_dump() for row in analysis.differences],
                "subgroups": [row.model_dump() for row in analysis.subgroups],
                "components": analysis.components,
                "faults": analysis.faults,
                "changes": analysis.changes,
                "excluded": {rater.observer: rater.excluded for rater in analysis.raters if rater.excluded},
                "notes": analysis.notes,
            },
            indent=2,
            ensure_ascii=False,
        )
        + "\n"
    )  # fmt: skip


def labeled_votes(design: Design, methods: Sequence[str], votes: Sequence[VoteRow]) -> list[VoteRow]:
    """Return the votes with the rules that exclude them, as exports write them."""
    return label_exclusions(votes, report_raters(votes, methods, design.exclusions, design.protocol), design.exclusions)
