"""C6: does a judge favor the objective that was trained on the judge's own network?

An objective that lowers a network's distance will look good to a metric over the same network. So every count of wins
is given with and without such judges, and the perceptual judges stand side by side: `perceptual` against the mean of
its rivals, as a share of each judge's span from the gray baseline to the best objective. The favor is how much larger
this share is in the eyes of its own judge than of the others. Its interval decides (taking the spans as known):

- `supported`: the 95% interval lies above 0.
- `contradicted`: the 90% interval lies below 10% of the span, so a favor of practical size is ruled out.
- `undecided` otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.evaluation.paired_tests import ALPHA, LEVEL
from chromalab.evaluation.samples import combine_samples
from chromalab.studies.analysis.differences import MARGIN, TOO_FEW, enough
from chromalab.studies.analysis.evidence import (
    RIVALS,
    Evidence,
    count_wins,
    describe,
    how_far,
    listed,
    not_tested,
    with_interval,
)
from chromalab.studies.records import ClaimRow, DifferenceRow, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chromalab.evaluation.samples import Sample
    from chromalab.stats.intervals import Estimate
    from chromalab.studies.analysis.differences import Measured

C6 = "A judge favors the objective that was trained on its own network"


def judge_claim(evidence: Evidence, space: str) -> ClaimRow:
    """Judge C6 for the objective `perceptual`."""
    rivals = [name for name in RIVALS if name in evidence.objectives]
    if "perceptual" not in evidence.objectives or not rivals:
        missing = "perceptual" if rivals else listed(RIVALS, "or")
        return not_tested("C6", C6, f"the study has no objective called {missing}", space)
    own, independent = _judges(evidence, space, rivals)
    if not own:
        return not_tested("C6", C6, "no judge shares the network that perceptual was trained on", space)
    if not independent:
        return not_tested("C6", C6, f"the only perceptual judge is {listed(own_names(own))}, of its own network", space)
    favor = favor_sample(own, independent, rivals)
    estimate = None if favor is None else favor.estimate()
    rows = _rows(evidence, space, [*own, *independent], rivals)
    return ClaimRow(
        id="C6",
        claim=C6,
        color_space=space,
        verdict=_verdict(estimate),
        summary=_summary(estimate, own, independent, has_lead=favor is not None)
        + " "
        + _counts(evidence, space, rivals),
        how_far=how_far(evidence, rows, perceptual=True) + _encoder_note(evidence, independent),
        evidence=[_side_by_side(judge, rivals, own=judge in own) for judge in [*own, *independent]]
        + [describe(row) for row in rows],
    )


def own_names(judges: Sequence[Measured]) -> list[str]:
    """Return the names of judges."""
    return [judge.facts.name for judge in judges]


def _judges(evidence: Evidence, space: str, rivals: Sequence[str]) -> tuple[list[Measured], list[Measured]]:
    """Return the per-photo perceptual judges that share the trained network, and those that do not."""
    trained_on = evidence.objective("perceptual").judges_trained_on
    judges = [
        cell
        for cell in evidence.metrics(space)
        if cell.facts.role == "perceptual" and cell.facts.per_photo and cell.facts.network is not None
        if {"perceptual", *rivals} <= set(cell.samples)
    ]
    own = [judge for judge in judges if judge.facts.name in trained_on]
    return own, [judge for judge in judges if judge.facts.name not in trained_on]


def favor_sample(own: Sequence[Measured], independent: Sequence[Measured], rivals: Sequence[str]) -> Sample | None:
    """Return the lead of `perceptual` with its own judges minus its lead with the others, in shares of their spans."""
    terms: list[tuple[float, Sample]] = []
    for judges, sign in ((own, 1), (independent, -1)):
        for judge in judges:
            lead = lead_sample(judge, rivals)
            if lead is None:
                return None
            terms.append((sign / len(judges), lead))
    return combine_samples(terms)


def lead_sample(judge: Measured, rivals: Sequence[str]) -> Sample | None:
    """Return how much better a judge finds `perceptual` than the mean of its rivals, as a share of the judge's span."""
    if not judge.span:
        return None
    scale = judge.toward_better / judge.span
    return judge.paired({"perceptual": scale} | dict.fromkeys(rivals, -scale / len(rivals)))


def _verdict(estimate: Estimate | None) -> Verdict:
    if estimate is None or not enough(estimate.n_seeds, estimate.n_photos):
        return "undecided"
    if estimate.interval(LEVEL).low > 0:
        return "supported"
    return "contradicted" if estimate.interval(1 - 2 * ALPHA).high < MARGIN else "undecided"


def _summary(
    estimate: Estimate | None, own: Sequence[Measured], independent: Sequence[Measured], *, has_lead: bool
) -> str:
    if estimate is None:
        why = TOO_FEW if has_lead else "there is no span from gray to the best objective to measure by"
        return f"Undecided ({why}): {listed(own_names([*own, *independent]))} can't be compared."
    opening = "" if enough(estimate.n_seeds, estimate.n_photos) else f"Undecided ({TOO_FEW}). "
    interval = estimate.interval(LEVEL)
    percentages = with_interval(100 * interval.mean, 100 * interval.low, 100 * interval.high, unit="%")
    return (
        f"{opening}The lead of perceptual over its rivals in the eyes of {listed(own_names(own))}, whose network it "
        f"was trained on, minus its lead in those of {listed(own_names(independent))}: {percentages} of the span from "
        f"the gray baseline to the best objective."
    )


def _counts(evidence: Evidence, space: str, rivals: Sequence[str]) -> str:
    field, trained_on = ["perceptual", *rivals], evidence.objective("perceptual").judges_trained_on
    every, others = count_wins(evidence, space, field), count_wins(evidence, space, field, skip=trained_on)
    return (
        f"perceptual wins {len(every.won['perceptual'])} of {len(every.metrics)} metrics with the judges of its own "
        f"network, and {len(others.won['perceptual'])} of {len(others.metrics)} without them."
    )


def _side_by_side(judge: Measured, rivals: Sequence[str], *, own: bool) -> str:
    sample = lead_sample(judge, rivals)
    estimate = None if sample is None else sample.estimate()
    kind = "trained on" if own else "independent"
    if estimate is None:
        return f"{judge.facts.name} ({kind}): its lead has no interval"
    interval = estimate.interval(LEVEL)
    lead = with_interval(100 * interval.mean, 100 * interval.low, 100 * interval.high, unit="%")
    return f"{judge.facts.name} ({kind}): perceptual ahead of the mean of {listed(rivals)} by {lead} of the span"


def _rows(evidence: Evidence, space: str, judges: Sequence[Measured], rivals: Sequence[str]) -> list[DifferenceRow]:
    found = [evidence.between(name, space, "perceptual", rival) for name in own_names(judges) for rival in rivals]
    return [row for row in found if row is not None]


def _encoder_note(evidence: Evidence, independent: Sequence[Measured]) -> str:
    """Warn of a judge that shares its network with the colorizer's own encoder."""
    shared = [judge.facts.name for judge in independent if judge.facts.network == evidence.study.encoder]
    if not shared:
        return ""
    return (
        f" {listed(shared)} shares its network with the encoder of every colorizer here, which may favor any of them."
    )
