"""Participants: attention checks, exclusions, agreement with each other, and agreement of metrics with them."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from itertools import combinations
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
import scipy.stats
from scipy import sparse

from chromalab.core.errors import ConfigError, UsageError
from chromalab.photo.listing import PHOTO_SUFFIXES
from chromalab.stats.agreement import krcc, plcc, rater_ceiling, scene_srcc, srcc
from chromalab.stats.opinion import bt500_rejected
from chromalab.stats.ranking import fit_rankings, log_likelihood
from chromalab.survey.analysis.preferences import Rankings
from chromalab.survey.analysis.records import ImageScore, MetricAgreement, ParticipantAgreement, Rater
from chromalab.survey.analysis.scores import model_of_ratings, ratings_table
from chromalab.survey.design import CONDITIONS, RANDOM, TRUTH
from chromalab.survey.plan import BRIGHT_LIMIT, CONDITION_RANGES, DARK_LIMIT, MIN_REPEATS
from chromalab.survey.schedule import is_right
from chromalab.survey.votes import VoteRow, by_observer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from chromalab.survey.design import Design
    from chromalab.survey.plan import Exclusions

MIN_SIDES = 10
OUTLIER_PRIOR = 3.0


def report_raters(votes: Sequence[VoteRow], methods: Sequence[str], rules: Exclusions, protocol: str) -> list[Rater]:
    """Return the quality measures and exclusions of every participant."""
    people = by_observer(votes)
    likelihoods = _likelihoods(people, methods) if protocol in {"pairwise", "rank_order"} else {}
    distances = _distances(likelihoods)
    found = [_rater(observer, rows, rules, likelihoods, distances) for observer, rows in people.items()]
    return _with_opinions(found, votes, rules) if protocol == "rating" else found


def excluded_by_rules(design: Design, methods: Sequence[str], votes: Sequence[VoteRow]) -> dict[str, tuple[str, ...]]:
    """Return the rules that exclude each participant who gave votes."""
    raters = report_raters(votes, methods, design.exclusions, design.protocol)
    return {rater.observer: tuple(rater.excluded) for rater in raters}


OVERRUN, HIDDEN, REDUCED = TRIAL_FLAGS = "overrun", "hidden", "reduced"
"""Flags of trials that were shown badly, for which rules may exclude them."""


def label_exclusions(votes: Sequence[VoteRow], raters: Sequence[Rater], rules: Exclusions) -> list[VoteRow]:
    """Return the votes with the rules that exclude them, which decide for reports, exports and scripts alike.

    The rules exclude whole participants, and with `overruns`, `hidden` and `reduced` single trials that were shown
    badly. Unfinished sessions count unless `unfinished` is set: their answers were given under the same conditions.
    """
    out = {rater.observer: " ".join(rater.excluded) for rater in raters if rater.excluded}

    def label(row: VoteRow) -> VoteRow:
        reasons = [row.exclusion or out.get(row.observer, "")]
        for rule, flag in zip((rules.overruns, rules.hidden, rules.reduced), TRIAL_FLAGS, strict=True):
            if rule and row.kind == "test" and flag in row.flags:
                reasons.append(flag)
        text = " ".join(reason for reason in reasons if reason)
        return row if text == row.exclusion else replace(row, exclusion=text)

    return [label(row) for row in votes]


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
    timed = [row.fastest_ms for row in scored if row.fastest_ms is not None]
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
        conditions={
            name: value for name, value in zip(CONDITIONS, rows[0].conditions or (), strict=False) if value is not None
        },
    )
    reasons = _reasons(rater, len(sided), rules)
    if rules.unfinished and rows[0].finished is False:
        reasons.append("unfinished")
    return rater.model_copy(update={"excluded": reasons or _stated(scored)})


def _stated(scored: Sequence[VoteRow]) -> list[str]:
    """Return the reasons for which a file excludes all scored votes of a participant."""
    if not scored or not all(row.exclusion for row in scored):
        return []
    return [reason for reason in scored[0].exclusion.split() if reason not in TRIAL_FLAGS]


def _reasons(rater: Rater, n_sided: int, rules: Exclusions) -> list[str]:
    found = []
    if rules.fails_checks(*rater.vigilance):
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
    if rules.screening and rater.screening_passed is False:
        found.append("screening")
    return found + _bad_conditions(rater.conditions, rules)


def _bad_conditions(found: Mapping[str, float], rules: Exclusions) -> list[str]:
    """Return the rules that measured conditions of viewing break; a skipped measurement breaks its rules, too."""
    limits = {name: getattr(rules, name) or (-math.inf, math.inf) for name in CONDITION_RANGES}
    broken = [
        name
        for name, (low, high) in limits.items()
        if getattr(rules, name) and not low <= found.get(name, math.nan) <= high
    ]
    seen = found.get("darkest_step", math.inf) <= DARK_LIMIT and found.get("brightest_step", 0) >= BRIGHT_LIMIT
    return [*broken, "brightness"] if rules.brightness and not seen else broken


def check_passed(row: VoteRow) -> bool:
    """Return whether an attention check was passed: random or damaged colors were called the worst, fake or poor."""
    return row.ranking[-1] == RANDOM if row.ranking else is_right((row.condition_a, row.condition_b), row.answer)


def repeat_agreements(rows: Sequence[VoteRow]) -> list[bool]:
    """Return for every repeat whether the same image was preferred as at its first presentation.

    A repeated ranking agrees if most pairs of its images are in the same order.
    """
    first = {(row.session, row.position): row for row in rows if row.kind == "test"}
    return [
        _agree(row, first[row.session, row.repeat_of])
        for row in rows
        if row.kind == "repeat" and row.repeat_of is not None and (row.session, row.repeat_of) in first
    ]


def _agree(row: VoteRow, first: VoteRow) -> bool:
    if not row.ranking:
        return _preferred(row) == _preferred(first)
    alike = [first.ranking.index(better) < first.ranking.index(worse) for better, worse in combinations(row.ranking, 2)]
    return 2 * sum(alike) > len(alike)


def _preferred(row: VoteRow) -> str:
    return "" if row.is_tie else row.left if row.left_selected else row.right


def _likelihoods(people: dict[str, list[VoteRow]], methods: Sequence[str]) -> dict[str, float]:
    """Return the mean log-likelihood of each participant's votes under the scores of all others."""
    if len(people) < 3:
        return {}
    scored = {observer: [row for row in rows if row.kind == "test"] for observer, rows in people.items()}
    flat = [row for rows in scored.values() for row in rows]
    if not flat:
        return {}
    found = Rankings(flat, methods)
    who = np.repeat(np.arange(len(scored)), [len(rows) for rows in scored.values()])
    gather = sparse.csr_matrix((np.ones(len(who)), (who, np.arange(len(who)))), shape=(len(scored), len(who)))
    own = (gather @ found.cells).toarray()
    theta = fit_rankings(found.choices(own.sum(axis=0) - own), found.wins, prior_sd=OUTLIER_PRIOR)
    total = log_likelihood(found.choices(own), theta)
    return {observer: float(total[k] / len(rows)) for k, (observer, rows) in enumerate(scored.items()) if rows}


