"""Verdicts on claims of the literature, from the data of one study.

C1, C2, C3 and C5 come from Ballester et al. (2022), "Analysis of Different Losses for Deep Learning Image
Colorization", arXiv 2204.02980. C4 comes from its companion, "Influence of Color Spaces for Deep Learning Image
Colorization", arXiv 2204.02850. The criteria are this project's:

- **C1**, the perceptual objective is better under most metrics. It wins a metric if it is significantly better (Holm)
  than each of `l1`, `l2` and `wgan_l2` in the study. Metrics over the network it was trained on do not count, nor do
  metrics that have no better side or repeat another one (`evidence.NOT_COUNTED`). Supported if it wins more than half,
  and among them at least one of `OTHER_KINDS` if these were measured, because LPIPS distances share their form and
  their human data. Contradicted if a rival wins more than half, or if it is significantly worse than some rival under
  more than half.
- **C2**, `wgan_l2` and `perceptual` give more vivid colors than `l1` and `l2`. Supported if each is significantly
  higher than both in colorfulness and in mean chroma, contradicted if one is significantly lower.
- **equivalence**, the objectives make no practical difference. Supported if every pair is equivalent under every
  metric, contradicted if some pair differs by more than the margin after Holm's correction over all pairs and metrics.
  A pair without a value, such as one whose runs are not finished, is undecided.
- **C3** and **C5** need people's votes.

C4 is in `claims_spaces`, and C6 (metric and objective share a network) in `claims_confound`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.core.wording import listing, plural
from chromalab.evaluation.paired_tests import ALPHA
from chromalab.stats.significance import holm
from chromalab.studies.analysis.claims_confound import confound_claim
from chromalab.studies.analysis.claims_spaces import space_claim
from chromalab.studies.analysis.differences import MARGIN, enough
from chromalab.studies.analysis.evidence import (
    RIVALS,
    Evidence,
    Wins,
    count_wins,
    describe,
    how_far,
    is_significant,
    not_tested,
    percent,
    undecided_without_data,
    with_interval,
)
from chromalab.studies.records import ClaimRow, DifferenceRow, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

C1 = "An objective trained on a perceptual distance is better under most metrics"
C2 = "wgan_l2 and perceptual give more vivid colors than l1 and l2"
C3 = "Metrics and people rank the objectives differently"
C5 = "Metrics are not a substitute for human judgment"
EQUIVALENCE = "The choice of the objective makes no practical difference"
NEEDS_PEOPLE = (
    "it needs people's votes on pairs of images; collect them with 'chromalab survey create "
    "preference --from-compare STUDY --out SURVEY'"
)

OTHER_KINDS = ("ms_ssim", "delta_e_2000", "color_perceptual")
"""Metrics that share neither form nor human data with the LPIPS distances that `perceptual` is trained on."""

VIVID = ("wgan_l2", "perceptual")
PALE = ("l1", "l2")
VIVIDNESS = ("colorfulness", "chroma")


def claim_rows(evidence: Evidence) -> list[ClaimRow]:
    """Return the verdict on every claim: once per color space for claims about objectives, once for the others."""
    rows: list[ClaimRow] = []
    for space in evidence.study.color_spaces:
        rows += [most_metrics(evidence, space), vivid_colors(evidence, space), confound_claim(evidence, space)]
        rows.append(no_practical_difference(evidence, space))
    rows += [
        not_tested("C3", C3, NEEDS_PEOPLE),
        space_claim(evidence),
        not_tested("C5", C5, NEEDS_PEOPLE),
    ]
    return sorted(rows, key=lambda row: (row.id, row.color_space))


def most_metrics(evidence: Evidence, space: str) -> ClaimRow:
    """Test C1: the perceptual objective wins more than half of the metrics."""
    rivals = evidence.rivals
    if "perceptual" not in evidence.objectives or not rivals:
        missing = "perceptual" if rivals else listing(["perceptual", *RIVALS], "or")
        return not_tested("C1", C1, f"the study has no objective named {missing}", space)
    trained_on = evidence.objective("perceptual").judges_trained_on
    wins = count_wins(evidence, space, ["perceptual", *rivals], skip=trained_on)
    verdict, alone = _unless_alone(_most(wins), wins)
    verdict, opening = undecided_without_data(verdict, wins.rows)
    return ClaimRow(
        id="C1",
        claim=C1,
        color_space=space,
        verdict=verdict,
        summary=opening + alone + _most_summary(wins, rivals, skipped=trained_on),
        how_far=how_far(evidence, wins.rows, perceptual=True)
        + " Metrics overlap in what they measure, so their wins are not independent votes.",
        flips_when=_most_flips(verdict, wins),
        evidence=[describe(row) for row in wins.rows],
    )


def _most(wins: Wins) -> Verdict:
    half = len(wins.metrics) / 2
    if len(wins.won["perceptual"]) > half:
        return "supported"
    another = any(len(won) > half for name, won in wins.won.items() if name != "perceptual")
    return "contradicted" if another or len(wins.beaten) > half else "undecided"


def _most_flips(verdict: Verdict, wins: Wins) -> str:
    """Return what would have to be found for another verdict on C1."""
    needed, total = len(wins.metrics) // 2 + 1, len(wins.metrics)
    won, beaten = len(wins.won["perceptual"]), len(wins.beaten)
    other = max((len(names) for name, names in wins.won.items() if name != "perceptual"), default=0)
    ways = {
        "supported": f"perceptual won {needed} of {total} metrics (now {won})",
        "contradicted": f"another objective won {needed} of them (now {other}), or perceptual were worse than a rival "
        f"under {needed} (now {beaten})",
    }
    return _ways(ways, verdict)


def _ways(ways: Mapping[str, str], verdict: Verdict) -> str:
    """Return the conditions of the verdicts that a claim does not have."""
    found = [f"{name} if {condition}" for name, condition in ways.items() if name != verdict]
    return f"It would be {'; '.join(found)}."


def _unless_alone(verdict: Verdict, wins: Wins) -> tuple[Verdict, str]:
    """Withhold the verdict if `perceptual` wins under none of the measured metrics of `OTHER_KINDS`."""
    measured = [name for name in OTHER_KINDS if name in wins.metrics]
    if verdict != "supported" or not measured or set(measured) & set(wins.won["perceptual"]):
        return verdict, ""
    return "undecided", f"Won, but not under {listing(measured, 'or')}, which are metrics of another kind. "


def _most_summary(wins: Wins, rivals: Sequence[str], skipped: Sequence[str]) -> str:
    if not wins.metrics:
        return "No metric has values for all of " + listing(["perceptual", *rivals]) + " yet."
    won = wins.won["perceptual"]
    each, any_of = ("each of ", "at least one of them") if len(rivals) > 1 else ("", "it")
    counts = (
        f"perceptual is significantly better than {each}{listing(rivals)} under {len(won)} of "
        f"{plural(len(wins.metrics), 'metric')}{_named(won)}, and worse than {any_of} under {len(wins.beaten)}"
        f"{_named(wins.beaten)}."
    )
    parts = [counts]
    parts += [
        f"{name} wins {len(names)}{_named(names)}." for name, names in wins.won.items() if names and name in rivals
    ]
    clearest = min(wins.rows, key=lambda row: (row.p_holm if row.p_holm is not None else 2.0, row.metric))
    parts.append(f"The clearest comparison: {describe(clearest)}.")
    if skipped:
        parts.append(f"Not counted, as perceptual was trained on the same network: {listing(skipped)}.")
    return " ".join(parts)


def _named(names: Sequence[str]) -> str:
    return f" ({', '.join(names)})" if names else ""


def vivid_colors(evidence: Evidence, space: str) -> ClaimRow:
    """Test C2: both vivid objectives are above both pale ones in colorfulness and chroma."""
    absent = [name for name in (*VIVID, *PALE) if name not in evidence.objectives]
    if absent:
        return not_tested("C2", C2, f"the study has no objective named {listing(absent, 'or')}", space)
    rows = [
        row
        for metric in VIVIDNESS
        for vivid in VIVID
        for pale in PALE
        if (row := evidence.between(metric, space, vivid, pale)) is not None
    ]
    if not rows:
        return not_tested("C2", C2, f"no finished run has {listing(VIVIDNESS, 'or')}", space)
    verdict, opening = undecided_without_data(_vivid(rows), rows)
    higher, lower = _significant(rows, 1), _significant(rows, -1)
    summary = (
        f"{len(higher)} of {plural(len(rows), 'comparison')} find the vivid objective significantly higher, "
        f"{len(lower)} significantly lower."
    )
    return ClaimRow(
        id="C2",
        claim=C2,
        color_space=space,
        verdict=verdict,
        summary=" ".join([opening + summary, *(_contrast(evidence, metric, space) for metric in VIVIDNESS)]).strip(),
        how_far=how_far(evidence, rows, perceptual=True) + " More vivid colors need not be closer to the truth.",
        flips_when=_ways(
            {
                "supported": f"all {len(rows)} comparisons were significantly higher (now {len(higher)})",
                "contradicted": f"one of them were significantly lower (now {len(lower)})",
            },
            verdict,
        ),
        evidence=[_higher_or_lower(row) for row in rows],
    )


def _vivid(rows: Sequence[DifferenceRow]) -> Verdict:
    if len(_significant(rows, 1)) == len(VIVIDNESS) * len(VIVID) * len(PALE):
        return "supported"
    return "contradicted" if _significant(rows, -1) else "undecided"


def _significant(rows: Sequence[DifferenceRow], sign: int) -> list[DifferenceRow]:
    return [row for row in rows if is_significant(row) and row.mean is not None and row.mean * sign > 0]


def _contrast(evidence: Evidence, metric: str, space: str) -> str:
    """Return a sentence on the mean of the vivid objectives minus that of the pale ones, and on the ground truth."""
    measured = evidence.metric(metric, space)
    weights = dict.fromkeys(VIVID, 0.5) | dict.fromkeys(PALE, -0.5)
    sample = None if measured is None else measured.paired(weights)
    if measured is None or sample is None or (estimate := sample.estimate()) is None:
        return ""
    interval = estimate.interval()
    truth = measured.mean("truth")
    beside = "" if truth is None else f"; the photos themselves have {truth:.3g}"
    mean = with_interval(interval.mean, interval.low, interval.high)
    return f"{metric.capitalize()}, mean of both minus mean of l1 and l2: {mean}{beside}."


def _higher_or_lower(row: DifferenceRow) -> str:
    if row.mean is None or not is_significant(row):
        return describe(row.model_copy(update={"winner": None})).replace("no winner", "no significant difference")
    return describe(row).rsplit(":", 1)[0] + f": {row.first} {'higher' if row.mean > 0 else 'lower'}"


def no_practical_difference(evidence: Evidence, space: str) -> ClaimRow:
    """Test whether all objectives are equivalent, or whether some pair differs by more than the margin."""
    rows = evidence.rows(space)
    measured = [row for row in rows if row.mean is not None]
    if len(evidence.objectives) < 2 or not measured:
        why = "no two objectives have finished runs" if len(evidence.objectives) > 1 else "the study has one objective"
        return not_tested("equivalence", EQUIVALENCE, why, space)
    equivalent = [row for row in rows if row.equivalent == "supported"]
    different = _practically_different(rows)
    found: Verdict = "contradicted" if different else "supported" if len(equivalent) == len(rows) else "undecided"
    verdict, opening = undecided_without_data(found, rows)
    without = f", {len(rows) - len(measured)} of them without a value" if len(measured) < len(rows) else ""
    summary = (
        f"Of {plural(len(rows), 'comparison')} (pairs of objectives, metric by metric), {len(equivalent)} lie within "
        f"{MARGIN:.0%} of the span from the gray baseline to the best objective, {len(different)} lie beyond it, and "
        f"{len(rows) - len(equivalent) - len(different)} are undecided{without}."
    )
    largest = max((row for row in rows if row.span and row.is_span_clear), key=_share, default=None)
    return ClaimRow(
        id="equivalence",
        claim=EQUIVALENCE,
        color_space=space,
        verdict=verdict,
        summary=opening + summary + ("" if largest is None else f" The largest difference: {beside_span(largest)}."),
        how_far=how_far(evidence, rows),
        flips_when=_ways(
            {
                "supported": f"all {len(rows)} comparisons lay within the margin (now {len(equivalent)})",
                "contradicted": f"one lay beyond it after correction for all of them (now {len(different)})",
            },
            verdict,
        ),
        evidence=[beside_span(row) for row in sorted(measured, key=_share, reverse=True)],
    )


def _practically_different(rows: Sequence[DifferenceRow]) -> list[DifferenceRow]:
    """Return the comparisons whose interval lies beyond the margin, after Holm's correction over all of them.

    A single such pair contradicts a statement about all, so the correction covers all pairs and metrics at once.
    """
    corrected = holm([1.0 if row.p is None else row.p for row in rows])
    return [
        row
        for row, p in zip(rows, corrected, strict=True)
        if row.equivalent == "contradicted" and p < ALPHA and enough(row.n_seeds, row.n_photos)
    ]


def _share(row: DifferenceRow) -> float:
    """Return a difference as a share of the span, or 0 if the span is unknown or not clear."""
    return abs(row.mean) / row.span if row.mean is not None and row.span and row.is_span_clear else 0.0


def beside_span(row: DifferenceRow) -> str:
    """Return a difference in words, relative to the span from gray to the best objective and to the seed spread."""
    if row.mean is None:
        return describe(row)
    parts = [f"{row.metric}: {row.first} - {row.second} = {with_interval(row.mean, row.ci_low, row.ci_high)}"]
    if row.span and row.is_span_clear:
        share = _share(row)
        parts.append("more than the whole span" if share > 1 else f"{percent(100 * share)} of the span")
    if row.seed_sd:
        parts.append(f"{abs(row.mean) / row.seed_sd:.2g} times the standard deviation between seeds")
    return ", ".join(parts)
