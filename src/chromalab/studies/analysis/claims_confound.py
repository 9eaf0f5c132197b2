"""C6: whether a metric favors the objective that was trained on the metric's own network.

An objective that lowers a distance over a network scores well under every metric over the same network. Counts of wins
are therefore given with and without such metrics. For the perceptual metrics, the lead of `perceptual` over the mean of
its rivals is expressed as a share of each metric's span from the gray baseline to the best objective. The favor is the
lead under metrics over its own network minus the lead under the others. The spans are taken as known, and the interval
of the favor decides:

- `supported`: the 95% interval lies above 0.
- `contradicted`: the 90% interval lies below 10% of the span, which rules out a favor of practical size.
- `undecided` otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.core.wording import listing
from chromalab.evaluation.paired_tests import ALPHA, LEVEL
from chromalab.evaluation.samples import combine_samples
from chromalab.studies.analysis.differences import MARGIN, TOO_FEW, enough
from chromalab.studies.analysis.evidence import (
    RIVALS,
    Evidence,
    count_wins,
    describe,
    how_far,
    not_tested,
    with_interval,
)
from chromalab.studies.records import ClaimRow, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chromalab.evaluation.samples import Sample
    from chromalab.stats.intervals import Estimate
    from chromalab.studies.analysis.differences import Measured

C6 = "A metric favors the objective that was trained on the metric's own network"


def confound_claim(evidence: Evidence, space: str) -> ClaimRow:
    """Test C6 on the objective `perceptual`."""
    rivals = evidence.rivals
    if "perceptual" not in evidence.objectives or not rivals:
        missing = "perceptual" if rivals else listing(RIVALS, "or")
        return not_tested("C6", C6, f"the study has no objective named {missing}", space)
    own, independent = _perceptual_metrics(evidence, space, rivals)
    if not own:
        return not_tested("C6", C6, "no metric shares the network that perceptual was trained on", space)
    if not independent:
        only = listing(_names(own))
        return not_tested(
            "C6", C6, f"perceptual was trained on the network of the only perceptual metric, {only}", space
        )
    favor = _favor(own, independent, rivals)
    estimate = None if favor is None else favor.estimate()
    pairs = [(name, rival) for name in _names([*own, *independent]) for rival in rivals]
    found = [evidence.between(name, space, "perceptual", rival) for name, rival in pairs]
    rows = [row for row in found if row is not None]
    summary = _summary(estimate, own, independent, has_lead=favor is not None)
    return ClaimRow(
        id="C6",
        claim=C6,
        color_space=space,
        verdict=_verdict(estimate),
        summary=f"{summary} {_counts(evidence, space, rivals)}",
        how_far=how_far(evidence, rows, perceptual=True) + _encoder_note(evidence, independent),
        flips_when=_flips(estimate),
        evidence=[
            *(_describe_lead(metric, rivals, kind="trained on") for metric in own),
            *(_describe_lead(metric, rivals, kind="independent") for metric in independent),
            *map(describe, rows),
        ],
    )


def _names(metrics: Sequence[Measured]) -> list[str]:
    return [metric.facts.name for metric in metrics]


def _perceptual_metrics(evidence: Evidence, space: str, rivals: Sequence[str]) -> tuple[list[Measured], list[Measured]]:
    """Return the per-photo perceptual metrics over the network of `perceptual`, and those over other networks."""
    trained_on = evidence.objective("perceptual").judges_trained_on
    metrics = [
        cell
        for cell in evidence.metrics(space)
        if cell.facts.role == "perceptual" and cell.facts.per_photo and cell.facts.network is not None
        if {"perceptual", *rivals} <= set(cell.samples)
    ]
    own = [metric for metric in metrics if metric.facts.name in trained_on]
    return own, [metric for metric in metrics if metric.facts.name not in trained_on]


def _favor(own: Sequence[Measured], independent: Sequence[Measured], rivals: Sequence[str]) -> Sample | None:
    """Return the mean lead of `perceptual` under its own metrics minus that under the others, as shares of spans."""
    terms: list[tuple[float, Sample]] = []
    for metrics, sign in ((own, 1), (independent, -1)):
        for metric in metrics:
            lead = _lead(metric, rivals)
            if lead is None:
                return None
            terms.append((sign / len(metrics), lead))
    return combine_samples(terms)


def _lead(metric: Measured, rivals: Sequence[str]) -> Sample | None:
    """Return by how much `perceptual` is better than the mean of its rivals, as a share of the metric's span."""
    if not metric.span:
        return None
    scale = metric.toward_better / metric.span
    return metric.paired({"perceptual": scale} | dict.fromkeys(rivals, -scale / len(rivals)))