def _distances(likelihoods: dict[str, float]) -> dict[str, float]:
    """Return (Q1 - L) / IQR of each participant (Perez-Ortiz and Mantiuk 2017); inspect those above 1.5."""
    if len(likelihoods) < 4:
        return {}
    q1, q3 = np.quantile(list(likelihoods.values()), [0.25, 0.75])
    if q3 == q1:
        return {}
    return {observer: float((q1 - value) / (q3 - q1)) for observer, value in likelihoods.items()}


def _with_opinions(raters: list[Rater], votes: Sequence[VoteRow], rules: Exclusions) -> list[Rater]:
    """Add bias and inconsistency (ITU-T P.910) and the rejections of ITU-R BT.500."""
    rows = [row for row in votes if row.kind == "test"]
    if not rows:
        return raters
    table, observers, _ = ratings_table(rows)
    model, rejected = model_of_ratings(table, rows[0].scale), bt500_rejected(table)
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


ImageKey = tuple[str, str]


def image_scores(rows: Sequence[VoteRow]) -> list[ImageScore]:
    """Return the score of every image."""
    points: dict[ImageKey, list[float]] = {}
    for _, image, value in _points(rows):
        points.setdefault(image, []).append(value)
    return [
        ImageScore(photo=photo, method=method, value=float(np.mean(values)), votes=len(values))
        for (photo, method), values in sorted(points.items())
    ]


