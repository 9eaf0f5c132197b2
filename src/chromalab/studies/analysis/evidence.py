"""Evidence for claims: measurements, comparisons, counts of wins, and their wording."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chromalab.core.wording import plural
from chromalab.evaluation.paired_tests import ALPHA, LEVEL
from chromalab.studies.analysis.differences import MIN_PHOTOS, MIN_SEEDS, POWER, TOO_FEW, enough
from chromalab.studies.records import ClaimRow, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chromalab.stats.intervals import Interval
    from chromalab.studies.analysis.differences import Measured
    from chromalab.studies.records import DifferenceRow, ObjectiveRecord, StudyRecord


class Evidence:
    """A study's measurements and comparisons, looked up by name."""

    def __init__(self, study: StudyRecord, measured: Sequence[Measured], differences: Sequence[DifferenceRow]) -> None:
        self.study = study
        self._measured = {(cell.facts.name, cell.color_space): cell for cell in measured}
        self._rows = {(row.metric, row.color_space, row.first, row.second): row for row in differences}
        self._objectives = {objective.id: objective for objective in study.objectives}

    @property
    def objectives(self) -> list[str]:
        """The objectives of the study, in its order."""
        return list(self._objectives)

    @property
    def rivals(self) -> list[str]:
        """The objectives of the study that claims compare with `perceptual`."""
        return [name for name in RIVALS if name in self._objectives]

    def objective(self, name: str) -> ObjectiveRecord:
        """Return the record of an objective."""
        return self._objectives[name]

    def metrics(self, color_space: str) -> list[Measured]:
        """Return the measurements of every metric in a color space."""
        return [cell for (_, space), cell in self._measured.items() if space == color_space]

    def metric(self, name: str, color_space: str) -> Measured | None:
        """Return the measurements of a metric in a color space, or None if there are none."""
        return self._measured.get((name, color_space))

    def rows(self, color_space: str) -> list[DifferenceRow]:
        """Return every comparison in a color space."""
        return [row for row in self._rows.values() if row.color_space == color_space]

    def between(self, metric: str, color_space: str, one: str, other: str) -> DifferenceRow | None:
        """Return the comparison `one - other`, reversed if it was stored as `other - one`."""
        row = self._rows.get((metric, color_space, one, other))
        if row is not None:
            return row
        stored = self._rows.get((metric, color_space, other, one))
        return None if stored is None else _reversed(stored)


def not_tested(claim_id: str, claim: str, reason: str, color_space: str = "-") -> ClaimRow:
    """Return the row of a claim that this study cannot test."""
    return ClaimRow(
        id=claim_id,
        claim=claim,
        color_space=color_space,
        verdict="not tested",
        summary=f"Not tested: {reason}.",
        how_far="This study cannot test it.",
    )


def undecided_without_data(verdict: Verdict, rows: Sequence[DifferenceRow]) -> tuple[Verdict, str]:
    """Return the verdict and the opening of its summary; it is undecided if no row has enough seeds and photos."""
    if any(enough(row.n_seeds, row.n_photos) for row in rows):
        return verdict, ""
    return "undecided", f"Undecided ({TOO_FEW}). "


def how_far(evidence: Evidence, rows: Sequence[DifferenceRow], *, perceptual: bool = False) -> str:
    """Describe how certain a verdict is.

    Args:
        evidence: the study.
        rows: the comparisons behind the verdict.
        perceptual: whether the verdict concerns the objective `perceptual`, whose network is then named.
    """
    n_seeds = max((row.n_seeds for row in rows), default=0)
    n_photos = max((row.n_photos for row in rows), default=0)
    sentences = [f"This verdict rests on {plural(n_seeds, 'seed')} and {plural(n_photos, 'test photo')}."]
    if not enough(n_seeds, n_photos):
        sentences.append(
            f"No verdict is given below {MIN_SEEDS} seeds and {MIN_PHOTOS} photos: "
            "the intervals are printed, but such data cannot distinguish an effect from chance."
        )
    sentences += [text for text in (_detectable(rows), _stand_in(evidence) if perceptual else "") if text]
    sentences.append("One network and one collection of photos were tested; others may give other results.")
    return " ".join(sentences)


def _detectable(rows: Sequence[DifferenceRow]) -> str:
    """Return sentences on the size of the differences that the tests could find, as shares of the clear spans."""
    known = [row for row in rows if row.detectable is not None and row.span]
    shares = sorted(100 * share for row in known if (share := detectable_share(row)) is not None)
    within = [share for share in shares if share <= 100]
    sentences = []
    if within:
        spread = f" (from {percent(within[0])} to {percent(within[-1])} over {len(within)} comparisons)"
        sentences.append(
            f"The tests find a difference of {percent(statistics.median(within))} of the span from the gray baseline "
            f"to the best objective {POWER:.0%} of the time{spread if len(within) > 1 else ''}; smaller differences "
            "may remain undetected."
        )
    if len(shares) > len(within):
        which = f"In {plural(len(shares) - len(within), 'comparison')} the"
        sentences.append(f"{which} tests could miss a difference as large as the whole span.")
    if len(known) > len(shares):
        which = f"For {plural(len(known) - len(shares), 'comparison')}" if shares else "For these comparisons"
        sentences.append(
            f"{which} no detectable difference is given in percent, because the span from the gray baseline to the "
            "best objective is not clear beside its noise."
        )
    return " ".join(sentences)


