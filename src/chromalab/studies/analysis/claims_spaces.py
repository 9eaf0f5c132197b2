"""C4: no color space is the best throughout.

The chapter on color spaces finds none that wins both under metrics and in the eyes of people. Without people's votes,
only the part about metrics can be tested. Color spaces are compared by the mean over the objectives they share, on the
same seeds and photos, with Holm's correction within a metric. A space wins a metric if it is significantly better than
every other one.

- `supported`: at least two spaces win a metric, so none is the best throughout.
- `contradicted`, as far as metrics show: one space wins more than half of the metrics and no other wins any.
- `undecided` otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from chromalab.core.wording import listing, plural
from chromalab.evaluation.paired_tests import LEVEL, PairedTest, corrected
from chromalab.evaluation.samples import combine_samples
from chromalab.studies.analysis.differences import MIN_PHOTOS, MIN_SEEDS, TOO_FEW, enough
from chromalab.studies.analysis.evidence import Evidence, describe_interval, not_tested, p_text
from chromalab.studies.records import ClaimRow, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chromalab.evaluation.samples import Sample
    from chromalab.stats.intervals import Estimate
    from chromalab.studies.analysis.differences import Measured

C4 = "No color space is the best throughout"


@dataclass(frozen=True)
class _Comparison:
    """A paired test of two color spaces under one metric, with its estimate."""

    metric: str
    test: PairedTest
    estimate: Estimate

    @property
    def has_enough(self) -> bool:
        return enough(self.estimate.n_seeds, self.estimate.n_photos)

    @property
    def winner(self) -> str | None:
        return self.test.better if self.test.is_decided and self.has_enough else None


def space_claim(evidence: Evidence) -> ClaimRow:
    """Test C4 if the study has at least two color spaces."""
    spaces = evidence.study.color_spaces
    if len(spaces) < 2:
        return not_tested("C4", C4, f"the study trained one color space ({listing(spaces)})")
    metrics = _metrics(evidence)
    if not any(_shared(evidence, cells) for cells in metrics):
        return not_tested("C4", C4, "no objective has finished runs of one seed in all color spaces")
    return _claim(spaces, [found for cells in metrics for found in _compare(evidence, cells)])


def _claim(spaces: Sequence[str], found: Sequence[_Comparison]) -> ClaimRow:
    """Return the verdict over all metrics; `found` is empty if all values are single ones."""
    metrics = list(dict.fromkeys(each.metric for each in found))
    won = {space: [metric for metric in metrics if _wins(space, metric, found)] for space in spaces}
    enough_data = any(each.has_enough for each in found)
    counts = listing([f"{space} {len(names)}" for space, names in won.items()])
    clearest = min(found, key=lambda each: each.test.p_order_holm, default=None)
    return ClaimRow(
        id="C4",
        claim=C4,
        color_space="-",
        verdict=_verdict(won, len(metrics)) if enough_data else "undecided",
        summary=("" if enough_data else f"Undecided ({TOO_FEW}). ")
        + f"Metrics won, of {len(metrics)}: {counts}."
        + ("" if clearest is None else f" The clearest comparison: {_describe(clearest)}."),
        how_far=_how_far(found),
        flips_when="It is supported if two spaces win a metric each, and contradicted if one wins more than half of "
        "them and no other wins any.",
        evidence=[_describe(each) for each in found],
    )


def _verdict(won: Mapping[str, Sequence[str]], n_metrics: int) -> Verdict:
    winners = [space for space, metrics in won.items() if metrics]
    if len(winners) > 1:
        return "supported"
    return "contradicted" if winners and len(won[winners[0]]) > n_metrics / 2 else "undecided"


def _wins(space: str, metric: str, found: Sequence[_Comparison]) -> bool:
    own = [each for each in found if each.metric == metric and space in {each.test.first, each.test.second}]
    return bool(own) and all(each.winner == space for each in own)


def _metrics(evidence: Evidence) -> list[list[Measured]]:
    """Return the measurements in all color spaces, for every metric that is better if higher or if lower."""
    spaces = evidence.study.color_spaces
    names = [cell.facts.name for cell in evidence.metrics(spaces[0]) if cell.facts.direction != "closer"]
    return [[cell for space in spaces if (cell := evidence.metric(name, space))] for name in names]


def _compare(evidence: Evidence, cells: Sequence[Measured]) -> list[_Comparison]:
    """Compare the color spaces under one metric; empty if they share no objective or seed."""
    objectives = _shared(evidence, cells)
    tests = [
        PairedTest(
            one.color_space,
            other.color_space,
            sample=_difference(one, other, objectives),
            toward_better=one.toward_better,
        )
        for one, other in combinations(cells, 2)
        if objectives
    ]
    return [
        _Comparison(cells[0].facts.name, test, test.difference)
        for test in corrected(tests)
        if test.difference is not None
    ]


def _shared(evidence: Evidence, cells: Sequence[Measured]) -> list[str]:
    """Return the objectives that can be compared over all color spaces; empty if the spaces share no seed."""
    if not set.intersection(*(set(cell.seeds) for cell in cells)):
        return []
    return [name for name in evidence.objectives if all(name in cell.samples for cell in cells)]


def _difference(one: Measured, other: Measured, objectives: Sequence[str]) -> Sample | None:
    """Return the difference `one - other` of the means over the shared objectives."""
    weight = 1 / len(objectives)
    first, second = (cell.paired(dict.fromkeys(objectives, weight)) for cell in (one, other))
    return None if first is None or second is None else combine_samples([(1.0, first), (-1.0, second)])


def _describe(found: _Comparison) -> str:
    test, interval = found.test, describe_interval(found.estimate.interval(LEVEL))
    outcome = f"{found.winner} better" if found.winner else "no winner"
    p = p_text(test.p_order_holm)
    return f"{found.metric}: {test.first} - {test.second} = {interval}, p {p} after Holm: {outcome}"


def _how_far(found: Sequence[_Comparison]) -> str:
    n_seeds = max((each.estimate.n_seeds for each in found), default=1)
    n_photos = max((each.estimate.n_photos for each in found), default=1)
    few = "" if enough(n_seeds, n_photos) else f" No verdict is given below {MIN_SEEDS} seeds and {MIN_PHOTOS} photos."
    return (
        f"This verdict rests on {plural(n_seeds, 'seed')} and {plural(n_photos, 'test photo')}, as a mean over the "
        f"objectives.{few} It covers metrics alone; the claim also concerns people's votes, which this study lacks."
    )