def _points(rows: Sequence[VoteRow]) -> list[tuple[str, ImageKey, float]]:
    """Return (participant, image, points) of every vote: the share of other images that it beat, or the rating."""
    found: list[tuple[str, ImageKey, float]] = []
    for row in rows:
        if row.rating is not None:
            found.append((row.observer, (row.scene, row.condition_a), float(row.rating)))
        elif row.condition_b:
            points = dict.fromkeys(row.methods, 0.0)
            for order, share in row.orders:
                for below, name in enumerate(order[::-1]):
                    points[name] += share * below / (len(order) - 1)
            found += [
                (row.observer, (row.scene, name), won) for name, won in points.items() if row.ranking or name != TRUTH
            ]
        elif row.condition_a not in {TRUTH, RANDOM}:
            found.append((row.observer, (row.scene, row.condition_a), float(row.is_a_selected)))
    return found


def participant_agreement(
    scored: Sequence[VoteRow], everything: Sequence[VoteRow], *, seed: int = 0
) -> ParticipantAgreement:
    """Return the agreement of halves of the participants, of one with all others, and of repeated answers.

    Args:
        scored: scored votes of the participants.
        everything: all their votes, including repeats.
        seed: seed of the random halves.
    """
    repeats = [alike for rows in by_observer(everything).values() for alike in repeat_agreements(rows)]
    points = _points(scored)
    found = rater_ceiling(
        [participant for participant, _, _ in points],
        ["\x1f".join(image) for _, image, _ in points],
        [value for _, _, value in points],
        seed=seed,
    )
    alone = ParticipantAgreement(repeats=float(np.mean(repeats)) if repeats else None)
    if found is None:
        return alone
    return alone.model_copy(
        update={
            "split_half": found.split_half,
            "corrected": found.corrected,
            "ceiling": found.ceiling,
            "one_against_rest": found.single,
        }
    )


Values = dict[str, dict[tuple[str, str], float]]
"""Values by metric, then by (photo, method)."""

DRAWS = 1000
MIN_IMAGES = 3
_NO_METRIC = frozenset({"photo", "method", "width_px", "height_px"})


def scene_key(name: str) -> str:
    """Return the name that a photo has in both surveys and evaluations: without suffix and folders.

    >>> scene_key("holiday/beach.jpg"), scene_key("holiday__beach.jpg"), scene_key("beach.v2")
    ('holiday__beach', 'holiday__beach', 'beach.v2')
    """
    flat = name.replace("/", "__")
    path = PurePosixPath(flat)
    return path.stem if path.suffix.lower() in PHOTO_SUFFIXES else flat


def read_metric_values(path: Path, methods: Sequence[str]) -> Values:
    """Return the values of every metric.

    Args:
        path: a file of `evaluate --csv` with several methods, or the folder of a study.
        methods: methods of the survey.

    Raises:
        ConfigError: the file is not readable or has other columns.
        UsageError: it has no values of these methods.
    """
    if path.is_dir():
        files = {
            method: sorted((path / "runs").glob(f"{method}-*/metrics.csv"), key=lambda file: file.parent.name)
            for method in methods
        }
        found: Values = {}
        for method, own in files.items():
            if own:  # the first seed, whose images a survey uses
                _read(own[0], found, method)
    else:
        found = {}
        _read(path, found, None)
    if not any(method in methods for values in found.values() for _, method in values):
        raise UsageError(
            f"{path} has no values of {', '.join(methods)}; give a file that `evaluate --csv` wrote for these methods"
        )
    return found