def _verdict(estimate: Estimate | None) -> Verdict:
    if estimate is None or not enough(estimate.n_seeds, estimate.n_photos):
        return "undecided"
    if estimate.interval(LEVEL).low > 0:
        return "supported"
    return "contradicted" if estimate.interval(1 - 2 * ALPHA).high < MARGIN else "undecided"


def _flips(estimate: Estimate | None) -> str:
    """Return the conditions of the verdicts, with the ends of the intervals that decide."""
    if estimate is None:
        return ""
    low, high = 100 * estimate.interval(LEVEL).low, 100 * estimate.interval(1 - 2 * ALPHA).high
    return (
        f"It is supported if the 95% interval lies above 0 (its lower end is {low:.3g}%), and contradicted if the 90% "
        f"interval lies below {MARGIN:.0%} (its upper end is {high:.3g}%)."
    )


def _summary(
    estimate: Estimate | None, own: Sequence[Measured], independent: Sequence[Measured], *, has_lead: bool
) -> str:
    if estimate is None:
        why = TOO_FEW if has_lead else "there is no span from gray to the best objective to measure by"
        return f"Undecided ({why}): {listing(_names([*own, *independent]))} cannot be compared."
    opening = "" if enough(estimate.n_seeds, estimate.n_photos) else f"Undecided ({TOO_FEW}). "
    return (
        f"{opening}The lead of perceptual over its rivals under {listing(_names(own))}, on whose network it was "
        f"trained, minus its lead under {listing(_names(independent))}: {_percentages(estimate)} of the span from the "
        "gray baseline to the best objective."
    )


def _percentages(estimate: Estimate) -> str:
    interval = estimate.interval(LEVEL)
    return with_interval(100 * interval.mean, 100 * interval.low, 100 * interval.high, unit="%")


def _counts(evidence: Evidence, space: str, rivals: Sequence[str]) -> str:
    field, trained_on = ["perceptual", *rivals], evidence.objective("perceptual").judges_trained_on
    every, others = count_wins(evidence, space, field), count_wins(evidence, space, field, skip=trained_on)
    return (
        f"perceptual wins {len(every.won['perceptual'])} of {len(every.metrics)} metrics if those over its own "
        f"network count, and {len(others.won['perceptual'])} of {len(others.metrics)} if they do not."
    )


def _describe_lead(metric: Measured, rivals: Sequence[str], *, kind: str) -> str:
    sample = _lead(metric, rivals)
    estimate = None if sample is None else sample.estimate()
    if estimate is None:
        return f"{metric.facts.name} ({kind}): the lead has no interval"
    return (
        f"{metric.facts.name} ({kind}): perceptual is ahead of the mean of {listing(rivals)} by "
        f"{_percentages(estimate)} of the span"
    )


def _encoder_note(evidence: Evidence, independent: Sequence[Measured]) -> str:
    """Warn of a metric that shares its network with the colorizer's own encoder."""
    shared = [metric.facts.name for metric in independent if metric.facts.network == evidence.study.encoder]
    if not shared:
        return ""
    verb = "shares its network" if len(shared) == 1 else "share their network"
    return f" {listing(shared)} {verb} with the encoder of every colorizer, which may favor any of them."
