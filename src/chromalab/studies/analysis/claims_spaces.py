"""C4: no color space is the best throughout.

The sibling chapter finds none that wins both by metrics and by looking. Without people's votes the half about metrics
can be tested. Color spaces are compared by the mean over the objectives they share, on the same seeds and photographs,
corrected by Holm within a metric; a space wins a metric where it is significantly better than each other one.

- `supported`: two different spaces each win a metric, so none is the best throughout.
- `contradicted`, as far as metrics go: one space wins more than half of the metrics and no other wins any.
- `undecided` otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from chromalab.evaluation.paired_tests import ALPHA, LEVEL
from chromalab.evaluation.samples import combine_samples
from chromalab.stats.significance import holm
from chromalab.studies.analysis.differences import MIN_PHOTOS, MIN_SEEDS, TOO_FEW, enough
from chromalab.studies.analysis.evidence import Evidence, count, describe_interval, listed, not_tested, p_text
from chromalab.studies.records import ClaimRow, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chromalab.stats.intervals import Estimate
    from chromalab.studies.analysis.differences import Measured

C4 = "No color space is the best throughout"


@dataclass(frozen=True)
class _Pair:
    """Two color spaces under one metric: `first - second`, and p after Holm's correction within the metric."""

    metric: str
    first: str
    second: str
    estimate: Estimate
    p_holm: float
    better: str

    @property
    def winner(self) -> str | None:
        decided = self.p_holm < ALPHA and enough(self.estimate.n_seeds, self.estimate.n_photos)
        return self.better if decided else None


def space_claim(evidence: Evidence) -> ClaimRow:
    """Judge C4 where a study has two color spaces or more."""
    spaces = evidence.study.color_spaces
    if len(spaces) < 2:
        return not_tested("C4", C4, f"the study trained one color space ({listed(spaces)})")
    metrics = _metrics(evidence)
    if not any(_shared(evidence, cells) for cells in metrics):
        return not_tested("C4", C4, "no objective has finished runs of one seed in all color spaces")
    return _judge(spaces, [pair for cells in metrics for pair in _compare(evidence, cells)])


def _judge(spaces: Sequence[str], pairs: Sequence[_Pair]) -> ClaimRow:
    """Return the verdict over all metrics; without any pair there were single values only."""
    metrics = list(dict.fromkeys(pair.metric for pair in pairs))
    won = {space: [metric for metric in metrics if _wins(space, metric, pairs)] for space in spaces}
    enough_data = any(enough(pair.estimate.n_seeds, pair.estimate.n_photos) for pair in pairs)
    counts = listed([f"{space} {len(names)}" for space, names in won.items()])
    clearest = min(pairs, key=lambda pair: pair.p_holm, default=None)
    return ClaimRow(
        id="C4",
        claim=C4,
        color_space="-",
        verdict=_verdict(won, len(metrics)) if enough_data else "undecided",
        summary=("" if enough_data else f"Undecided ({TOO_FEW}). ")
        + f"Metrics won, of {len(metrics)}: {counts}."
        + ("" if clearest is None else f" The clearest comparison: {_describe(clearest)}."),
        how_far=_how_far(pairs),
        evidence=[_describe(pair) for pair in pairs],
    )


def _verdict(won: Mapping[str, Sequence[str]], n_metrics: int) -> Verdict:
    winners = [space for space, metrics in won.items() if metrics]
    if len(winners) > 1:
        return "supported"
    return "contradicted" if winners and len(won[winners[0]]) > n_metrics / 2 else "undecided"


def _wins(space: str, metric: str, pairs: Sequence[_Pair]) -> bool:
    own = [pair for pair in pairs if pair.metric == metric and space in {pair.first, pair.second}]
    return bool(own) and all(pair.winner == space for pair in own)


def _metrics(evidence: Evidence) -> list[list[Measured]]:
    """Return for each metric with a better side its measurements in all color spaces."""
    spaces = evidence.study.color_spaces
    names = [cell.facts.name for cell in evidence.metrics(spaces[0]) if cell.facts.direction != "closer"]
    return [[cell for space in spaces if (cell := evidence.metric(name, space))] for name in names]


def _compare(evidence: Evidence, cells: Sequence[Measured]) -> list[_Pair]:
    """Compare the color spaces under one metric; empty where they share no objective or seed."""
    objectives = _shared(evidence, cells)
    estimates = {
        (one.color_space, other.color_space): estimate
        for one, other in combinations(cells, 2)
        if objectives and (estimate := _difference(one, other, objectives)) is not None
    }
    corrected = holm([estimate.p for estimate in estimates.values()])
    return [
        _Pair(
            metric=cells[0].facts.name,
            first=first,
            second=second,
            estimate=estimate,
            p_holm=float(p),
            better=first if estimate.mean * cells[0].toward_better > 0 else second,
        )
        for ((first, second), estimate), p in zip(estimates.items(), corrected, strict=True)
    ]


def _shared(evidence: Evidence, cells: Sequence[Measured]) -> list[str]:
    """Return the objectives that can be compared over all color spaces; none where the spaces share no seed."""
    if not set.intersection(*(set(cell.seeds) for cell in cells)):
        return []
    return [name for name in evidence.objectives if all(name in cell.samples for cell in cells)]


def _difference(one: Measured, other: Measured, objectives: Sequence[str]) -> Estimate | None:
    """Return the mean difference `one - other` over the shared objectives, seeds and photographs."""
    weight = 1 / len(objectives)
    first, second = (cell.paired(dict.fromkeys(objectives, weight)) for cell in (one, other))
    if first is None or second is None:
        return None
    difference = combine_samples([(1.0, first), (-1.0, second)])
    return None if difference is None else difference.estimate()


def _describe(pair: _Pair) -> str:
    interval = describe_interval(pair.estimate.interval(LEVEL))
    outcome = f"{pair.winner} better" if pair.winner else "no winner"
    return f"{pair.metric}: {pair.first} - {pair.second} = {interval}, p {p_text(pair.p_holm)} after Holm: {outcome}"


def _how_far(pairs: Sequence[_Pair]) -> str:
    n_seeds = max((pair.estimate.n_seeds for pair in pairs), default=1)
    n_photos = max((pair.estimate.n_photos for pair in pairs), default=1)
    few = "" if enough(n_seeds, n_photos) else f" No verdict is given below {MIN_SEEDS} seeds and {MIN_PHOTOS} photos."
    return (
        f"It rests on {count(n_seeds, 'seed')} and {count(n_photos, 'test photo')}, as a mean over the objectives."
        f"{few} Metrics alone are judged; the claim also speaks of looking, which needs people."
    )