def detectable_share(row: DifferenceRow) -> float | None:
    """Return the detectable difference as a share of the span, or None if the span is unknown or not clear."""
    return row.detectable / row.span if row.detectable is not None and row.span and row.is_span_clear else None


def _stand_in(evidence: Evidence) -> str:
    """Return a sentence on the loss behind `perceptual`, because the claims are about LPIPS over VGG16."""
    name = evidence.objective("perceptual").perceptual
    if name is None or name == "lpips_vgg":
        return ""
    return f"In this study `perceptual` is {name}; the claim is about LPIPS over VGG16."


def with_interval(value: float, low: float | None, high: float | None, unit: str = "") -> str:
    """Return a value with its 95% interval in words.

    >>> with_interval(0.5, 0.25, 0.75)
    '+0.5 (95% interval 0.25 to 0.75)'
    """
    if low is None or high is None:
        return f"{value:+.3g}{unit} (no interval)"
    return f"{value:+.3g}{unit} ({LEVEL:.0%} interval {low:.3g} to {high:.3g})"


def describe_interval(interval: Interval, unit: str = "") -> str:
    """Return the mean of an interval with its ends in words."""
    return with_interval(interval.mean, interval.low, interval.high, unit)


def describe(row: DifferenceRow) -> str:
    """Return the result of a comparison in one line."""
    if row.mean is None:
        return f"{row.metric}: {row.first} - {row.second}: {row.reason or 'no value'}"
    corrected = "" if row.p_holm is None else f", p {p_text(row.p_holm)} after Holm"
    outcome = f"{row.winner} better" if row.winner else "no winner"
    interval = with_interval(row.mean, row.ci_low, row.ci_high)
    return f"{row.metric}: {row.first} - {row.second} = {interval}{corrected}: {outcome}"


def p_text(p: float) -> str:
    """Return a p value with two digits, or `< 0.001`.

    >>> p_text(0.0312), p_text(1e-9)
    ('0.031', '< 0.001')
    """
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def percent(value: float) -> str:
    """Return a percentage with about two digits.

    >>> percent(3.14159), percent(123.4)
    ('3.1%', '123%')
    """
    return f"{value:.0f}%" if abs(value) >= 10 else f"{value:.2g}%"


def is_significant(row: DifferenceRow) -> bool:
    """Return whether a difference is significant after Holm's correction, with enough seeds and photos."""
    return row.p_holm is not None and row.p_holm < ALPHA and enough(row.n_seeds, row.n_photos)


def _reversed(row: DifferenceRow) -> DifferenceRow:
    def negated(value: float | None) -> float | None:
        return None if value is None else -value

    return row.model_copy(
        update={
            "first": row.second,
            "second": row.first,
            "mean": negated(row.mean),
            "ci_low": negated(row.ci_high),
            "ci_high": negated(row.ci_low),
        }
    )


RIVALS = ("l1", "l2", "wgan_l2")

NOT_COUNTED = ("rmse", "delta_colorfulness", "lightness_error")
"""Metrics that do not count: the first two repeat `mse` and `colorfulness_difference`, and lightness is the input of a
colorizer."""


@dataclass(frozen=True)
class Wins:
    """The metrics that each of several objectives wins.

    Attributes:
        metrics: the metrics that count. They are better if higher or if lower, and all objectives have values.
        won: for each objective, the metrics under which it is significantly better than every other one.
        beaten: the metrics under which the first objective is significantly worse than at least one other.
        rows: the comparisons of the first objective with every other one, oriented `first - other`.
    """

    metrics: Sequence[str]
    won: Mapping[str, Sequence[str]]
    beaten: Sequence[str]
    rows: Sequence[DifferenceRow]


def count_wins(evidence: Evidence, color_space: str, field: Sequence[str], *, skip: Sequence[str] = ()) -> Wins:
    """Count the metrics that each objective in `field` wins; metrics in `skip` do not count."""
    ignored = {*skip, *NOT_COUNTED}
    metrics = [
        cell.facts.name
        for cell in evidence.metrics(color_space)
        if cell.facts.direction != "closer" and cell.facts.name not in ignored and set(field) <= set(cell.samples)
    ]
    winners = {metric: _winners(evidence, metric, color_space, field) for metric in metrics}
    rows = [
        row
        for metric in metrics
        for other in field[1:]
        if (row := evidence.between(metric, color_space, field[0], other)) is not None
    ]
    lost = {row.metric for row in rows if row.winner not in {None, field[0]}}
    return Wins(
        metrics=metrics,
        won={name: [metric for metric in metrics if name in winners[metric]] for name in field},
        beaten=[metric for metric in metrics if metric in lost],
        rows=rows,
    )


def _winners(evidence: Evidence, metric: str, color_space: str, field: Sequence[str]) -> set[str]:
    """Return the objective that beats all others in `field`, if there is one."""
    return {name for name in field if all(_beats(evidence, metric, color_space, name, other) for other in field)}


def _beats(evidence: Evidence, metric: str, color_space: str, name: str, other: str) -> bool:
    row = evidence.between(metric, color_space, name, other)
    return name == other or (row is not None and row.winner == name)