def _read(path: Path, found: Values, method: str | None) -> None:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot read the metric values: {error}") from None
    if not rows or "photo" not in rows[0] or (method is None and "method" not in rows[0]):
        raise ConfigError(
            f"{path}: expected the columns method, photo and one per metric, as `evaluate --csv` writes them"
        )
    for line, row in enumerate(rows, start=2):
        key = (scene_key(row["photo"] or ""), method or row["method"])
        for name, text in row.items():
            if name not in _NO_METRIC and text:
                found.setdefault(name, {})[key] = _metric_value(text, f"{path}, line {line}: {name}")


def _metric_value(text: object, place: str) -> float:
    try:
        return float(str(text))
    except ValueError:
        raise ConfigError(f"{place} must be a number, not '{text}'") from None


def metric_agreements(
    votes: Sequence[VoteRow], values: Values, directions: Mapping[str, str], *, seed: int = 0
) -> dict[str, MetricAgreement]:
    """Return the agreement of each metric with the participants, highest first.

    Args:
        votes: the scored votes of the participants who are not excluded.
        values: values of the metrics.
        directions: `higher` or `lower` by metric; other metrics are left out, because their best value is that of the
            ground truth.
        seed: seed of the resampling.
    """
    people = {(scene_key(image.photo), image.method): image.value for image in image_scores(votes)}
    found = {}
    for name, own in values.items():
        sign = {"higher": 1.0, "lower": -1.0}.get(directions.get(name, ""))
        if sign is None:
            continue
        both = sorted(key for key in people if math.isfinite(own.get(key, math.nan)))
        if len(both) >= MIN_IMAGES:
            turned = {key: sign * own[key] for key in both}
            found[name] = _agreement(turned, {key: people[key] for key in both}, votes, seed)
    return dict(sorted(found.items(), key=lambda item: -math.inf if item[1].srcc is None else -item[1].srcc))


def _agreement(
    metric: dict[tuple[str, str], float], people: dict[tuple[str, str], float], votes: Sequence[VoteRow], seed: int
) -> MetricAgreement:
    x, y = np.array(list(metric.values())), np.array(list(people.values()))
    scenes = [scene for scene, _ in people]
    low, high = _over_photos(x, y, scenes, seed)
    return MetricAgreement(
        srcc=srcc(x, y),
        low=low,
        high=high,
        scene_srcc=scene_srcc(x, y, scenes).value,
        krcc=krcc(x, y),
        plcc=plcc(x, y),
        two_afc=_two_afc(metric, votes),
        method_srcc=_by_method(metric, people),
        n=len(x),
    )


def _over_photos(
    x: NDArray[np.float64], y: NDArray[np.float64], scenes: Sequence[str], seed: int
) -> tuple[float | None, float | None]:
    """Return the interval of Spearman's correlation over photos, from the same draws for every metric."""
    groups = [np.flatnonzero(np.array(scenes) == scene) for scene in dict.fromkeys(scenes)]
    if len(groups) < 2:
        return None, None
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(DRAWS):
        places = np.concatenate([groups[k] for k in generator.integers(len(groups), size=len(groups))])
        value = srcc(x[places], y[places])
        if value is not None:
            found.append(value)
    if not found:
        return None, None
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def _two_afc(metric: Mapping[tuple[str, str], float], votes: Sequence[VoteRow]) -> float | None:
    """Return the share of votes without ties that chose the image with the better value of the metric."""
    hits = total = 0.0
    for row in votes:
        if row.is_tie or not row.condition_b:
            continue
        scene = scene_key(row.scene)
        for better, worse in combinations(row.orders[0][0], 2):
            high, low = metric.get((scene, better)), metric.get((scene, worse))
            if high is None or low is None:
                continue
            total += 1
            hits += 0.5 if high == low else float(high > low)
    return hits / total if total else None


def _by_method(metric: Mapping[tuple[str, str], float], people: Mapping[tuple[str, str], float]) -> float | None:
    methods = sorted({method for _, method in metric})
    if len(methods) < MIN_IMAGES:
        return None
    means = [
        [float(np.mean([value for (_, method), value in each.items() if method == name])) for name in methods]
        for each in (metric, people)
    ]
    return srcc(*means)
