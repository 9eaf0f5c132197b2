"""Counting the metrics under which an objective beats all its rivals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chromalab.studies.analysis.evidence import Evidence
    from chromalab.studies.records import DifferenceRow

RIVALS = ("l1", "l2", "wgan_l2")

NO_VOTE = ("rmse", "delta_colorfulness", "lightness_error")
"""Metrics that don't count: the first two say again what `mse` and `colorfulness_difference` say, and lightness is what
a colorizer is given."""


@dataclass(frozen=True)
class Wins:
    """Who wins which metrics in a field of objectives.

    Attributes:
        metrics: the metrics that count: they have a better side and a vote, and all of the field have values.
        won: for each objective the metrics where it is significantly better than each other one.
        beaten: the metrics where the first of the field is significantly worse than at least one other.
        rows: the comparisons of the first of the field with each other one, oriented `first - other`.
    """

    metrics: Sequence[str]
    won: Mapping[str, Sequence[str]]
    beaten: Sequence[str]
    rows: Sequence[DifferenceRow]


def count_wins(evidence: Evidence, color_space: str, field: Sequence[str], *, skip: Sequence[str] = ()) -> Wins:
    """Count the metrics that each objective of `field` wins; metrics in `skip` do not count."""
    silent = {*skip, *NO_VOTE}
    metrics = [
        cell.facts.name
        for cell in evidence.metrics(color_space)
        if cell.facts.direction != "closer" and cell.facts.name not in silent and set(field) <= set(cell.samples)
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
    """Return the objective that beats all others of the field, if there is one."""
    return {name for name in field if all(_beats(evidence, metric, color_space, name, other) for other in field)}


def _beats(evidence: Evidence, metric: str, color_space: str, name: str, other: str) -> bool:
    row = evidence.between(metric, color_space, name, other)
    return name == other or (row is not None and row.winner == name)
